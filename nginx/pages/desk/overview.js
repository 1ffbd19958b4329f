import { get, token } from '../lib/api.js';
import { bars, dots } from '../lib/chart.js';
import { addKeys, startDesk } from '../lib/desk.js';
import { byID, fill, fragment, html } from '../lib/html.js';
import { show } from '../lib/page.js';
import {
  count, declineReasons, openStatuses, stateChoices, states, statuses, today, typeChoices, types, when,
} from '../lib/words.js';
import { choose, filter, showFilters } from './filters.js';

/** @typedef {Record<string, number>} Counts By status. */
/** @typedef {{ label: string, query: string | null, by_status: Counts, total: number }} Line */
/**
 * @typedef {object} Summary
 * @property {number} total
 * @property {Counts} by_status
 * @property {{ partner_type: string, total: number, by_status: Counts }[]} by_type
 * @property {{ state_code: string | null, total: number, by_status: Counts }[]} by_state
 * @property {number} pending_older_than_7_days
 * @property {number} pending_older_than_14_days
 * @property {number} pending_without_candidates
 * @property {{ over_3_days: number, over_7_days: number, over_14_days: number }} introductions_unanswered
 * @property {{ reason_code: string, count: number }[]} declines
 * @property {number} changes_to_review
 * @property {number} follow_ups_overdue
 * @property {number} credentials_expiring
 * @property {{ state_code: string, partner_type: string, count: number }[]} waitlist
 * @property {Record<string, number | null>} median_days
 */
/**
 * @typedef {object} Share
 * @property {string} id
 * @property {string} company_name
 * @property {number} introductions
 * @property {number} declines
 * @property {number} open_referrals
 * @property {string | null} last_intro_at
 */

const requestStatuses = Object.entries(statuses.referral);
const steps = {
  pending_to_matched: 'From new to matched', matched_to_intro_sent: 'From matched to introduced',
  intro_sent_to_connected: 'From introduced to connected', connected_to_closed: 'From connected to closed',
};
const open = openStatuses.join();

/** @param {string} query */
const queue = (query) => `/desk?${query}&sort=status_since`;

// --- What waits, how long it takes, what comes of it ---

/** @param {Summary} summary */
function waits({
  by_status: counts, pending_older_than_7_days: week, pending_older_than_14_days: fortnight,
  pending_without_candidates: stuck, introductions_unanswered: unanswered, follow_ups_overdue: overdue,
  changes_to_review: changes, credentials_expiring: credentials, waitlist,
}) {
  const people = waitlist.reduce((sum, one) => sum + one.count, 0);
  return html`
    <section>
      <h2>What waits</h2>
      <div class="figures">
        ${bars({
          caption: 'Requests that need somebody of Tomi',
          columns: ['What waits', 'Requests'],
          rows: [
            { label: 'New', value: counts.pending, href: queue('status=pending'), tone: 'new' },
            { label: 'New for 7 days or more', value: week, href: queue('status=pending&older_than_days=7') },
            { label: 'New for 14 days or more', value: fortnight, href: queue('status=pending&older_than_days=14') },
            { label: 'New, and no partner fits', value: stuck, tone: 'bad' },
            { label: 'Follow-up overdue', value: overdue, tone: 'bad',
              // It is overdue from the day after it, in UTC.
              href: queue(`status=${open}&follow_up_until=${today(-1)}`) },
          ],
        })}
        ${bars({
          caption: 'Introductions that the partner has not answered',
          columns: ['For how long', 'Requests'],
          rows: [[3, unanswered.over_3_days], [7, unanswered.over_7_days], [14, unanswered.over_14_days]].map(
            ([days, value]) => ({ label: `For ${days} days or more`, value, tone: 'waiting',
              href: queue(`status=intro_sent&in_status_days=${days}`) })),
        })}
        ${bars({
          caption: 'Partners that wait for Tomi',
          columns: ['What waits', 'Number'],
          rows: [
            { label: 'Changes to review', value: changes, href: '/desk/partners?pending_changes=true' },
            { label: 'Credentials that expire within 30 days', value: credentials,
              href: '/desk/partners?view=credentials&verified=true&expiring_within_days=30' },
          ],
        })}
        ${bars({
          caption: people ? `Waiting list: ${count(people, 'person', 'people')} told as soon as somebody is there`
            : 'Waiting list: nobody waits',
          columns: ['For', 'People'],
          rows: [...waitlist].sort((a, b) => b.count - a.count).map(({ state_code: code, partner_type: type, count }) =>
            ({ label: `${states[code]}, ${types[type].one}`, value: count,
              href: `/desk/coverage?state=${code}&type=${type}` })),
        })}
      </div>
    </section>`;
}

/** @param {Summary} summary */
const durations = ({ median_days: days }) => html`
  <section>
    <h2>How long each step takes</h2>
    ${bars({
      caption: 'The median of all steps ever made: half of them took less',
      columns: ['Step', 'Median'],
      rows: Object.entries(steps).map(([step, label]) => ({
        label, value: days[step], words: days[step] === null ? 'None yet' : count(Number(days[step]), 'day'),
      })),
    })}
  </section>`;

/** @param {Summary} summary */
function results({ total, by_status: counts, by_type: byType, by_state: byState, declines }) {
  const refused = declines.reduce((sum, one) => sum + one.count, 0);
  const typeLines = byType.map(({ partner_type: type, ...rest }) =>
    ({ ...rest, label: types[type].label, query: `partner_type=${type}` }));
  const stateLines = byState.map(({ state_code: code, ...rest }) =>
    ({ ...rest, label: code ? states[code] : 'No state given', query: code && `state=${code}` }));
  return html`
    <section>
      <h2>What comes of it</h2>
      <div class="figures">
        ${bars({
          caption: `All ${count(total, 'request')} by what they are now`,
          columns: ['Status', 'Requests'],
          rows: requestStatuses.map(([status, [label, tone]]) => ({
            label, value: counts[status], tone, href: queue(`status=${status}`),
          })),
        })}
        ${bars({
          caption: refused ? `Why partners declined ${count(refused, 'introduction')}` : 'No partner has declined yet',
          columns: ['Reason', 'Introductions'],
          rows: refused ? declines.map(({ reason_code: code, count }) =>
            ({ label: declineReasons[code] ?? code, value: count })) : [],
        })}
        ${crossed('By profession', 'Profession', typeLines)}
        ${crossed('By state', 'State', stateLines.sort((a, b) => b.total - a.total))}
      </div>
    </section>`;
}

/**
 * Requests by a quality, and within each by status.
 * @param {string} caption
 * @param {string} what
 * @param {Line[]} lines
 */
function crossed(caption, what, lines) {
  const cell = (/** @type {Line} */ { query, by_status: counts }, /** @type {string} */ status) =>
    query && counts[status] ? html`<a href=${queue(`${query}&status=${status}`)}>${counts[status]}</a>`
      : counts[status];
  return bars({
    caption,
    rows: lines.map(({ label, total, query }) => ({ label, value: total, href: query && queue(query) })),
    table: html`
      <div class="scrolls" tabindex="0" role="region" aria-label=${`${caption}, and by status`}>
        <table>
          <thead><tr>
            <th scope="col">${what}</th>
            ${requestStatuses.map(([, [words]]) => html`<th scope="col" class="number">${words}</th>`)}
          </tr></thead>
          <tbody>${lines.map((line) => html`<tr>
            <th scope="row">${line.label}</th>
            ${requestStatuses.map(([status]) => html`<td class="number">${cell(line, status)}</td>`)}
          </tr>`)}</tbody>
        </table>
      </div>`,
  });
}

// --- Is it fair ---

/** What is chosen stands in the address: `/desk/overview?partner_type=attorney&state=MN`. */
function chosen() {
  const query = new URLSearchParams(location.search);
  return { partner_type: query.get('partner_type') || 'attorney', state: query.get('state') || 'MN' };
}

/** @param {Share[]} shares */
const table = (shares) => html`
  <div class="scrolls" tabindex="0" role="region" aria-label="Introductions for each partner">
    <table>
      <thead><tr>
        <th scope="col">Partner</th>
        ${['Introductions', 'Declined', 'Open'].map((words) => html`<th scope="col" class="number">${words}</th>`)}
        <th scope="col">Last introduction</th>
      </tr></thead>
      <tbody>${shares.map(({ id, company_name: name, open_referrals: now, last_intro_at: last, ...share }) => html`
        <tr>
          <th scope="row"><a href=${`/desk/partner?id=${id}`}>${name}</a></th>
          <td class="number">${share.introductions}</td>
          <td class="number">${share.declines}</td>
          <td class="number">${now && html`
            <a href=${queue(`partner_id=${id}&status=matched,intro_sent`)}>${now}</a>`}</td>
          <td>${last ? when(last) : 'Never'}</td>
        </tr>`)}</tbody>
    </table>
  </div>`;

/**
 * The spread in a sentence, so that nobody has to judge dots.
 * @param {Share[]} shares
 */
function spread(shares) {
  const total = shares.reduce((sum, { introductions }) => sum + introductions, 0);
  const most = Math.max(...shares.map(({ introductions }) => introductions));
  const [first, ...others] = shares.filter(({ introductions }) => introductions === most);
  const partners = count(shares.length, 'partner');
  if (!total) return `${partners}, and no introduction in the last 365 days.`;
  const who = others.length
    ? `${others.length + 1} of them got the most: ${most} each`
    : `${first.company_name} got the most: ${most}`;
  const percent = (/** @type {number} */ part) => `${Math.round(part * 100)}%`;
  return `${partners}, ${count(total, 'introduction')}. ${who}, which is ${percent(most / total)}. ` +
    `An equal share is ${percent(1 / shares.length)}.`;
}

const fairness = byID('fairness'), choice = byID('choice');
let request = new AbortController();

async function showFairness() {
  request.abort();
  const { signal } = (request = new AbortController());
  const query = chosen();
  for (const select of choice.querySelectorAll('select')) {
    choose(select, query[/** @type {keyof query} */ (select.name)]);
  }
  if (!types[query.partner_type] || !states[query.state]) {
    return fill(fairness, html`
      <p class="notice bad" role="alert">There is no such profession or state. Choose another.</p>`);
  }
  fairness.setAttribute('aria-busy', 'true');
  try {
    const { data } = await get('/api/admin/fairness', { query, signal });
    /** @type {Share[]} */
    const shares = data.data;
    const where = `${types[query.partner_type].many} in ${states[query.state]}`;
    const coverage = `/desk/coverage?state=${query.state}&type=${query.partner_type}`;
    fill(fairness, shares.length ? fragment`
      <p>${spread(shares)}</p>
      ${dots({
        caption: `Introductions for each of the ${where}: a dot is a partner`,
        unit: ['introduction', 'introductions'],
        rows: shares.map(({ company_name: label, introductions: value }) => ({ label, value })),
        table: table(shares),
      })}
      <p class="small muted">The next introduction is proposed in the order of the table. ${data.order}</p>`
      : html`<p>There are no active ${where}, so there is nothing to compare. <a href=${coverage}>See the coverage</a>,
          or choose another state.</p>`);
  } catch (error) {
    show(error, fairness, showFairness);
  } finally {
    if (!signal.aborted) fairness.removeAttribute('aria-busy');
  }
}

function change() {
  const pairs = [...choice.querySelectorAll('select')].map(({ name, value }) => [name, value]);
  history.pushState(null, '', `?${new URLSearchParams(pairs)}`);
  showFairness();
}

// --- The page ---

const numbers = byID('numbers');

async function showNumbers() {
  try {
    const { data } = await get('/api/admin/summary');
    fill(numbers, waits(data), durations(data), results(data));
  } catch (error) {
    show(error, numbers, showNumbers);
  }
}

showFilters(choice, [filter('Profession', 'partner_type', typeChoices), filter('State', 'state', stateChoices)]);
choice.addEventListener('change', change);
byID('fair').hidden = false;
addEventListener('popstate', showFairness);
addKeys({ key: 't', words: 'Choose the profession to compare', act: () => choice.querySelector('select')?.focus() });
if (token()) {
  showNumbers();
  showFairness();
}
await startDesk();
