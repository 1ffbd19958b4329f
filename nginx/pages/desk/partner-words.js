/**
 * The words for partners and credentials that the desk's pages share.
 * @module
 */
import { html } from '../lib/html.js';
import { credentialKinds, day, states, status, today } from '../lib/words.js';

/**
 * @typedef {object} Credential
 * @property {string} id
 * @property {string} kind
 * @property {string} number
 * @property {string | null} state_code
 * @property {string | null} issuer
 * @property {string | null} expires_on
 * @property {string | null} verified_at
 * @property {string | null} notes
 * @property {string} updated_at
 */

/** To which statuses a partner can change from each: `PUT /api/admin/partners/{id}/status`. */
export const moves = /** @type {Record<string, string[]>} */ ({
  invited: ['pending_review', 'active', 'removed'], pending_review: ['active', 'inactive', 'removed'],
  active: ['inactive', 'removed'], inactive: ['active', 'pending_review', 'removed'], removed: ['pending_review'],
});

/** After so many days before its end the API calls a credential "expiring". */
const warningDays = 30;

/**
 * How many days from today (UTC) a day is. NaN without a day.
 * @param {string | null} date
 */
export const daysUntil = (date) =>
  date ? (Date.parse(date) - Date.parse(today())) / 86_400_000 : NaN;

/**
 * What a credential is worth today: a value of `credentials_status`.
 * @param {Credential} credential
 */
export function worth({ verified_at: verified, expires_on: end }) {
  const days = daysUntil(end);
  return days < 0 ? 'expired' : !verified ? 'unverified' : days <= warningDays ? 'expiring' : 'verified';
}

/** @param {Credential} credential */
export const credentialStatus = (credential) => html`
  <span>${status('credentials', worth(credential))}${
    worth(credential) === 'expired' && !credential.verified_at && ', not verified'}</span>`;

/** @param {Pick<Credential, 'kind' | 'number' | 'state_code'>} credential */
export const credentialName = ({ kind, number, state_code: state }) =>
  `${credentialKinds[kind] ?? kind} ${number}${state ? `, ${states[state]}` : ''}`;

/**
 * Whether an active partner takes introductions, and why not. Null for others.
 * @param {any} partner
 */
export function acceptance(partner) {
  const { accepting_referrals: accepts, paused_until: until, max_open_referrals: most } = partner;
  if (partner.status !== 'active') return null;
  // The API tells this apart from what the partner wants.
  if (partner.credentials_status === 'expired') return html`<span class="status bad">A credential has expired</span>`;
  if (accepts) return html`<span class="status good">Takes introductions</span>`;
  // Whoever is not paused has as many as it wants.
  const why = daysUntil(until) >= 0 ? ['Paused until ', day(until)] : `Has the ${most} that it wants`;
  return html`<span class="status off">${why}</span>`;
}
