/**
 * What somebody sees on a page that is for others.
 * @module
 */
import { fill, html } from './html.js';
import { signInAddress } from './page.js';

/** @typedef {import('./api.js').Me} Me */

/**
 * @param {Element} main
 * @param {Me} me
 * @param {Me['roles']} roles Whom the page is for.
 * @param {(me: Me) => Node} [reason] Says it in words of the page's own.
 */
export function showNotFor(main, me, roles, reason = usual(roles)) {
  // Without the places there is only one column.
  main.classList.remove('desk');
  fill(main, html`<h1>This page is not for you</h1>`, reason(me));
}

/**
 * @param {Me['roles']} roles
 * @returns {(me: Me) => Node}
 */
function usual(roles) {
  const isStaffs = roles.every((role) => role === 'staff');
  return ({ email }) => html`
    <p>You are signed in as ${email}. ${isStaffs ? 'It is a page for staff. Staff sign in with an admin token, or with ' +
      'a link that the server prints. ' : 'If another address of yours may see it, '}<a href=${signInAddress()}>${
      isStaffs ? 'Sign in as staff' : 'sign in with that one'}</a>.</p>`;
}
