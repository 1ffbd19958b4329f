/**
 * What is left of a day's time, and of a credential.
 * @module
 */
import { today } from './words.js';

/**
 * How many days from today (UTC) a day is. NaN without a day.
 * @param {string | null} date `YYYY-MM-DD`
 */
export const daysUntil = (date) =>
  date ? (Date.parse(date) - Date.parse(today())) / 86_400_000 : NaN;

/** After so many days before its end the API calls a credential "expiring". */
const warningDays = 30;

/**
 * What a credential is worth today: a value of `credentials_status`.
 * @param {{ verified_at: string | null, expires_on: string | null }} credential
 */
export function worth({ verified_at: verified, expires_on: end }) {
  const days = daysUntil(end);
  return days < 0 ? 'expired' : !verified ? 'unverified' : days <= warningDays ? 'expiring' : 'verified';
}
