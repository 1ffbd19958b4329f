/**
 * What a group needs, as its request says it, for those who read it.
 * @module
 */
import { html } from './html.js';
import { price, states } from './words.js';

/**
 * @typedef {object} Need A request's `context`.
 * @property {number | null} group_size
 * @property {{ min: number | null, max: number | null } | null} home_price_range
 * @property {string | null} timeline
 * @property {string | null} state
 * @property {string | null} specific_need
 */

/**
 * The terms and descriptions of a `dl`, without what is not given.
 * @param {Need} need
 */
export function needFacts({ group_size: people, home_price_range: range, timeline, state, specific_need: words }) {
  /** @type {[term: string, value: string | number | null][]} */
  const facts = [
    ['State', state && states[state]], ['People', people], ['Home price', price(range)], ['When', timeline],
    ['Need', words],
  ];
  return facts.filter(([, value]) => value !== null)
    .map(([term, value]) => [html`<dt>${term}</dt>`, html`<dd class="lines">${value}</dd>`]);
}
