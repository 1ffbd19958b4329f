/**
 * Who was quicker, for somebody whose own change came too late.
 * @module
 */
import { get, lastMe } from '../lib/api.js';
import { actor, eventWords, names } from '../lib/history.js';
import { html } from '../lib/html.js';
import { count, timeWords } from '../lib/words.js';

/**
 * Who changed a thing last.
 * @param {string} kind Of the thing, as the subject of events.
 * @param {string} id
 * @returns {Promise<string | null>} "Ben Adams changed this 20 seconds ago: status Matched → Introduced."; null if it
 *   was this person, or nobody knows.
 */
export async function whoChanged(kind, id) {
  try {
    const query = { subject_kind: kind, subject_id: id, sort: '-number', limit: 1 };
    const { data } = await get('/api/admin/events', { query });
    /** @type {import('../lib/history.js').Event} */
    const event = data.data[0];
    if (event.actor?.id === lastMe()?.id) return null;
    const element = html`<p>${eventWords(event, true)}</p>`;
    // The names of what it links to come later.
    await Promise.all(names.values());
    const seconds = Math.round((Date.now() - Date.parse(event.at)) / 1000);
    const ago = seconds >= 0 && seconds < 60 ? `${count(seconds, 'second')} ago` : timeWords(event.at);
    return `${actor(event)} changed this ${ago}: ${element.textContent}.`;
  } catch {
    return null; // The form says that somebody changed it, all the same.
  }
}
