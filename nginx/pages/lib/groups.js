/**
 * What an address names: an ID, or a group that is somebody's.
 * @module
 */
import { fragment, html } from './html.js';

/**
 * Whether a text of an address can be an ID. What cannot is not asked for.
 * @param {string} text
 */
export const isID = (text) => /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i.test(text);

/**
 * Where to go on from an address without a group, or with one that is not the person's.
 * @param {import('./api.js').Me} me
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
