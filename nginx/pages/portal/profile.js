import { Problem, get, put, remove, token } from '../lib/api.js';
import { Form, choices, field, inWords, mayReplace } from '../lib/form.js';
import { byID, fill, fragment, html } from '../lib/html.js';
import { languageChoices } from '../lib/languages.js';
import { show, toast } from '../lib/page.js';
import { hindrances, startPortal } from '../lib/portal.js';
import { count, language, listed, stateChoices, states, status, types, when } from '../lib/words.js';

/** @typedef {import('../lib/api.js').Answer} Answer */
/** @typedef {import('../lib/html.js').Child} Child */
/** @typedef {Parameters<typeof hindrances>[0] & Record<string, any>} Partner */
const path = '/api/partners/me';
const read = () => get(path);
const first = token() ? read() : undefined;
first?.catch(() => {});
await startPortal();

const quota = { quota_exceeded: 'You have changed a lot today. Save this tomorrow.' };

// --- The record ---

/** @type {Partner} */
let partner;
/** @type {string | null} */
let etag = null;
/**
 * The forms that edit the record. They share its version.
 * @type {Set<Form>}
 */
const forms = new Set();

/** @param {Answer | void} answer */
function take(answer) {
  if (!answer) return;
  partner = answer.data.stored ?? answer.data;
  etag = answer.etag;
  for (const form of forms) form.etag = etag;
  showChanges();
}

/** @param {Promise<Answer>} [reading] */
async function loadPartner(reading = read()) {
  try {
    take(await reading);
    showAvailability();
    showProfile();
  } catch (error) {
    byID('profile').hidden = false;
    show(error, byID('profile'), loadPartner);
  }
}

/**
 * The record with what is proposed, which is what a form edits: what is sent again unchanged stays.
 * @param {Partner} stored
 */
const proposal = (stored) => ({ ...stored, ...stored.pending_changes, stored });

/**
 * The service takes a present value as no proposal, and the one that waits goes on. So it is refused here.
 * @param {Record<string, any>} body
 */
function refusePresent(body) {
  const added = (/** @type {string[]} */ codes) => codes.some((code) => !partner.service_areas.includes(code));
  const names = Object.keys(partner.pending_changes ?? {}).filter((name) => name in body && (
    name === 'service_areas' ? !added(body[name]) : (body[name] ?? null) === partner[name]));
  if (!names.length) return;
  const detail = 'One change alone cannot be taken back. Leave what waits as it is, or take back all changes above.';
  const errors = names.map((name) => ({ pointer: `/${name}`, code: 'present', detail }));
  throw new Problem(422, 'validation', detail, { errors });
}

/**
 * A form for fields of the record.
 * @param {HTMLElement} element
 * @param {(answer: Answer | void) => void} saved
 */
function edit(element, saved) {
  const form = new Form(element, {
    values: proposal(partner),
    etag,
    read: async () => {
      const answer = await read();
      return { ...answer, data: proposal(answer.data) };
    },
    save: async (body, { etag }) => {
      refusePresent(body);
      return inWords(put(path, body, { etag }), {
        ...quota,
        partner_exists: ['Another partner has this address.', '/email'],
        partner_not_ready: [
          'Keep one of your present states at least. Take it off once Tomi has approved the new ones.',
          '/service_areas',
        ],
      });
    },
    saved: (answer) => {
      take(answer);
      form.settle();
      saved(answer);
    },
  });
  forms.add(form);
}

// --- What waits for a review ---

function showChanges() {
  const place = byID('changes');
  const names = Object.keys(partner.pending_changes ?? {});
  place.hidden = !names.length;
  const number = count(names.length, 'change');
  const element = html`
    <form id="take-back">
      <p><strong>${number} ${names.length === 1 ? 'waits' : 'wait'} for Tomi's review.</strong> Until then your profile
        stays as it is. You get a letter when it is done.${names.length > 1 &&
        ' One of them alone cannot be taken back, but you can propose something else.'}</p>
      <div class="actions">
        <button>Take back ${names.length === 1 ? 'the change' : `all ${number}`}</button>
      </div>
    </form>`;
  new Form(element, {
    save: () => inWords(remove(`${path}/changes`, { etag }), {
      ...quota,
      precondition_failed: 'Your profile has changed meanwhile. Reload the page, and look at it again.',
    }),
    saved: async () => {
      await loadPartner();
      toast('Your changes are taken back.');
      byID('profile').focus();
    },
  });
  fill(place, element);
}

// --- How many introductions ---

function showAvailability() {
  const place = byID('availability');
  if (!mayReplace(place)) return;
  place.hidden = false;
  const element = html`
    <form id="availability-form">
      ${field('Pause until', html`<input name="paused_until" type="date">`, {
        isOptional: true, hint: 'Up to and with that day you get no introductions. Empty it to go on at once.',
      })}
      ${field('How many open introductions at most', html`
        <input name="max_open_referrals" type="number" min="1" max="1000" inputmode="numeric">`, {
        isOptional: true, hint: 'Those that you have not answered yet count. Empty means no limit.',
      })}
      <div class="actions"><button>Save</button></div>
    </form>`;
  edit(element, () => {
    showAcceptance(acceptance);
    toast('Saved.');
  });
  const acceptance = html`<div class="acceptance" role="status"></div>`;
  showAcceptance(acceptance);
  fill(place, html`<h2>How many you take</h2>`, acceptance, element);
}

/** @param {HTMLElement} place */
function showAcceptance(place) {
  const reasons = hindrances(partner);
  fill(place, reasons.length ? reasons.map((reason) => html`<p>${reason}</p>`)
    : html`<p><span class="status good">You get introductions</span></p>`);
}

// --- What the directory shows ---

/** @type {[label: string, name: string, words?: (value: any) => Child][]} */
const fields = [
  ['Company', 'company_name'], ['Contact', 'contact_name'], ['E-mail', 'email'], ['Phone', 'phone'],
  ['Website', 'website'],
  ['States', 'service_areas', (/** @type {string[]} */ codes) => listed(codes.map((code) => states[code]))],
  ['Languages', 'languages', (/** @type {string[]} */ codes) => listed(codes.map(language))],
  ['Description', 'description'],
];

function showProfile() {
  const place = byID('profile');
  if (!mayReplace(place)) return;
  place.hidden = false;
  place.tabIndex = -1;
  const proposed = partner.pending_changes ?? {};
  fill(
    place,
    html`<h2>What Tomi knows of you</h2>`,
    html`<p class="muted">Groups that Tomi introduces to you get your e-mail address and phone number. Only you and Tomi
      see your status and agreement. The directory shows the rest.</p>`,
    html`<dl class="facts card">
      ${fields.map(([label, name, words = (value) => value]) => {
        const isProposed = name in proposed;
        return [html`<dt>${label}</dt>`, html`
          <dd class="lines">${words(partner[name]) || html`<span class="muted">Not given</span>`}${isProposed && html`
            <div class="proposed"><span class="status waiting">Waits for review</span>
              <div>${words(proposed[name]) || 'Nothing'}</div></div>`}</dd>`];
      })}
      <dt>Profession</dt>
      <dd>${types[partner.type].label}${partner.co_ownership_certified && ', certified for co-ownership'}</dd>
      <dt>Status</dt><dd>${status('partner', partner.status)}</dd>
      <dt>Agreement</dt><dd>${partner.agreement_signed_at ? fragment`Signed ${when(partner.agreement_signed_at)}`
        : 'Not signed yet'}</dd>
      ${partner.affiliation_disclosure && [html`<dt>Relation with Tomi</dt>`,
        html`<dd class="lines">${partner.affiliation_disclosure}</dd>`]}
    </dl>`,
    html`<p class="actions"><button type="button" onclick=${showProfileForm}>Change the profile</button></p>`,
  );
}

function showProfileForm() {
  /** @type {string[]} */
  const spoken = partner.languages;
  const proposed = partner.pending_changes ?? {};
  /**
   * @param {string} name
   * @param {string} [words]
   */
  const hint = (name, words) => {
    if (!(name in proposed)) return words;
    const [, , inWords = (/** @type {any} */ value) => value] = fields.find(([, one]) => one === name) ?? [];
    return fragment`${words && `${words}. `}<span class="status waiting">Waits for review</span>. Now: ${
      inWords(partner[name]) || 'nothing'}`;
  };
  const others = spoken.filter((code) => !languageChoices.some(([one]) => one === code));
  const element = html`
    <form id="profile-form" class="stack">
      ${partner.status === 'active' && html`
        <p class="notice">Tomi reviews a new company name, e-mail address, website, description and further states
          first. Everything else changes at once.</p>`}
      ${field('Company', html`<input name="company_name" autocomplete="organization">`, {
        hint: hint('company_name'),
      })}
      ${field('Contact', html`<input name="contact_name" autocomplete="name">`, { isOptional: true })}
      ${field('E-mail', html`<input name="email" type="email" autocomplete="email">`, { hint: hint('email') })}
      ${field('Phone', html`<input name="phone" type="tel" autocomplete="tel">`, { isOptional: true })}
      ${field('Website', html`<input name="website" type="url" autocomplete="url">`, {
        isOptional: true, hint: hint('website', 'It begins with https://'),
      })}
      ${field('Description', html`<textarea name="description"></textarea>`, {
        isOptional: true, hint: hint('description', 'What you do, in your own words'),
      })}
      ${choices('Languages', 'languages', [
        ...languageChoices, ...others.map((code) => /** @type {[string, string]} */ ([code, language(code)])),
      ], { multiple: true })}
      ${choices('States', 'service_areas', stateChoices, { multiple: true, hint: hint('service_areas') })}
      <div class="actions">
        <button class="main">Save the profile</button>
        <button type="button" class="quiet" onclick=${showProfile}>Not now</button>
      </div>
    </form>`;
  for (const set of element.querySelectorAll('fieldset')) set.classList.add('many');
  edit(element, () => {
    showProfile();
    toast(partner.pending_changes ? 'Saved. What Tomi reviews is marked.' : 'Saved.');
    byID('profile').focus();
  });
  fill(byID('profile'), html`<h2>Change the profile</h2>`, element);
  element.querySelector('input')?.focus();
}

loadPartner(first);
