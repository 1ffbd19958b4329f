/**
 * The filters of the desk's lists. They do without `lib/form.js`, so that a list's first view is small.
 * @module
 */
import { fill, html } from '../lib/html.js';

/**
 * A filter with its label, named as the API's parameter.
 * @param {string} label
 * @param {string} name
 * @param {[value: string, words: string][] | string} choices Of a `select`, or the `type` of an `input`.
 * @param {{ pattern?: string, wrong?: string }} [needs] What a whole value looks like, and the words that ask for it.
 */
export function filter(label, name, choices, needs = {}) {
  const { pattern, wrong } = needs;
  const id = `filter-${name}`;
  return html`
    <div class="field">
      <label for=${id}>${label}</label>
      ${typeof choices === 'string'
        ? html`<input id=${id} name=${name} type=${choices} autocomplete="off" pattern=${pattern}
          data-wrong=${wrong}>`
        : html`<select id=${id} name=${name}>${choices.map(([value, words]) =>
          html`<option value=${value}>${words}</option>`)}</select>`}
    </div>`;
}

/**
 * The choices of a filter: all, or one of these.
 * @param {string[]} values
 * @param {(value: string) => string} words
 * @returns {[value: string, words: string][]}
 */
export const orAll = (values, words) =>
  [['', 'All'], ...values.map((value) => /** @type {[string, string]} */ ([value, words(value)]))];

/**
 * Shows the filters.
 * @param {HTMLElement} form
 * @param {HTMLElement[]} filters
 */
export function showFilters(form, filters) {
  fill(form, filters);
  form.hidden = false;
}

/**
 * Sets a filter, to what it does not know too.
 * @param {HTMLSelectElement} select
 * @param {string} value
 */
export function choose(select, value) {
  select.value = value;
  if (select.value !== value) select.add(new Option(`${value} (unknown)`, value, false, true));
}

/**
 * The heads of a table's columns.
 * @param {HTMLElement} rows Its `tbody`.
 * @param {string[]} columns
 * @param {string} [number] The column that has numbers.
 */
export function showColumns(rows, columns, number) {
  const head = /** @type {HTMLTableElement} */ (rows.closest('table')).tHead;
  if (head) fill(head, html`<tr>${columns.map((column) => (column ? html`
    <th scope="col" class=${column === number ? 'number' : null}>${column}</th>` : html`<td></td>`))}</tr>`);
}
