/**
 * Lists whose address is the API's query: a bookmark is a saved view, and Back returns to the same rows.
 * @module
 */
import { Problem, get } from './api.js';
import { fill, html } from './html.js';
import { show } from './page.js';
import { count } from './words.js';

/** @typedef {import('./html.js').Child} Child */
/** @typedef {HTMLInputElement | HTMLSelectElement} Control Of a filter. Its `data-wrong` says what it needs. */

/**
 * @template Item
 * @typedef {object} ListOptions
 * @property {string} path Of the API.
 * @property {HTMLElement} rows What holds the rows: a `ul`, `ol` or `tbody`.
 * @property {(item: Item) => HTMLElement} row
 * @property {(item: Item) => string} key
 * @property {Child | ((query: URLSearchParams) => Child)} empty What to say, and to do, when there is nothing. A
 *   function gets the filters, of which there may be none.
 * @property {[one: string, many: string]} noun Such as `['partner', 'partners']`.
 * @property {HTMLElement} [filters] A form whose controls have the names of the query's parameters.
 * @property {import('./scope.js').Scope} [scope]
 * @property {HTMLElement} [summary] Where the number of rows stands. It should be a live region.
 * @property {Record<string, string>} [query] Parameters that are not in the address.
 * @property {string[]} [own] Parameters of the address that are the page's own, and not the API's.
 * @property {number} [every] Seconds after which it asks for what others have changed, while it is visible.
 * @property {(items: Item[]) => void} [loaded]
 */

const pageSize = 25;
const largestPage = 100;

/** @template [Item=any] */
export class List {
  /** @type {ListOptions<Item>} */ #options;
  /** @type {Map<string, { item: Item, text: string, row: HTMLElement }>} */ #shown = new Map();
  /** @type {string | null} */ #cursor = null;
  #abort = new AbortController();
  /** Whether the service does not know what the address asks for. Asking again does not help. */ #isRefused = false;
  #more = html`<button type="button" class="more" hidden onclick=${() => this.#next()}>Show more</button>`;
  #news = html`<button type="button" class="news" hidden onclick=${() => this.load()}></button>`;

  /** @param {ListOptions<Item>} options */
  constructor(options) {
    this.#options = options;
    const { rows, filters, every } = options;
    const block = rows.closest('table') ?? rows;
    block.before(this.#news);
    block.after(this.#more);
    history.scrollRestoration = 'manual';
    addEventListener('popstate', () => {
      this.#fillFilters();
      this.load();
    });
    addEventListener('pagehide', () => this.#remember());
    // Back may bring the page as it was left.
    addEventListener('pageshow', ({ persisted }) => persisted && this.load());
    if (filters instanceof HTMLFormElement) {
      filters.noValidate = true;
      filters.addEventListener('submit', (event) => {
        event.preventDefault();
        this.#filter('push');
      });
      filters.addEventListener('change', () => this.#filter('push'));
      /** @type {number | undefined} */
      let timer;
      filters.addEventListener('input', ({ target }) => {
        clearTimeout(timer);
        if (target instanceof HTMLInputElement) timer = setTimeout(() => this.#filter('replace'), 250);
      });
      this.#fillFilters();
    }
    if (every) {
      setInterval(() => document.visibilityState === 'visible' && this.refresh(), every * 1000);
      document.addEventListener('visibilitychange', () => document.visibilityState === 'visible' && this.refresh());
    }
  }

  /** The items that are shown, in order. */
  get items() {
    return [...this.#shown.values()].map(({ item }) => item);
  }

  /** The API's query, as the address has it. */
  get query() {
    const query = new URLSearchParams(location.search);
    for (const name of this.#options.own ?? []) query.delete(name);
    return query;
  }

  /**
   * Goes to another query, as a filter would.
   * @param {Record<string, string> | URLSearchParams} query
   * @param {'push' | 'replace'} [how]
   */
  go(query, how = 'push') {
    const next = new URLSearchParams(location.search);
    for (const name of [...next.keys()]) if (!this.#options.own?.includes(name)) next.delete(name);
    const pairs = query instanceof URLSearchParams ? query : Object.entries(query);
    for (const [name, value] of pairs) if (value) next.set(name, value);
    const text = next.toString().replaceAll('%2C', ',');
    if (text === location.search.slice(1).replaceAll('%2C', ',')) return;
    this.#remember();
    history[how === 'push' ? 'pushState' : 'replaceState'](null, '', text ? `?${text}` : location.pathname);
    this.#fillFilters();
    this.load();
  }

  /** Shows the list from its beginning, as many rows as there were when this address was left. */
  async load() {
    this.#abort.abort();
    const abort = (this.#abort = new AbortController());
    const { rows, empty } = this.#options;
    const { count: wanted = pageSize, y = 0 } = history.state ?? {};
    rows.setAttribute('aria-busy', 'true');
    this.#accept();
    this.#isRefused = false;
    this.#showScope();
    try {
      const { items, cursor } = await this.#read(wanted, abort.signal);
      this.#cursor = cursor;
      this.#shown.clear();
      this.#news.hidden = true;
      fill(rows, items.map((item) => this.#add(item)));
      if (!items.length) {
        const filters = this.query;
        filters.delete('sort');
        this.#say(typeof empty === 'function' ? empty(filters) : empty);
      }
      this.#tell();
      if (y) scrollTo(0, y);
    } catch (error) {
      if (abort.signal.aborted) return;
      this.#shown.clear();
      this.#more.hidden = true;
      const place = html`<div></div>`;
      this.#say(place);
      if (error instanceof Problem && error.code === 'invalid_parameter') {
        this.#isRefused = true;
        const { errors } = error;
        import('./refused.js').then(({ refuse }) => refuse(errors, this.#controls, this.query, place),
          () => show(error, place, () => this.load()));
      } else show(error, place, () => this.load());
    } finally {
      if (!abort.signal.aborted) rows.removeAttribute('aria-busy');
    }
  }

  /**
   * Asks for what others have changed. A row that changed is marked; one that does not belong here any more stays,
   * greyed; new ones wait behind a button, so that nothing moves under a hand.
   */
  async refresh() {
    if (this.#isRefused) return;
    if (!this.#shown.size) return this.load();
    let read;
    try {
      read = await this.#read(Math.max(this.#shown.size, pageSize), this.#abort.signal);
    } catch {
      return; // The next time will tell. What is shown stays.
    }
    const present = new Map(read.items.map((item) => [this.#options.key(item), item]));
    for (const [key, shown] of this.#shown) {
      const item = present.get(key);
      shown.row.classList.toggle('gone', !item);
      if (item && JSON.stringify(item) !== shown.text) this.update(item, 'changed');
    }
    const keys = [...present.keys()];
    let end = keys.length;
    // What follows the last row only moved up, because another one left.
    while (read.cursor && end && !this.#shown.has(keys[end - 1])) end--;
    const fresh = keys.slice(0, end || keys.length).filter((key) => !this.#shown.has(key)).length;
    this.#news.textContent = `${count(fresh, 'new row')}. Show`;
    this.#news.hidden = !fresh;
    this.#tell();
  }

  /**
   * Shows an item that is in the list as it is now.
   * @param {Item} item
   * @param {string} [mark] A class for its row.
   */
  update(item, mark) {
    const shown = this.#shown.get(this.#options.key(item));
    if (!shown) return;
    const hadFocus = shown.row.contains(document.activeElement);
    const old = shown.row;
    old.replaceWith(this.#add(item));
    const { row } = /** @type {{ row: HTMLElement }} */ (this.#shown.get(this.#options.key(item)));
    if (old.hasAttribute('aria-current')) row.setAttribute('aria-current', old.getAttribute('aria-current') ?? 'true');
    if (mark) row.classList.add(mark);
    if (hadFocus) focusIn(row);
  }

  /**
   * The row of an item.
   * @param {string} key
   */
  row(key) {
    return this.#shown.get(key)?.row ?? null;
  }

  /**
   * Moves the focus to the row so many after that which has it.
   * @param {number} step
   */
  move(step) {
    const rows = [...this.#shown.values()].map(({ row }) => row);
    const focused = rows.findIndex((row) => row.contains(document.activeElement));
    const present = focused >= 0 ? focused : rows.findIndex((row) => row.hasAttribute('aria-current'));
    const row = rows[Math.min(Math.max(present + step, 0), rows.length - 1)];
    if (row) focusIn(row);
  }

  /**
   * @param {number} wanted
   * @param {AbortSignal} signal
   */
  async #read(wanted, signal) {
    /** @type {Item[]} */
    const items = [];
    /** @type {string | null} */
    let cursor = null;
    do {
      const limit = Math.min(Math.max(wanted - items.length, pageSize), largestPage);
      /** @type {{ data: Item[], next_cursor: string | null }} */
      const page = await this.#page(limit, cursor, signal);
      items.push(...page.data);
      cursor = page.next_cursor;
    } while (cursor && items.length < wanted);
    this.#options.loaded?.(items);
    return { items, cursor };
  }

  /**
   * @param {number} limit
   * @param {string | null} cursor
   * @param {AbortSignal} signal
   * @returns {Promise<{ data: Item[], next_cursor: string | null }>}
   */
  async #page(limit, cursor, signal) {
    const query = { ...this.#options.query, ...Object.fromEntries(this.query), limit, cursor };
    return (await get(this.#options.path, { query, signal })).data;
  }

  async #next() {
    try {
      const page = await this.#page(pageSize, this.#cursor, this.#abort.signal);
      this.#cursor = page.next_cursor;
      const fresh = page.data.filter((item) => !this.#shown.has(this.#options.key(item)));
      const added = fresh.map((item) => this.#add(item));
      this.#options.rows.append(...added);
      if (added[0]) focusIn(added[0]);
      this.#tell();
    } catch (error) {
      show(error, undefined, () => this.#next());
    }
  }

  /** @param {Item} item */
  #add(item) {
    const row = this.#options.row(item);
    this.#shown.set(this.#options.key(item), { item, text: JSON.stringify(item), row });
    return row;
  }

  /**
   * Shows words in the place of the rows.
   * @param {Child} words
   */
  #say(words) {
    const { rows } = this.#options;
    const isTable = rows instanceof HTMLTableSectionElement;
    fill(rows, isTable ? html`<tr class="empty"><td colspan="99">${words}</td></tr>`
      : html`<li class="empty">${words}</li>`);
  }

  #showScope() {
    const { scope, noun } = this.#options;
    if (!scope) return;
    if (!Object.keys(scope.words).some((name) => this.query.get(name))) return fill(scope.place);
    import('./scope.js').then(({ showScope }) => showScope(this, noun[1], scope), () => {});
  }

  /** Takes back what was said at the filters. */
  #accept() {
    for (const control of this.#controls) {
      if (!control.getAttribute('aria-invalid')) continue;
      document.getElementById(`${control.id}-error`)?.remove();
      control.removeAttribute('aria-invalid');
      control.removeAttribute('aria-describedby');
    }
  }

  /** @returns {Control[]} */
  get #controls() {
    const form = this.#options.filters;
    return /** @type {Control[]} */ ([...form?.querySelectorAll('input[name], select[name]') ?? []]);
  }

  #tell() {
    this.#more.hidden = !this.#cursor;
    const { summary, noun } = this.#options;
    if (!summary) return;
    const present = [...this.#shown.values()].filter(({ row }) => !row.classList.contains('gone')).length;
    const number = count(present, ...noun);
    summary.textContent = !present ? `No ${noun[1]}` : this.#cursor ? `The first ${number}` : number;
  }

  /** @param {'push' | 'replace'} how */
  #filter(how) {
    const form = /** @type {HTMLFormElement} */ (this.#options.filters);
    const query = this.query;
    // What is not whole yet is not asked for.
    const half = this.#controls.filter((control) => 'wrong' in control.dataset && !control.checkValidity());
    this.#accept();
    if (half.length) return import('./refused.js').then(({ mark }) => half.forEach(mark), () => {});
    for (const control of form.elements) query.delete(control.getAttribute('name') ?? '');
    /** @type {Map<string, string[]>} */
    const values = new Map();
    for (const [name, value] of new FormData(form)) {
      if (typeof value === 'string' && value.trim()) values.set(name, [...(values.get(name) ?? []), value.trim()]);
    }
    for (const [name, list] of values) query.set(name, list.join(','));
    this.go(query, how);
  }

  #fillFilters() {
    const form = this.#options.filters;
    if (!(form instanceof HTMLFormElement)) return;
    const query = this.query;
    for (const control of form.elements) {
      const name = control.getAttribute('name');
      if (!name || control === document.activeElement) continue;
      const values = query.get(name)?.split(',') ?? [];
      if (control instanceof HTMLInputElement && ['checkbox', 'radio'].includes(control.type)) {
        control.checked = values.length ? values.includes(control.value) : control.type === 'radio' && !control.value;
      } else if (control instanceof HTMLSelectElement && control.multiple) {
        for (const option of control.options) option.selected = values.includes(option.value);
      } else if (control instanceof HTMLInputElement || control instanceof HTMLSelectElement) {
        const value = query.get(name) ?? '';
        control.value = value;
        // What no option has is still what is chosen.
        if (control instanceof HTMLSelectElement && control.value !== value) {
          const words = values.map((one) => [...control.options].find((option) => option.value === one)?.text);
          const text = words.every(Boolean) ? words.join(', ') : `${value} (unknown)`;
          control.add(new Option(text, value, false, true));
        }
      }
    }
  }

  #remember() {
    history.replaceState({ ...history.state, count: this.#shown.size || pageSize, y: scrollY }, '');
  }
}

/** @param {HTMLElement} row */
function focusIn(row) {
  const target = row.matches('a, button, [tabindex]') ? row : row.querySelector('a, button, [tabindex]');
  if (target instanceof HTMLElement) target.focus();
}
