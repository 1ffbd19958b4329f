import { Problem, get, getAll, post, token } from './lib/api.js';
import { drafts } from './lib/drafts.js';
import { fact, phoneLink } from './lib/facts.js';
import { Form, field, inWords, options } from './lib/form.js';
import { isID, otherGroups } from './lib/groups.js';
import { byID, fill, fragment, html } from './lib/html.js';
import { needFacts } from './lib/need.js';
import { show, start, toast } from './lib/page.js';
import { language, listed, openStatuses, stateChoices, states, status, types, when } from './lib/words.js';

/** @typedef {import('./group/ask.js').Request} Request */
/** @typedef {import('./group/ask.js').Fit} Fit */
/** @typedef {{ state_code: string, order: string, data: Fit[] }} Fits */

const query = () => new URLSearchParams(location.search);
const group = query().get('id') ?? '';
const path = `/api/groups/${encodeURIComponent(group)}`;
/** The state in the address; none is the group's own. */
const chosenState = () => (states[query().get('state') ?? ''] ? query().get('state') : null);

const readOpen = () => getAll(`${path}/referrals`, { query: { status: openStatuses.join() } });
const readFits = () => get(`${path}/recommendations`, { query: { state: chosenState() } });

// What the page shows first is asked for before it is known who is signed in.
const first = token() && isID(group) ? [readOpen(), readFits()] : [];
for (const one of first) one.catch(() => {});
const me = /** @type {import('./lib/api.js').Me} */ (await start({ roles: ['member', 'staff'] }));
const ownGroup = me.groups.find(({ id }) => id === group);

/** The statuses of open requests: what waits for the group itself comes first. */
const steps = ['intro_sent', 'matched', 'pending', 'connected'];
/** @type {Request[]} */
let open = [];
/** @type {Fits | null} */
let fits = null;

/** @param {Request} request */
const isWaiting = ({ status }) => status !== 'connected';

/**
 * The request that stands in the way of another one for this type and state, or that led to somebody.
 * @param {string} type
 * @param {string | null} state
 */
const requestFor = (type, state) => {
  const same = open.filter((one) => one.partner_type === type && one.context.state === state);
  return same.find(isWaiting) ?? same[0];
};

/**
 * The address of the page that asks for a type.
 * @param {string} type
 * @param {string} state
 */
const askAddress = (type, state) => `/group/ask?${new URLSearchParams({ id: group, type, state })}`;

// --- What is next ---

function showNext() {
  const place = byID('next');
  const content = nextThing();
  place.hidden = !content.length;
  fill(place, content);
}

/**
 * @param {Request} request
 * @param {string} style
 */
const writeTo = ({ partner }, style) => partner?.email && html`
  <p class="actions"><a class=${style} href=${`mailto:${partner.email}`}>Write to ${
    partner.contact_name ?? partner.company_name}</a></p>`;

/** @param {Request} request */
function meeting(request) {
  const company = request.partner?.company_name;
  const isContact = request.contact_id === me.id;
  return fragment`
    <h2>${request.status === 'connected' ? `You are in touch with ${company}` : `Meet ${company}`}</h2>
    <p>Introduced ${when(request.intro_sent_at ?? '')}. ${isContact ? 'They have your address, but you'
      : 'They have the address of your contact, but you'} need not wait for them.</p>
    ${writeTo(request, 'button main')}`;
}

function nextThing() {
  const waiting = open.filter(({ status }) => ['pending', 'matched'].includes(status));
  const ofTypes = (/** @type {Request[]} */ some) =>
    listed([...new Set(some.map(({ partner_type: type }) => types[type].a))]);
  const found = ofTypes(waiting.filter(({ partner }) => partner));
  const sought = ofTypes(waiting.filter(({ partner }) => !partner));
  // What the group itself can do comes first.
  return [
    open.filter((one) => one.partner && !waiting.includes(one)).map(meeting),
    found && html`<h2>Tomi has found ${found} for you</h2>`,
    sought && html`<h2>Tomi is looking for ${sought}</h2>`,
    waiting.length > 0 && html`
      <p>You need not do anything now. As soon as somebody fits, Tomi introduces you to each other by e-mail.</p>`,
    !open.some(isWaiting) && nextType(),
  ].flat().filter(Boolean);
}

/** What the group could ask for next. */
function nextType() {
  if (!fits) return null;
  const { state_code: state, data } = fits;
  const missing = data.filter(({ partner_type: type }) => !requestFor(type, state));
  const fit = missing.find(({ status }) => status === 'available');
  if (fit) {
    const type = fit.partner_type;
    return fragment`
      <h2>${open.length ? 'Next' : 'Begin with'}: ${types[type].a}</h2>
      <p>${types[type].purpose}. Tell Tomi what you need, and you are introduced to somebody who fits.</p>
      <p class="actions">
        <a class="button main" href=${askAddress(type, state)}>Ask for ${types[type].a}</a></p>`;
  }
  return !open.length && fragment`
    <h2>Tomi has nobody in ${states[state]} yet</h2>
    <p>Nothing waits for you. Tomi can write to you as soon as it has somebody there: see below.</p>`;
}

// --- Requests ---

/**
 * What came of it, for the group.
 * @type {Record<string, string>}
 */
const outcomeWords = {
  engaged: 'You work together.', deal_closed: 'Your deal is closed.', not_engaged: 'You do not work together.',
  unknown: 'Outcome not known.',
};

/**
 * What was cancelled on this page. The service does not tell a group who cancelled a request.
 * @type {Set<string>}
 */
const cancelled = new Set();

/** @param {Request} request */
function sentence({ id, status: now, status_since: since, partner, outcome }) {
  const company = partner?.company_name ?? 'the partner';
  switch (now) {
    case 'pending': return 'Tomi is looking for somebody who fits.';
    case 'matched': return `Tomi has found ${company}. The introduction comes next, by e-mail.`;
    case 'intro_sent': return `Tomi introduced you to ${company}, and has asked them to answer within three days.`;
    // Staff can record it before the partner has answered, so that it does not say who said yes.
    case 'connected': return `${outcome ? outcomeWords[outcome] : `You are in touch with ${company}.`} If you do
      not hear from them, answer one of our letters, and Tomi helps.`;
    case 'closed': return outcomeWords[outcome ?? 'unknown'];
    default: return fragment`${cancelled.has(id) ? 'You' : 'Your group or Tomi'} cancelled it ${when(since)}.`;
  }
}

/**
 * What happened, oldest first.
 * @param {Request & { timeline: { status: string, at: string }[] }} request
 */
const timeline = ({ requested_by: requester, timeline: past, partner, outcome }) => html`
  <ol class="timeline small">${past.map(({ status: step, at }, index) => {
    const company = partner?.company_name ?? 'the partner';
    // Only the last partner is known. An earlier one is whoever did not become it.
    const isLast = !past.slice(index + 1).some(({ status: later }) => later === 'pending');
    const words = {
      pending: index ? 'It did not work out. Tomi looks for somebody else'
        : requester === me.id ? 'You asked' : 'Your group asked',
      matched: `Tomi found ${isLast ? company : 'somebody'}`,
      intro_sent: 'Tomi introduced you to each other',
      connected: `You got in touch with ${isLast ? company : 'them'}`,
      closed: outcomeWords[outcome ?? 'unknown'].slice(0, -1),
      cancelled: 'It was cancelled',
    }[step];
    return html`<li>${words}, <span class="muted">${when(at)}</span></li>`;
  })}</ol>`;

/** @param {NonNullable<Request['partner']>} partner */
const contactFacts = ({ id, company_name: company, contact_name: contact, email, phone }) => html`
  <dl class="facts">
    <dt>Contact</dt><dd>${contact && `${contact}, `}<a href=${`/partner?id=${id}`}>${company}</a></dd>
    ${fact('E-mail', email && html`<a href=${`mailto:${email}`}>${email}</a>`)}
    ${fact('Phone', phone && phoneLink(phone))}
  </dl>`;

/** @param {Request} request */
function card(request) {
  const { id, partner_type: type, context, status: now, intro_sent_at: introduced, partner, created_at: at } = request;
  const isOpen = open.includes(request);
  const history = html`<div></div>`;
  const load = async () => {
    try {
      const { data } = await get(`${path}/referrals/${id}`);
      fill(history, timeline(data));
    } catch (error) {
      show(error, history, load);
    }
  };
  const need = html`
    <details ontoggle=${() => history.childNodes.length || load()}>
      <summary>${isOpen ? 'What Tomi knows' : 'What it was about, and how it went'}</summary>
      <dl class="facts">
        ${needFacts(context)}
        <dt>Asked</dt><dd>${when(at)}</dd>
      </dl>
      ${!isOpen && history}
    </details>`;
  if (isOpen) load();
  const place = html`<div></div>`;
  const cancel = () => {
    fill(place, cancelForm(request, offerCancel));
    place.querySelector('textarea')?.focus();
  };
  const offerCancel = () => fill(place, html`
    <button type="button" class="quiet" onclick=${cancel}>Cancel this request</button>`);
  if (isOpen && isWaiting(request)) {
    if (drafts().includes(`cancel-${id}`)) cancel();
    else offerCancel();
  }
  return html`
    <li class="card" id=${`request-${id}`} tabindex="-1">
      <div class="spread">
        <h3>${types[type].label}${context.state ? ` in ${states[context.state]}` : ', state not decided'}</h3>
        ${status('referral', now)}
      </div>
      <p>${sentence(request)}</p>
      ${introduced && partner && now !== 'cancelled' && contactFacts(partner)}
      ${now === 'connected' && writeTo(request, 'button')}
      ${isOpen && history}
      ${need}
      ${place}
    </li>`;
}

/**
 * @param {Request} request
 * @param {() => void} keep
 */
function cancelForm({ id, partner_type: type, intro_sent_at: introduced, partner }, keep) {
  const element = html`
    <form id=${`cancel-${id}`} class="notice">
      <p><strong>Cancel the request for ${types[type].a}?</strong> ${introduced && partner
        ? `Tomi then hides your address from ${partner.company_name}.` : 'Tomi then looks no further.'} Your group can
        ask again.</p>
      ${field('Why', html`<textarea name="note"></textarea>`, { isOptional: true })}
      <div class="actions">
        <button class="danger">Cancel the request</button>
        <button type="button" class="quiet" onclick=${keep}>Keep it</button>
      </div>
    </form>`;
  new Form(element, {
    save: (body) => inWords(post(`${path}/referrals/${id}/cancel`, body), {
      transition_not_allowed: 'It cannot be cancelled any more: you are in touch with the partner by now, or it has ' +
        'ended. Reload the page to see how it stands.',
    }),
    saved: async () => {
      cancelled.add(id);
      await Promise.all([loadOpen(), loadEarlier()]);
      showFits();
      toast('The request is cancelled.');
      byID('name').focus();
    },
  });
  return element;
}

/** @param {Promise<Request[]>} [reading] */
async function loadOpen(reading = readOpen()) {
  const place = byID('open');
  try {
    open = await reading;
    open.sort((a, b) => steps.indexOf(a.status) - steps.indexOf(b.status));
  } catch (error) {
    if (error instanceof Problem && error.code === 'not_found') return showNoGroup();
    place.hidden = false;
    return show(error, place, loadOpen);
  }
  place.hidden = !open.length;
  fill(place, html`<h2>Your requests</h2>`, html`<ul class="stack plain">${open.map(card)}</ul>`);
  showNext();
  const made = location.hash && document.getElementById(location.hash.slice(1));
  if (made) made.focus();
}

/** @param {string | null} [cursor] Of the rows after those that are shown. */
async function loadEarlier(cursor = null) {
  const place = byID('earlier');
  try {
    const { data } = await get(`${path}/referrals`, { query: { status: 'closed,cancelled', limit: 10, cursor } });
    place.hidden = !cursor && !data.data.length;
    if (!cursor) fill(place, html`<h2>Earlier requests</h2>`, html`<ul class="stack plain"></ul>`);
    place.querySelector('.more')?.remove();
    /** @type {HTMLElement[]} */
    const cards = data.data.map(card);
    place.querySelector('ul')?.append(...cards);
    if (cursor) cards[0]?.focus();
    if (data.next_cursor) {
      place.append(html`
        <button type="button" class="more" onclick=${() => loadEarlier(data.next_cursor)}>Show more</button>`);
    }
  } catch (error) {
    if (error instanceof Problem && error.code === 'not_found') return;
    place.hidden = false;
    if (cursor) show(error, undefined, () => loadEarlier(cursor));
    else show(error, place, loadEarlier);
  }
}

// --- Who fits ---

/** It stays while the rest is replaced, so that the arrow keys go on in it. */
const choice = html`
  <select onchange=${() => {
    const address = `?${new URLSearchParams({ id: group, state: /** @type {HTMLSelectElement} */ (choice).value })}`;
    // Back leaves the choice, however many states were looked at.
    if (chosenState()) history.replaceState(null, '', address);
    else history.pushState(null, '', address);
    loadFits();
  }}>${options([['', 'Choose'], ...stateChoices])}</select>`;
const fitting = html`<div class="stack"></div>`;
fill(byID('fits'), html`<h2></h2>`, field('State', choice), fitting);

/** @param {Promise<import('./lib/api.js').Answer>} [reading] */
async function loadFits(reading = readFits()) {
  const wanted = chosenState();
  try {
    const { data } = await reading;
    if (wanted !== chosenState()) return;
    fits = data;
  } catch (error) {
    const isStateless = error instanceof Problem && error.errors.some(({ parameter }) => parameter === 'state');
    if (error instanceof Problem && error.code === 'not_found') return;
    byID('fits').hidden = false;
    if (!isStateless) {
      showState(wanted ?? '', 'Who fits');
      return show(error, fitting, loadFits);
    }
    fits = null;
  }
  showFits();
  showNext();
}

/**
 * Says which state is shown.
 * @param {string} state
 * @param {string} without What to say without one.
 */
function showState(state, without) {
  /** @type {HTMLSelectElement} */ (choice).value = state;
  fill(/** @type {Element} */ (byID('fits').firstElementChild), state ? `Who fits in ${states[state]}` : without);
}

function showFits() {
  byID('fits').hidden = false;
  showState(fits?.state_code ?? '', 'Where do you want to buy?');
  fill(
    fitting,
    !fits && html`<p>Your group has no state yet. Choose one, and see who fits there.</p>`,
    fits && html`<ul class="types">${fits.data.map(typeRow)}</ul>`,
    fits && html`<p class="small muted">The order: ${fits.order.replace(', then ID', '')}</p>`,
  );
}

/** @param {Fit} fit */
function typeRow({ partner_type: type, status: coverage, message, partners }) {
  const state = fits?.state_code ?? '';
  const request = requestFor(type, state);
  const { label, purpose, a, many } = types[type];
  const isAvailable = coverage === 'available';
  const button = html`
    <p><a class="button" href=${askAddress(type, state)}>Ask for ${request ? 'another one' : a}</a></p>`;
  return html`
    <li id=${`type-${type}`} class="stack">
      <div class="spread">
        <h3>${label}</h3><span class=${`status ${isAvailable ? 'good' : 'off'}`}>${message}</span>
      </div>
      <p class="small muted">${purpose}</p>
      ${isAvailable && !partners.length && html`<p>The ${many} whom Tomi has there take no introductions now. Ask, and
        Tomi looks further.</p>`}
      ${partners.length > 0 && html`<ul class="plain stack">${partners.map((partner) => html`
        <li>
          <a href=${`/partner?id=${partner.id}`}>${partner.company_name}</a>
          <p class="small">${partner.why.join(' · ')}${partner.languages.length > 0 &&
            ` · Speaks ${listed(partner.languages.map(language))}`}</p>
          ${partner.affiliation_disclosure && html`
            <p class="small lines">Relation with Tomi: ${partner.affiliation_disclosure}</p>`}
        </li>`)}</ul>`}
      <div class="stack">
        ${request && html`<p>${isWaiting(request) ? 'Your group has asked' : 'You are in touch with somebody'}: <a
          href=${`#request-${request.id}`}>see how it stands</a></p>`}
        ${(!request || !isWaiting(request)) && (isAvailable ? button : html`
          <p><a href=${`/?${new URLSearchParams({ state, type })}`}>Write to me when there is ${a}</a></p>`)}
      </div>
    </li>`;
}

// --- The page ---

function showNoGroup() {
  byID('name').textContent = group ? 'This group is not yours' : 'Your groups';
  for (const id of ['open', 'fits', 'earlier']) byID(id).hidden = true;
  const place = byID('next');
  place.hidden = false;
  fill(place, otherGroups(me, group, (id) => `/group?id=${id}`));
}

byID('name').tabIndex = -1;
if (ownGroup) {
  byID('name').textContent = ownGroup.name;
  document.title = `${ownGroup.name} – Tomi`;
}
if (isID(group)) {
  addEventListener('popstate', () => loadFits());
  // The requests come first: who fits is shown with what was asked already.
  await loadOpen(/** @type {Promise<Request[]> | undefined} */ (first[0]));
  loadFits(/** @type {Promise<import('./lib/api.js').Answer> | undefined} */ (first[1]));
  loadEarlier();
} else showNoGroup();
