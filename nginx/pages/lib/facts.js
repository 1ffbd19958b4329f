/**
 * The facts of a thing, for a `dl`.
 * @module
 */
import { html } from './html.js';

/**
 * A term of a `dl` with its description, or nothing without a value.
 * @param {string} term
 * @param {import('./html.js').Child} value
 */
export const fact = (term, value) => value && [html`<dt>${term}</dt>`, html`<dd>${value}</dd>`];

/**
 * A phone number as a link that calls it. An extension cannot be dialed.
 * @param {string} phone
 */
export const phoneLink = (phone) =>
  html`<a href=${`tel:${phone.replace(/ *x.*/, '').replace(/[^+\d]/g, '')}`}>${phone}</a>`;
