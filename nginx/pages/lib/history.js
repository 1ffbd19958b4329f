/**
 * The history in words: what happened, who did it, and when.
 * @module
 */
import { get } from './api.js';
import { html } from './html.js';
import {
  count, credentialKinds, day, declineReasons, language, outcomes, price, states, statusWords, types, when,
} from './words.js';

/** @typedef {import('./html.js').Child} Child */
/**
 * @typedef {{ at: string, actor: { id: string, name: string } | null, subject: { kind: string, id: string }, kind:
 *   string, changes: Record<string, any>, note: string | null }} Event
 */

/** @type {Record<string, [noun: string, api: string, page: string, name: (thing: any) => string]>} */
const things = {
  partner: ['partner', 'partners', 'partner?id', (it) => it.company_name],
  referral: ['request', 'referrals', 'referral?id', (it) => `${it.group.name}, ${types[it.partner_type].one}`],
  user: ['person', 'users', 'person?id', (it) => it.name],
  group: ['group', 'groups', 'group?id', (it) => it.name],
  message: ['message', 'messages', 'messages?open', (it) => it.subject],
};
/** @type {Map<string, Promise<string | null>>} */
export const names = new Map();

/**
 * A link to a thing. Its name follows when it is known.
 * @param {string} kind Of an event's subject.
 * @param {string} id
 */
export function thing(kind, id) {
  const [state, type] = id.split('/');
  if (type) {
    return html`<a href=${`/desk/coverage?state=${state}&type=${type}`}>${states[state]}, ${types[type]?.one}</a>`;
  }
  if (!things[kind]) return html`<span>${id.slice(0, 8)}</span>`;
  const [noun, api, page, name] = things[kind];
  const element = html`<a href=${`/desk/${page}=${id}`}>${noun} ${id.slice(0, 8)}</a>`;
  const known = names.get(id) ?? get(`/api/admin/${api}/${id}`).then(({ data }) => name(data), () => null);
  names.set(id, known);
  known.then((name) => name && (element.textContent = name));
  return element;
}

/** @type {Record<string, string>} */
const labels = { user_id: 'account', intro_sent_at: 'introduced', affiliation_disclosure: 'relation with Tomi' };
/** @type {Record<string, string>} */
const owners = { members: 'user', assigned_to: 'user', contact_id: 'user', resent_from: 'message' };
/** @type {Record<string, Record<string, string>>} */
const vocabularies = {
  outcome: outcomes, decline_reason_code: declineReasons, kind: credentialKinds, state: states, state_code: states,
  service_areas: states,
};

/** @param {string} code */
const plain = (code) => code.replaceAll('_', ' ');

/**
 * @param {string} field
 * @param {any} value
 * @param {string} of The kind of the event's subject.
 * @returns {Child}
 */
function say(field, value, of) {
  if (value === null || value.length === 0) return 'nothing';
  if (Array.isArray(value)) return value.map((one, index) => [index > 0 && ', ', say(field, one, of)]);
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (field === 'home_price_range') return price(value);
  if (typeof value !== 'string') return JSON.stringify(value);
  const owner = owners[field] ?? (field.endsWith('_by') ? 'user' : field.slice(0, -3));
  if (things[owner]) return thing(owner, value);
  if (/status$/.test(field)) return plain(statusWords(of === 'coverage' || of === 'referral' ? of : 'partner', value));
  if (/type$/.test(field)) return types[value]?.label ?? plain(value);
  if (field === 'languages') return language(value);
  if (vocabularies[field]) return vocabularies[field][value] ?? plain(value);
  if (/^\d{4}-\d\d-\d\dT/.test(value)) return when(value);
  if (/^\d{4}-\d\d-\d\d$/.test(value)) return day(value);
  return value.length > 160 ? `“${value.slice(0, 160)}…”` : `“${value}”`;
}

/**
 * @param {Event} event
 * @param {Record<string, any>} [changes]
 * @param {string} [before] A word before each field.
 * @returns {Child[]} One for each field, but for those that the event itself says.
 */
function changeWords(event, changes = event.changes, before = '') {
  return Object.entries(changes).flatMap(([field, { from = null, to = null }]) => {
    if ((/_by$/.test(field) && to === event.actor?.id) || (field === 'intro_sent_at' && to === event.at)) return [];
    const isSame = JSON.stringify(from) === JSON.stringify(to);
    if (field === 'pending_changes' || field === 'context') {
      if (event.kind === 'partner.changes_approved') return [];
      const parts = Object.keys({ ...from, ...to }).map((part) => [part, { from: from?.[part], to: to?.[part] }]);
      const isPlain = field === 'context' || /changes/.test(event.kind);
      return changeWords(event, Object.fromEntries(parts), isPlain ? '' : 'proposed ');
    }
    const [first, last] = [from, to].map((value) => say(field, value, event.subject.kind));
    const label = before + (labels[field] ?? plain(field.replace(/_(at|id|on|code)$/, '')));
    if (/removed|withdrawn|rejected/.test(event.kind) && to === null) return from === null ? [] : [[label, ' ', first]];
    // Of what is new, or only named, there is nothing before.
    if (from === null || isSame) return (last === 'nothing' || last === 'no') ? [] : [[label, ' ', last]];
    return [[label, ' ', first, ' → ', last]];
  });
}

/** @type {Record<string, string>} */
const phrases = {
  returned: 'back to new', intro_sent: 'introduced', noted: 'note', resent: 'sent again',
  unanswered: 'no answer for 7 days', unpinned: 'follows the count again', status_changed: 'changed',
};

/**
 * What happened, with its changes: "Introduced: status Matched → Introduced".
 * @param {Event} event
 * @param {boolean} [isShort] Whether a change of the status says what happened.
 * @returns {Child}
 */
export function eventWords(event, isShort = false) {
  const { kind, note } = event;
  const changes = changeWords(event).map((one, index) => [index > 0 && '; ', one]);
  const name = kind.slice(kind.indexOf('.') + 1);
  const words = event.changes.decline_reason_code ? 'declined' : phrases[name] ?? plain(name);
  return [
    !(isShort && event.changes.status) && [words[0].toUpperCase(), words.slice(1), changes.length > 0 && ': '],
    changes, note && [changes.length ? '. Note: ' : ': ', html`<span class="lines">“${note}”</span>`],
  ];
}

/** @param {Event} event */
export const actor = (event) => event.actor?.name ?? 'Tomi';

/**
 * The events as a list: what, who, when.
 * @param {Event[]} events Newest first.
 */
export const timeline = (events) => html`
  <ol class="timeline">${events.map((event) => html`
    <li><p>${eventWords(event)}</p><p class="small muted">${actor(event)}, ${when(event.at)}</p></li>`)}</ol>`;
