/**
 * What was typed in the forms of this page when a sign-in ended. The forms put it in again.
 * @module
 */

/**
 * Where the values of a form are kept meanwhile.
 * @param {string} form Its ID.
 */
export const draftKey = (form) => `tomi.draft ${location.pathname}${location.search} ${form}`;

/** The IDs of the forms that were filled in. A page opens those that are not there by themselves. */
export const drafts = () => Object.keys(sessionStorage).filter((key) => key.startsWith(draftKey('')))
  .map((key) => key.slice(draftKey('').length));

/**
 * What a form held. It is taken once.
 * @param {string} form Its ID.
 * @returns {Record<string, any> | null}
 */
export function takeDraft(form) {
  const draft = sessionStorage.getItem(draftKey(form));
  sessionStorage.removeItem(draftKey(form));
  return JSON.parse(draft ?? 'null');
}
