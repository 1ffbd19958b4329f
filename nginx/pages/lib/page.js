/**
 * What every page has: the head with its navigation, messages, the sign of a wait, and the check for a newer version.
 * Importing it is enough; {@link start} also asks who is signed in.
 * @module
 */
import { Problem, borrowSignIn, getMe, lastMe, signOut, token, traffic } from './api.js';
import { byID, fill, html } from './html.js';

/** @typedef {import('./api.js').Me} Me */

// --- The head ---

/** @param {Me | null} me */
function showNavigation(me) {
  const links = [['/', 'States'], ['/directory', 'Directory']];
  if (me?.roles.includes('staff')) links.push(['/desk', 'Desk']);
  if (me?.partner) links.push(['/portal', 'Portal']);
  const groups = me?.groups ?? [];
  for (const { id, name } of groups) links.push([`/group?id=${id}`, groups.length === 1 ? 'Your group' : name]);
  const { pathname: here } = location;
  const group = new URLSearchParams(location.search).get('id') || (groups.length === 1 && groups[0].id);
  fill(
    byID('navigation'),
    links.slice(0, 5).map(([path, words]) => {
      const [place, id] = path.split('?id=');
      const isHere = id ? id === group && /^\/group(\/|$)/.test(here)
        : place === here || (place !== '/' && here.startsWith(`${place}/`));
      return html`<a href=${path} aria-current=${isHere ? 'page' : null}>${words}</a>`;
    }),
    me ? account(me) : html`<a href="/sign-in" aria-current=${here === '/sign-in' ? 'page' : null}>Sign in</a>`,
  );
}

/** What the next page says at first. */
const saidKey = 'tomi.said';

/** @param {Me} me */
const account = (me) => html`
  <details class="menu">
    <summary>${me.name}</summary>
    <div>
      <p>${me.email}</p>
      <button type="button" class="link" onclick=${() => {
        signOut();
        sessionStorage.setItem(saidKey, 'You are signed out.');
        location.assign('/');
      }}>Sign out</button>
    </div>
  </details>`;

// Somebody has signed out in another tab. Loaded again, the page has nothing of theirs.
traffic.addEventListener('ended', () => {
  // What is typed goes, too: nobody is there to be asked.
  addEventListener('beforeunload', (event) => event.stopImmediatePropagation(), { capture: true });
  document.body.hidden = true;
  location.reload();
});

// A menu closes as menus do.
document.addEventListener('click', ({ target }) => {
  for (const menu of document.querySelectorAll('details.menu[open]')) {
    if (target instanceof Node && !menu.contains(target)) menu.removeAttribute('open');
  }
});
document.addEventListener('keydown', ({ key, target }) => {
  const menu = key === 'Escape' && target instanceof Element && target.closest('details.menu[open]');
  if (!menu) return;
  menu.removeAttribute('open');
  menu.querySelector('summary')?.focus();
});

/**
 * Shows the navigation, and finds out who is signed in.
 *
 * With roles it is a page for these people only. Others see in `main` why it is not for them, and whoever is not signed
 * in is sent to the page that does it and brings them back.
 *
 * @param {{ roles?: Me['roles'], reason?: (me: Me) => Node }} options The reason says it in words of the page's own.
 * @returns {Promise<Me | null>} Never null with roles: then the promise is not fulfilled.
 */
export async function start({ roles, reason } = {}) {
  showNavigation(lastMe());
  if (roles && !token()) return goToSignIn();
  /** @type {Me | null} */
  let me = null;
  try {
    me = await getMe();
  } catch (error) {
    if (roles) {
      show(error);
      return new Promise(() => {});
    }
  }
  showNavigation(me);
  if (roles && !me) return goToSignIn();
  const has = me?.roles ?? [];
  if (roles && me && !roles.some((role) => has.includes(role))) {
    (await import('./not-for.js')).showNotFor(mainElement(), me, roles, reason);
    return new Promise(() => {});
  }
  return me;
}

/** The address of the page for signing in, which brings people back here. */
export const signInAddress = () => `/sign-in?return=${encodeURIComponent(location.pathname + location.search)}`;

/** @returns {Promise<never>} */
async function goToSignIn() {
  if (!token() && (await borrowSignIn())) location.reload();
  else location.replace(signInAddress());
  return new Promise(() => {});
}

const mainElement = () => /** @type {HTMLElement} */ (document.querySelector('main'));

// --- Messages ---

const messages = html`<div class="toasts" role="status" aria-live="polite"></div>`;
document.body.append(messages);

/**
 * A short message at the edge of the page, read aloud too. It goes by itself, unless it offers something.
 * @param {string} words
 * @param {{ label: string, act: () => void }} [offer] Such as "Undo".
 * @returns {() => void} Takes it away.
 */
export function toast(words, offer) {
  const close = () => element.remove();
  const element = html`
    <div class="toast">
      <p>${words}</p>
      ${offer && html`<button type="button" class="quiet" onclick=${() => {
        close();
        offer.act();
      }}>${offer.label}</button>`}
      ${offer && html`<button type="button" class="quiet close" aria-label="Close" onclick=${close}>×</button>`}
    </div>`;
  messages.append(element);
  setTimeout(close, offer ? 20_000 : 6_000);
  return close;
}

const said = sessionStorage.getItem(saidKey);
sessionStorage.removeItem(saidKey);
// A live region is read aloud once it was there for a moment.
if (said) setTimeout(() => toast(said), 300);

/**
 * What went wrong, in words that say what to do.
 * @param {unknown} error
 * @returns {string}
 */
export function explain(error) {
  if (!(error instanceof Problem)) throw error;
  switch (error.code) {
    case 'unauthenticated': return 'You are not signed in any more.';
    case 'not_found': return 'It does not exist, or you may not see it.';
    case 'internal': return `Something went wrong on our side. If it lasts, tell us this number: ${error.requestID}.`;
    case 'rate_limited': return 'There were too many requests at once. Wait a moment, and try again.';
    case 'unavailable': return 'Tomi is out of reach for a moment. Try again.';
    case 'invalid_parameter':
      return error.errors.map(({ parameter, detail }) => `${parameter}: ${detail}`).join(' ') || error.detail;
    default: return error.detail;
  }
}

/**
 * Shows in an element why it cannot show more, and offers to try again.
 * @param {unknown} error
 * @param {Element} [element] `main` if left out; then what is there stays below.
 * @param {() => void} [again] Reloads the page if left out.
 */
export function show(error, element, again = () => location.reload()) {
  if (error instanceof DOMException && error.name === 'AbortError') return;
  const isSignIn = error instanceof Problem && error.status === 401;
  const content = html`
    <div class="notice bad" role="alert">
      <p>${explain(error)}</p>
      <p>${isSignIn
        ? html`<a class="button" href=${signInAddress()}>Sign in</a>`
        : html`<button type="button" onclick=${() => {
          content.remove();
          again();
        }}>Try again</button>`}</p>
    </div>`;
  if (element) fill(element, content);
  else mainElement().prepend(content);
}

// --- Waiting ---

const bar = html`<div class="busy" hidden></div>`;
document.body.append(bar);
/** @type {number | undefined} */
let timer;
traffic.addEventListener('busy', () => {
  timer = setTimeout(() => {
    bar.hidden = false;
    document.documentElement.setAttribute('aria-busy', 'true');
  }, 300);
});
traffic.addEventListener('idle', () => {
  clearTimeout(timer);
  bar.hidden = true;
  document.documentElement.removeAttribute('aria-busy');
});

// The check for a newer version is not needed at first.
setTimeout(() => import('./version.js').catch(() => {}), 3_000);

// --- Appearance ---

/** @type {[value: string, words: string][]} */
const themes = [['', 'System'], ['light', 'Light'], ['dark', 'Dark']];
const chosen = document.documentElement.dataset.theme ?? '';
/** @param {{ target: HTMLSelectElement }} event */
function choose({ target }) {
  document.documentElement.dataset.theme = target.value;
  localStorage.setItem('tomi.theme', target.value);
}
document.querySelector('body > footer')?.append(html`
  <label class="theme">Appearance
    <select onchange=${choose}>
      ${themes.map(([value, words]) => html`<option value=${value} selected=${value === chosen}>${words}</option>`)}
    </select>
  </label>`);
