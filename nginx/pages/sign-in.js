import { Problem, getMe, post, signIn, signOut, token } from './lib/api.js';
import { Form, field } from './lib/form.js';
import { byID, fill, html } from './lib/html.js';
import { forgetCode, letterCode } from './lib/letter.js';
import { show, start } from './lib/page.js';

/** @typedef {import('./lib/api.js').Me} Me */

const place = byID('way');

// --- Where to go on ---

/** The letter's link opens another tab, so that the way back lies in storage that tabs share. */
const returnKey = 'tomi.return';
const returnMilliseconds = 15 * 60_000;

/**
 * A path of this site, and nothing else.
 * @param {string | null} value
 */
function ownPath(value) {
  if (!value) return null;
  const url = new URL(value, location.origin);
  return url.origin === location.origin && url.pathname !== '/sign-in' ? url.pathname + url.search : null;
}

function wayBack() {
  const given = ownPath(new URLSearchParams(location.search).get('return'));
  if (given) return given;
  const { path, at } = JSON.parse(localStorage.getItem(returnKey) ?? '{}');
  return Date.now() - at < returnMilliseconds ? ownPath(path) : null;
}

/** @param {Me} me */
function home(me) {
  if (me.roles.includes('staff')) return '/desk';
  if (me.partner) return '/portal';
  return me.groups.length ? `/group?id=${me.groups[0].id}` : '/';
}

/** @param {Me} me */
function goOn(me) {
  const path = wayBack() ?? home(me);
  localStorage.removeItem(returnKey);
  forgetCode();
  location.replace(path);
}

// --- The ways in ---

const staysChoice = () => html`
  <label class="choice">
    <input type="checkbox" name="stays">
    <span>Stay signed in on this device<br><span class="hint">Only on a device that is yours.</span></span>
  </label>`;

function showMail() {
  const element = html`
    <form id="mail">
      ${field('Your e-mail address', html`<input name="email" type="email" autocomplete="username">`, {
        hint: 'We send you a link that signs you in. There is no password.',
      })}
      <div class="actions"><button class="main">Send me the link</button></div>
    </form>`;
  new Form(element, {
    save: (body) => post('/api/sign-in', body),
    saved: () => showSent(String(new FormData(/** @type {HTMLFormElement} */ (element)).get('email'))),
  });
  fill(place, html`<div class="stack">${element}${tokenWay()}</div>`);
}

/** @param {string} email */
function showSent(email) {
  const path = ownPath(new URLSearchParams(location.search).get('return'));
  if (path) localStorage.setItem(returnKey, JSON.stringify({ path, at: Date.now() }));
  fill(place, html`
    <div class="notice note stack" role="status" tabindex="-1">
      <p><strong>Look into the mail of ${email}.</strong></p>
      <p>If Tomi knows this address, a letter with a link is on its way. The link works once, for 15 minutes.</p>
      <p>Nothing there? Look among the spam, or <button type="button" class="link" onclick=${showMail}>try another
        address</button>.</p>
    </div>`);
  /** @type {HTMLElement} */ (place.firstElementChild).focus();
}

function tokenWay() {
  const element = html`
    <form id="token">
      ${field('Token', html`<input name="token" type="password" autocomplete="off" spellcheck="false">`, {
        hint: 'Staff gets one on the server. It begins with "tomi_".',
      })}
      ${staysChoice()}
      <div class="actions"><button>Sign in with the token</button></div>
    </form>`;
  new Form(element, {
    save: async ({ token: value = '', stays }, form) => {
      /** @type {Me | null} */
      let me = null;
      // nginx refuses every request with a longer one.
      if (/^[\x21-\x7e]{1,4000}$/.test(value.trim())) {
        signIn(value.trim(), stays);
        try {
          me = await getMe();
        } finally {
          if (!me) signOut();
        }
      }
      if (!me) {
        const detail = 'It is unknown, expired or revoked.';
        throw new Problem(422, 'validation', detail, { errors: [{ pointer: '/token', code: 'unknown', detail }] });
      }
      // What was typed has done its work, so that leaving does not ask.
      form.settle();
      goOn(me);
    },
  });
  return html`<details><summary>Sign in with a token</summary>${element}</details>`;
}

/**
 * The link of a letter. Mail scanners open it too, so it does nothing until the button is pressed.
 * @param {string} code
 */
function showCode(code) {
  const element = html`
    <form id="code">
      ${staysChoice()}
      <div class="actions"><button class="main">Sign in</button></div>
    </form>`;
  new Form(element, {
    save: async ({ stays }, form) => {
      try {
        const { data } = await post('/api/sign-in/code', { code }, { once: true });
        signIn(data.token, stays);
      } catch (error) {
        if (!(error instanceof Problem) || !['code_expired', 'validation'].includes(error.code)) throw error;
        forgetCode();
        const me = await getMe().catch(() => null);
        if (me) showSignedIn(me);
        else showMail();
        place.prepend(html`
          <div class="notice bad" role="alert">
            <p><strong>This link is not good any more.</strong></p>
            <p>It works once, for 15 minutes, and a newer link ends it.${!me && ' Ask for another here.'}</p>
          </div>`);
        return;
      }
      form.settle();
      const me = await getMe();
      if (me) goOn(me);
    },
  });
  fill(place, element);
  element.querySelector('button')?.focus();
}

/** @param {Me} me */
function showSignedIn(me) {
  fill(place, html`
    <div class="stack">
      <p>You are signed in as <strong>${me.name}</strong>, ${me.email}.</p>
      <div class="actions">
        <a class="button main" href=${home(me)}>Go on</a>
        <button type="button" onclick=${() => {
          signOut();
          location.reload();
        }}>Sign in as somebody else</button>
      </div>
    </div>`);
}

// --- The page ---

async function showWay() {
  const letter = letterCode(['code']);
  if (letter) return showCode(letter.code);
  if (!token()) return showMail();
  try {
    const me = await getMe();
    if (me) showSignedIn(me);
    else showMail();
  } catch (error) {
    show(error, place, showWay);
  }
}

addEventListener('hashchange', showWay);
showWay();
await start();
