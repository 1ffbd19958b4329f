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

/** The lines of a letter are broken so that none is longer. */
const lineLength = 72;

/**
 * A letter with the lines of each paragraph joined, for places of another width.
 * @param {string} text
 */
export const flowing = (text) => {
  const lines = text.split('\n');
  return lines.map((line, index) => {
    const next = lines[index + 1] ?? '';
    const [word] = next.split(' ');
    // A line that had room for the next word ends on purpose. What is indented, quoted or an address stands by itself.
    const isBroken = word && !/^([\s>]|https?:)/.test(line) && !/^(>|https?:)/.test(word) &&
      line.length + 1 + word.length > lineLength;
    return line + (isBroken ? ' ' : '\n');
  }).join('').trimEnd();
};
