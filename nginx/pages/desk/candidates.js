/**
 * Looks for people who can become members of a group.
 * @module
 */
import { get } from '../lib/api.js';
import { fill, html } from '../lib/html.js';
import { show } from '../lib/page.js';

/** @typedef {import('./people.js').User} User */

const most = 8;
/** After so many milliseconds without a letter it looks. */
const pause = 250;
/** @type {number | undefined} */
let timer;
let request = new AbortController();

/**
 * @param {HTMLInputElement} input
 * @param {HTMLElement} place
 * @param {(user: string, name: string) => (() => void) | null} add What adds a person; null for one who is a member.
 */
export async function find(input, place, add) {
  clearTimeout(timer);
  request.abort();
  const { signal } = (request = new AbortController());
  await new Promise((resolve) => (timer = setTimeout(resolve, pause)));
  const row = (/** @type {User} */ { id, name, email }) => {
    const act = add(id, name);
    return html`
      <li class="spread">
        <span>${name} <span class="muted">${email}</span></span>
        ${act ? html`<button type="button" aria-label=${`Add ${name}`} onclick=${act}>Add</button>`
          : html`<span class="muted">Is a member</span>`}
      </li>`;
  };
  const q = input.value.trim();
  if (!q) return fill(place);
  try {
    const { data } = await get('/api/admin/users', { query: { q, limit: most }, signal });
    fill(place, data.data.length ? html`<ul class="plain">${data.data.map(row)}</ul>`
      : html`<p class="muted">Nobody has a name or an address like that.</p>`,
      data.has_more && html`<p class="muted">There are more. Type more of the name.</p>`);
  } catch (error) {
    show(error, place, () => find(input, place, add));
  }
}
