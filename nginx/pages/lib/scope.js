/**
 * What a list says of filters that no control shows, each with a way to take it off. Most addresses have none.
 * @module
 */
import { isID } from './groups.js';
import { thing } from './history.js';
import { fill, html } from './html.js';

/**
 * A thing that the address names. What cannot be an ID is not asked for.
 * @type {typeof thing}
 */
const named = (kind, id) => (kind === 'coverage' || isID(id) ? thing(kind, id) : html`<span>“${id}”</span>`);

/**
 * @typedef {object} Scope
 * @property {HTMLElement} place Where the list says them.
 * @property {Record<string, (value: string, link: typeof thing) => import('./html.js').Child>} words By parameter.
 */
/**
 * @param {import('./list.js').List} list
 * @param {string} noun Of its rows.
 * @param {Scope} scope
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
