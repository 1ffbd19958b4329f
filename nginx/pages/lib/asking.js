/**
 * The ways to a group's page and to an introduction.
 * @module
 */
import { fragment, html } from './html.js';
import { signInAddress } from './page.js';
import { types } from './words.js';

/** @typedef {import('./api.js').Me | null} Me */

/**
 * Where to go on from an address without a group, or with one that is not the person's.
 * @param {NonNullable<Me>} me
 * @param {string} given What stands in the address.
 * @param {(id: string) => string} address Of the same page for a group.
 */
export const otherGroups = ({ email, groups, roles }, given, address) => fragment`
  ${given && html`<p>It does not exist, or you are not in it. You are signed in as ${email}.</p>`}
  ${groups.length > 0 && html`<p class="actions">${groups.map(({ id, name }) => html`
    <a class="button" href=${address(id)}>${name}</a>`)}</p>`}
  ${roles.includes('staff') ? html`<p><a href="/desk/people?view=groups">All groups</a></p>`
    : !groups.length && html`<p>You are in no group yet. A group is made in the Tomi app. Until then, <a
      href="/directory">look at the directory</a>.</p>`}`;

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
