/**
 * The frame of the desk: its places with what waits in each, and its keys.
 *
 * Importing it is not enough: {@link startDesk} shows the places and finds out who is signed in.
 * @module
 */
import { get } from './api.js';
import { byID, fill, html } from './html.js';
import { start } from './page.js';

/** @typedef {import('./api.js').Me} Me */
/** @typedef {import('./list.js').List} List */

// --- Places ---

/** The statuses in which a request still needs somebody. */
const open = 'pending,matched,intro_sent,connected';
const today = () => new Date().toISOString().slice(0, 10);

/**
 * The views of the queue. The name that the summary has for the number of each is a path in it.
 * @type {() => [words: string, query: string, number: (summary: any) => number | null][]}
 */
const views = () => [
  ['New', 'status=pending&sort=status_since', ({ by_status: count }) => count.pending],
  ['Mine', `status=${open}&assigned_to=me&sort=status_since`, () => null],
  ['Follow up', `status=${open}&follow_up_until=${today()}&sort=status_since`, (summary) => summary.follow_ups_overdue],
  ['Unanswered', 'status=intro_sent&in_status_days=3&sort=status_since',
    (summary) => summary.introductions_unanswered.over_3_days],
  ['Everything', '', () => null],
];

/** @type {[words: string, path: string, number: (summary: any) => number | null][]} */
const others = [
  ['Partners', '/desk/partners', (summary) => summary.changes_to_review],
  ['Coverage', '/desk/coverage', () => null],
  ['People', '/desk/people', () => null],
  ['Messages', '/desk/messages', () => null],
  ['History', '/desk/history', () => null],
  ['Overview', '/desk/overview', () => null],
];

/** What the number beside a place of the desk means, for the title of the link. */
const meaning = { Partners: 'with changes to review' };

/** @param {any} [summary] */
function showPlaces(summary) {
  const path = location.pathname.replace(/\/$/, '');
  const here = new URLSearchParams(location.search);
  const link = (/** @type {string} */ words, /** @type {string} */ address, /** @type {number | null} */ number,
    /** @type {boolean} */ isHere) => html`
      <a href=${address} aria-current=${isHere ? 'page' : null}>${words}
        ${number ? html`<span class="number">${number.toLocaleString('en-US')}<span class="hidden">
          ${meaning[/** @type {'Partners'} */ (words)] ?? 'requests'}</span></span>` : null}</a>`;
  const same = (/** @type {string} */ query) => {
    const [wanted, given] = [new URLSearchParams(query), new URLSearchParams(here)];
    wanted.sort();
    given.sort();
    return wanted.toString() === given.toString();
  };
  fill(byID('places'),
    views().map(([words, query, number]) =>
      link(words, query ? `/desk?${query}` : '/desk?sort=-created_at', summary ? number(summary) : null,
        path === '/desk' && same(query || 'sort=-created_at'))),
    html`<hr>`,
    others.map(([words, address, number]) =>
      link(words, address, summary ? number(summary) : null, `${path}s`.startsWith(address) || path === address)));
}

/** @returns {Promise<void>} */
async function countPlaces() {
  try {
    const { data } = await get('/api/admin/summary');
    showPlaces(data);
  } catch {
    // The numbers are a help. The page itself says what is wrong.
  }
}

/**
 * Shows the places of the desk and their numbers, now and each minute, and finds out who is signed in.
 * @returns {Promise<Me>} Not fulfilled for anyone but staff.
 */
export async function startDesk() {
  showPlaces();
  addEventListener('popstate', () => showPlaces());
  const me = /** @type {Me} */ (await start({ roles: ['staff'] }));
  await countPlaces();
  setInterval(() => document.visibilityState === 'visible' && countPlaces(), 60_000);
  return me;
}

/** Counts again what waits, after something was done. */
export const recount = countPlaces;

// --- Keys ---

/** @typedef {{ key: string, words: string, act: (event: KeyboardEvent) => void }} Key */

/** @type {Key[]} */
const keys = [
  {
    key: '/', words: 'Search',
    act: () => {
      const search = document.querySelector('input[type=search]');
      if (search instanceof HTMLInputElement) search.select();
      else location.assign('/desk?sort=-created_at#search');
    },
  },
  { key: '?', words: 'All keys', act: showKeys },
];

/**
 * Adds keys of the page. A key does nothing while somebody types, while a dialog is open, and with Ctrl, Alt or Meta.
 * @param {...Key} added One with a key that is there already replaces it.
 */
export function addKeys(...added) {
  for (const one of added) {
    const place = keys.findIndex(({ key }) => key === one.key);
    if (place >= 0) keys.splice(place, 1, one);
    else keys.splice(-2, 0, one);
  }
}

/**
 * The keys that move in a list.
 * @param {List} list
 */
export function addListKeys(list) {
  addKeys(
    { key: 'j', words: 'Next row', act: () => list.move(1) },
    { key: 'k', words: 'Previous row', act: () => list.move(-1) },
  );
}

function showKeys() {
  const dialog = /** @type {HTMLDialogElement} */ (html`
    <dialog aria-labelledby="keys-title" onclose=${() => dialog.remove()}>
      <h2 id="keys-title">Keys</h2>
      <dl class="keys">
        ${keys.map(({ key, words }) => [html`<dt><kbd>${key}</kbd></dt>`, html`<dd>${words}</dd>`])}
        <dt><kbd>Enter</kbd></dt><dd>Open the row</dd>
        <dt><kbd>Esc</kbd></dt><dd>Close, or go back</dd>
      </dl>
      <form method="dialog" class="actions"><button>Close</button></form>
    </dialog>`);
  document.body.append(dialog);
  dialog.showModal();
}

/** @param {EventTarget | null} target */
const isTyping = (target) =>
  target instanceof HTMLElement && (target.matches('select, textarea') ||
    (target instanceof HTMLInputElement && !['checkbox', 'radio', 'button'].includes(target.type)));

document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing || event.defaultPrevented) return;
  if (document.querySelector('dialog[open]')) return;
  if (isTyping(event.target)) {
    if (event.key === 'Escape') /** @type {HTMLElement} */ (event.target).blur();
    return;
  }
  const found = keys.find(({ key }) => key === event.key);
  if (!found) return;
  event.preventDefault();
  found.act(event);
});
