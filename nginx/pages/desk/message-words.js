/**
 * The kinds of messages in words.
 * @module
 */

/** @type {Record<string, string>} */
export const kinds = {
  'request.received': 'Request received', 'request.new': 'New request, to staff',
  'introduction.partner': 'Introduction, to the partner', 'introduction.group': 'Introduction, to the group',
  'introduction.reminder': 'Reminder after 3 days', 'introduction.unanswered': 'No answer for 7 days, to staff',
  'referral.answered': 'The partner answered', 'referral.outcome': 'What came of it, to staff',
  'partner.invited': 'Invitation of a partner', 'partner.activated': 'A partner is active',
  'partner.changes_waiting': 'Changes to review, to staff', 'partner.changes_reviewed': 'Changes were reviewed',
  'credential.expiring': 'A credential expires', 'coverage.available': 'A place is available',
  sign_in: 'Link to sign in', 'waitlist.confirm': 'Waiting list, to confirm',
};

/**
 * What a message is about. A kind that is not known reads as its own name.
 * @param {string} kind
 */
export const kindWords = (kind) => kinds[kind] ?? kind.replace(/[._]/g, ' ');
