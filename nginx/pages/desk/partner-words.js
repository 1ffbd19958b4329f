/**
 * The words for partners and credentials that the desk's pages share.
 * @module
 */
import { daysUntil, worth } from '../lib/credentials.js';
import { html } from '../lib/html.js';
import { credentialKinds, day, states, status } from '../lib/words.js';

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
