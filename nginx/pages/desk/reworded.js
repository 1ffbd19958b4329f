/**
 * Why a change of a partner is refused.
 * @module
 */
import { Problem } from '../lib/api.js';
import { listed, statusWords } from '../lib/words.js';

/** @type {Record<string, string>} */
const needs = { agreement_signed_at: 'a signed agreement', service_areas: 'a state that it serves' };

/**
 * A refusal with its field names and codes in words.
 * @param {unknown} error
 */
export function reworded(error) {
  if (!(error instanceof Problem)) return error;
  const { code, status: number, body } = error;
  const say = (/** @type {string} */ detail) => new Problem(number, code, detail, body);
  switch (code) {
    case 'partner_not_ready': {
      const missing = body.missing.map((/** @type {string} */ name) => needs[name] ?? name);
      return say(`An active partner needs ${listed(missing)}.`);
    }
    case 'partner_exists': {
      const detail = 'Another partner of this type has this e-mail address.';
      return new Problem(number, 'refused', detail, { ...body, errors: [{ pointer: '/email', code, detail }] });
    }
    case 'transition_not_allowed': {
      const allowed = body.allowed.map((/** @type {string} */ one) => `“${statusWords('partner', one)}”`);
      return say(`The status has changed meanwhile. It can only become ${listed(allowed)} now.`);
    }
    case 'no_pending_changes': return say('Nothing waits for a review any more. Somebody else was first.');
    default: return error;
  }
}
