/**
 * One message: its text, what became of it, and what can be done.
 * @module
 */
import { Problem, get, post } from '../lib/api.js';
import { fact } from '../lib/facts.js';
import { thing } from '../lib/history.js';
import { fill, fragment, html } from '../lib/html.js';
import { explain, show, toast } from '../lib/page.js';
import { count, status, when } from '../lib/words.js';
import { flowing, kindWords } from './message-words.js';

/**
 * @typedef {object} Actions
 * @property {(message: any) => void} changed
 * @property {(id: string) => void} open
 * @property {() => boolean} isCurrent Whether this message is still the one to show.
 */

/**
 * What the end of a mail program means, and what to do: the names of sysexits.h, which `last_error` has.
 * @type {[pattern: RegExp, words: string][]}
 */
const causes = [
  [/EX_NOUSER/, 'The mail system does not know this address. Ask for the right one, and correct the record.'],
  [/EX_NOHOST/, 'There is no mail host of this name. Look for a mistake after the @, and correct the record.'],
  [/EX_DATAERR/, 'The mail system cannot take this address or this letter. Look at the address in the record.'],
  [/EX_(USAGE|NOPERM|CONFIG|OSFILE|NOINPUT)|cannot start/,
    'The mail system is not set up for this. Tell whoever runs the server, and send it again when that is done.'],
  [/./, 'The mail system refused it each time, for about 15 hours. Send it again when the mail works.'],
];

/**
 * What to do about an address of the waiting list, which belongs to no record. Of its letters only the first, which
 * asks to confirm the address, keeps its error: a person who was told of a place is forgotten.
 * @type {[pattern: RegExp, words: string][]}
 */
const waitingCauses = [
  [/EX_NOUSER/, 'The mail system does not know this address. Ask the person for another address.'],
  [/EX_NOHOST/, 'There is no mail host of this name. Ask the person for another address.'],
];

/** @param {any} message */
function causeWords(message) {
  const { status: value, last_error: error, attempts, due_at: due } = message;
  if (!error) return null;
  const said = html`<p class="small">The mail system said: <code>${error}</code></p>`;
  if (value === 'failed') {
    const known = message.kind === 'waitlist.confirm' ? [...waitingCauses, ...causes] : causes;
    const [, words] = known.find(([pattern]) => pattern.test(error)) ?? [];
    return html`<div class="notice bad"><h3>Why it failed</h3><p>${words}</p>${said}</div>`;
  }
  if (value === 'cancelled') return html`<div class="notice"><p>${error}</p></div>`;
  return html`<div class="notice"><p>It was refused ${count(attempts, 'time')} so far. The next attempt follows
    ${' '}${when(due)}. There is nothing to do.</p>${said}</div>`;
}

/**
 * Why a message cannot be sent again, or null if it can.
 * @param {any} message
 */
function obstacle({ kind, to, text }) {
  if (['sign_in', 'waitlist.confirm'].includes(kind)) {
    return 'It has a link that works once. The person can ask for a new one.';
  }
  if (!to) return 'There is no address to send it to.';
  if (text === null) return 'A text is deleted 90 days after the message was sent or failed.';
  return null;
}

/**
 * The messages that were sent again here, each with the new one.
 * @type {Map<string, string>}
 */
const resent = new Map();
/** How often a message that is on its way is asked for, in milliseconds. */
const pace = 5_000;

/**
 * Shows a message.
 * @param {string} id
 * @param {HTMLElement} place
 * @param {Actions} actions
 */
export async function showMessage(id, place, actions) {
  const path = `/api/admin/messages/${encodeURIComponent(id)}`;
  const again = () => showMessage(id, place, actions);
  place.setAttribute('aria-busy', 'true');
  /** @type {import('../lib/api.js').Answer} */
  let answer;
  try {
    answer = await get(path);
  } catch (error) {
    if (!actions.isCurrent()) return;
    if (!(error instanceof Problem && error.code === 'not_found')) return show(error, place, again);
    return fill(place, html`
      <p>There is no such message. The address may be cut off. <a href="/desk/messages">Look at all messages</a>.</p>`);
  } finally {
    place.removeAttribute('aria-busy');
  }
  if (!actions.isCurrent()) return;
  const { data: message, etag } = answer;

  const problem = html`<div role="alert"></div>`;
  /**
   * @param {string} words
   * @param {string} look
   * @param {() => Promise<void>} send
   */
  const button = (words, look, send) => {
    const element = html`<button type="button" class=${look} onclick=${async () => {
      if (element.hasAttribute('aria-disabled')) return;
      element.setAttribute('aria-disabled', 'true');
      fill(problem);
      try {
        await send();
      } catch (error) {
        if (error instanceof Problem && ['precondition_failed', 'message_not_queued'].includes(error.code)) {
          await again();
          toast('It has changed meanwhile: this is how it is now.');
        } else fill(problem, html`<p class="error">${wordsOf(error)}</p>`);
      } finally {
        element.removeAttribute('aria-disabled');
      }
    }}>${words}</button>`;
    return element;
  };
  const resend = button('Send again', 'main', async () => {
    const { data } = await post(`${path}/resend`);
    resent.set(id, data.id);
    toast('A new message with the same text is queued.');
    actions.changed(data);
    const words = sentAgain(data.id);
    resend.replaceWith(words);
    words.querySelector('a')?.focus();
  });
  const sentAgain = (/** @type {string} */ other) => html`
    <p>Sent again just now. <a href=${`/desk/messages?open=${other}`} onclick=${(/** @type {MouseEvent} */ event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      actions.open(other);
    }}>Open the new message</a></p>`;
  const cancel = async () => {
    const { data } = await post(`${path}/cancel`, undefined, { etag });
    toast('It is cancelled, and will not be sent.');
    actions.changed(data);
    await again();
  };
  // What cannot be undone asks first.
  const cancelling = html`<span class="actions"></span>`;
  const offer = html`<button type="button" onclick=${() => {
    const isFailed = message.status === 'failed';
    fill(cancelling, isFailed && html`<span>It is not tried again.</span>`,
      button('Cancel it for good', 'danger', cancel), html`
      <button type="button" class="quiet" onclick=${() => {
        fill(cancelling, offer);
        offer.focus();
      }}>Keep it</button>`);
    cancelling.querySelector('button')?.focus();
  }}>Cancel</button>`;
  fill(cancelling, offer);

  const hindrance = obstacle(message);
  const links = [['referral', message.referral_id], ['partner', message.partner_id], ['user', message.user_id]]
    .filter(([, one]) => one).map(([kind, one], index) => [index > 0 && ', ', thing(kind, one)]);
  fill(place, fragment`
    <div class="stack">
      <h2>${message.subject}</h2>
      ${causeWords(message)}
      <dl class="facts">
        ${fact('Status', status('message', message.status))}
        ${fact('To', message.to ?? 'Nobody')}
        ${fact('Kind', kindWords(message.kind))}
        ${fact('About', links.length > 0 && links)}
        ${fact('Written', when(message.created_at))}
        ${message.status === 'queued' && fact('Goes out', when(message.due_at))}
        ${fact('Sent', message.sent_at && when(message.sent_at))}
        ${message.attempts > 1 && fact('Attempts', message.attempts)}
      </dl>
      <div class="actions">
        ${hindrance ? html`<p class="muted">It cannot be sent again. ${hindrance}</p>`
          : resent.has(id) ? sentAgain(resent.get(id) ?? '') : resend}
        ${['queued', 'failed'].includes(message.status) && cancelling}
      </div>
      ${problem}
      ${message.text === null ? html`<p class="muted">Its text is not kept.</p>`
        : html`<p class="letter" lang="en">${flowing(message.text)}</p>`}
    </div>`);

  if (!['queued', 'sending'].includes(message.status)) return;
  const shown = place.firstElementChild;
  /** Looks what became of it, as long as it is shown. */
  const look = async () => {
    if (!shown?.isConnected) return;
    try {
      const now = document.visibilityState === 'visible' ? await get(path) : answer;
      // Not while somebody is asked: nothing moves under a hand.
      if (now.etag !== etag && shown.isConnected && cancelling.childElementCount < 2) {
        actions.changed(now.data);
        const hadFocus = place.contains(document.activeElement);
        await again();
        return hadFocus && place.focus();
      }
    } catch {
      // The next time will tell.
    }
    setTimeout(look, pace);
  };
  setTimeout(look, pace);
}

/** @param {unknown} error */
const wordsOf = (error) => (error instanceof Problem && error.code === 'not_resendable'
  ? 'It cannot be sent again: its text is gone, or Tomi sends no messages at present.' : explain(error));
