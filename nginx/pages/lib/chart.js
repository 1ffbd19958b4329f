/**
 * Charts as SVG, with what they show in words and numbers for those who read rather than look.
 * @module
 */
import { html } from './html.js';
import { count } from './words.js';

/** @typedef {import('./html.js').Child} Child */
/**
 * @typedef {object} Row
 * @property {string} label
 * @property {number | null} value Null if there is none, which is not 0.
 * @property {string} [words] The value as people say it, such as "3 days".
 * @property {string | null} [href] The list that the value counts.
 * @property {'good' | 'waiting' | 'bad' | 'off' | 'new'} [tone] As of a status.
 */
/**
 * @typedef {object} Chart
 * @property {string} caption
 * @property {Row[]} rows
 * @property {[label: string, value: string]} [columns] The heads of the table.
 * @property {Child} [table] Instead of the table of labels and values.
 */

/** @param {Row} row */
const words = ({ value, words }) => words ?? (value === null ? 'None yet' : value.toLocaleString('en-US'));

/**
 * @param {Chart} chart
 * @param {HTMLElement | null} picture
 */
function figure({ caption, rows, columns = ['Name', 'Number'], table }, picture) {
  const line = (/** @type {Row} */ row) => html`
    <tr>
      <th scope="row">${row.href ? html`<a href=${row.href}>${row.label}</a>` : row.label}</th>
      <td class="number">${words(row)}</td>
    </tr>`;
  return html`
    <figure class="chart">
      <figcaption>${caption}</figcaption>
      ${picture ?? html`<p class="muted">There is nothing to count yet.</p>`}
      ${rows.length > 0 && html`
        <details>
          <summary>As a table<span class="hidden">: ${caption}</span></summary>
          ${table ?? html`
            <table>
              <thead><tr><th scope="col">${columns[0]}</th><th scope="col" class="number">${columns[1]}</th></tr></thead>
              <tbody>${rows.map(line)}</tbody>
            </table>`}
        </details>`}
    </figure>`;
}

/**
 * A bar for each row, with its number beside it. A row with an address is a link.
 * @param {Chart} chart
 */
export function bars(chart) {
  const most = Math.max(0, ...chart.rows.map(({ value }) => value ?? 0)) || 1;
  const bar = (/** @type {Row} */ row) => {
    // What is little still differs from nothing.
    const width = row.value ? Math.max((row.value / most) * 100, 1) : 0;
    const content = [
      html`<span>${row.label}</span>`,
      html`<svg class=${row.tone} aria-hidden="true"><rect width=${`${width}%`} height="100%" rx="2" /></svg>`,
      html`<span class="number">${words(row)}</span>`,
    ];
    return html`<li>${row.href ? html`<a href=${row.href}>${content}</a>` : html`<div>${content}</div>`}</li>`;
  };
  return figure(chart, chart.rows.length ? html`<ul class="bars">${chart.rows.map(bar)}</ul>` : null);
}

/** Dots of one value stand on each other, in so many columns. */
const columnCount = 24;
/** In pixels. Higher stacks are pressed together. */
const highest = 120, step = 12;

/**
 * A dot for each row, on one line from 0 to the greatest value.
 * @param {Chart & { unit: [one: string, many: string] }} chart The unit is what the values count.
 */
export function dots(chart) {
  const { rows, unit } = chart;
  if (!rows.length) return figure(chart, null);
  const values = rows.map(({ value }) => value ?? 0).sort((a, b) => a - b);
  const [least, last] = [values[0], values[values.length - 1]];
  const most = last || 1;
  /** @type {Map<number, Row[]>} */
  const stacks = new Map();
  for (const row of rows) {
    const column = Math.round(((row.value ?? 0) / most) * columnCount);
    stacks.set(column, [...(stacks.get(column) ?? []), row]);
  }
  const high = Math.max(...[...stacks.values()].map(({ length }) => length));
  const gap = Math.min(step, highest / high);
  const line = Math.ceil(gap * high) + step;
  const x = (/** @type {number} */ value) => `${3 + (value / most) * 94}%`;
  const ticks = [...new Set([0, Math.round(most / 2), most])];
  const range = `${least === last ? '' : `from ${least} to `}${count(last, ...unit)}`;
  return figure(chart, html`
    <svg class="dots" height=${line + 24} role="img" aria-label=${`${count(rows.length, 'dot')}, ${range}`}>
      <line x1="0" x2="100%" y1=${line} y2=${line} />
      ${ticks.map((tick) => html`<svg><text x=${x(tick)} y=${line + 18}>${tick}</text></svg>`)}
      ${[...stacks.values()].flatMap((stack) => stack.map((row, level) => html`
        <svg>
          <circle cx=${x(row.value ?? 0)} cy=${line - step / 2 - level * gap - 1} r="5">
            <title>${row.label}: ${words(row)}</title>
          </circle>
        </svg>`))}
    </svg>`);
}
