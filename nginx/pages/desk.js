import { filter, showColumns, showFilters } from './desk/filters.js';
import { get, token } from './lib/api.js';
import { addKeys, addListKeys, loaded, recount, showKeys, showPlaces, startDesk } from './lib/desk.js';
import { byID, fill, fragment, html } from './lib/html.js';
import { List } from './lib/list.js';
import { show, toast } from './lib/page.js';
import {
  count, day, openStatuses, since, stateChoices, status, statuses, today, typeChoices, types,
} from './lib/words.js';

/** @typedef {import('./desk/referral.js').RequestView} RequestView */
/** @typedef {import('./desk/actions.js').Done} Done */
/**
 * @typedef {object} Referral
 * @property {string} id
 * @property {string} partner_type
 * @property {string} status
 * @property {string} status_since
 * @property {string | null} follow_up_on
 * @property {{ state: string | null }} context
 * @property {{ id: string, name: string }} group
 * @property {{ id: string, name: string } | null} assignee
 */

// --- The address: the view, and which row is open ---

const query = () => new URLSearchParams(location.search);
const openID = () => query().get('open');

/** A bare address is the view of what is new, and each view has an order. */
function completeAddress() {
  const given = query();
  const isBare = [...given.keys()].every((name) => name === 'open');
  if (isBare) given.set('status', 'pending');
  if (!given.get('sort')) given.set('sort', isBare ? 'status_since' : '-created_at');
  history.replaceState(history.state, '', `?${given.toString().replaceAll('%2C', ',')}${location.hash}`);
}
completeAddress();

/**
 * @param {string | null} id
 * @param {boolean} [isStep] Whether Back returns to the one that is open.
 */
function setOpen(id, isStep = false) {
  const next = query();
  if (id) next.set('open', id);
  else next.delete('open');
  const address = `?${next.toString().replaceAll('%2C', ',')}`;
  const state = { ...history.state, count: list.items.length, y: scrollY };
  // From one row to the next is no step of its own, so that Back leaves the request and not only the last one.
  if (id && (isStep || !openID())) {
    history.replaceState(state, '');
    history.pushState(state, '', address);
  } else history.replaceState(state, '', address);
}

// --- The rows ---

showColumns(byID('rows'), ['Waits', 'Group', 'Asks for', 'State', 'Status', 'Looked after by', 'Follow up'], 'Waits');

/**
 * What was done with a row, and when.
 * @type {Map<string, { words: string, at: number }>}
 */
const did = new Map();
/** How long a row says so, in milliseconds. */
const recently = 60_000;

/** @param {Referral} referral */
function row(referral) {
  const { id, partner_type: type, context: { state }, group, assignee, follow_up_on: date } = referral;
  const isOver = !openStatuses.includes(referral.status);
  const isDue = date && date <= today();
  const followUp = () => date && !isOver && (isDue
    ? html`<span class="status waiting"><span>Due ${day(date)}</span></span>` : day(date));
  const last = did.get(id);
  const line = [types[type].label, state, assignee?.name, followUp()].filter(Boolean);
  return html`
    <tr aria-current=${id === openID() ? 'true' : null} onclick=${(/** @type {MouseEvent} */ event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      open(id);
    }}>
      <td class="number">${since(referral.status_since)}</td>
      <td>
        <a href=${`/desk/referral?id=${id}`}>${group.name}</a>
        <p class="line small muted">${line.map((one, index) => [index > 0 && ' · ', one])}</p>
        ${last && Date.now() - last.at < recently && html`<p class="small did">${last.words}</p>`}
      </td>
      <td>${types[type].label}</td>
      <td>${state}</td>
      <td>${status('referral', referral.status)}</td>
      <td>${assignee?.name}</td>
      <td>${followUp()}</td>
    </tr>`;
}

/** @type {Record<string, import('./lib/html.js').Child>} */
const empty = {
  New: 'Nothing is new. What comes in next shows here by itself.',
  Mine: fragment`You look after no open request. Open a <a href="/desk">new</a> one, and press <kbd>a</kbd> to
    look after it.`,
  'Follow up': 'Nothing is to follow up today. Press f in a request to have it come back on a day.',
  Unanswered: 'Every partner has answered within 3 days.',
  Everything: 'There are no requests yet. Groups make them on their page.',
};

/** The name of the view, as its place in the desk has it. */
const viewName = () => document.querySelector('#places [aria-current]')?.firstChild?.textContent?.trim() ?? 'Requests';

const list = new List({
  path: '/api/admin/referrals',
  rows: byID('rows'),
  row,
  key: (/** @type {Referral} */ referral) => referral.id,
  noun: ['request', 'requests'],
  filters: fillFilters(),
  scope: {
    place: byID('scope'),
    words: {
      older_than_days: (days) => `made ${count(Number(days), 'day')} ago or earlier`,
      group_id: (id, thing) => ['of the group ', thing('group', id)],
      partner_id: (id, thing) => ['with ', thing('partner', id)],
      requested_by: (id, thing) => ['that ', thing('user', id), ' has made'],
    },
  },
  summary: byID('summary'),
  own: ['open'],
  every: 30,
  loaded: (items) => {
    showPlaces();
    byID('view').textContent = viewName();
    document.title = `${viewName()} – Tomi`;
    for (const { assignee } of items) if (assignee) addColleague(assignee);
  },
  empty: () => empty[viewName()] ??
    html`<p>No request fits all of that. <a href="/desk?sort=-created_at">Show everything</a>, or loosen a filter.</p>`,
});

// --- Filters ---

function fillFilters() {
  /** @type {(all: string, pairs: [value: string, words: string][]) => [value: string, words: string][]} */
  const choices = (all, pairs) => [['', all], ...pairs];
  const form = byID('filters');
  showFilters(form, [
    filter('Search', 'q', 'search'),
    filter('Status', 'status', choices('All', [
      [openStatuses.join(), 'Open'], ...Object.entries(statuses.referral).map(([value, [words]]) =>
        /** @type {[string, string]} */ ([value, words])),
    ])),
    filter('Asks for', 'partner_type', choices('All', typeChoices)),
    filter('State', 'state', choices('All', stateChoices)),
    filter('Looked after by', 'assigned_to', choices('Anyone', [['me', 'You'], ['none', 'Nobody']])),
    filter('Follow up until', 'follow_up_until', 'date'),
    filter('In this status', 'in_status_days', choices('Any time',
      [1, 3, 7, 14, 30].map((days) => [String(days), `${count(days, 'day')} or more`]))),
    filter('Order', 'sort', [
      ['-created_at', 'Newest first'], ['created_at', 'Oldest first'], ['status_since', 'Longest wait'],
      ['-status_since', 'Shortest wait'], ['-updated_at', 'Last changed'],
    ]),
  ]);
  const days = query().get('in_status_days') ?? '';
  if (/^\d+$/.test(days)) addOption('in_status_days', days, `${count(Number(days), 'day')} or more`);
  return form;
}

/**
 * Adds somebody of staff to the filter. The person who is signed in is there as "You".
 * @param {{ id: string, name: string }} person
 */
async function addColleague({ id, name }) {
  const { id: mine } = await me;
  if (id !== mine || query().get('assigned_to') === id) addOption('assigned_to', id, name);
}

/**
 * Adds an option to a filter that does not have it, or gives it its words.
 * @param {string} name
 * @param {string} value
 * @param {string} words
 */
function addOption(name, value, words) {
  const select = document.getElementById(`filter-${name}`);
  if (!(select instanceof HTMLSelectElement)) return;
  const present = [...select.options].find((option) => option.value === value);
  if (!present) select.add(new Option(words, value));
  else if (/\(unknown\)$/.test(present.text)) present.text = words;
}

const search = /** @type {HTMLDetailsElement} */ (byID('search'));
const isWide = matchMedia('(min-width: 801px)');
const unfold = () => (search.open = isWide.matches);
isWide.addEventListener('change', unfold);
unfold();

function focusSearch() {
  search.open = true;
  /** @type {HTMLInputElement} */ (byID('filter-q')).select();
}

// --- The open request ---

const detail = byID('detail');
/** @type {RequestView | null} */
let view = null;
const me = startDesk();

/** Shows the request that the address names, or none. */
async function showOpen() {
  const id = openID();
  if (view && view.id === id) return true;
  if (view && !(await view.close())) return false;
  view = null;
  for (const { id: other } of list.items) {
    const element = list.row(other);
    if (other === id) element?.setAttribute('aria-current', 'true');
    else element?.removeAttribute('aria-current');
  }
  if (!id) {
    fill(detail, html`
      <div class="hints muted">
        <p>Open a request to see all of it here.</p>
        <p class="small"><kbd>j</kbd> <kbd>k</kbd> move, <kbd>Enter</kbd> opens, <kbd>?</kbd> lists all keys.</p>
      </div>`);
    return true;
  }
  try {
    const { RequestView } = await loadDetail();
    if (openID() === id) view = new RequestView(detail, id, { me, changed, close });
  } catch (error) {
    show(error, detail, showOpen);
  }
  return true;
}

/** @type {Promise<typeof import('./desk/referral.js')> | undefined} */
let loading;
function loadDetail() {
  loading ??= loaded(import('./desk/referral.js'));
  loading.then(({ addRequestKeys }) => addRequestKeys(atHand), () => (loading = undefined));
  return loading;
}

/**
 * @param {string} id
 * @param {boolean} [isStep]
 */
async function open(id, isStep) {
  const before = openID();
  setOpen(id, isStep);
  if (!(await showOpen())) return setOpen(before);
  const opened = view;
  await opened?.ready;
  if (!opened || opened !== view) return;
  if (!opened.isEditing) opened.focus();
  // On narrow screens it stands below the list.
  if (detail.getBoundingClientRect().top > innerHeight / 2) detail.scrollIntoView();
}

async function close() {
  const id = openID();
  setOpen(null);
  if (!(await showOpen())) return setOpen(id);
  if (id) list.row(id)?.querySelector('a')?.focus();
}

/** The request that a key is for: the row that has the focus, else the one that is open. */
async function atHand() {
  const focused = document.activeElement?.closest('#rows tr');
  const id = list.items.find((one) => focused && list.row(one.id) === focused)?.id;
  if (id && id !== view?.id) await open(id);
  return view;
}

/** Counts what was changed: what comes after a change is given up when another follows. */
let turns = 0;

/**
 * @param {RequestView} changedView
 * @param {Done | null} done
 */
function changed({ id, referral }, done) {
  const turn = ++turns;
  if (done) did.set(id, { words: done.words, at: Date.now() });
  const { timeline, ...item } = referral;
  list.update(item, 'changed');
  if (!done) return;
  list.refresh();
  recount();
  if (id !== view?.id) open(id);
  else if (done.isOver) {
    const isWanted = () => turn === turns && view?.id === id && !view.isEditing;
    // Without a network the request that is done just stays.
    import('./desk/rest.js').then(({ afterRest }) => afterRest(detail, isWanted, () => openNext(id)), () => {});
  }
}

/**
 * Opens the row after the one that is done: the first that nothing was done with yet.
 * @param {string} id
 */
function openNext(id) {
  const place = list.items.findIndex((one) => one.id === id);
  const others = [...list.items.slice(place + 1), ...list.items.slice(0, Math.max(place, 0))];
  const next = others.find((one) => !did.has(one.id) && !list.row(one.id)?.classList.contains('gone'));
  if (!next) return;
  toast(`Next: ${next.group.name}`);
  open(next.id, true);
}

addEventListener('popstate', async () => {
  did.clear();
  await showOpen();
});
addKeys({ key: '/', words: 'Search', act: focusSearch }, {
  // Those of a request are part of its module.
  key: '?', words: 'All keys', act: () => loadDetail().then(showKeys, showKeys),
});
addListKeys(list);
// Keys may act on a row that is not open yet.
byID('rows').addEventListener('focusin', () => loadDetail().catch(() => {}), { once: true });
for (const id of ['search', 'split']) byID(id).hidden = false;
async function load() {
  await list.load();
  if (location.hash === '#search') focusSearch();
  const id = openID();
  if (id) list.row(id)?.scrollIntoView({ block: 'nearest' });
  try {
    const { data } = await get('/api/admin/users', { query: { staff: true, disabled: false, limit: 100 } });
    data.data.forEach(addColleague);
  } catch {
    // Without them the filter still knows "You" and "Nobody".
  }
}
if (token()) {
  load();
  showOpen();
}
await me;
