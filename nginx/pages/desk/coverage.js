import { Problem, get, put, token } from '../lib/api.js';
import { addKeys, loaded, startDesk } from '../lib/desk.js';
import { byID, fill, fragment, html } from '../lib/html.js';
import { explain, show, toast } from '../lib/page.js';
import { count, stateChoices, states, status, statusWords, typeChoices, types } from '../lib/words.js';
import { choose, filter, showFilters } from './filters.js';

/**
 * @typedef {object} Coverage Of a type in a state.
 * @property {string} state_code
 * @property {string} partner_type
 * @property {string} status
 * @property {number} partner_count
 * @property {string | null} pinned_status
 */

/** @param {Coverage} coverage */
const keyOf = ({ state_code: code, partner_type: type }) => `${code}/${type}`;
/** @param {Coverage} coverage */
const nameOf = ({ state_code: code, partner_type: type }) => `${states[code]}, ${types[type].label}`;
/**
 * What people are told. They do not learn whether a place is planned.
 * @param {Coverage} coverage
 */
const told = ({ status: value }) => statusWords('coverage', value === 'available' ? value : 'coming_soon');
/** @param {string | null} pinned */
const pinWords = (pinned) => (pinned ? `pinned to ${statusWords('coverage', pinned)}` : 'not pinned');

// --- The table ---

const matrix = byID('matrix'), summary = byID('summary'), filters = byID('filters');
/** @type {Map<string, { coverage: Coverage, button: HTMLElement }>} */
const cells = new Map();

/**
 * Shows a place in its button, which stays, so that the focus does too.
 * @param {HTMLElement} button
 * @param {Coverage} coverage
 */
function fillCell(button, coverage) {
  const { status: value, partner_count: partners, pinned_status: pinned } = coverage;
  fill(button, status('coverage', value), html`<span class="number">${partners || ''}</span>`,
    pinned && html`<span class="tag">Pin</span>`);
  button.setAttribute('aria-label', `${nameOf(coverage)}: ${statusWords('coverage', value)}, ` +
    `${count(partners, 'active partner')}, ${pinWords(pinned)}`);
  cells.set(keyOf(coverage), { coverage, button });
}

/** @param {Coverage} coverage */
function cell(coverage) {
  const button = html`
    <button type="button" class="quiet" tabindex="-1" onclick=${() => openPlace(keyOf(coverage))}></button>`;
  fillCell(button, coverage);
  return button;
}

/** @param {Coverage[]} rows */
function showMatrix(rows) {
  cells.clear();
  const shownTypes = Object.keys(types).filter((type) => rows.some((row) => row.partner_type === type));
  /** @type {Map<string, Map<string, Coverage>>} */
  const byState = new Map();
  for (const row of rows) {
    const place = byState.get(row.state_code) ?? new Map();
    byState.set(row.state_code, place.set(row.partner_type, row));
  }
  const lines = [...byState].sort(([a], [b]) => states[a].localeCompare(states[b]));
  fill(matrix, rows.length ? html`
    <div class="scrolls">
      <table class="matrix" role="grid" aria-label="Coverage by state and type" onkeydown=${step} onfocusin=${rove}>
        <thead><tr>
          <th scope="col">State</th>
          ${shownTypes.map((type) => html`<th scope="col">${types[type].label}</th>`)}
        </tr></thead>
        <tbody>${lines.map(([code, place]) => html`<tr>
          <th scope="row">${states[code]}</th>
          ${shownTypes.map((type) => {
            const coverage = place.get(type);
            return html`<td>${coverage && cell(coverage)}</td>`;
          })}
        </tr>`)}</tbody>
      </table>
    </div>` : html`
    <p class="empty">Nothing here is ${query().get('pinned') === 'false' ? 'left to follow the number' : 'pinned'}.
      <a href="/desk/coverage">Show all states and types</a>.</p>`);
  matrix.querySelector('td button')?.setAttribute('tabindex', '0');
  tell();
}

function tell() {
  const all = [...cells.values()].map(({ coverage }) => coverage);
  const available = all.filter((one) => one.status === 'available').length;
  const pinned = all.filter((one) => one.pinned_status).length;
  summary.textContent = all.length ? `${count(all.length, 'place')}: ${available} available, ${pinned} pinned` : '';
}

/** The table is one stop of the Tab key; the arrow keys move in it. */
/** @param {FocusEvent} event */
function rove({ target }) {
  matrix.querySelector('[tabindex="0"]')?.setAttribute('tabindex', '-1');
  /** @type {HTMLElement} */ (target).setAttribute('tabindex', '0');
}

/** @type {Record<string, [down: number, right: number]>} */
const arrows = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

/** @param {KeyboardEvent} event */
function step(event) {
  const arrow = arrows[event.key];
  if (!arrow) return;
  event.preventDefault();
  move(...arrow);
}

/**
 * Moves the focus to the next place in a direction.
 * @param {number} down
 * @param {number} right
 */
function move(down, right) {
  const first = matrix.querySelector('td [tabindex="0"]');
  const from = document.activeElement?.closest('td');
  const table = /** @type {HTMLTableElement | null} */ (matrix.querySelector('table'));
  if (!from || !table) return /** @type {HTMLElement | null} */ (first)?.focus();
  let row = /** @type {HTMLTableRowElement} */ (from.parentElement).rowIndex, column = from.cellIndex;
  for (;;) {
    const next = table.rows[(row += down)]?.cells[(column += right)];
    if (!next || next instanceof HTMLTableCellElement && next.matches('thead *')) return;
    const button = next.querySelector('button');
    if (button) return button.focus();
    if (next.matches('th')) return;
  }
}

// --- One place ---

/**
 * Opens what can be pinned, beside its place in the table.
 * @param {string} key
 */
async function openPlace(key) {
  const button = /** @type {{ button: HTMLElement }} */ (cells.get(key)).button;
  const place = html`<div class="stack"></div>`;
  const dialog = /** @type {HTMLDialogElement} */ (html`
    <dialog class="pin" aria-labelledby="pin-title" onclose=${() => dialog.remove()}>${place}</dialog>`);
  try {
    const answer = await get(`/api/admin/coverage/${key}`);
    if (document.querySelector('dialog[open]')) return;
    fillCell(button, answer.data);
    fill(place, choices(answer.data, answer.etag, dialog));
  } catch (error) {
    fill(place, html`<h2 id="pin-title">This place could not be read</h2>`, html`<div></div>`, closing(dialog));
    show(error, place.children[1], () => {
      dialog.close();
      openPlace(key);
    });
  }
  document.body.append(dialog);
  dialog.showModal();
  new ResizeObserver(() => putBeside(dialog, button)).observe(dialog);
  /** @type {HTMLElement | null} */ (dialog.querySelector('[aria-pressed=true]'))?.focus();
}

/**
 * Puts a dialog below a button, or where there is room for all of it. On a phone it stays in the middle.
 * @param {HTMLElement} dialog
 * @param {HTMLElement} button
 */
function putBeside(dialog, button) {
  if (innerWidth <= 600) return;
  const { left, bottom } = button.getBoundingClientRect();
  dialog.style.margin = '0';
  dialog.style.left = `${Math.max(16, Math.min(left, innerWidth - dialog.offsetWidth - 16))}px`;
  dialog.style.top = `${Math.max(16, Math.min(bottom + 4, innerHeight - dialog.offsetHeight - 16))}px`;
}

/** @param {HTMLDialogElement} dialog */
const closing = (dialog) => html`
  <div class="actions"><button type="button" class="quiet" onclick=${() => dialog.close()}>Close</button></div>`;

/**
 * @param {Coverage} coverage
 * @param {string | null} etag
 * @param {HTMLDialogElement} dialog
 * @param {string} [news] What somebody else did.
 */
function choices(coverage, etag, dialog, news) {
  const { state_code: code, partner_type: type, partner_count: partners, pinned_status: pinned } = coverage;
  const trouble = html`<div></div>`;
  const choice = (/** @type {string | null} */ value, /** @type {string} */ words,
    /** @type {string} */ effect) => html`
    <button type="button" aria-pressed=${String(value === pinned)} onclick=${() => change(value)}>
      <span>${words} <span class="small effect">${effect}</span></span></button>`;
  /** @param {string | null} value */
  const change = async (value) => {
    if (value === pinned) return dialog.close();
    fill(trouble);
    try {
      const answer = await pin(coverage, value, etag);
      dialog.close();
      toast(`${nameOf(coverage)} is ${pinWords(value)}.`, {
        label: 'Undo', act: () => undo(answer.data, pinned, answer.etag),
      });
    } catch (error) {
      if (error instanceof Problem && error.status === 412) await reread();
      else show(error, trouble, () => change(value));
    }
  };
  const reread = async () => {
    try {
      const key = keyOf(coverage);
      const { whoChanged } = await loaded(import('./changed.js'));
      const [answer, who] = await Promise.all([get(`/api/admin/coverage/${key}`), whoChanged('coverage', key)]);
      const { button } = /** @type {{ button: HTMLElement }} */ (cells.get(key));
      fillCell(button, answer.data);
      const place = /** @type {Element} */ (dialog.firstElementChild);
      const news = `It was ${pinWords(pinned)}, and is ${pinWords(answer.data.pinned_status)} now.`;
      fill(place, choices(answer.data, answer.etag, dialog,
        `${who ?? 'Somebody changed this meanwhile.'} ${news} Nothing of yours was saved. Choose again.`));
      /** @type {HTMLElement} */ (place.querySelector('.notice')).focus();
    } catch (error) {
      show(error, trouble, reread);
    }
  };
  return fragment`
    <h2 id="pin-title">${nameOf(coverage)}</h2>
    ${news && html`<p class="notice bad" role="alert" tabindex="-1">${news}</p>`}
    <p>${partners ? html`<a href=${`/desk/partners?state=${code}&type=${type}&status=active`}>${
      count(partners, 'active partner')}</a>` : 'No active partner'}. People are told: ${
      told(coverage)}.</p>
    ${trouble}
    <div class="choices">
      ${choice(null, 'Follow the number of partners', 'Available while there is an active partner, else Coming soon.')}
      ${partners > 0 && choice('available', 'Pin to Available', 'It ends when the last active partner leaves.')}
      ${choice('coming_soon', 'Pin to Coming soon',
        'Nobody is proposed here, and the directory finds nobody by this state.')}
      ${choice('unavailable', 'Pin to Unavailable', 'The same. People read Coming soon; apps can tell the difference.')}
    </div>
    <p class="small muted">${!partners && 'Without an active partner, Available cannot be pinned. '}The public pages can
      take a minute.</p>
    ${closing(dialog)}`;
}

/**
 * @param {Coverage} coverage
 * @param {string | null} value
 * @param {string | null} etag
 */
async function pin(coverage, value, etag) {
  const answer = await put(`/api/admin/coverage/${keyOf(coverage)}`, { status: value }, { etag });
  const shown = cells.get(keyOf(coverage));
  if (shown) fillCell(shown.button, answer.data);
  tell();
  return answer;
}

/**
 * @param {Coverage} coverage
 * @param {string | null} value
 * @param {string | null} etag
 */
async function undo(coverage, value, etag) {
  try {
    await pin(coverage, value, etag);
    toast(`${nameOf(coverage)} is ${pinWords(value)} again.`);
  } catch (error) {
    const isChanged = error instanceof Problem && error.status === 412;
    toast(`This was not undone. ${isChanged ? 'Somebody has changed it meanwhile.' : explain(error)}`);
  }
}

// --- The page ---

/** What is chosen stands in the address, as the API's query. */
const query = () => new URLSearchParams(location.search);

let request = new AbortController();

/** @param {boolean} [isQuiet] Only shows what others have changed, in its place. */
async function load(isQuiet = false) {
  request.abort();
  const { signal } = (request = new AbortController());
  for (const select of filters.querySelectorAll('select')) choose(select, query().get(select.name) ?? '');
  if (!isQuiet) matrix.setAttribute('aria-busy', 'true');
  try {
    const { data } = await get('/api/admin/coverage', { query: query(), signal });
    if (!isQuiet) return showMatrix(data.data);
    for (const coverage of data.data) {
      const shown = cells.get(keyOf(coverage));
      if (shown && JSON.stringify(shown.coverage) !== JSON.stringify(coverage)) fillCell(shown.button, coverage);
    }
    tell();
  } catch (error) {
    if (error instanceof Problem && error.code === 'invalid_parameter') {
      return fill(matrix, html`
        <p class="notice bad" role="alert">The address of this page has something that does not exist.
          ${' '}<a href="/desk/coverage">Show all states and types</a></p>`);
    }
    // In vain and quiet, the next time will tell. What is shown stays.
    if (!isQuiet) show(error, matrix, load);
  } finally {
    if (!signal.aborted) matrix.removeAttribute('aria-busy');
  }
}

const refresh = () => document.visibilityState === 'visible' && cells.size && !matrix.hasAttribute('aria-busy') &&
  load(true);

filters.addEventListener('change', () => {
  const chosen = [...filters.querySelectorAll('select')].filter(({ value }) => value);
  const pairs = chosen.map(({ name, value }) => [name, value]);
  const text = new URLSearchParams(pairs).toString();
  history.pushState(null, '', text ? `?${text}` : location.pathname);
  load();
});
const all = /** @type {[string, string]} */ (['', 'All']);
showFilters(filters, [
  filter('State', 'state', [all, ...stateChoices]),
  filter('Profession', 'type', [all, ...typeChoices]),
  filter('Pins', 'pinned', [all, ['true', 'Pinned'], ['false', 'Not pinned']]),
]);
byID('what').hidden = false;
addEventListener('popstate', () => load());
document.addEventListener('visibilitychange', refresh);
setInterval(refresh, 30_000);
addKeys(
  { key: 'j', words: 'Next state', act: () => move(1, 0) },
  { key: 'k', words: 'Previous state', act: () => move(-1, 0) },
  { key: '/', words: 'Choose a state', act: () => filters.querySelector('select')?.focus() },
);
if (token()) load();
await startDesk();
