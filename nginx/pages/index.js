import { Problem, get, lastMe, post } from './lib/api.js';
import { askLinks, nextStep } from './lib/asking.js';
import { Form, field, options } from './lib/form.js';
import { byID, fill, fragment, html } from './lib/html.js';
import { forgetCode, letterCode } from './lib/letter.js';
import { explain, show, start } from './lib/page.js';
import { count, stateChoices, stateCodes, states, typeChoices, types } from './lib/words.js';

/** @typedef {{ partner_type: string, status: string, message: string, partner_count: number }} TypeCoverage */

/** The states as squares in the shape of the country: each line of the map, by columns of three characters. */
const map = `
AK .  .  .  .  .  .  .  .  .  ME
.  .  .  .  .  .  .  .  .  VT NH
WA ID MT ND MN IL WI MI NY RI MA
OR NV WY SD IA IN OH PA NJ CT .
CA UT CO NE MO KY WV VA MD DE .
.  AZ NM KS AR TN NC SC DC .  .
.  .  .  OK LA MS AL GA .  .  .
HI .  .  TX .  .  .  .  FL .  .`.trim().split('\n').map((line) => line.split(/ +/));

/** What is chosen stands in the address: `/?state=MN&type=attorney`. */
const query = () => new URLSearchParams(location.search);
const chosenType = () => (types[query().get('type') ?? ''] ? String(query().get('type')) : '');
const chosenState = () => (states[query().get('state') ?? ''] ? String(query().get('state')) : '');

/**
 * The address of this page with another choice.
 * @param {{ state?: string, type?: string }} change
 */
function address(change) {
  const next = { state: chosenState(), type: chosenType(), ...change };
  const text = new URLSearchParams(Object.entries(next).filter(([, value]) => value)).toString();
  return text ? `/?${text}` : '/';
}

/** @param {{ state?: string, type?: string }} change */
function choose(change) {
  if (address(change) !== location.pathname + location.search) history.pushState(null, '', address(change));
  return showAll();
}

/**
 * A click on a state's link, unless it is to open elsewhere.
 * @param {MouseEvent & { currentTarget: HTMLAnchorElement }} event
 */
async function chooseState(event) {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const link = event.currentTarget;
  await choose({ state: new URL(link.href).searchParams.get('state') ?? '' });
  const heading = byID('state').querySelector('h2');
  if (!heading) return;
  // Who goes through the map goes on in it. The list is too far away from what it opens.
  if (byID('list').contains(link)) heading.focus({ preventScroll: true });
  const { top, bottom } = heading.getBoundingClientRect();
  if (top < 0 || bottom > innerHeight) heading.scrollIntoView();
}

// --- The map and the list ---

/**
 * People are told "Available" or "Coming soon", whether a place is planned or not.
 * @param {{ status: string, message: string } | undefined} coverage
 */
const publicStatus = (coverage) =>
  html`<span class=${`status ${coverage?.status === 'available' ? 'good' : 'off'}`}>${coverage?.message}</span>`;

/**
 * @param {string} code
 * @param {Map<string, { status: string, message: string }>} coverage
 */
function tile(code, coverage) {
  const { status, message } = coverage.get(code) ?? { status: 'unavailable', message: '' };
  const words = `${states[code]}: ${message}`;
  return html`
    <a href=${address({ state: code })} class=${status} title=${words} aria-label=${words} data-state=${code}
      aria-current=${code === chosenState() ? 'true' : null} onclick=${chooseState}>${code}</a>`;
}

async function showMap() {
  const type = chosenType();
  for (const input of byID('types').querySelectorAll('input')) input.checked = input.value === type;
  try {
    const { data } = await get('/api/coverage', { query: { type } });
    if (type !== chosenType()) return;
    const coverage = new Map(data.data.map((/** @type {{ state_code: string }} */ row) => [row.state_code, row]));
    const tiles = map.flatMap((codes, row) => codes.map((code, column) => {
      if (code === '.') return null;
      const element = tile(code, coverage);
      element.style.gridArea = `${row + 1} / ${column + 1}`;
      return element;
    }));
    const focused = document.activeElement?.closest('#map a')?.getAttribute('data-state');
    fill(byID('map'), tiles);
    if (focused) tiles.find((one) => one?.dataset.state === focused)?.focus();
    const served = stateCodes.filter((code) => coverage.get(code)?.status === 'available');
    fill(byID('list'), fragment`
      <h2>All states</h2>
      <p class="muted">Tomi has ${type ? types[type].many : 'partners'} in ${count(served.length, 'state')}.</p>
      <ul class="columns">${stateCodes.map((code) => html`
        <li>
          <a href=${address({ state: code })} onclick=${chooseState}>${states[code]}</a>
          ${publicStatus(coverage.get(code))}
        </li>`)}</ul>`);
  } catch (error) {
    show(error, byID('map'), showMap);
  }
}

// --- One state ---

let me = lastMe();

async function showState() {
  const code = chosenState();
  const place = byID('state');
  for (const one of byID('map').querySelectorAll('a')) {
    if (one.dataset.state === code) one.setAttribute('aria-current', 'true');
    else one.removeAttribute('aria-current');
  }
  which.value = code;
  if (!code) {
    fill(place, fragment`
      <h2>Choose a state</h2>
      <p class="muted">Here you then see whom Tomi has there, and can leave your address for what is coming.</p>`);
    return;
  }
  try {
    const { data } = await get(`/api/coverage/${code}`);
    if (code !== chosenState()) return;
    /** @type {TypeCoverage[]} */
    const rows = data.partner_types;
    const chosen = chosenType();
    const first = rows.filter((row) => row.partner_type === chosen);
    const others = rows.filter((row) => row.partner_type !== chosen);
    fill(place, fragment`
      <h2 tabindex="-1">${states[code]}</h2>
      <ul class="types">${[...first, ...others].map((row) => typeRow(code, row))}</ul>
      ${!me && nextStep(me)}`);
  } catch (error) {
    show(error, place, showState);
  }
}

/**
 * @param {string} code
 * @param {TypeCoverage} coverage
 */
function typeRow(code, coverage) {
  const { partner_type: type, partner_count: partners } = coverage;
  const { label, one, many, purpose } = types[type];
  const directory = `/directory?state=${code}&type=${type}`;
  return html`
    <li>
      <div class="spread"><h3>${label}</h3>${publicStatus(coverage)}</div>
      <p class="small muted">${purpose}</p>
      ${coverage.status === 'available'
        ? html`<p class="row small"><a href=${directory}>See ${count(partners, one, many)}</a>${
          askLinks(me, { type, state: code })}</p>`
        : waitingOffer(code, type)}
    </li>`;
}

// --- The waiting list ---

/**
 * @param {string} code
 * @param {string} type
 */
function waitingOffer(code, type) {
  const place = html`<div class="small"></div>`;
  const button = html`
    <button type="button" class="link" onclick=${() => {
      fill(place, waitingForm(code, type, place));
      place.querySelector('input')?.focus();
    }}>Write to me when there is ${types[type].a}</button>`;
  fill(place, button);
  return place;
}

/**
 * @param {string} code
 * @param {string} type
 * @param {HTMLElement} place
 * @param {string} [typed]
 */
function waitingForm(code, type, place, typed) {
  const giveUp = () => place.replaceWith(waitingOffer(code, type));
  const element = html`
    <form id=${`wait-${type}`}>
      ${field('Your e-mail address', html`
        <input name="email" type="email" autocomplete="email" inputmode="email" value=${typed}>`, {
        hint: `We write once, when Tomi has ${types[type].a} in ${states[code]}, and then forget the address.`,
      })}
      <div class="actions">
        <button class="main">Put me on the list</button>
        <button type="button" class="quiet" onclick=${giveUp}>Not now</button>
      </div>
    </form>`;
  new Form(element, {
    save: (body) => post(`/api/coverage/${code}/${type}/waitlist`, body),
    saved: () => {
      const email = String(new FormData(/** @type {HTMLFormElement} */ (element)).get('email'));
      fill(place, html`
        <div class="notice note" tabindex="-1">
          <p><strong>We have sent a letter to ${email}.</strong></p>
          <p>Confirm it with the link in the letter. Without that, we forget the address in 7 days.</p>
          <p>Wrong address? <button type="button" class="link" onclick=${() => {
            fill(place, waitingForm(code, type, place, email));
            place.querySelector('input')?.focus();
          }}>Change it</button></p>
        </div>`);
      /** @type {HTMLElement} */ (place.firstElementChild).focus();
    },
  });
  return element;
}

// --- The links of the letters ---

const letters = {
  confirm: {
    path: '/api/waitlist/confirm',
    title: 'Confirm your address',
    text: 'Then we write to you once, as soon as Tomi has one for you, and forget your address. The letter with this ' +
      'link says which and where.',
    button: 'Confirm',
    done: 'Your address is confirmed. We write to you as soon as there is news.',
  },
  leave: {
    path: '/api/waitlist/leave',
    title: 'Leave the waiting list',
    text: 'Then we forget your address, and you do not get the letter that you asked for. The letter with this link ' +
      'says which one.',
    button: 'Take me off the list',
    done: 'You are off the list, and your address is forgotten.',
  },
};

const tooOld =
  'This link is not good any more: it is older than 7 days or not whole, or you left the list. Choose your state ' +
  'below, and ask again.';

/** Mail scanners open links, so one acts only when its button is pressed. */
function readLetter() {
  const { kind, code } = letterCode(Object.keys(letters)) ?? {};
  if (kind !== 'confirm' && kind !== 'leave') return;
  const letter = letters[kind];
  const place = byID('letter');
  place.hidden = false;
  const act = async () => {
    try {
      await post(letter.path, { code });
      forgetCode();
      fill(place, html`<p role="status"><strong>${letter.done}</strong></p>`);
    } catch (error) {
      const isOld = error instanceof Problem && ['code_expired', 'validation'].includes(error.code);
      fill(status, html`<p class="error">${isOld ? tooOld : explain(error)}</p>`);
      if (!isOld) return;
      forgetCode();
      for (const one of place.querySelectorAll('.text, .actions')) one.remove();
    }
  };
  const status = html`<div role="alert"></div>`;
  fill(place, fragment`
    <h2>${letter.title}</h2>
    <p class="text">${letter.text}</p>
    ${status}
    <div class="actions"><button type="button" class="main" onclick=${act}>${letter.button}</button></div>`);
  place.querySelector('button')?.focus();
}

// --- The page ---

/** @type {string | undefined} */
let shownType;
function showAll() {
  if (chosenType() !== shownType) showMap();
  shownType = chosenType();
  return showState();
}

fill(byID('types'), fragment`
  <legend class="hidden">What do you need?</legend>
  ${[['', 'Any of them'], ...typeChoices].map(([value, words]) => html`
    <label>
      <input type="radio" name="type" value=${value} onchange=${() => choose({ type: value })}>
      <span>${words}</span>
    </label>`)}`);
const which = /** @type {HTMLSelectElement} */ (byID('which'));
fill(which, options([['', 'Choose'], ...stateChoices]));
which.addEventListener('change', () => choose({ state: which.value }));
byID('types').hidden = false;
byID('coverage').hidden = false;
addEventListener('popstate', showAll);
addEventListener('hashchange', readLetter);
byID('skip-map').addEventListener('click', (event) => {
  event.preventDefault();
  which.focus();
});
readLetter();
showAll();
const known = me;
me = await start();
if (me?.id !== known?.id) showState();
