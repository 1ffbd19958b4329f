/**
 * The Markdown of the OpenAPI document as elements: paragraphs, lists, tables, bold and code, which is all that it uses
 * beside headings. Those divide it into the page's sections.
 * @module
 */
import { html } from '../lib/html.js';

/** @typedef {import('../lib/html.js').Child} Child */
/** @typedef {(code: string, before: string) => string | null} Address Of what a piece of code names, or null. */
/** @typedef {{ code: string, note: string, text: string }} Item */

/** @param {string} text */
const oneLine = (text) => text.replace(/\s+/g, ' ').trim();

/**
 * Takes apart a text such as "The state. `open`: It waits. `closed` (409): It is over." Without several whole sentences
 * of that kind there are no items, and all is prose.
 * @param {string} text
 * @returns {{ prose: string, items: Item[] }}
 */
export function itemsOf(text) {
  const [prose, ...parts] = oneLine(text).split(/(?=(?<![,\w] )`[\w.-]+`(?: \([^)]*\))?: )/);
  const first = prose.startsWith('`') && /^`[\w.-]+`(?: \([^)]*\))?: /.test(prose);
  const all = first ? [prose, ...parts] : parts;
  const items = all.map((part) => {
    const [, code, note = '', words] = /** @type {RegExpExecArray} */ (/^`([^`]+)`(?: \(([^)]*)\))?: (.*)$/.exec(part));
    return { code, note, text: words.trim().replace(/;$/, '.') };
  });
  const areWhole = items.every((item) => item.text.endsWith('.'));
  return items.length && areWhole ? { prose: first ? '' : prose.trim(), items } : { prose: oneLine(text), items: [] };
}

/**
 * @param {string} text
 * @param {Address} address
 * @returns {Child[]}
 */
export function inline(text, address) {
  const parts = oneLine(text).split(/(`[^`]+`|\*\*[^*]+\*\*)/);
  return parts.map((part, index) => {
    if (part.startsWith('**')) return html`<strong>${inline(part.slice(2, -2), address)}</strong>`;
    if (!part.startsWith('`')) return part;
    const words = part.slice(1, -1);
    const code = html`<code>${words}</code>`;
    const to = address(words, parts[index - 1]);
    return to ? html`<a href=${to}>${code}</a>` : code;
  });
}

/**
 * @param {string} block
 * @param {Address} address
 */
function table(block, address) {
  const [head, , ...rows] = block.split('\n').map((line) => line.replace(/^\||\|$/g, '').split('|'));
  return html`
    <div class="scrolls" tabindex="0" role="group" aria-label="Table">
      <table>
        <thead><tr>${head.map((cell) => html`<th scope="col">${inline(cell, address)}</th>`)}</tr></thead>
        <tbody>${rows.map((row) => html`
          <tr>${row.map((cell) => html`<td>${inline(cell, address)}</td>`)}</tr>`)}</tbody>
      </table>
    </div>`;
}

/**
 * @param {string} text
 * @param {Address} address
 * @returns {Child[]} Blocks.
 */
export function markdown(text, address) {
  return text.trim().split(/\n{2,}/).map((block) => {
    if (block.startsWith('|')) return table(block, address);
    if (block.startsWith('* ')) {
      return html`<ul>${block.slice(2).split('\n* ').map((item) => html`<li>${inline(item, address)}</li>`)}</ul>`;
    }
    const { prose, items } = itemsOf(block);
    if (items.length < 2) return html`<p>${inline(block, address)}</p>`;
    return [
      prose && html`<p>${inline(prose, address)}</p>`,
      html`<ul class="plain">${items.map(({ code, note, text: words }) => html`
        <li><code>${code}</code>${note && ` (${note})`}: ${inline(words, address)}</li>`)}</ul>`,
    ];
  });
}
