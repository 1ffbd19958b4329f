/**
 * What the pages of the portal share: who may see them, and how the partner stands.
 * @module
 */
import { daysUntil } from './credentials.js';
import { fragment } from './html.js';
import { signInAddress, start } from './page.js';
import { count, day } from './words.js';

/**
 * Shows the navigation, and finds out who is signed in. A partner whose record was removed is told so: for the service
 * it is a user like any other.
 * @returns Not fulfilled for anyone but a partner.
 */
export const startPortal = () => start({
  roles: ['partner'],
  reason: ({ email }) => fragment`
    <p>It is for partners of Tomi, and you are signed in as ${email}, which belongs to none. If another address of
      yours does, <a href=${signInAddress()}>sign in with that one</a>.</p>
    <p>Were you a partner before? Then your record was removed: the directory does not show it, and you get no
      introductions. If that is a mistake, answer one of our letters.</p>`,
});

/** @type {Record<string, string>} */
const meanings = {
  invited: 'Tomi has invited you. Complete your profile and add your licenses. Introductions begin once you have ' +
    'signed the agreement and Tomi has checked your licenses.',
  pending_review: 'Tomi is reviewing your record. Introductions begin once that is done. Until then you can complete ' +
    'your profile and add your licenses.',
  inactive: 'You are inactive: the directory does not show you, and you get no introductions. What was introduced to ' +
    'you stays yours. To come back, answer one of our letters.',
};

/**
 * Why a partner gets no new introductions, in sentences; none if it gets them.
 * @param {{ status: string, accepting_referrals: boolean, paused_until: string | null,
 *   max_open_referrals: number | null, credentials_status: string }} partner
 */
export function hindrances({ status, accepting_referrals: accepts, paused_until: paused, max_open_referrals: most,
  credentials_status: credentials }) {
  if (status !== 'active') return [meanings[status]];
  const isPaused = daysUntil(paused) >= 0;
  return [
    paused && isPaused && fragment`You have paused introductions up to and with ${day(paused)}.`,
    !isPaused && !accepts && most !== null && `You get no new introductions now: you have ${
      count(most, 'open one')}, the most that you want.`,
    credentials === 'expired' && 'A license of yours has expired. You get no new introductions until Tomi has ' +
      'verified a new one.',
  ].filter(Boolean);
}
