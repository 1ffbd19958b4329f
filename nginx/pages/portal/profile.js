import { get, getAll, post, put, remove, token } from '../lib/api.js';
import { Form, choices, field, inWords, mayReplace, options } from '../lib/form.js';
import { byID, fill, fragment, html } from '../lib/html.js';
import { languageChoices } from '../lib/languages.js';
import { show, toast } from '../lib/page.js';
import { hindrances, startPortal } from '../lib/portal.js';
import {
  count, credentialKinds, day, language, listed, stateChoices, states, status, types, when,
} from '../lib/words.js';

/** @typedef {import('../lib/api.js').Answer} Answer */
/** @typedef {import('../lib/html.js').Child} Child */
/** @typedef {Parameters<typeof hindrances>[0] & Record<string, any>} Partner */
/**
 * @typedef {object} License
 * @property {string} id
 * @property {string} kind
 * @property {string} number
 * @property {string | null} state_code
 * @property {string | null} issuer
 * @property {string | null} expires_on
 * @property {string | null} verified_at
 */

const path = '/api/partners/me';
const licensesPath = `${path}/credentials`;
const read = () => get(path);
const readLicenses = () => getAll(licensesPath);
const first = token() ? { partner: read(), licenses: readLicenses() } : null;
for (const one of Object.values(first ?? {})) one.catch(() => {});
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
  partner = answer.data;
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
 * A form for fields of the record.
 * @param {HTMLElement} element
 * @param {(answer: Answer | void) => void} saved
 */
function edit(element, saved) {
  const form = new Form(element, {
    values: partner,
    etag,
    read,
    save: (body, { etag }) => inWords(put(path, body, { etag }), {
      ...quota,
      partner_exists: ['Another partner has this address.', '/email'],
      partner_not_ready: [
        'Keep one of your present states at least. Take it off once Tomi has approved the new ones.', '/service_areas',
      ],
    }),
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
        stays as it is. You get a letter when it is done.</p>
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
  const acceptance = html`<div role="status"></div>`;
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
    html`<p class="muted">The directory shows all but the e-mail address and the phone number. These two go to the
      groups that Tomi introduces to you.</p>`,
    html`<dl class="facts card">
      ${fields.map(([label, name, words = (value) => value]) => {
        const isProposed = name in proposed;
        return [html`<dt>${label}</dt>`, html`
          <dd class="lines">${words(partner[name]) || html`<span class="muted">Not given</span>`}${isProposed && html`
            <div class="proposed"><span class="status waiting">Waits for review</span>
              <div>${words(proposed[name]) || 'Nothing'}</div></div>`}</dd>`];
      })}
      <dt>Kind</dt>
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
  const others = spoken.filter((code) => !languageChoices.some(([one]) => one === code));
  const element = html`
    <form id="profile-form" class="stack">
      ${partner.status === 'active' && html`
        <p class="notice">Tomi reviews a new company name, e-mail address, website, description and further states
          first. Everything else changes at once.</p>`}
      ${field('Company', html`<input name="company_name" maxlength="200" autocomplete="organization">`)}
      ${field('Contact', html`<input name="contact_name" maxlength="100" autocomplete="name">`, { isOptional: true })}
      ${field('E-mail', html`<input name="email" type="email" autocomplete="email">`)}
      ${field('Phone', html`<input name="phone" type="tel" autocomplete="tel">`, { isOptional: true })}
      ${field('Website', html`<input name="website" type="url" autocomplete="url">`, {
        isOptional: true, hint: 'It begins with https://',
      })}
      ${field('Description', html`<textarea name="description" maxlength="2000"></textarea>`, {
        isOptional: true, hint: 'What you do, in your own words.',
      })}
      ${choices('Languages', 'languages', [
        ...languageChoices, ...others.map((code) => /** @type {[string, string]} */ ([code, language(code)])),
      ], { multiple: true })}
      ${choices('States', 'service_areas', stateChoices, { multiple: true })}
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

// --- Licenses ---

/** @param {Promise<License[]>} [reading] */
async function loadLicenses(reading = readLicenses()) {
  const place = byID('licenses');
  place.hidden = false;
  try {
    const licenses = await reading;
    fill(
      place,
      html`<h2 tabindex="-1">Licenses</h2>`,
      html`<p class="muted">Tomi checks each one. The directory shows those that are verified and good.</p>`,
      html`<ul class="stack plain">${licenses.length ? licenses.map(licenseCard) : html`
        <li class="empty">You have added none yet. Groups look for them, so add yours.</li>`}</ul>`,
      addPlace(),
    );
  } catch (error) {
    show(error, place, loadLicenses);
  }
}

async function licensesChanged(/** @type {string} */ words) {
  await Promise.all([loadLicenses(), read().then(take)]);
  toast(words);
  byID('licenses').querySelector('h2')?.focus();
}

/** @param {License} license */
function standing({ expires_on: until, verified_at: verified }) {
  const inDays = (/** @type {number} */ days) => new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10);
  if (until && until < inDays(0)) return 'expired';
  return !verified ? 'unverified' : until && until <= inDays(30) ? 'expiring' : 'verified';
}

/** @param {License} license */
function licenseCard(license) {
  const { id, kind, number, state_code: state, issuer, expires_on: until, verified_at: verified } = license;
  const name = `${credentialKinds[kind]} ${number}`;
  const isOver = standing(license) === 'expired';
  const place = html`<div></div>`;
  const offer = () => fill(place, verified ? html`
    <p class="small muted">Tomi has verified it, so only Tomi can change it. When you renew it, add the new one.</p>`
    : html`
      <div class="actions">
        <button type="button" onclick=${() => open(changeForm)}>Change<span class="hidden"> ${name}</span></button>
        <button type="button" class="quiet" onclick=${() => open(removeForm)}>Remove<span class="hidden"> ${name}</span>
        </button>
      </div>`);
  /** @param {(answer: Answer, back: () => void) => HTMLElement} make */
  const open = async (make) => {
    try {
      // A change and a removal name the version that was read.
      fill(place, make(await get(`${licensesPath}/${id}`), offer));
      /** @type {HTMLElement | null} */ (place.querySelector('select, button'))?.focus();
    } catch (error) {
      show(error, place, () => open(make));
    }
  };
  offer();
  return html`
    <li class="card">
      <div class="spread">
        <h3>${name}${state && `, ${states[state]}`}</h3>${status('credentials', standing(license))}
      </div>
      <p>${until ? fragment`${isOver ? 'It was good' : 'Good'} until ${day(until)}` : 'It does not expire'}${
        issuer && `, from ${issuer}`}</p>
      ${place}
    </li>`;
}

/** What the forms of a license are refused for. */
const refusals = {
  ...quota,
  credential_verified: 'Tomi has verified it meanwhile, so that only Tomi can change it. Add the renewed one instead.',
  not_found: 'It was removed meanwhile. Reload the page.',
};

/**
 * @param {string} id
 * @param {string} button
 * @param {() => void} back
 */
const licenseForm = (id, button, back) => html`
  <form id=${id}>
    ${field('Kind', html`
      <select name="kind">${options([['', 'Choose'], ...Object.entries(credentialKinds)])}</select>`)}
    ${field('Number', html`<input name="number" maxlength="50" autocomplete="off">`)}
    ${field('State', html`<select name="state_code">${options([['', 'None'], ...stateChoices])}</select>`, {
      isOptional: true, hint: 'The one that issued it.',
    })}
    ${field('Issuer', html`<input name="issuer" maxlength="100" autocomplete="off">`, { isOptional: true })}
    ${field('Good until', html`<input name="expires_on" type="date">`, {
      isOptional: true, hint: 'The last day on which it is good. Empty if it does not expire.',
    })}
    <div class="actions">
      <button class="main">${button}</button>
      <button type="button" class="quiet" onclick=${back}>Not now</button>
    </div>
  </form>`;

/** @param {Promise<Answer>} answer */
const sendLicense = (answer) =>
  inWords(answer, { ...refusals, credential_exists: ['You have added this one already.', '/number'] });

/**
 * @param {Answer} answer
 * @param {() => void} back
 */
function changeForm({ data, etag }, back) {
  const element = licenseForm(`change-${data.id}`, 'Save the license', back);
  const one = `${licensesPath}/${data.id}`;
  new Form(element, {
    values: data,
    etag,
    read: () => get(one),
    save: (body, form) => sendLicense(put(one, body, { etag: form.etag })),
    saved: () => licensesChanged('The license is saved. Tomi checks it.'),
  });
  return element;
}

/**
 * @param {Answer} answer
 * @param {() => void} back
 */
function removeForm({ data, etag }, back) {
  const element = html`
    <form id=${`remove-${data.id}`} class="notice">
      <p><strong>Remove ${credentialKinds[data.kind]} ${data.number}?</strong> You can add it again.</p>
      <div class="actions">
        <button class="danger">Remove it</button>
        <button type="button" class="quiet" onclick=${back}>Keep it</button>
      </div>
    </form>`;
  new Form(element, {
    save: () => inWords(remove(`${licensesPath}/${data.id}`, { etag }), {
      ...refusals, precondition_failed: 'It has changed meanwhile. Reload the page, and look at it again.',
    }),
    saved: () => licensesChanged('The license is removed.'),
  });
  return element;
}

function addPlace() {
  const place = html`<div></div>`;
  const offer = () => fill(place, html`
    <button type="button" onclick=${() => {
      const element = licenseForm('license-new', 'Add the license', offer);
      new Form(element, {
        save: (body) => sendLicense(post(licensesPath, body)),
        saved: () => licensesChanged('The license is added. Tomi checks it.'),
      });
      fill(place, element);
      element.querySelector('select')?.focus();
    }}>Add a license</button>`);
  offer();
  return place;
}

loadPartner(first?.partner);
loadLicenses(first?.licenses);
