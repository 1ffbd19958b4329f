import { get } from '../lib/api.js';
import { timeline } from '../lib/history.js';
import { fill, fragment, html } from '../lib/html.js';
import { show } from '../lib/page.js';
import { status, when } from '../lib/words.js';
import { flowing } from './message-words.js';

/** @typedef {import('./referral.js').RequestView} RequestView */

/**
 * Shows what happened to a request, with the notes.
 * @param {RequestView} view
 */
export async function history(view) {
  const { data } = await get(`${view.path}/history`, { query: { limit: 25 } });
  view.draw('history', data, () => fragment`
    ${timeline(data.data)}
    ${data.has_more && html`
      <p><a href=${`/desk/history?subject_kind=referral&subject_id=${view.id}`}>All of its history</a></p>`}`);
}

/**
 * Shows the letters about a request. The text of each is read when it is unfolded.
 * @param {RequestView} view
 */
export async function letters(view) {
  const { data } = await get('/api/admin/messages', { query: { referral_id: view.id, limit: 25 } });
  view.draw('letters', data, () => fragment`
    ${data.data.length ? html`<ul class="plain stack">${data.data.map(letter)}</ul>` : html`
      <p class="muted">No letter is about this request yet.</p>`}
    <p><a href=${`/desk/messages?referral_id=${view.id}`}>Send again, or cancel</a></p>`);
}

/** @param {any} message */
function letter({ id, to, subject, status: now, created_at: at, last_error: error }) {
  const place = html`<div></div>`;
  const read = async () => {
    if (place.hasChildNodes()) return;
    try {
      const { data } = await get(`/api/admin/messages/${id}`);
      fill(place, html`
        <p class="letter small">${data.text ? flowing(data.text) : 'The text is not kept any more.'}</p>`);
    } catch (problem) {
      show(problem, place, read);
    }
  };
  return html`
    <li>
      <details ontoggle=${read}><summary>${subject}</summary>${place}</details>
      <p class="small muted">${status('message', now)}, to ${to ?? 'nobody'}, ${when(at)}${error && `. ${error}`}</p>
    </li>`;
}
