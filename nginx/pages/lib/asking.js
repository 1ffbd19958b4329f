/**
 * The way from the public pages to an introduction.
 * @module
 */
import { html } from './html.js';
import { signInAddress } from './page.js';
import { types } from './words.js';

/** @typedef {import('./api.js').Me | null} Me */

/**
 * For a member the links that ask, one for each of its groups.
 * @param {Me} me
 * @param {{ type?: string, state?: string }} what
 * @param {string | null} [style]
 * @returns {HTMLElement[]}
 */
export const askLinks = (me, { type = '', state = '' }, style = null) =>
  (me?.groups ?? []).map(({ id, name }, _, { length }) => {
    const query = new URLSearchParams(Object.entries({ id, type, state }).filter(([, value]) => value));
    return html`
      <a class=${style} href=${`/group/ask?${query}`}>Ask for ${types[type]?.a ?? 'an introduction'}${
        length > 1 && ` for ${name}`}</a>`;
  });

/**
 * What comes next: for a member the links that ask, for a visitor how people come to an introduction. Nothing for
 * others.
 * @param {Me} me
 * @param {{ type?: string, state?: string }} [what]
 */
export function nextStep(me, what = {}) {
  const links = askLinks(me, what, 'button');
  if (links.length) return html`<p class="actions">${links}</p>`;
  return !me && html`
    <p class="small muted">Groups that buy a home together with Tomi ask for an introduction on their group's page. <a
      href=${signInAddress()}>Sign in</a></p>`;
}
