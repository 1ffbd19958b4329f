/**
 * The languages to choose from.
 * @module
 */
import { language } from './words.js';

/** The languages that most people in the USA speak at home (US Census Bureau, American Community Survey). */
const codes = 'en es zh tl vi ar fr ko ru pt ht hi de pl it ur fa te ja gu bn ta pa he so hy uk'.split(' ');

/**
 * These languages for a `select` or checkboxes, by name.
 * @type {[value: string, words: string][]}
 */
export const languageChoices = codes.map((code) => [code, language(code)]);
languageChoices.sort(([, a], [, b]) => a.localeCompare(b));
