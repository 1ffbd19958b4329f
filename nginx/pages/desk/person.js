import { Problem, get, getAll, lastMe, put, token } from '../lib/api.js';
import { loaded, startDesk } from '../lib/desk.js';
import { drafts } from '../lib/drafts.js';
import { Form, field, inWords, mayReplace, options } from '../lib/form.js';
import { byID, fill, fragment, html } from '../lib/html.js';
import { explain, show, toast } from '../lib/page.js';
import { count, states, when } from '../lib/words.js';
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
      ${field('Name', html`<input name="name" autocomplete="off">`)}
      ${field('E-mail', html`<input name="email" type="email" autocomplete="off">`, {
        hint: 'Letters and sign-in links go there.',
      })}
      ${field('Access', html`
        <select name="disabled">${options([['false', 'Active'], ['true', 'Disabled']])}</select>`, {
        hint: 'A disabled person cannot sign in, and none of their tokens works. Nothing is deleted. You can undo it.',
      })}
      <div class="actions"><button class="main">Save</button></div>
    </form>`;
  new Form(element, {
    values: user,
    etag,
    save: ({ disabled, ...body }, form) =>
      inWords(put(path, disabled === undefined ? body : { ...body, disabled: disabled === 'true' }, {
        etag: form.etag }), { email_taken: ['Another person has this e-mail address.', '/email'] }),
    saved: (answer) => {
      heading.textContent = answer?.data.name;
      toast('Saved.');
    },
    read: () => get(path),
    whoChanged: async () => (await loaded(import('./changed.js'))).whoChanged('user', id),
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
  const by = !creator ? 'the server’s command line' : creator === lastMe()?.id ? 'you'
    : html`<a href=${`/desk/person?id=${creator}`}>a colleague</a>`;
  return html`
    <tr>
      <th scope="row">${name ?? 'Without a name'}${scope && [' ', html`<span class="tag">Staff: ${scope}</span>`]}</th>
      <td>${when(created)}, by ${by}</td>
      <td>${revoked ? html`<span class="status off">Ended</span>`
        : isGood(token) ? html`<span class="status good">Good</span>`
          : html`<span class="status off">Expired</span>`}</td>
      <td>${revoked ? when(revoked) : end ? ['until ', when(end)] : 'without an end'}</td>
      <td>${isGood(token) && html`
        <button type="button" class="quiet" aria-label=${`End the token ${name ?? 'without a name'}`}
          onclick=${() => endToken(token)}>End</button>`}</td>
    </tr>`;
}

/** @param {Token[]} tokens */
function showTokens(tokens) {
  const table = html`
    <div class="scrolls">
      <table>
        <thead><tr>
          ${['Name', 'Made', 'State', 'When'].map((words) => html`<th scope="col">${words}</th>`)}
          <td></td>
        </tr></thead>
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

/** What is done with tokens comes when it is wanted, so that the first view is small. */
async function actions() {
  try {
    return await loaded(import('./tokens.js'));
  } catch (error) {
    toast(explain(error));
  }
}

/** @param {Token} token */
async function endToken(token) {
  // Without an admin token the account can be changed.
  (await actions())?.askToEnd(token, () => (token.scope && mayReplace(place) ? load() : loadTokens()));
}

/** @param {User} user */
function making(user) {
  const inside = html`<div class="stack"></div>`;
  /** @param {{ currentTarget: HTMLDetailsElement }} event */
  const toggle = async ({ currentTarget: details }) => {
    if (!details.open || inside.childElementCount) return;
    const tokens = await actions();
    if (!tokens) details.open = false;
    else if (!inside.childElementCount) fill(inside, tokens.making(user, tokensPath, loadTokens));
  };
  return html`
    <details ontoggle=${toggle} open=${drafts().includes('token')}><summary>Make a token</summary>${inside}</details>`;
}

// --- The page ---

/** @param {{ id: string, name: string, state: string | null, members: string[] }[]} groups */
const groupList = (groups) => groups.length === 0 ? html`<p class="muted">In none.</p>` : html`
  <ul class="plain">${groups.map((group) => html`
    <li><a href=${`/desk/group?id=${group.id}`}>${group.name}</a>
      <span class="muted">, ${group.state ? states[group.state] : 'no state given'}, ${
        count(group.members.length, 'member')}</span></li>`)}
  </ul>`;

async function load() {
  try {
    // First it has to be known that there is such a person.
    const { data: user, etag } = await get(path);
    const [tokens, groups, requests] = await Promise.all([
      getAll(tokensPath), getAll('/api/admin/groups', { query: { member: id } }), recent({ requested_by: id }),
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
        ${!isStaff && making(user)}
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
