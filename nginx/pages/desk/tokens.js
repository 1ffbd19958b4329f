/**
 * What staff does with a person's tokens.
 * @module
 */
import { Problem, post, remove } from '../lib/api.js';
import { copy } from '../lib/copy.js';
import { Form, field } from '../lib/form.js';
import { fill, fragment, html } from '../lib/html.js';
import { show, toast } from '../lib/page.js';

/** @typedef {import('./people.js').User} User */
/** @typedef {import('./person.js').Token} Token */

/** The token that is shown, for the only time, and where. */
let shown = { id: '', place: html`<div></div>` };

/**
 * Asks whether a token is to end.
 * @param {Token} token
 * @param {() => unknown} changed
 */
export function askToEnd(token, changed) {
  const trouble = html`<div></div>`;
  const end = async () => {
    try {
      await remove(`/api/admin/tokens/${token.id}`);
      dialog.close();
      if (shown.id === token.id) fill(shown.place);
      toast('The token has ended.');
      changed();
    } catch (error) {
      show(error, trouble, end);
    }
  };
  const dialog = /** @type {HTMLDialogElement} */ (html`
    <dialog aria-labelledby="end-title" onclose=${() => dialog.remove()}>
      <h2 id="end-title">End the token ${token.name ?? 'without a name'}?</h2>
      <p>Whatever uses it stops working at once. This cannot be undone.${' '}
        ${token.scope && 'If it is the token that you use yourself, you are signed out.'}</p>
      ${trouble}
      <div class="actions">
        <button type="button" class="danger" onclick=${end}>End the token</button>
        <button type="button" class="quiet" onclick=${() => dialog.close()}>Keep it</button>
      </div>
    </dialog>`);
  document.body.append(dialog);
  dialog.showModal();
}

/**
 * The form that makes a token, and shows it once.
 * @param {User} user
 * @param {string} path Of the person's tokens.
 * @param {() => unknown} changed
 */
export function making(user, path, changed) {
  const element = html`
    <form id="token">
      ${field('What it is for', html`<input name="name" autocomplete="off">`, { isOptional: true })}
      ${field('Good until', html`<input name="expires_at" type="datetime-local">`, {
        isOptional: true, hint: 'At most 400 days from now. Without it, 90 days.',
      })}
      <div class="actions"><button>Make a token</button></div>
    </form>`;
  const made = html`<div></div>`;
  const form = new Form(element, {
    save: async (body) => {
      try {
        return await post(path, body, { once: true });
      } catch (error) {
        // Whether there is one now, only the list can tell.
        if (error instanceof Problem && error.isUncertain) changed();
        throw error;
      }
    },
    saved: (answer) => {
      form.fill({ name: null, expires_at: null });
      form.settle();
      fill(made, secret(answer?.data.token, user));
      shown = { id: answer?.data.id, place: made };
      /** @type {HTMLElement} */ (made.firstElementChild).focus();
      changed();
    },
  });
  return fragment`
    <p class="muted">Whoever has it can do all that ${user.name} can. If the answer is lost, the list above has a token
      that nobody has seen: end it there.</p>
    ${element}
    ${made}`;
}

/**
 * @param {string} token
 * @param {User} user
 */
function secret(token, user) {
  const code = html`<code>${token}</code>`;
  return html`
    <div class="notice note" tabindex="-1" role="status">
      <p><strong>This is the only time that the token is shown.</strong> Give it to ${user.name} in a safe way.</p>
      <p class="secret">${code}</p>
      <p><button type="button" onclick=${() => copy(code)}>Copy it</button></p>
    </div>`;
}
