import { token } from '../lib/api.js';
import { addListKeys, startDesk } from '../lib/desk.js';
import { eventWords, thing } from '../lib/history.js';
import { byID, html } from '../lib/html.js';
import { List } from '../lib/list.js';
import { when } from '../lib/words.js';
import { filter, orAll, showColumns, showFilters } from './filters.js';

/** @typedef {import('../lib/history.js').Event & { number: number }} Event */

const rows = byID('rows');

/** What happens to each kind of subject, as the API names it. */
const kinds = /** @type {Record<string, string>} */ ({
  partner: 'created updated status_changed changes_proposed changes_withdrawn changes_approved changes_rejected ' +
    'credential_added credential_changed credential_removed erased',
  referral: 'requested matched returned intro_sent connected closed cancelled reopened updated noted ' +
    'outcome_recorded unanswered',
  coverage: 'pinned unpinned status_changed', user: 'created updated erased', group: 'created updated',
  token: 'created revoked', message: 'resent cancelled', database: 'events_lost',
});
/** @param {string} kind */
const noun = (kind) => ({ referral: 'Request', user: 'Person' }[kind] ?? kind.charAt(0).toUpperCase() + kind.slice(1));

/** @param {Event} event */
const row = (event) => html`
  <tr>
    <td>${when(event.at)}</td>
    <td>${event.actor ? html`<a href=${address({ actor_id: event.actor.id })} title="Only what this person did">${
      event.actor.name}</a>` : 'Tomi'}</td>
    <td class="long"><span class="muted">${noun(event.subject.kind)}</span>
      ${' '}${thing(event.subject.kind, event.subject.id)}</td>
    <td class="long">${eventWords(event)}</td>
    <td><a href=${address({ subject_kind: event.subject.kind, subject_id: event.subject.id })}>Only this</a></td>
  </tr>`;

/** @param {Record<string, string>} query */
const address = (query) => `/desk/history?${new URLSearchParams(query)}`;

showColumns(rows, ['When', 'Who', 'About', 'What happened', '']);
showFilters(byID('filters'), [
  filter('About', 'subject_kind', orAll(Object.keys(kinds), noun)),
  filter('What happened', 'kind', orAll(
    Object.entries(kinds).flatMap(([kind, names]) => names.split(' ').map((name) => `${kind}.${name}`)),
    (value) => {
      const [kind, name] = value.split('.');
      return `${noun(kind)}: ${name === 'intro_sent' ? 'introduced' : name.replaceAll('_', ' ')}`;
    })),
]);

const list = new List({
  path: '/api/admin/events',
  query: { sort: '-number' },
  rows,
  row,
  key: (/** @type {Event} */ event) => String(event.number),
  noun: ['event', 'events'],
  filters: byID('filters'),
  scope: {
    place: byID('scope'),
    words: {
      actor_id: (id, thing) => ['by ', thing('user', id)],
      subject_id: (id, thing) => ['about ', thing(new URLSearchParams(location.search).get('subject_kind') ?? '', id)],
    },
  },
  summary: byID('summary'),
  every: 30,
  empty: (given) => (given.toString()
    ? html`<p>Nothing of that kind has happened. <a href="/desk/history">Show everything</a>.</p>`
    : 'Nothing has happened yet.'),
});

if (token()) list.load();
addListKeys(list);
await startDesk();
