/**
 * The frame of the portal: who may see it.
 * @module
 */
import { getMe, token } from './api.js';
import { byID, fill, fragment } from './html.js';
import { goToSignIn, show, signInAddress, start } from './page.js';

/**
 * An introduction, as its partner sees it.
 * @typedef {object} Introduction
 * @property {string} id
 * @property {string} partner_type
 * @property {string} status
 * @property {string} status_since
 * @property {import('./need.js').Need} context
 * @property {string} intro_sent_at
 * @property {string | null} outcome
 * @property {{ id: string, name: string }} group
 * @property {{ name: string, email: string } | null} contact
 */

/**
 * Shows the navigation, and finds out who is signed in. A partner whose record was removed is told so: for the service
 * it is a user like any other.
 * @returns {Promise<import('./api.js').Me>} Not fulfilled for anyone but a partner.
 */
export async function startPortal() {
  if (!token()) return goToSignIn();
  let me = await start();
  try {
    me ??= await getMe();
  } catch (error) {
    show(error);
    return new Promise(() => {});
  }
  if (!me) return goToSignIn();
  if (me.partner) return me;
  fill(byID('main'), fragment`
    <h1>This page is not for you</h1>
    <p>It is for partners of Tomi, and you are signed in as ${me.email}, which belongs to none. If another address of
      yours does, <a href=${signInAddress()}>sign in with that one</a>.</p>
    <p>Were you a partner before? Then your record was removed: the directory does not show it, and you get no
      introductions. If that is a mistake, answer one of our letters.</p>`);
  return new Promise(() => {});
}
