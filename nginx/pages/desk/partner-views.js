/**
 * What else there is of a partner: its introductions in numbers and as a list, messages, history.
 * @module
 */
import { get } from '../lib/api.js';
import { bars } from '../lib/chart.js';
import { addListKeys } from '../lib/desk.js';
import { timeline } from '../lib/history.js';
import { fill, html } from '../lib/html.js';
import { List } from '../lib/list.js';
import { show } from '../lib/page.js';
import { count, declineReasons, outcomes, since, status, statusWords, when } from '../lib/words.js';
import { filter, orAll, showColumns, showFilters } from './filters.js';
import { kindWords } from './message-words.js';

/** @typedef {import('../lib/html.js').Child} Child */

const own = ['id', 'view'];

/**
 * A table that a list fills.
 * @param {string[]} columns
 * @param {string} [number]
 */
function table(columns, number) {
  const rows = html`<tbody></tbody>`;
  const element = html`<div class="scrolls"><table class="dense"><thead></thead>${rows}</table></div>`;
  showColumns(rows, columns, number);
  return { rows, element };
}

// --- Introductions ---

const monthName = new Intl.DateTimeFormat('en-US', { month: 'short', year: 'numeric', timeZone: 'UTC' });

/** @param {any} summary */
function numbers(summary) {
  const { by_status: by, by_outcome: of, by_month: months, declines } = summary;
  const fact = (/** @type {string} */ label, /** @type {Child} */ value) =>
    [html`<dt>${label}</dt>`, html`<dd>${value}</dd>`];
  const reasons = declines.filter((/** @type {any} */ one) => one.count).map((/** @type {any} */ one) =>
    html`<li>${one.count}: ${declineReasons[one.reason_code] ?? one.reason_code}</li>`);
  return html`
    <div class="halves">
      <section>
        <h2>Numbers</h2>
        <dl class="facts">
          ${Object.keys(by).map((value) => fact(statusWords('referral', value), by[value]))}
          ${Object.entries(outcomes).map(([value, words]) => of[value] > 0 && fact(words, of[value]))}
          ${fact('Time to an answer', summary.median_hours_to_answer === null ? 'No answer yet'
            : `Median ${count(summary.median_hours_to_answer, 'hour')}`)}
          ${fact('Time to a connection', summary.median_days_to_connection === null ? 'No connection yet'
            : `Median ${count(summary.median_days_to_connection, 'day')}`)}
          ${fact('Declined in a year', reasons.length ? html`<ul class="plain">${reasons}</ul>` : 'Never')}
        </dl>
      </section>
      ${bars({
        caption: 'Introductions by month',
        columns: ['Month', 'Introductions'],
        rows: months.map((/** @type {any} */ one) => ({
          label: monthName.format(new Date(`${one.month}-01`)), value: one.introductions,
          words: `${one.introductions}${one.connections ? `, ${one.connections} connected` : ''}`,
        })),
      })}
    </div>`;
}

/**
 * @param {string} id
 * @param {HTMLElement} place
 */
function introductions(id, place) {
  const summary = html`<p class="small muted" role="status"></p>`;
  const { rows, element } = table(
    ['Group', 'State', 'Status', 'In this status', 'Introduced', 'Outcome'], 'In this status');
  const filters = html`<form class="filters" role="search"></form>`;
  showFilters(filters, [filter('Status', 'status', orAll(
    ['matched', 'intro_sent', 'connected', 'closed', 'cancelled'], (value) => statusWords('referral', value)))]);
  const figures = html`<div></div>`;
  fill(place, html`<div class="stack">${figures}<h2>Requests</h2>${filters}${summary}${element}</div>`);
  const load = async () => {
    try {
      fill(figures, numbers((await get(`/api/admin/partners/${encodeURIComponent(id)}/summary`)).data));
    } catch (error) {
      show(error, figures, load);
    }
  };
  load();
  return new List({
    path: '/api/admin/referrals',
    query: { partner_id: id },
    rows,
    row: (referral) => html`
      <tr>
        <td class="long"><a href=${`/desk/referral?id=${referral.id}`}>${referral.group.name}</a></td>
        <td>${referral.context?.state}</td>
        <td>${status('referral', referral.status)}</td>
        <td class="number">${since(referral.status_since)}</td>
        <td>${referral.intro_sent_at && when(referral.intro_sent_at)}</td>
        <td>${referral.outcome && (outcomes[referral.outcome] ?? referral.outcome)}</td>
      </tr>`,
    key: (referral) => referral.id,
    noun: ['request', 'requests'],
    filters,
    summary,
    own,
    every: 30,
    empty: (given) => (given.toString() ? 'No request of this partner has this status.'
      : 'It was not matched with any request yet. It is proposed once it is active.'),
  });
}

// --- Messages and history ---

/**
 * @param {string} id
 * @param {HTMLElement} place
 */
function messages(id, place) {
  const summary = html`<p class="small muted" role="status"></p>`;
  const { rows, element } = table(['Subject', 'About', 'To', 'Status', 'Sent or written']);
  fill(place, html`<div class="stack"><p class="small"><a href=${`/desk/messages?partner_id=${id}`}>Read them one by
    one</a></p>${summary}${element}</div>`);
  return new List({
    path: '/api/admin/messages',
    query: { partner_id: id },
    rows,
    row: (message) => html`
      <tr>
        <td class="long"><a href=${`/desk/messages?partner_id=${id}&open=${message.id}`}>${message.subject}</a></td>
        <td>${kindWords(message.kind)}</td>
        <td class="long">${message.to}</td>
        <td>${status('message', message.status)}</td>
        <td>${when(message.sent_at ?? message.created_at)}</td>
      </tr>`,
    key: (message) => message.id,
    noun: ['message', 'messages'],
    summary,
    own,
    empty: 'Nothing was written about this partner yet. An invitation or an introduction sends letters.',
  });
}

/**
 * @param {string} id
 * @param {HTMLElement} place
 */
function history(id, place) {
  const summary = html`<p class="small muted" role="status"></p>`;
  const rows = timeline([]);
  fill(place, html`<div class="stack">${summary}${rows}</div>`);
  return new List({
    path: `/api/admin/partners/${encodeURIComponent(id)}/history`,
    rows,
    row: (event) => /** @type {HTMLElement} */ (timeline([event]).firstElementChild),
    key: (event) => String(event.number),
    noun: ['event', 'events'],
    summary,
    own,
    empty: 'Nothing has happened yet.',
  });
}

/** @type {Record<string, (id: string, place: HTMLElement) => List>} */
const views = { introductions, messages, history };

/**
 * Shows a view of a partner.
 * @param {string} view
 * @param {string} id
 * @param {HTMLElement} place
 */
export function showList(view, id, place) {
  const list = (views[view] ?? history)(id, place);
  list.load();
  addListKeys(list);
}
