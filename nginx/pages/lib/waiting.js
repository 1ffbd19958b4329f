/**
 * The waiting list of a partner type in a state, as the pages offer it where nobody is available yet.
 * @module
 */
import { post } from './api.js';
import { Form, field } from './form.js';
import { fill, html } from './html.js';
import { states, types } from './words.js';

/**
 * A button that opens the form for the waiting list in its place.
 * @param {string} code Of the state.
 * @param {string} type Of partner.
 * @param {string} [email] Whom to write to, if that is known.
 */
export function waitingOffer(code, type, email) {
  const place = html`<div class="small"></div>`;
  const button = html`
    <button type="button" class="link" onclick=${() => {
      fill(place, waitingForm(code, type, place, email));
      place.querySelector('input')?.focus();
    }}>Write to me when there is ${types[type].a}</button>`;
  fill(place, button);
  return place;
}

/**
 * @param {string} code
 * @param {string} type
 * @param {HTMLElement} place
 * @param {string} [email]
 */
function waitingForm(code, type, place, email) {
  const giveUp = () => place.replaceWith(waitingOffer(code, type, email));
  const element = html`
    <form id=${`wait-${type}`}>
      ${field('Your e-mail address', html`
        <input name="email" type="email" autocomplete="email" inputmode="email" value=${email}>`, {
        hint: `We write once, when Tomi has ${types[type].a} in ${states[code]}, and then forget the address.`,
      })}
      <div class="actions">
        <button class="main">Put me on the list</button>
        <button type="button" class="quiet" onclick=${giveUp}>Not now</button>
      </div>
    </form>`;
  new Form(element, {
    save: (body) => post(`/api/coverage/${code}/${type}/waitlist`, body),
    saved: () => {
      const given = new FormData(/** @type {HTMLFormElement} */ (element)).get('email');
      fill(place, html`
        <div class="notice note" tabindex="-1">
          <p><strong>We have sent a letter to ${String(given)}.</strong></p>
          <p>Confirm it with the link in the letter. Without that, we forget the address in 7 days.</p>
        </div>`);
      /** @type {HTMLElement} */ (place.firstElementChild).focus();
    },
  });
  return element;
}
