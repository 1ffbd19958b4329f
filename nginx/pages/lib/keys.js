/**
 * The list of the desk's keys.
 * @module
 */
import { html } from './html.js';

/** @param {import('./desk.js').Key[]} keys */
export function showKeys(keys) {
  const dialog = /** @type {HTMLDialogElement} */ (html`
    <dialog aria-labelledby="keys-title" onclose=${() => dialog.remove()}>
      <h2 id="keys-title">Keys</h2>
      <dl class="keys">
        ${keys.map(({ key, words }) => words && [html`<dt><kbd>${key}</kbd></dt>`, html`<dd>${words}</dd>`])}
        <dt><kbd>Enter</kbd></dt><dd>Open the row</dd>
        <dt><kbd>Esc</kbd></dt><dd>Close, or go back</dd>
      </dl>
      <form method="dialog" class="actions"><button>Close</button></form>
    </dialog>`);
  document.body.append(dialog);
  dialog.showModal();
}
