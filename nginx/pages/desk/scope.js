/**
 * The filters of the queue that no control shows, each with a way to take it off.
 * @module
 */
import { get } from '../lib/api.js';
import { fill, html } from '../lib/html.js';
import { count } from '../lib/words.js';

/** @type {[name: string, words: (value: string) => string, path?: string][]} */
const hidden = [
  ['older_than_days', (value) => `made ${count(Number(value), 'day')} ago or earlier`],
  ['group_id', (name) => `of the group ${name}`, 'groups'], ['partner_id', (name) => `with ${name}`, 'partners'],
  ['requested_by', (name) => `that ${name} has made`, 'users'],
];

/**
 * @param {import('../lib/list.js').List} list
 * @param {HTMLElement} place
 */
export async function showScope(list, place) {
  const given = list.query;
  const lines = await Promise.all(hidden.filter(([name]) => given.get(name)).map(async ([name, words, path]) => {
    const value = given.get(name) ?? '';
    const takeOff = () => {
      const others = list.query;
      others.delete(name);
      list.go(others);
      showScope(list, place);
    };
    const said = path ? await get(`/api/admin/${path}/${encodeURIComponent(value)}`).then(
      ({ data }) => data.company_name ?? data.name, () => 'that does not exist') : value;
    return html`
      <p class="notice note">Only requests ${words(said)}.
        ${' '}<button type="button" class="link" onclick=${takeOff}>Remove</button></p>`;
  }));
  fill(place, lines);
}
