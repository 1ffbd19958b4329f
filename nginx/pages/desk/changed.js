/**
 * Who changed what has no history of its own at the API: the events tell.
 * @module
 */
import { get } from '../lib/api.js';
import { timeWords } from '../lib/words.js';

/**
 * @param {'coverage' | 'user' | 'group'} kind
 * @param {string} id
 * @returns {Promise<string>} Such as "Ben Adams changed this 5 minutes ago".
 */
export async function lastChange(kind, id) {
  try {
    const query = { subject_kind: kind, subject_id: id, sort: '-number', limit: 1 };
    const [event] = (await get('/api/admin/events', { query })).data.data;
    return `${event.actor?.name ?? 'Tomi'} changed this ${timeWords(event.at)}`;
  } catch {
    return 'Somebody changed this meanwhile'; // It is a help. What changed is shown all the same.
  }
}
