import { Problem, get, getAll, put, token } from './lib/api.js';
import { bars } from './lib/chart.js';
import { drafts } from './lib/drafts.js';
import { Form, choices, field, inWords } from './lib/form.js';
import { byID, fill, fragment, html } from './lib/html.js';
import { needFacts } from './lib/need.js';
import { show } from './lib/page.js';
import { hindrances, startPortal } from './lib/portal.js';
import { count, declineReasons, states, types, when } from './lib/words.js';

/** @typedef {import('./portal/introductions.js').Introduction} Introduction */

const readWaiting = () => getAll('/api/partners/me/referrals', { query: { status: 'intro_sent' } });
const readPartner = () => get('/api/partners/me');
const readSummary = () => get('/api/partners/me/summary');

// What the page shows is asked for before it is known who is signed in.
const first = token() ? { waiting: readWaiting(), partner: readPartner(), summary: readSummary() } : null;
for (const one of Object.values(first ?? {})) one.catch(() => {});
await startPortal();

// --- What waits for an answer ---

let left = 0;

function showTitle() {
  byID('title').textContent = left ? `${count(left, 'introduction')} ${left === 1 ? 'waits' : 'wait'} for your answer`
    : 'Nothing waits for your answer';
}

/** @param {Promise<Introduction[]>} [reading] */
async function loadWaiting(reading = readWaiting()) {
  const place = byID('waiting');
  place.hidden = false;
  try {
    const waiting = await reading;
    // Who has waited longest comes first.
    waiting.sort((a, b) => a.intro_sent_at.localeCompare(b.intro_sent_at));
    left = waiting.length;
    showTitle();
    fill(place, left ? waiting.map(card) : html`
      <li class="empty">When Tomi introduces a group to you, you get a letter, and it stands here. <a
        href="/portal/introductions">All introductions</a></li>`);
    const wanted = location.hash && document.getElementById(location.hash.slice(1));
    if (wanted) wanted.scrollIntoView();
  } catch (error) {
    const item = html`<li></li>`;
    fill(place, item);
    show(error, item, loadWaiting);
  }
}

/** @param {Introduction} introduction */
function card(introduction) {
  const { id, partner_type: type, context, group, contact, intro_sent_at: at } = introduction;
  const place = html`<div></div>`;
  const row = html`
    <li class="card" id=${`introduction-${id}`} tabindex="-1">
      <h2>${group.name}</h2>
      <p>They ask for ${types[type].a}${context.state ? ` in ${states[context.state]}` : ', state not decided'}.
        Introduced ${when(at)}.</p>
      <dl class="facts">
        ${contact && [html`<dt>Contact</dt>`,
          html`<dd>${contact.name}, <a href=${`mailto:${contact.email}`}>${contact.email}</a></dd>`]}
        ${needFacts({ ...context, state: null })}
      </dl>
      ${place}
    </li>`;
  /** @param {import('./lib/html.js').Child} words */
  const finish = (words) => {
    left--;
    showTitle();
    fill(place, html`<div class="notice note" role="status">${words}</div>`);
    row.focus();
    loadYear();
  };
  const decline = () => {
    fill(place, declineForm(introduction, finish, offer));
    place.querySelector('input')?.focus();
  };
  const offer = () => fill(place, acceptForm(introduction, finish, decline));
  if (drafts().includes(`decline-${id}`)) decline();
  else offer();
  return row;
}

/**
 * @param {Introduction} introduction
 * @param {Record<string, unknown>} body
 */
function answer({ id }, body) {
  const gone = 'It does not wait for an answer any more. The group or Tomi took it back, or somebody has answered ' +
    'it already. Reload the page to see how it stands.';
  return inWords(put(`/api/partners/me/referrals/${id}/response`, body), {
    not_found: gone, transition_not_allowed: gone,
    quota_exceeded: 'You have changed a lot today. Answer tomorrow, or answer the letter of the introduction.',
  });
}

/**
 * @param {Introduction} introduction
 * @param {(words: import('./lib/html.js').Child) => void} finish
 * @param {() => void} decline
 */
function acceptForm(introduction, finish, decline) {
  const { id, group, contact } = introduction;
  const element = html`
    <form id=${`accept-${id}`}>
      <div class="actions">
        <button class="main">Accept</button>
        <button type="button" onclick=${decline}>Decline</button>
      </div>
    </form>`;
  new Form(element, {
    save: () => answer(introduction, { response: 'accepted' }),
    saved: () => finish(fragment`
      <p><strong>You have accepted.</strong> Tomi has told ${group.name}. Please write to them soon.</p>
      ${contact && html`
        <p><a class="button main" href=${`mailto:${contact.email}`}>Write to ${contact.name}</a></p>`}`),
  });
  return element;
}

/**
 * @param {Introduction} introduction
 * @param {(words: import('./lib/html.js').Child) => void} finish
 * @param {() => void} back
 */
function declineForm(introduction, finish, back) {
  const { id, group } = introduction;
  const element = html`
    <form id=${`decline-${id}`}>
      ${choices('Why do you decline?', 'reason_code', Object.entries(declineReasons))}
      ${field('Anything to add', html`<textarea name="reason"></textarea>`, {
        isOptional: true, hint: 'Tomi reads it. The group does not.',
      })}
      <div class="actions">
        <button class="danger">Decline the introduction</button>
        <button type="button" class="quiet" onclick=${back}>Back</button>
      </div>
    </form>`;
  new Form(element, {
    save: async (body) => {
      if (body.reason_code) return answer(introduction, { response: 'declined', ...body });
      // The service takes an answer without one, but then Tomi does not know whom to look for.
      const detail = 'Choose a reason.';
      const errors = [{ pointer: '/reason_code', code: 'required', detail }];
      throw new Problem(422, 'validation', detail, { errors });
    },
    saved: () => finish(html`
      <p><strong>You have declined.</strong> Tomi now looks for somebody else for ${group.name}. Thank you for the
        answer.</p>`),
  });
  return element;
}

// --- How the partner stands ---

/** @param {Promise<import('./lib/api.js').Answer>} [reading] */
async function loadStanding(reading = readPartner()) {
  const place = byID('standing');
  place.hidden = false;
  try {
    const { data: partner } = await reading;
    const changes = Object.keys(partner.pending_changes ?? {}).length;
    const lines = [
      ...hindrances(partner),
      partner.credentials_status === 'expiring' && 'A license of yours expires soon. Add the renewed one in time.',
      changes > 0 && `${count(changes, 'change')} to your profile ${
        changes === 1 ? 'waits' : 'wait'} for Tomi's review.`,
    ].filter(Boolean);
    place.hidden = !lines.length;
    fill(place, html`
      <div class="notice stack">
        ${lines.map((line) => html`<p>${line}</p>`)}
        <p class="actions"><a class="button" href="/portal/profile">Your profile</a>
          <a class="button" href="/portal/licenses">Your licenses</a></p>
      </div>`);
  } catch (error) {
    show(error, place, loadStanding);
  }
}

// --- The year ---

const month = new Intl.DateTimeFormat('en-US', { month: 'short', year: 'numeric', timeZone: 'UTC' });

/** @param {Promise<import('./lib/api.js').Answer>} [reading] */
async function loadYear(reading = readSummary()) {
  const place = byID('year');
  place.hidden = false;
  try {
    /** @type {{ data: { by_month: { month: string, introductions: number, connections: number }[],
     *   by_outcome: Record<string, number>, median_days_to_connection: number | null } }} */
    const { data: { by_month: months, by_outcome: outcomes, median_days_to_connection: median } } = await reading;
    const total = (/** @type {'introductions' | 'connections'} */ name) =>
      months.reduce((sum, one) => sum + one[name], 0);
    /** @type {[words: string, value: number | string][]} */
    const numbers = [
      ['Introductions', total('introductions')], ['Connected', total('connections')],
      ['Deals closed, all time', outcomes.deal_closed], ['Days to a connection (median), all time', median ?? '–'],
    ];
    fill(
      place,
      html`<h2>The last twelve months</h2>`,
      html`<dl class="numbers">${numbers.map(([words, value]) => html`
        <div><dt>${words}</dt><dd>${value}</dd></div>`)}</dl>`,
      bars({
        caption: 'Introductions by month', columns: ['Month', 'Introductions'],
        rows: months.map((one) => ({ label: month.format(new Date(one.month)), value: one.introductions })),
      }),
      html`<p class="small muted">What you declined is not counted. <a
        href="/portal/introductions">All introductions</a></p>`,
    );
  } catch (error) {
    show(error, place, loadYear);
  }
}

loadWaiting(first?.waiting);
loadStanding(first?.partner);
loadYear(first?.summary);
