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
 * @param {import('./api.js').FieldError[]} errors
 * @param {Control[]} controls
 * @param {URLSearchParams} query What was asked for.
 * @param {Element} place In the rows.
 */
export function refuse(errors, controls, query, place) {
  // Of radio buttons the first speaks for all.
  const wrong = errors.flatMap(({ parameter }) => controls.find(({ name }) => name === parameter) ?? []);
  wrong.forEach(mark);
  // What is the page's own stays, such as the view.
  const own = new URLSearchParams(location.search);
  for (const name of query.keys()) own.delete(name);
  fill(place, html`
    <div class="notice bad" role="alert">
      <p>${wrong.length ? 'Nothing can be shown with this filter: see above.'
        : 'The address of this page asks for something that the list does not know.'}
        ${' '}<a href=${`${own}` ? `?${own}` : location.pathname}>Take all filters off</a></p></div>`);
}
