import { token } from '../lib/api.js';
import { byID, fill, fragment, html } from '../lib/html.js';
import { List } from '../lib/list.js';
import { needFacts } from '../lib/need.js';
import { startPortal } from '../lib/portal.js';
import { outcomes, states, status, statusWords, types, when } from '../lib/words.js';

/**
 * An introduction, as its partner sees it.
 * @typedef {object} Introduction
 * @property {string} id
 * @property {string} partner_type
 * @property {string} status
 * @property {string} status_since
 * @property {import('../lib/need.js').Need} context
 * @property {string} intro_sent_at
 * @property {string | null} outcome
 * @property {{ id: string, name: string }} group
 * @property {{ name: string, email: string } | null} contact
 */

/** @param {Introduction} introduction */
function row({ id, partner_type: type, status: now, status_since: since, context, intro_sent_at: at, outcome, group,
  contact }) {
  const isWaiting = now === 'intro_sent';
  return html`
    <li class="card" tabindex="-1">
      <div class="spread"><h2>${group.name}</h2>${status('referral', now)}</div>
      <p>${types[type].label}${context.state ? ` in ${states[context.state]}` : ', state not decided'},
        introduced ${when(at)}${
        !isWaiting && fragment`, ${statusWords('referral', now).toLowerCase()} ${when(since)}`}.
        ${outcome && ` ${outcomes[outcome]}.`}</p>
      ${contact ? html`<p>${contact.name}, <a href=${`mailto:${contact.email}`}>${contact.email}</a></p>`
        : html`<p class="muted">The contact is not shown any more: the request was cancelled, or the person has
          left.</p>`}
      <details><summary>What they need</summary><dl class="facts">${needFacts(context)}</dl></details>
      ${isWaiting && html`<p><a class="button" href=${`/portal#introduction-${id}`}>Answer</a></p>`}
    </li>`;
}

const filters = byID('filters');
/** @type {[value: string, words: string][]} */
const choices = [
  ['', 'All'], ['intro_sent', 'Wait for your answer'], ['connected', 'Connected'], ['closed', 'Closed'],
  ['cancelled', 'Cancelled'],
];
fill(filters, choices.map(([value, words]) => html`
  <label><input type="radio" name="status" value=${value}><span>${words}</span></label>`));
filters.hidden = false;
const list = new List({
  path: '/api/partners/me/referrals',
  rows: byID('introductions'),
  row,
  key: (/** @type {Introduction} */ introduction) => introduction.id,
  noun: ['introduction', 'introductions'],
  filters,
  summary: byID('summary'),
  empty: (query) => query.toString()
    ? html`<p>None of your introductions is like that. <a href="/portal/introductions">Show all</a></p>`
    : html`<p>Tomi has not introduced a group to you yet. When it does, you get a letter, and it stands here.</p>`,
});
if (token()) list.load();
await startPortal();
