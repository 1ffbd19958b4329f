/**
 * What a list says of filters that cannot be asked for. A list's first view does without it.
 * @module
 */
import { fill, html } from './html.js';

/** @typedef {import('./list.js').Control} Control */

/**
 * Says at a filter what is wrong with it.
 * @param {Control} control
 */
export function mark(control) {
  if (control.getAttribute('aria-invalid')) return;
  control.id ||= `filter-${control.name}`;
  const isChoice = control instanceof HTMLSelectElement || control.type === 'radio';
  const words = control.dataset.wrong ?? (isChoice ? 'Choose another one.' : 'This cannot be looked for.');
  const error = html`<p class="error small" id=${`${control.id}-error`} role="alert">${words}</p>`;
  (control.closest('.segments label') ?? control).before(error);
  control.setAttribute('aria-invalid', 'true');
  control.setAttribute('aria-describedby', error.id);
}

/**
 * Says which filters the API does not take, at their controls, in words without the names of parameters.
 * @param {Control[]} controls One for each filter. None if the address has something that no control is for.
 * @param {Element} place In the rows.
 * @param {string} address Without filters.
 */
export function refuse(controls, place, address) {
  controls.forEach(mark);
  fill(place, html`
    <div class="notice bad" role="alert">
      <p>${controls.length ? 'Nothing can be shown with this filter: see above.'
        : 'The address of this page asks for something that the list does not know.'}
        ${' '}<a href=${address}>Take all filters off</a></p></div>`);
}
