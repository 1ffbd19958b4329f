import { token } from '../lib/api.js';
import { addKeys, addListKeys, loaded, startDesk } from '../lib/desk.js';
import { byID, fill, html } from '../lib/html.js';
import { List } from '../lib/list.js';
import { show } from '../lib/page.js';
import { status, statusWords, statuses, when } from '../lib/words.js';
import { filter, orAll, showColumns, showFilters } from './filters.js';
import { kinds, kindWords } from './message-words.js';

const rows = byID('rows');
const detail = byID('detail');
const openID = () => new URLSearchParams(location.search).get('open') ?? '';

/**
 * The address with a message opened, or with none.
 * @param {string} id
 */
function address(id) {
  const query = new URLSearchParams(location.search);
  query.delete('open');
  if (id) query.set('open', id);
  return `?${query}`;
}

/**
 * Opens a message beside the list.
 * @param {string} id
 */
function open(id) {
  if (id !== openID()) history.pushState(history.state, '', address(id));
  showDetail(true);
}

/** @param {boolean} [moves] Whether the focus goes to the message. */
async function showDetail(moves = false) {
  const id = openID();
  for (const row of rows.querySelectorAll('tr[aria-current]')) row.removeAttribute('aria-current');
  list.row(id)?.setAttribute('aria-current', 'true');
  if (!id) return fill(detail, html`<p class="empty">Choose a message to read it here.</p>`);
  try {
    const { showMessage } = await loaded(import('./message.js'));
    const changed = (/** @type {any} */ message) => (list.row(message.id) ? list.update(message) : list.load());
    await showMessage(id, detail, { changed, open, isCurrent: () => id === openID() });
    if (moves) detail.focus();
  } catch (error) {
    show(error, detail, () => showDetail(moves));
  }
}

/** @param {any} message */
const row = (message) => html`
  <tr aria-current=${message.id === openID() ? 'true' : null}>
    <td class="long"><a href=${address(message.id)} onclick=${(/** @type {MouseEvent} */ event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      open(message.id);
    }}>${message.subject}</a></td>
    <td class="long">${message.to ?? html`<span class="muted">Nobody</span>`}</td>
    <td>${status('message', message.status)}</td>
    <td class="number">${when(message.sent_at ?? message.created_at)}</td>
  </tr>`;

showColumns(rows, ['Subject', 'To', 'Status', 'Sent or written'], 'Sent or written');
// The API knows whole addresses only, so that the list waits for the whole one.
const to = filter('To this address', 'to', 'search', {
  pattern: '\\s*\\S+@\\S+\\.\\S+\\s*', wrong: 'Write the whole address.',
});
to.addEventListener('input', (event) => event.stopPropagation());
showFilters(byID('filters'), [
  to,
  filter('Status', 'status', orAll(Object.keys(statuses.message), (value) => statusWords('message', value))),
  filter('Kind', 'kind', orAll(Object.keys(kinds), kindWords)),
]);

const list = new List({
  path: '/api/admin/messages',
  rows,
  row,
  key: (message) => message.id,
  noun: ['message', 'messages'],
  filters: byID('filters'),
  scope: {
    place: byID('scope'),
    words: {
      referral_id: (id, thing) => ['about ', thing('referral', id)],
      partner_id: (id, thing) => ['about ', thing('partner', id)],
    },
  },
  summary: byID('summary'),
  own: ['open'],
  every: 30,
  empty: (given) => {
    if (!given.toString()) return 'Nothing was sent yet. A request, an introduction or an invitation sends letters.';
    if (given.toString() === 'status=failed') return 'No message has failed.';
    const what = given.get('to') ? 'There is no message to exactly this address' : 'No message fits all of that';
    return html`<p>${what}. <a href="/desk/messages">Show all</a>.</p>`;
  },
});

addEventListener('popstate', () => showDetail());
if (token()) {
  // On narrow screens the message stands below the list.
  Promise.all([list.load(), showDetail()]).then(() => openID() && detail.focus());
}
addListKeys(list);
addKeys({
  key: 'Escape', words: '',
  act: () => {
    const row = list.row(openID());
    if (openID()) open('');
    row?.querySelector('a')?.focus();
  },
}, {
  key: 'r', words: 'To “Send again”',
  // Only that button is a main one.
  act: () => /** @type {HTMLElement | null} */ (detail.querySelector('button.main'))?.focus(),
});
await startDesk();
