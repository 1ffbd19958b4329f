import { token } from '../lib/api.js';
import { addListKeys, startDesk } from '../lib/desk.js';
import { byID, fill, html } from '../lib/html.js';
import { List } from '../lib/list.js';
import { since, stateChoices, states } from '../lib/words.js';
import { filter, showColumns, showFilters } from './filters.js';

/** @typedef {{ id: string, name: string, email: string, disabled: boolean, created_at: string }} User */
/** @typedef {{ id: string, name: string, state: string | null, members: string[], created_at: string }} Group */

const query = new URLSearchParams(location.search);
const isGroups = query.get('view') === 'groups';
const rows = byID('rows'), filters = byID('filters');
const all = /** @type {[string, string]} */ (['', 'All']);
/** @type {[value: string, words: string][]} */
const orders = [['', 'Name'], ['-created_at', 'Newest first'], ['created_at', 'Oldest first']];

/** @param {User} user */
const userRow = (user) => html`
  <tr>
    <td><a href=${`/desk/person?id=${user.id}`}>${user.name}</a></td>
    <td>${user.email}</td>
    <td><span class=${`status ${user.disabled ? 'off' : 'good'}`}>${user.disabled ? 'Disabled' : 'Active'}</span></td>
    <td class="number">${since(user.created_at)}</td>
  </tr>`;

/** @param {Group} group */
const groupRow = (group) => html`
  <tr>
    <td><a href=${`/desk/group?id=${group.id}`}>${group.name}</a></td>
    <td>${group.state ? states[group.state] : 'Not given'}</td>
    <td>${group.members.length}</td>
    <td class="number">${since(group.created_at)}</td>
  </tr>`;

/** @param {URLSearchParams} given */
function empty(given) {
  const [what, one, path] = isGroups ? ['groups', 'group', '/desk/people?view=groups']
    : ['people', 'person', '/desk/people'];
  if (given.toString()) return html`<p>No ${one} fits all of that. <a href=${path}>Show all ${what}</a>.</p>`;
  return `There are no ${what} yet. The systems that own the accounts put them here.`;
}

const shown = isGroups ? groupList() : userList();

/** @returns {List} */
function userList() {
  showColumns(rows, ['Name', 'E-mail', 'Account', 'Since'], 'Since');
  showFilters(filters, [
    filter('Name or e-mail', 'q', 'search'),
    filter('Account', 'disabled', [all, ['false', 'Active'], ['true', 'Disabled']]),
    filter('Staff', 'staff', [all, ['true', 'Only staff'], ['false', 'Without staff']]),
    filter('Sort', 'sort', orders),
  ]);
  return list('/api/admin/users', userRow, ['person', 'people']);
}

/** @returns {List} */
function groupList() {
  showColumns(rows, ['Name', 'State', 'Members', 'Since'], 'Since');
  showFilters(filters, [
    filter('Name of the group or a member, or e-mail', 'q', 'search'),
    filter('State', 'state', [all, ...stateChoices]),
    filter('Sort', 'sort', orders),
  ]);
  return list('/api/admin/groups', groupRow, ['group', 'groups']);
}

/**
 * @param {string} path
 * @param {(item: any) => HTMLElement} row
 * @param {[one: string, many: string]} noun
 * @returns {List}
 */
function list(path, row, noun) {
  return new List({
    path, row, noun, rows, filters, empty, key: (item) => item.id, summary: byID('summary'), own: ['view'], every: 30,
    scope: { place: byID('scope'), words: { member: (id, thing) => ['of ', thing('user', id)] } },
  });
}

fill(byID('lists'), [['People', '/desk/people', !isGroups], ['Groups', '/desk/people?view=groups', isGroups]].map(
  ([words, path, isHere]) => html`<a href=${path} aria-current=${isHere ? 'page' : null}>${words}</a>`));
addListKeys(shown);
if (token()) shown.load();
await startDesk();
