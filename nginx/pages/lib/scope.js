/**
 * What a list says of filters that no control shows, each with a way to take it off. Most addresses have none.
 * @module
 */
import { isID } from './api.js';
import { thing } from './history.js';
import { fill, html } from './html.js';

/**
 * A thing that the address names. What cannot be an ID is not asked for.
 * @type {typeof thing}
 */
const named = (kind, id) => (kind === 'coverage' || isID(id) ? thing(kind, id) : html`<span>“${id}”</span>`);

/**
 * @param {import('./list.js').List} list
 * @param {string} noun Of its rows.
 * @param {import('./list.js').Scope} scope
 */
export function showScope(list, noun, { place, words }) {
  const { query } = list;
  const takeOff = (/** @type {string} */ name) => {
    const others = list.query;
    others.delete(name);
    list.go(others);
  };
  fill(place, Object.keys(words).map((name) => query.get(name) && html`
    <p class="notice note">Only ${noun} ${words[name](query.get(name) ?? '', named)}.
      ${' '}<button type="button" class="link" onclick=${() => takeOff(name)}>Remove</button></p>`));
}
