/**
 * The frame of the desk: its places with what waits in each, and its keys.
 *
 * Importing it is not enough: {@link startDesk} shows the places and finds out who is signed in.
 * @module
 */
import { Problem, get } from './api.js';
import { byID, fill, html } from './html.js';
import { start } from './page.js';
import { openStatuses, today } from './words.js';

/** @typedef {import('./api.js').Me} Me */
/** @typedef {import('./list.js').List} List */

// --- Places ---

const open = openStatuses.join();

/**
 * A view of the queue has a query. A list can have pages for its things, and another query for what waits in it, which
 * the number in {@link numbers} counts.
 * @typedef {{ words: string, path: string, query?: string, number?: string, noun?: string, waiting?: string,
 *   things?: string[] }} Place
 */

/** @type {() => (Place & { query: string })[]} */
const views = () => [
  { words: 'New', path: '/desk', query: 'status=pending&sort=status_since', number: 'pending' },
  { words: 'Mine', path: '/desk', query: `status=${open}&assigned_to=me&sort=status_since`, number: 'mine' },
  {
    words: 'Follow up', path: '/desk', query: `status=${open}&follow_up_until=${today()}&sort=status_since`,
    number: 'due',
  },
  {
    words: 'Unanswered', path: '/desk', query: 'status=intro_sent&in_status_days=3&sort=status_since',
    number: 'unanswered',
  },
  { words: 'Everything', path: '/desk', query: 'sort=-created_at' },
];

/** @type {Place[]} */
const lists = [
  {
    words: 'Partners', path: '/desk/partners', things: ['/desk/partner'], number: 'review',
    noun: 'with changes to review', waiting: 'pending_changes=true',
  },
  { words: 'Coverage', path: '/desk/coverage' },
  { words: 'People', path: '/desk/people', things: ['/desk/person', '/desk/group'] },
  { words: 'Messages', path: '/desk/messages', number: 'failed', noun: 'that failed', waiting: 'status=failed' },
  { words: 'History', path: '/desk/history' },
  { words: 'Overview', path: '/desk/overview' },
];

/**
 * What waits in the places, as of the last count.
 * @type {Record<string, number | string>}
 */
let numbers = {};
/** Only their lists can count some views. From so many requests on, their number is not exact. */
const most = 50;

/**
 * Shows the places, and which of them is this. A page whose address changes without another load calls it again.
 */
export function showPlaces() {
  const path = location.pathname.replace(/\/$/, '');
  const sorted = (/** @type {string} */ query) => {
    const pairs = new URLSearchParams(query);
    // Which row is open is not part of the view.
    pairs.delete('open');
    pairs.sort();
    return pairs.toString();
  };
  const here = sorted(location.search);
  const link = (/** @type {Place} */ place) => {
    const number = numbers[place.number ?? ''];
    const query = place.query ?? (number && place.waiting);
    const isHere = place.query ? path === place.path && sorted(place.query) === here
      : path === place.path || place.things?.includes(path);
    return html`
      <a href=${query ? `${place.path}?${query}` : place.path} aria-current=${isHere ? 'page' : null}>${place.words}
        ${number ? html`
          <span class="number">${number.toLocaleString('en-US')}
            <span class="hidden"> ${place.noun ?? 'requests'}</span></span>` : null}</a>`;
  };
  fill(byID('places'), views().map(link), html`<hr>`, lists.map(link));
  // On narrow screens they are one line that scrolls.
  const place = byID('places'), marked = place.querySelector('[aria-current]');
  if (marked instanceof HTMLElement && place.scrollWidth > place.clientWidth) {
    place.scrollLeft = marked.offsetLeft - (place.clientWidth - marked.offsetWidth) / 2;
  }
}

/** Counts again what waits, after something was done. */
export async function recount() {
  try {
    const [, mine, due] = views().map(({ query }) => new URLSearchParams(`${query}&limit=${most}`));
    const length = async (/** @type {URLSearchParams} */ query, path = '/api/admin/referrals') => {
      const { data } = await get(path, { query });
      return data.has_more ? `${most}+` : data.data.length;
    };
    const [{ data: summary }, ...lengths] =
      await Promise.all([get('/api/admin/summary'), length(mine), length(due),
        length(new URLSearchParams({ status: 'failed', limit: String(most) }), '/api/admin/messages')]);
    numbers = {
      pending: summary.by_status.pending, mine: lengths[0], due: lengths[1], failed: lengths[2],
      unanswered: summary.introductions_unanswered.over_3_days, review: summary.changes_to_review,
    };
    showPlaces();
  } catch {
    // The numbers are a help. The page itself says what is wrong.
  }
}

/**
 * Shows the places of the desk and finds out who is signed in. The numbers of what waits come by themselves, now and
 * each minute.
 * @returns {Promise<Me>} Not fulfilled for anyone but staff.
 */
export async function startDesk() {
  showPlaces();
  addEventListener('popstate', showPlaces);
  const me = /** @type {Me} */ (await start({ roles: ['staff'] }));
  recount();
  setInterval(() => document.visibilityState === 'visible' && recount(), 60_000);
  return me;
}

/**
 * A module that a first view does not need.
 * @template Module
 * @param {Promise<Module>} module
 * @returns {Promise<Module>}
 */
export const loaded = (module) => module.catch(() => {
  throw new Problem(0, 'network', 'Tomi could not be reached. Check your connection, and try again.');
});

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
 * The list of all keys leaves out those without words.
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

/** Lists all keys. */
export function showKeys() {
  import('./keys.js').then((module) => module.showKeys(keys), () => {});
}

/** @param {EventTarget | null} target */
const isTyping = (target) =>
  target instanceof HTMLElement && (target.matches('select, textarea') ||
    (target instanceof HTMLInputElement && !['checkbox', 'radio', 'button'].includes(target.type)));

document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing || event.defaultPrevented) return;
  if (document.querySelector('dialog[open]')) return;
  if (isTyping(event.target)) {
    if (event.key !== 'Escape') return;
    const target = /** @type {HTMLElement} */ (event.target);
    // A form closes with one press, and asks if it holds something. From a search, the first only leads out.
    const closes = target.closest('form:not([role=search])') && keys.some(({ key }) => key === 'Escape');
    if (!closes) return target.blur();
  }
  const found = keys.find(({ key }) => key === event.key);
  if (!found) return;
  event.preventDefault();
  found.act(event);
});
