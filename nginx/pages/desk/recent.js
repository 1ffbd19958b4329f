/**
 * The newest requests of a person or a group.
 * @module
 */
import { get } from '../lib/api.js';
import { html } from '../lib/html.js';
import { states, status, types, when } from '../lib/words.js';

const most = 5;

/**
 * @param {{ requested_by: string } | { group_id: string }} filter Of the queue.
 * @returns {Promise<HTMLElement>}
 */
export async function recent(filter) {
  const query = { ...filter, sort: '-created_at' };
  const { data } = await get('/api/admin/referrals', { query: { ...query, limit: most } });
  if (!data.data.length) return html`<p class="muted">There are none yet.</p>`;
  /** @param {any} request */
  const row = ({ id, group, partner_type: type, context, status: value, created_at: created }) => html`
    <li class="spread">
      <a href=${`/desk/referral?id=${id}`}>${types[type].label}${context.state && `, ${states[context.state]}`}${
        'requested_by' in filter && `, ${group.name}`}</a>
      <span class="row">${status('referral', value)} <span class="muted">asked ${when(created)}</span></span>
    </li>`;
  return html`
    <div class="stack">
      <ul class="plain">${data.data.map(row)}</ul>
      <p><a href=${`/desk?${new URLSearchParams(query)}`}>${data.has_more ? 'All requests' : 'In the queue'}</a></p>
    </div>`;
}
