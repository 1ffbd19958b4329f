import { Problem, get, put, token } from '../lib/api.js';
import { loaded, startDesk } from '../lib/desk.js';
import { Form, field, options } from '../lib/form.js';
import { byID, fill, fragment, html } from '../lib/html.js';
import { show, toast } from '../lib/page.js';
import { count, stateChoices, when } from '../lib/words.js';
import { recent } from './recent.js';

/** @typedef {import('./people.js').User} User */
/** @typedef {import('./people.js').Group} Group */

const id = new URLSearchParams(location.search).get('id') ?? '';
const path = `/api/admin/groups/${encodeURIComponent(id)}`;
const place = byID('group'), heading = byID('name');

// --- The record ---

/** @type {Form} */
let form;

/**
 * @param {Group} group
 * @param {string | null} etag
 */
function recordForm(group, etag) {
  const element = html`
    <form id="record">
      ${field('Name', html`<input name="name" autocomplete="off">`)}
      ${field('State', html`<select name="state">${options([['', 'Not given'], ...stateChoices])}</select>`, {
        hint: 'Where the group wants to buy.',
      })}
      <div class="actions"><button class="main">Save</button></div>
    </form>`;
  form = new Form(element, {
    values: group,
    etag,
    save: (body) => put(path, body, { etag: form.etag }),
    saved: (answer) => {
      heading.textContent = answer?.data.name;
      toast('Saved.');
    },
    read: () => get(path),
    whoChanged: async () => (await loaded(import('./changed.js'))).whoChanged('group', id),
  });
  return element;
}

// --- Members ---

const membersPlace = html`<ul class="plain"></ul>`, trouble = html`<div></div>`;
const found = html`<div aria-live="polite"></div>`;
/** @type {string[]} */
let members = [];
const attempts = 3;

/**
 * Changes the members. A PUT replaces them all, so that it is made from what is there now, and again if somebody else
 * was quicker: neither change is lost.
 * @param {(members: string[]) => string[]} change
 * @param {string} words
 * @param {(members: string[]) => string[]} [back]
 */
async function changeMembers(change, words, back) {
  fill(trouble);
  try {
    for (let attempt = 1; ; attempt++) {
      const before = await get(path);
      try {
        const { data, etag } = await put(path, { members: change(before.data.members) }, { etag: before.etag });
        // Unless somebody else has changed the record, which the form then says.
        if (form.etag === before.etag) form.etag = etag;
        toast(words, back && { label: 'Undo', act: () => changeMembers(back, 'Undone.') });
        await showMembers(data.members);
        // The button that had the focus may be gone.
        if (document.activeElement === document.body) byID('count').focus();
        return search();
      } catch (error) {
        if (!(error instanceof Problem && error.status === 412 && attempt < attempts)) throw error;
      }
    }
  } catch (error) {
    show(error, trouble, () => changeMembers(change, words, back));
  }
}

/** @param {string} member */
const add = (member) => (/** @type {string[]} */ list) => [...list.filter((one) => one !== member), member];
/** @param {string} member */
const drop = (member) => (/** @type {string[]} */ list) => list.filter((one) => one !== member);

/** @type {Map<string, User>} */
const people = new Map();

/** @param {string} member */
async function person(member) {
  const known = people.get(member) ?? (await get(`/api/admin/users/${member}`)).data;
  people.set(member, known);
  return known;
}

/** @param {string[]} list */
async function showMembers(list) {
  members = list;
  const shown = await Promise.all(list.map((member) => person(member)));
  const row = (/** @type {User} */ { id: member, name, email, disabled }) => html`
    <li class="spread">
      <span><a href=${`/desk/person?id=${member}`}>${name}</a>${' '}
        <span class="muted">${email}${disabled && ', disabled'}</span></span>
      <button type="button" class="quiet" aria-label=${`Remove ${name}`} onclick=${() =>
        changeMembers(drop(member), `${name} is no member any more.`, add(member))}>Remove</button>
    </li>`;
  fill(membersPlace, shown.length ? shown.map(row) : html`
    <li class="muted">Nobody. Without a member the group can neither ask nor be introduced.</li>`);
  byID('count').textContent = count(list.length, 'member');
}

// --- Looking for a new member ---

const input = /** @type {HTMLInputElement} */ (html`
  <input type="search" id="candidate" autocomplete="off">`);

/** Shows who fits what is typed. The module comes when it is wanted, so that the first view is small. */
async function search() {
  if (!input.value.trim()) return fill(found);
  try {
    const { find } = await loaded(import('./candidates.js'));
    await find(input, found, (user, name) => (members.includes(user) ? null : () => {
      input.select();
      changeMembers(add(user), `${name} is a member now.`, drop(user));
    }));
  } catch (error) {
    show(error, found, search);
  }
}

input.addEventListener('input', search);

// --- The page ---

async function load() {
  try {
    // First it has to be known that there is such a group.
    const { data: group, etag } = await get(path);
    const requests = await recent({ group_id: id });
    document.title = `${group.name} – Tomi`;
    heading.textContent = group.name;
    fill(place, fragment`
      <div class="split">
        <div class="stack">
          <section><h2>Group</h2>${recordForm(group, etag)}</section>
          <section><h2>Requests</h2>${requests}</section>
        </div>
        <section class="stack">
          <h2 id="count" tabindex="-1" aria-live="polite">Members</h2>
          ${trouble}
          ${membersPlace}
          <div class="field">
            <label for="candidate">Add somebody</label>
            <p class="hint">Type a name or an e-mail address.</p>
            ${input}
          </div>
          ${found}
        </section>
      </div>
      <p class="small muted">Known since ${when(group.created_at)}, changed ${when(group.updated_at)}.${' '}
        <a href=${`/desk/history?subject_kind=group&subject_id=${group.id}`}>History</a></p>`);
    await showMembers(group.members);
  } catch (error) {
    if (!(error instanceof Problem && error.code === 'not_found')) return show(error, place, load);
    heading.textContent = 'There is no such group';
    fill(place, html`<p>The address may be cut off. <a href="/desk/people?view=groups">Look among all groups</a>.</p>`);
  }
}

if (token()) load();
await startDesk();
