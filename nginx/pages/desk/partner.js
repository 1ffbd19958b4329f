import { Problem, get, getAll, put, remove, token } from '../lib/api.js';
import { worth } from '../lib/credentials.js';
import { addKeys, loaded, recount, startDesk } from '../lib/desk.js';
import { drafts } from '../lib/drafts.js';
import { phoneLink } from '../lib/facts.js';
import { byID, fill, fragment, html } from '../lib/html.js';
import { explain, show, toast } from '../lib/page.js';
import { count, day, language, listed, stateChoices, states, status, statusWords, types, when } from '../lib/words.js';
import { acceptance, credentialName, credentialStatus, moves } from './partner-words.js';

/** @typedef {import('../lib/api.js').Answer} Answer */
/** @typedef {import('../lib/html.js').Child} Child */
/** @typedef {import('./partner-words.js').Credential} Credential */
/** @typedef {typeof import('./partner-form.js')} Forms */

const parameters = new URLSearchParams(location.search);
const id = parameters.get('id') ?? '';
const view = parameters.get('view') ?? '';
const path = `/api/admin/partners/${encodeURIComponent(id)}`;

/** What the page shows, and the parts of it that forms need. */
export const page = {
  path,
  /** @type {any} The partner, as it was read. */
  partner: null,
  /** @type {string | null} */
  etag: null,
  /** @type {Credential[]} */
  credentials: [],
  read,
  load,
  attempt,
};
/** @typedef {typeof page} Page */

async function read() {
  const answer = await get(path);
  page.partner = answer.data;
  page.etag = answer.etag;
  return answer;
}

/** Reads the partner and its credentials, and shows them. */
async function load() {
  try {
    // First it has to be known that there is such a partner.
    await read();
    page.credentials = await getAll(`${path}/credentials`);
    showPartner();
    if (view) viewing ??= showView();
  } catch (error) {
    if (!(error instanceof Problem && error.code === 'not_found')) return show(error, byID('next'), load);
    byID('name').textContent = 'There is no such partner';
    byID('views').hidden = true;
    fill(byID('next'), html`<p>The address may be cut off. <a href="/desk/partners">Look at all partners</a>.</p>`);
  }
}

/**
 * Sends a change of what the page shows. If somebody else was first, it shows that, and says who it was.
 * @param {() => Promise<Answer>} send
 */
async function attempt(send) {
  try {
    return await send();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (error.status !== 412) throw (await loaded(import('./partner-refusals.js'))).reworded(error);
    const { whoChanged } = await loaded(import('./changed.js'));
    const [who] = await Promise.all([whoChanged('partner', id), load()]);
    const words = `${who ?? 'Somebody changed this meanwhile.'} Look at it as it is now, and try again.`;
    throw new Problem(412, error.code, words);
  }
}

/**
 * A button that changes something at once. A failure stands beside it.
 * @param {string} words
 * @param {() => Promise<Answer>} send
 * @param {string} done
 * @param {string} [look] Its class.
 */
function button(words, send, done, look = '') {
  const element = html`<button type="button" class=${look} onclick=${async () => {
    if (element.hasAttribute('aria-disabled')) return;
    element.setAttribute('aria-disabled', 'true');
    element.parentElement?.querySelector('.error')?.remove();
    try {
      await attempt(send);
      toast(done);
      await load();
      recount();
    } catch (error) {
      const message = html`<span class="error" role="alert">${explain(error)}</span>`;
      if (element.isConnected) element.after(message);
      else byID('next').prepend(html`<p class="notice bad">${message}</p>`);
    } finally {
      element.removeAttribute('aria-disabled');
    }
  }}>${words}</button>`;
  return element;
}

/**
 * Opens a form. Forms are not part of the first view.
 * @param {(forms: Forms) => void} open
 */
async function withForms(open) {
  // Without a partner there is nothing to fill in.
  if (!page.partner) return;
  try {
    open(await loaded(import('./partner-form.js')));
  } catch (error) {
    toast(explain(error));
  }
}

/** @param {string} [field] The field to begin with. */
const edit = (field) => withForms((forms) => forms.openRecord(page, byID('record'), showRecord, field));

// --- What is next ---

/**
 * The credential as it is shown here, with its tag. Lists have no tags.
 * @param {Credential} credential
 */
async function tagOf(credential) {
  const { data, etag } = await get(`${path}/credentials/${credential.id}`);
  if (data.updated_at !== credential.updated_at) throw new Problem(412, 'precondition_failed', '');
  return etag;
}

/**
 * @param {Credential} credential
 * @param {boolean} verified
 */
const verify = async (credential, verified) =>
  put(`${path}/credentials/${credential.id}`, { verified }, { etag: await tagOf(credential) });

/** @param {Record<string, any>} body */
const change = (body) => put(path, body, { etag: page.etag });

/**
 * A button that asks before it does something.
 * @param {string} words
 * @param {HTMLElement} sure The button that does it.
 * @param {{ question?: Child, no?: string, look?: string, label?: string }} options `no` is the way back.
 */
function asking(words, sure, { question, no = 'Not now', look = '', label }) {
  const place = html`<span class="actions"></span>`;
  const offer = html`<button type="button" class=${look} aria-label=${label} onclick=${() => {
    fill(place, question && html`<span class="small">${question}</span>`, sure, html`
      <button type="button" class="quiet" onclick=${() => {
        fill(place, offer);
        offer.focus();
      }}>${no}</button>`);
    place.querySelector('button')?.focus();
  }}>${words}</button>`;
  fill(place, offer);
  return place;
}

/**
 * The button that verifies a credential. One that has expired keeps introductions away, so that it asks first.
 * @param {Credential} credential
 */
function verifying(credential) {
  const act = (/** @type {string} */ words) =>
    button(words, () => verify(credential, true), 'The credential is verified.');
  return worth(credential) !== 'expired' ? act('Verify') : asking('Verify', act('Verify it all the same'), {
    question: 'It has expired. The partner gets no introductions until it is renewed.',
  });
}

/** @param {Credential} credential */
const renewing = (credential) =>
  html`<button type="button" onclick=${() => openCredential(credential)}>Renew it</button>`;

/** What it takes to make a partner active, each with the way to do it. */
function activation() {
  const { partner, credentials } = page;
  const { agreement_signed_at: signed, service_areas: areas } = partner;
  const step = (/** @type {boolean | 'bad'} */ isDone, /** @type {Child} */ words, /** @type {Child} */ act) => html`
    <li><span class=${`status ${isDone === 'bad' ? 'bad' : isDone ? 'good' : 'waiting'}`}><span>${words}</span></span>
      ${act && html`<span class="actions">${act}</span>`}</li>`;
  const state = html`<select aria-label="State">${stateChoices.map(([code, name]) =>
    html`<option value=${code}>${name}</option>`)}</select>`;
  const expired = credentials.filter((one) => worth(one) === 'expired');
  const waiting = credentials.filter((one) => !one.verified_at && !expired.includes(one));
  const activate = (/** @type {string} */ words, /** @type {string} */ look) => button(words,
    () => put(`${path}/status`, { status: 'active' }, { etag: page.etag }),
    'The partner is active, and in the directory.', look);
  const isReady = signed && areas.length > 0;
  return html`
    <section class="card steps" aria-labelledby="next-title">
      <h2 id="next-title">${isReady ? 'Ready to be active' : 'What is missing to be active'}</h2>
      <ol class="plain">
        ${step(!!signed, signed ? ['Agreement signed ', when(signed)] : 'The agreement is not signed', !signed && [
          button('Signed today', () => change({ agreement_signed_at: new Date().toISOString() }),
            'The agreement is signed.', 'main'),
          html`<button type="button" class="quiet" onclick=${() => edit('agreement_signed_at')}>Another day</button>`])}
        ${step(areas.length > 0, areas.length ? `Serves ${places(areas)}` : 'No state is named', !areas.length && [
          state, button('Add', () => change({ service_areas: [/** @type {HTMLSelectElement} */ (state).value] }),
            'The state is added.', signed ? 'main' : '')])}
        ${waiting.map((one) => step(false, `To verify: ${credentialName(one)}`,
          verifying(one)))}
        ${expired.map((one) => step('bad', [credentialName(one), ': expired on ', day(one.expires_on ?? '')], [
          renewing(one), !one.verified_at && verifying(one)]))}
        ${!waiting.length && !expired.length && step(credentials.length > 0, credentials.length
          ? 'All credentials are verified' : 'No credentials yet. It can be active without.', !credentials.length &&
          html`<button type="button" onclick=${() => openCredential()}>Add one</button>`)}
      </ol>
      <div class="actions">${partner.credentials_status !== 'expired' ? activate('Make active', isReady ? 'main' : '')
        : asking('Make active', activate('Make it active all the same', 'main'), {
          question: 'It gets no introductions until its credential is renewed and verified.',
        })}</div>
    </section>`;
}

/** @returns {Child} */
function nextThing() {
  const { partner, credentials } = page;
  if (partner.status === 'removed') {
    return html`<p class="notice">This partner is removed, and gets no introductions. To take it back, change its
      status to “${statusWords('partner', 'pending_review')}”.</p>`;
  }
  if (partner.status !== 'active') return activation();
  const bad = { expired: 'has expired', expiring: 'expires soon' }[/** @type {string} */ (partner.credentials_status)];
  const late = credentials.filter((one) => one.verified_at && ['expired', 'expiring'].includes(worth(one)));
  return [
    bad && html`
      <div class=${`notice ${partner.credentials_status === 'expired' ? 'bad' : ''}`}>
        <h2>A credential ${bad}</h2>
        <ul>${late.map((one) => html`<li>${credentialName(one)}: ${day(one.expires_on ?? '')}${' '}
          ${renewing(one)}</li>`)}</ul>
        ${partner.credentials_status === 'expired' && html`
          <p>It gets no introductions until that is renewed and verified.</p>`}
      </div>`,
    partner.pending_changes && html`<section id="review" class="card" aria-label="Changes to review"></section>`,
  ];
}

// --- The record ---

/** @param {string[]} codes */
const places = (codes) => listed(codes.map((code) => states[code] ?? code));

/**
 * The name of a user, when it is known.
 * @param {string} user
 */
function person(user) {
  const element = html`<a href=${`/desk/person?id=${user}`}>${user.slice(0, 8)}</a>`;
  get(`/api/admin/users/${user}`).then(({ data }) => (element.textContent = data.name), () => {});
  return element;
}

function showRecord() {
  const { partner } = page;
  const fact = (/** @type {string} */ label, /** @type {Child} */ value) =>
    [html`<dt>${label}</dt>`, html`<dd>${value || html`<span class="muted">None</span>`}</dd>`];
  const { email, phone, website } = partner;
  fill(byID('record'), fragment`
    <div class="spread"><h2>Record</h2><button type="button" onclick=${() => edit()}>Edit</button></div>
    <dl class="facts">
      ${fact('Profession', types[partner.type].label)}
      ${fact('Contact', partner.contact_name)}
      ${fact('E-mail', html`<a href=${`mailto:${email}`}>${email}</a>`)}
      ${fact('Phone', phone && phoneLink(phone))}
      ${fact('Website', website && html`<a href=${website} rel="noreferrer">${website}</a>`)}
      ${fact('Serves', places(partner.service_areas))}
      ${fact('Languages', listed(partner.languages.map(language)))}
      ${fact('Certified for co-ownership', partner.co_ownership_certified ? 'Yes' : 'No')}
      ${fact('Description', partner.description && html`<span class="lines">${partner.description}</span>`)}
      ${fact('Relation with Tomi', partner.affiliation_disclosure)}
      ${fact('Agreement signed', partner.agreement_signed_at && when(partner.agreement_signed_at))}
      ${fact('Paused until', [partner.paused_until ? [day(partner.paused_until), ' '] : 'Not paused ',
        html`<button type="button" class="link" onclick=${() => edit('paused_until')}>Change</button>`])}
      ${fact('Limit', partner.max_open_referrals ? `At most ${
        count(partner.max_open_referrals, 'open introduction')}` : 'None')}
      ${fact('Account', partner.user_id ? person(partner.user_id) : ['Not linked ',
        html`<button type="button" class="link" onclick=${() => edit('user_id')}>Link one</button>`])}
      ${fact('Invited by', partner.invited_by && person(partner.invited_by))}
      ${fact('Notes', partner.notes && html`<span class="lines">${partner.notes}</span>`)}
      ${fact('Added', when(partner.created_at))}
      ${fact('Changed', when(partner.updated_at))}
    </dl>`);
}

// --- Credentials ---

/** @param {Credential} [credential] A new one if left out. */
const openCredential = (credential) => withForms((forms) => forms.openCredential(page, credential));

function showCredentials() {
  const { credentials } = page;
  const row = (/** @type {Credential} */ one) => html`
    <tr>
      <td class="long">${credentialName(one)}
        ${one.issuer && html`<span class="muted"> ${one.issuer}</span>`}
        ${one.verified_at && html`<span class="muted"> Verified ${when(one.verified_at)}</span>`}
        ${one.notes && html`<p class="small lines">${one.notes}</p>`}</td>
      <td>${one.expires_on ? day(one.expires_on) : 'Does not expire'}</td>
      <td>${credentialStatus(one)}</td>
      <td><div class="actions">
        ${one.verified_at
          ? button('Take verification off', () => verify(one, false), 'It waits for verification again.', 'quiet')
          : verifying(one)}
        <button type="button" class="quiet" aria-label=${`Edit ${credentialName(one)}`} onclick=${() =>
          openCredential(one)}>Edit</button>
        ${removal(one)}
      </div></td>
    </tr>`;
  keepFocus(byID('credentials'), fragment`
    <div class="spread">
      <h2>Credentials</h2>
      <button type="button" onclick=${() => openCredential()}>Add a credential</button>
    </div>
    ${credentials.length ? html`
      <div class="scrolls"><table class="dense">
        <thead><tr>${['Credential', 'Expires', 'Status'].map((one) =>
          html`<th scope="col">${one}</th>`)}<td></td></tr></thead>
        <tbody>${credentials.map(row)}</tbody>
      </table></div>`
      : html`<p class="muted">There are none. Add the license that the work needs, and verify it.</p>`}`);
}

/**
 * What cannot be undone asks first.
 * @param {Credential} credential
 */
function removal(credential) {
  const name = credentialName(credential);
  const sure = button('Remove for good', async () => remove(`${path}/credentials/${credential.id}`,
    { etag: await tagOf(credential) }), `${name} is removed. The history keeps it.`, 'danger');
  return asking('Remove', sure, { no: 'Keep it', look: 'quiet', label: `Remove ${name}` });
}

// --- The page ---

/**
 * Shows other content, with the focus on the button where it was: that of the next thing.
 * @param {HTMLElement} element
 * @param {Child} content
 */
function keepFocus(element, content) {
  const buttons = () => [...element.querySelectorAll('button')];
  const place = buttons().findIndex((one) => one === document.activeElement);
  fill(element, content);
  if (place >= 0) (buttons()[Math.min(place, buttons().length - 1)] ?? byID('name')).focus();
}

/** The note of a review that somebody else has ended meanwhile. */
let leftNote = '';
const showLeftNote = () => leftNote && html`
  <div class="notice note" role="status">
    <p>There is nothing to review any more. Your note was:</p>
    <p class="lines">${leftNote}</p>
    <button type="button" onclick=${({ target }) => {
      leftNote = '';
      target.parentElement.remove();
    }}>Remove it</button>
  </div>`;

function showPartner() {
  const { partner } = page;
  const note = byID('next').querySelector('textarea')?.value;
  if (note && !partner.pending_changes) leftNote = note;
  document.title = `${partner.company_name} – Tomi desk`;
  byID('name').textContent = partner.company_name;
  fill(byID('state'), status('partner', partner.status), acceptance(partner),
    partner.status === 'active' && html`<a href=${`/partner?id=${id}`}>See it in the directory</a>`, html`
    <details class="menu">
      <summary>Change status</summary>
      <div>${(moves[partner.status] ?? Object.keys(moves)).map((value) => html`
        <button type="button" class="link" onclick=${() => {
          byID('state').querySelector('details')?.removeAttribute('open');
          withForms((forms) => forms.openStatus(page, value));
        }}>${statusWords('partner', value)}</button>`)}</div>
    </details>`);
  keepFocus(byID('next'), html`<div class="stack">${showLeftNote()}${nextThing()}</div>`);
  if (partner.pending_changes) withForms((forms) => forms.showReview(page, byID('review')));
  if (view) return;
  // A form that somebody fills in stays.
  if (!byID('record').querySelector('form')) showRecord();
  showCredentials();
}

/** @type {[words: string, view: string][]} */
const views = [['Record', ''], ['Introductions', 'introductions'], ['Messages', 'messages'], ['History', 'history']];
fill(byID('views'), views.map(([words, name]) => html`
  <a href=${`?id=${id}${name && `&view=${name}`}`} aria-current=${name === view ? 'page' : null}>${words}</a>`));
byID('views').hidden = false;

/** @type {Promise<void> | undefined} */
let viewing;
async function showView() {
  try {
    const { showList } = await loaded(import('./partner-views.js'));
    showList(view, id, byID('view'));
  } catch (error) {
    show(error, byID('view'), showView);
  }
}

/** @param {KeyboardEvent} event */
function leave({ target }) {
  // A menu closes by itself.
  if (target instanceof Element && target.closest('.menu')) return;
  // A review is not left by a key that leads out of its note.
  if (target instanceof HTMLElement && target.closest('#review-form')) return target.blur();
  const form = document.querySelector('#record-form .quiet');
  if (form instanceof HTMLElement) form.click();
  else history.back();
}

let told = '';
/** Says what others have changed meanwhile. Nothing moves until somebody wants to see it. */
async function lookForNews() {
  try {
    if (!page.partner) return;
    const { etag } = await get(path);
    if (!etag || etag === page.etag || etag === told) return;
    told = etag;
    const { whoChanged } = await import('./changed.js');
    toast((await whoChanged('partner', id)) ?? 'This partner has changed.', { label: 'Show', act: load });
  } catch {
    // The next time will tell.
  }
}

if (!view) {
  fill(byID('view'), html`
    <div class="halves">
      <section id="record" class="stack"></section>
      <section id="credentials" class="stack"></section>
    </div>`);
}
const loading = token() && load();
addKeys(
  { key: 'e', words: 'Edit the record', act: () => (view && page.partner ? location.assign(`?id=${id}`) : edit()) },
  { key: 'c', words: 'Add a credential', act: () => openCredential() },
  { key: 'Escape', words: '', act: leave },
);
await startDesk();
await loading;
setInterval(() => document.visibilityState === 'visible' && lookForNews(), 30_000);
for (const form of drafts()) {
  if (form === 'record-form') edit();
  if (form.startsWith('credential-')) openCredential(page.credentials.find((one) => `credential-${one.id}` === form));
  if (form.startsWith('status-')) withForms((forms) => forms.openStatus(page, form.slice('status-'.length)));
}
