import { Problem, get, getAll, lastMe, post, put, remove, token } from '../lib/api.js';
import { startDesk } from '../lib/desk.js';
import { Form, field, options } from '../lib/form.js';
import { byID, fill, fragment, html } from '../lib/html.js';
import { show, toast } from '../lib/page.js';
import { count, states, when } from '../lib/words.js';
import { lastChange } from './changed.js';
import { recent } from './recent.js';

/** @typedef {import('./people.js').User} User */
/**
 * @typedef {object} Token
 * @property {string} id
 * @property {string | null} scope
 * @property {string | null} name
 * @property {string | null} expires_at
 * @property {string} created_at
 * @property {string | null} revoked_at
 * @property {string | null} created_by
 */

const id = new URLSearchParams(location.search).get('id') ?? '';
const path = `/api/admin/users/${encodeURIComponent(id)}`;
const place = byID('person'), heading = byID('name'), tokensPlace = html`<div></div>`;

/** @param {Token} token */
const isGood = ({ revoked_at: revoked, expires_at: end }) => !revoked && (!end || Date.parse(end) > Date.now());

// --- The account ---

/**
 * @param {User} user
 * @param {string | null} etag
 */
function accountForm(user, etag) {
  const element = html`
    <form id="account">
      ${field('Name', html`<input name="name" autocomplete="off" maxlength="100">`)}
      ${field('E-mail', html`<input name="email" type="email" autocomplete="off">`, {
        hint: 'Letters and sign-in links go there.',
      })}
      ${field('Access', html`<select name="disabled">${options([['false', 'Active'], ['true', 'Disabled']])}</select>`, {
        hint: 'A disabled person cannot sign in, and none of their tokens works. Nothing is deleted, and you can undo it.',
      })}
      <div class="actions"><button class="main">Save</button></div>
    </form>`;
  new Form(element, {
    values: user,
    etag,
    save: ({ disabled, ...body }, form) =>
      put(path, disabled === undefined ? body : { ...body, disabled: disabled === 'true' }, { etag: form.etag }),
    saved: (answer) => {
      heading.textContent = answer?.data.name;
      toast('Saved.');
    },
    read: () => get(path),
    whoChanged: async () => `${await lastChange('user', id)}.`,
  });
  return element;
}

/** @param {User} user */
const accountFacts = (user) => html`
  <div class="stack">
    <dl class="facts">
      <dt>E-mail</dt><dd>${user.email}</dd>
      <dt>Access</dt><dd>${user.disabled ? 'Disabled' : 'Active'}</dd>
    </dl>
    <p class="notice note">This person is staff: they have an admin token that is good. So this page can neither change
      the account nor make a token. Both are done on the server, with the command <code>tomi-referrals</code>.</p>
  </div>`;

// --- Tokens ---

const tokensPath = `${path}/tokens`;

/** @param {Token} token */
function tokenRow(token) {
  const { scope, name, created_at: created, created_by: creator, expires_at: end, revoked_at: revoked } = token;
  const by = creator && creator === lastMe()?.id ? 'you' : creator ? html`<a href=${`/desk/person?id=${creator}`}>a colleague</a>` : 'the server’s command line';
  return html`
    <tr>
      <th scope="row">${name ?? 'Without a name'}${scope && [' ', html`<span class="tag">Staff: ${scope}</span>`]}</th>
      <td>${when(created)}, by ${by}</td>
      <td>${revoked ? html`<span class="status off">Ended</span>`
        : isGood(token) ? html`<span class="status good">Good</span>` : html`<span class="status off">Expired</span>`}</td>
      <td>${revoked ? when(revoked) : end ? ['until ', when(end)] : 'without an end'}</td>
      <td>${isGood(token) && html`
        <button type="button" class="quiet" aria-label=${`End the token ${name ?? 'without a name'}`}
          onclick=${() => askToEnd(token)}>End</button>`}</td>
    </tr>`;
}

/** @param {Token[]} tokens */
function showTokens(tokens) {
  const table = html`
    <div class="scrolls">
      <table>
        <thead><tr>${['Name', 'Made', 'State', 'When'].map((words) => html`<th scope="col">${words}</th>`)}<td></td></tr></thead>
        <tbody>${tokens.map(tokenRow)}</tbody>
      </table>
    </div>`;
  fill(tokensPlace, tokens.length ? table : html`
    <p class="muted">There are none. One is made when this person signs in, or below.</p>`);
}

async function loadTokens() {
  try {
    showTokens(await getAll(tokensPath));
  } catch (error) {
    show(error, tokensPlace, loadTokens);
  }
}

/** @param {Token} token */
function askToEnd(token) {
  const trouble = html`<div></div>`;
  const end = async () => {
    try {
      await remove(`/api/admin/tokens/${token.id}`);
      dialog.close();
      toast('The token has ended.');
      // Without an admin token the account can be changed.
      await (token.scope ? load() : loadTokens());
    } catch (error) {
      show(error, trouble, end);
    }
  };
  const dialog = /** @type {HTMLDialogElement} */ (html`
    <dialog aria-labelledby="end-title" onclose=${() => dialog.remove()}>
      <h2 id="end-title">End the token ${token.name ?? 'without a name'}?</h2>
      <p>Whatever uses it stops working at once. This cannot be undone.
        ${token.scope && 'If it is the token that you use yourself, you are signed out.'}</p>
      ${trouble}
      <div class="actions">
        <button type="button" class="danger" onclick=${end}>End the token</button>
        <button type="button" class="quiet" onclick=${() => dialog.close()}>Keep it</button>
      </div>
    </dialog>`);
  document.body.append(dialog);
  dialog.showModal();
}

/** @param {User} user */
function tokenForm(user) {
  const element = html`
    <form id="token">
      ${field('What it is for', html`<input name="name" autocomplete="off" maxlength="100">`, { isOptional: true })}
      ${field('Good until', html`<input name="expires_at" type="datetime-local">`, {
        isOptional: true, hint: 'At most 400 days from now. Without it, 90 days.',
      })}
      <div class="actions"><button>Make a token</button></div>
    </form>`;
  const made = html`<div></div>`;
  const form = new Form(element, {
    save: async (body) => {
      try {
        return await post(tokensPath, body, { once: true });
      } catch (error) {
        // Whether there is one now, only the list can tell.
        if (error instanceof Problem && error.isUncertain) loadTokens();
        throw error;
      }
    },
    saved: (answer) => {
      form.fill({ name: null, expires_at: null });
      form.settle();
      fill(made, secret(answer?.data.token, user));
      /** @type {HTMLElement} */ (made.firstElementChild).focus();
      loadTokens();
    },
  });
  return html`
    <details>
      <summary>Make a token</summary>
      <div class="stack">
        <p class="muted">Whoever has it can do all that ${user.name} can. Of a token that nobody has seen, because the
          answer was lost, only the list above tells: end it there.</p>
        ${element}
        ${made}
      </div>
    </details>`;
}

/**
 * @param {string} token
 * @param {User} user
 */
function secret(token, user) {
  const code = html`<code>${token}</code>`;
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(token);
      toast('Copied.');
    } catch {
      // Over HTTP, or where the person forbids it, there is no clipboard.
      getSelection()?.selectAllChildren(code);
      toast('It is marked. Copy it with your keyboard or its menu.');
    }
  };
  return html`
    <div class="notice note" tabindex="-1" role="status">
      <p><strong>This is the only time that the token is shown.</strong> Give it to ${user.name} in a safe way.</p>
      <p class="secret">${code}</p>
      <p><button type="button" onclick=${copy}>Copy it</button></p>
    </div>`;
}

// --- The page ---

/** @param {{ id: string, name: string, state: string | null, members: string[] }[]} groups */
const groupList = (groups) => groups.length === 0 ? html`<p class="muted">In none.</p>` : html`
  <ul class="plain">${groups.map((group) => html`
    <li><a href=${`/desk/group?id=${group.id}`}>${group.name}</a>
      <span class="muted">, ${group.state ? states[group.state] : 'no state given'}, ${count(group.members.length, 'member')}</span></li>`)}
  </ul>`;

async function load() {
  try {
    const [{ data: user, etag }, tokens, groups, requests] = await Promise.all([
      get(path), getAll(tokensPath), getAll('/api/admin/groups', { query: { member: id } }), recent({ requested_by: id }),
    ]);
    document.title = `${user.name} – Tomi`;
    heading.textContent = user.name;
    const isStaff = tokens.some((token) => token.scope && isGood(token));
    fill(place, fragment`
      <div class="split">
        <section><h2>Account</h2>${isStaff ? accountFacts(user) : accountForm(user, etag)}</section>
        <div class="stack">
          <section><h2>Groups</h2>${groupList(groups)}</section>
          <section><h2>Requests</h2>${requests}</section>
        </div>
      </div>
      <section class="stack">
        <h2>Tokens</h2>
        ${tokensPlace}
        ${!isStaff && tokenForm(user)}
      </section>
      <p class="small muted">Known since ${when(user.created_at)}, changed ${when(user.updated_at)}.${' '}
        <a href=${`/desk/history?subject_kind=user&subject_id=${user.id}`}>History</a></p>`);
    showTokens(tokens);
  } catch (error) {
    if (!(error instanceof Problem && error.code === 'not_found')) return show(error, place, load);
    heading.textContent = 'There is no such person';
    fill(place, html`<p>The address may be cut off. <a href="/desk/people">Look among all people</a>.</p>`);
  }
}

if (token()) load();
await startDesk();
