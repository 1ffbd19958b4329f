import { addListKeys, startDesk } from '../lib/desk.js';
import { eventWords, thing } from '../lib/history.js';
import { byID, fill, html } from '../lib/html.js';
import { List } from '../lib/list.js';
import { when } from '../lib/words.js';
import { filter, showColumns, showFilters } from './filters.js';

/** @typedef {import('../lib/history.js').Event & { number: number }} Event */

const rows = byID('rows');

/** What happens to each kind of subject, as the API names it. */
const kinds = /** @type {Record<string, string>} */ ({
  partner: 'created updated status_changed changes_proposed changes_withdrawn changes_approved changes_rejected ' +
    'credential_added credential_changed credential_removed erased',
  referral: 'requested matched returned intro_sent connected closed cancelled reopened updated noted outcome_recorded unanswered',
  coverage: 'pinned unpinned status_changed',
  user: 'created updated erased',
  group: 'created updated',
  token: 'created revoked',
  message: 'resent cancelled',
  database: 'events_lost',
});
const nouns = /** @type {Record<string, string>} */ ({ referral: 'request', user: 'person' });
/** @param {string} words */
const capital = (words) => words.charAt(0).toUpperCase() + words.slice(1);
/** @param {string} kind */
const noun = (kind) => nouns[kind] ?? kind;

/** @param {Event} event */
const row = (event) => html`
  <tr>
    <td>${when(event.at)}</td>
    <td>${event.actor ? html`<a href=${address({ actor_id: event.actor.id })} title="Only what this person did">${
      event.actor.name}</a>` : 'Tomi'}</td>
    <td class="long"><span class="muted">${capital(noun(event.subject.kind))}</span> ${thing(event.subject.kind, event.subject.id)}</td>
    <td class="long">${eventWords(event)}</td>
    <td><a href=${address({ subject_kind: event.subject.kind, subject_id: event.subject.id })}
      aria-label="All that happened to it">All of it</a></td>
  </tr>`;

/** @param {Record<string, string>} query */
const address = (query) => `/desk/history?${new URLSearchParams(query)}`;

/** Of one person or thing there is no filter to see, so that the page says it. */
function showScope() {
  const query = new URLSearchParams(location.search);
  const [subject, kind, actor] = ['subject_id', 'subject_kind', 'actor_id'].map((name) => query.get(name));
  fill(byID('scope'), (subject || actor) && html`
    <p class="notice note">Only what ${actor ? [thing('user', actor), ' did'] : 'happened'}${
      subject && [' to ', kind ? thing(kind, subject) : subject]}. <a href="/desk/history">Show everything</a></p>`);
}

const all = /** @type {[string, string]} */ (['', 'All']);
showColumns(rows, ['When', 'Who', 'To what', 'What', '']);
showFilters(byID('filters'), [
  filter('Of', 'subject_kind', [all, ...Object.keys(kinds).map((kind) => /** @type {[string, string]} */ ([kind, capital(noun(kind))]))]),
  filter('What', 'kind', [all, ...Object.entries(kinds).flatMap(([kind, names]) => names.split(' ').map((name) =>
    /** @type {[string, string]} */ ([`${kind}.${name}`, `${capital(noun(kind))}: ${
      name === 'intro_sent' ? 'introduced' : name.replaceAll('_', ' ')}`])))]),
]);

const list = new List({
  path: '/api/admin/events',
  query: { sort: '-number' },
  rows,
  row,
  key: (/** @type {Event} */ event) => String(event.number),
  noun: ['event', 'events'],
  filters: byID('filters'),
  summary: byID('summary'),
  every: 30,
  empty: (given) => (given.toString() ? html`<p>Nothing of that kind has happened. <a href="/desk/history">Show everything</a>.</p>`
    : 'Nothing has happened yet.'),
});

addEventListener('popstate', showScope);
showScope();
list.load();
addListKeys(list);
await startDesk();
