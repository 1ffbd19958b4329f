import { get, getAll, post, put, remove, token } from '../lib/api.js';
import { daysUntil, worth } from '../lib/credentials.js';
import { Form, field, inWords, options } from '../lib/form.js';
import { byID, fill, fragment, html } from '../lib/html.js';
import { show, toast } from '../lib/page.js';
import { startPortal } from '../lib/portal.js';
import { credentialKinds, day, stateChoices, states, status, today } from '../lib/words.js';

/** @typedef {import('../lib/api.js').Answer} Answer */
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

const path = '/api/partners/me/credentials';
const readLicenses = () => getAll(path);
const first = token() ? readLicenses() : undefined;
first?.catch(() => {});
await startPortal();

/** @param {Promise<License[]>} [reading] */
async function loadLicenses(reading = readLicenses()) {
  const place = byID('licenses');
  place.hidden = false;
  try {
    const licenses = await reading;
    fill(
      place,
      html`<ul class="stack plain">${licenses.length ? licenses.map(licenseCard) : html`
        <li class="empty">You have added none yet. Groups look for them, so add yours.</li>`}</ul>`,
      addPlace(),
    );
  } catch (error) {
    show(error, place, loadLicenses);
  }
}

async function licensesChanged(/** @type {string} */ words) {
  await loadLicenses();
  toast(words);
  byID('title').focus();
}

/** @param {License} license */
const mark = (license) => worth(license) === 'unverified'
  ? html`<span class="status waiting">Waits for Tomi's check</span>` : status('credentials', worth(license));

/** @param {License} license */
function licenseCard(license) {
  const { id, kind, number, state_code: state, issuer, expires_on: until, verified_at: verified } = license;
  const name = `${credentialKinds[kind]} ${number}`;
  const isOver = worth(license) === 'expired';
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
      fill(place, make(await get(`${path}/${id}`), offer));
      /** @type {HTMLElement | null} */ (place.querySelector('select, button'))?.focus();
    } catch (error) {
      show(error, place, () => open(make));
    }
  };
  offer();
  return html`
    <li class="card">
      <div class="spread">
        <h2>${name}${state && `, ${states[state]}`}</h2>${mark(license)}
      </div>
      <p>${until ? fragment`${isOver ? 'It was good' : 'Good'} until ${day(until)}` : 'It does not expire'}${
        issuer && `, from ${issuer}`}</p>
      ${place}
    </li>`;
}

/** What the forms of a license are refused for. */
const refusals = {
  quota_exceeded: 'You have changed a lot today. Save this tomorrow.',
  credential_verified: 'Tomi has verified it meanwhile, so that only Tomi can change it. Add the renewed one instead.',
  not_found: 'It was removed meanwhile. Reload the page.',
};

/** @param {{ target: HTMLInputElement }} event */
function warnOfPast({ target }) {
  const isPast = daysUntil(target.value) < 0;
  fill(/** @type {Element} */ (target.form?.querySelector('.warning')), isPast && html`
    <p class="hint"><span class="status bad">This day is past.</span> The directory does not show a license that has
      expired. Is the date right?</p>`);
}

/**
 * @param {string} id
 * @param {string} button
 * @param {() => void} back
 */
const licenseForm = (id, button, back) => html`
  <form id=${id}>
    ${field('Kind', html`
      <select name="kind">${options([['', 'Choose'], ...Object.entries(credentialKinds)])}</select>`)}
    ${field('Number', html`<input name="number" autocomplete="off">`)}
    ${field('State', html`<select name="state_code">${options([['', 'None'], ...stateChoices])}</select>`, {
      isOptional: true, hint: 'The one that issued it.',
    })}
    ${field('Issuer', html`<input name="issuer" autocomplete="off">`, { isOptional: true })}
    ${field('Good until', html`<input name="expires_on" type="date" oninput=${warnOfPast}>`, {
      isOptional: true, hint: 'The last day on which it is good. Empty if it does not expire.',
    })}
    <div class="warning" role="status"></div>
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
  const one = `${path}/${data.id}`;
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
    save: () => inWords(remove(`${path}/${data.id}`, { etag }), {
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
        save: (body) => sendLicense(post(path, body)),
        saved: () => licensesChanged('The license is added. Tomi checks it.'),
      });
      fill(place, html`<h2>Add a license</h2>`, element);
      element.querySelector('select')?.focus();
    }}>Add a license</button>`);
  offer();
  return place;
}

loadLicenses(first);
