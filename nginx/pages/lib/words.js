/**
 * The words for people: states, types, statuses, times, amounts.
 * @module
 */
import { html } from './html.js';

/**
 * The states and DC by code.
 * @type {Record<string, string>}
 */
export const states = {
  AK: 'Alaska', AL: 'Alabama', AR: 'Arkansas', AZ: 'Arizona', CA: 'California', CO: 'Colorado', CT: 'Connecticut',
  DC: 'District of Columbia', DE: 'Delaware', FL: 'Florida', GA: 'Georgia', HI: 'Hawaii', IA: 'Iowa', ID: 'Idaho',
  IL: 'Illinois', IN: 'Indiana', KS: 'Kansas', KY: 'Kentucky', LA: 'Louisiana', MA: 'Massachusetts', MD: 'Maryland',
  ME: 'Maine', MI: 'Michigan', MN: 'Minnesota', MO: 'Missouri', MS: 'Mississippi', MT: 'Montana', NC: 'North Carolina',
  ND: 'North Dakota', NE: 'Nebraska', NH: 'New Hampshire', NJ: 'New Jersey', NM: 'New Mexico', NV: 'Nevada',
  NY: 'New York', OH: 'Ohio', OK: 'Oklahoma', OR: 'Oregon', PA: 'Pennsylvania', RI: 'Rhode Island',
  SC: 'South Carolina', SD: 'South Dakota', TN: 'Tennessee', TX: 'Texas', UT: 'Utah', VA: 'Virginia', VT: 'Vermont',
  WA: 'Washington', WI: 'Wisconsin', WV: 'West Virginia', WY: 'Wyoming',
};

/** The codes in the order of the names. */
export const stateCodes = Object.keys(states).sort((a, b) => states[a].localeCompare(states[b]));

/**
 * The states for a `select`.
 * @type {[value: string, words: string][]}
 */
export const stateChoices = stateCodes.map((code) => [code, states[code]]);

/**
 * The types of partner, in Tomi's order: as a label, in a sentence, and what a group needs it for.
 * @type {Record<string, { label: string, one: string, a: string, many: string, purpose: string }>}
 */
export const types = {
  attorney: {
    label: 'Attorney', one: 'attorney', a: 'an attorney', many: 'attorneys', purpose: 'Reviews your TIC agreement',
  },
  lender: { label: 'Lender', one: 'lender', a: 'a lender', many: 'lenders', purpose: 'Mortgages for several owners' },
  agent: {
    label: 'Agent', one: 'real estate agent', a: 'a real estate agent', many: 'real estate agents',
    purpose: 'Finds a home to share',
  },
  title: {
    label: 'Title', one: 'title company', a: 'a title company', many: 'title companies',
    purpose: 'Title search and title insurance',
  },
  insurance: {
    label: 'Insurance', one: 'insurance agent', a: 'an insurance agent', many: 'insurance agents',
    purpose: 'A policy that covers every owner',
  },
  cpa: { label: 'CPA', one: 'CPA', a: 'a CPA', many: 'CPAs', purpose: 'Taxes of shared ownership' },
};

/**
 * The types for a `select` or radio buttons.
 * @type {[value: string, words: string][]}
 */
export const typeChoices = Object.entries(types).map(([type, { label }]) => [type, label]);

/**
 * What a word of the API says to people, and the tone of its dot.
 * @type {Record<string, Record<string, [words: string, tone: 'good' | 'waiting' | 'bad' | 'off' | 'new']>>}
 */
export const statuses = {
  coverage: {
    available: ['Available', 'good'], coming_soon: ['Coming soon', 'waiting'], unavailable: ['Unavailable', 'off'],
  },
  partner: {
    invited: ['Invited', 'new'], pending_review: ['In review', 'waiting'], active: ['Active', 'good'],
    inactive: ['Inactive', 'off'], removed: ['Removed', 'bad'],
  },
  referral: {
    pending: ['New', 'new'], matched: ['Matched', 'waiting'], intro_sent: ['Introduced', 'waiting'],
    connected: ['Connected', 'good'], closed: ['Closed', 'off'], cancelled: ['Cancelled', 'off'],
  },
  credentials: {
    none: ['No credentials', 'off'], unverified: ['Not verified', 'waiting'], verified: ['Verified', 'good'],
    expiring: ['Expires soon', 'waiting'], expired: ['Expired', 'bad'],
  },
  message: {
    queued: ['Queued', 'waiting'], sending: ['Sending', 'waiting'], sent: ['Sent', 'good'], failed: ['Failed', 'bad'],
    cancelled: ['Cancelled', 'off'],
  },
};

/** @typedef {'coverage' | 'partner' | 'referral' | 'credentials' | 'message'} Kind Of a status. */

/** The statuses in which a request still needs somebody, in the order of its life. */
export const openStatuses = ['pending', 'matched', 'intro_sent', 'connected'];

/** @type {Record<string, string>} */
export const outcomes = {
  engaged: 'They work together', deal_closed: 'Deal closed', not_engaged: 'They do not work together',
  unknown: 'Outcome not known',
};

/** @type {Record<string, string>} */
export const declineReasons = {
  no_capacity: 'No time at the moment', conflict_of_interest: 'A conflict of interest',
  outside_area: 'Outside of the area that we serve', outside_practice: 'Not the kind of work that we do',
  terms: 'We do not agree on terms', other: 'Another reason',
};

/** @type {Record<string, string>} */
export const credentialKinds = {
  bar_admission: 'Bar admission', nmls: 'NMLS license', real_estate_license: 'Real estate license',
  title_license: 'Title license', insurance_license: 'Insurance license', cpa_license: 'CPA license',
  errors_and_omissions: 'Errors and omissions insurance', other: 'Credential',
};

/**
 * The words for a status.
 * @param {Kind} of
 * @param {string} value
 */
export const statusWords = (of, value) => statuses[of][value]?.[0] ?? value;

/**
 * A status as a word with a dot.
 * @param {Kind} of
 * @param {string} value
 */
export const status = (of, value) =>
  html`<span class=${`status ${statuses[of][value]?.[1] ?? 'off'}`}>${statusWords(of, value)}</span>`;

/**
 * "1 partner", "2 partners".
 * @param {number} number
 * @param {string} noun
 * @param {string} [nouns]
 */
export const count = (number, noun, nouns = `${noun}s`) =>
  `${number.toLocaleString('en-US')} ${number === 1 ? noun : nouns}`;

/** What the certificate means. */
export const certificate = 'Has a certificate for homes with several owners. Tomi introduces such partners first.';

/** The mark of a partner with the certificate. */
export const certified = () => html`<span class="tag" title=${certificate}>Certified for co-ownership</span>`;

/**
 * "Minnesota", "Minnesota and Ohio", "Minnesota, Ohio and Iowa".
 * @param {string[]} words
 */
export const listed = (words) =>
  words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} and ${words[words.length - 1]}`;

/**
 * The host of an address, which may be broken before each dot.
 * @param {string} address
 */
export const host = (address) =>
  new URL(address).host.replace(/^www\./, '').split(/(?=\.)/).map((part) => [html`<wbr>`, part]);

const languageNames = new Intl.DisplayNames('en', { type: 'language' });
/**
 * The English name of an ISO 639-1 code.
 * @param {string} code
 */
export const language = (code) => languageNames.of(code) ?? code;

const dollars = new Intl.NumberFormat('en-US', { style: 'currency', currency: 'USD', maximumFractionDigits: 0 });
/**
 * "$420,000 to $500,000"; null for an open range.
 * @param {{ min: number | null, max: number | null } | null} range
 */
export function price(range) {
  const [min, max] = [range?.min ?? null, range?.max ?? null];
  if (min !== null && min === max) return dollars.format(min);
  if (min !== null && max !== null) return `${dollars.format(min)} to ${dollars.format(max)}`;
  return min !== null ? `from ${dollars.format(min)}` : max !== null ? `up to ${dollars.format(max)}` : null;
}

const minute = 60_000, hour = 60 * minute, dayLength = 24 * hour;

/**
 * Today in UTC, or the day so many days after.
 * @param {number} [days]
 */
export const today = (days = 0) => new Date(Date.now() + days * dayLength).toISOString().slice(0, 10);

const clock = new Intl.DateTimeFormat('en-US', { hour: 'numeric', minute: '2-digit' });
const shortDay = new Intl.DateTimeFormat('en-US', { month: 'short', day: 'numeric' });
const longDay = new Intl.DateTimeFormat('en-US', { month: 'short', day: 'numeric', year: 'numeric' });
const utcDay = new Intl.DateTimeFormat('en-US', { month: 'short', day: 'numeric', year: 'numeric', timeZone: 'UTC' });

/**
 * A time as people say it, such as "5 minutes ago" or "yesterday, 4:10 PM", in the viewer's zone.
 * @param {string} time RFC 3339
 * @param {Date} [now]
 */
export function timeWords(time, now = new Date()) {
  const date = new Date(time);
  const age = now.getTime() - date.getTime();
  if (age >= 0 && age < minute) return 'just now';
  if (age >= 0 && age < hour) return `${count(Math.floor(age / minute), 'minute')} ago`;
  const days = Math.round((midnight(now) - midnight(date)) / dayLength);
  if (days === 0) return `today, ${clock.format(date)}`;
  if (days === 1) return `yesterday, ${clock.format(date)}`;
  if (days > 1 && days < 15) return `${days} days ago`;
  return (date.getFullYear() === now.getFullYear() ? shortDay : longDay).format(date);
}

/** @param {Date} date */
const midnight = (date) => new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();

/** @param {string} time */
const exact = (time) => `${time.slice(0, 10)} ${time.slice(11, 19)} UTC`;

/**
 * A time as people say it, with the exact one in UTC in its title.
 * @param {string} time RFC 3339
 */
export const when = (time) =>
  html`<time datetime=${time} title=${exact(time)}>${timeWords(time)}</time>`;

/**
 * How long ago, as briefly as a table needs it: "12 min", "5 h", "3 d"; or in whole words.
 * @param {string} time RFC 3339
 * @param {boolean} [isLong]
 */
export function since(time, isLong = false) {
  const age = Math.max(0, Date.now() - Date.parse(time));
  const [number, short, noun] = age < hour ? [age / minute, 'min', 'minute']
    : age < dayLength ? [age / hour, 'h', 'hour'] : [age / dayLength, 'd', 'day'];
  const words = isLong ? count(Math.floor(number), noun) : `${Math.floor(number)} ${short}`;
  return html`<time datetime=${time} title=${exact(time)}>${words}</time>`;
}

/**
 * A day, which means that day in UTC: "Dec 31, 2026".
 * @param {string} date `YYYY-MM-DD`
 */
export const day = (date) =>
  html`<time datetime=${date} title=${`${date}, in UTC`}>${dayWords(date)}</time>`;

/**
 * A day in UTC, as a text.
 * @param {string} date `YYYY-MM-DD`
 */
export const dayWords = (date) => utcDay.format(new Date(date));
