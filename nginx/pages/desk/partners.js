import { token } from '../lib/api.js';
import { addKeys, addListKeys, loaded, startDesk } from '../lib/desk.js';
import { drafts } from '../lib/drafts.js';
import { byID, fill, html } from '../lib/html.js';
import { List } from '../lib/list.js';
import { explain, toast } from '../lib/page.js';
import {
  count, credentialKinds, day, since, stateChoices, states, status, statusWords, typeChoices, types, when,
} from '../lib/words.js';
import { filter, orAll, showColumns, showFilters } from './filters.js';
import { acceptance, credentialStatus, moves } from './partner-words.js';

/** @typedef {import('./partner-words.js').Credential & { partner: { id: string, company_name: string } }} Credential */

const rows = byID('rows');
const query = new URLSearchParams(location.search);
const isCredentials = query.get('view') === 'credentials';

const all = /** @type {[string, string]} */ (['', 'All']);

// --- The views ---

/** @type {[words: string, query: string][]} */
const views = [
  ['All', ''], ['In review', 'status=pending_review'], ['Changes to review', 'pending_changes=true'],
  ['Credentials to verify', 'view=credentials&verified=false'],
  ['Verified credentials by expiry', 'view=credentials&verified=true'],
];

function showViews() {
  const here = location.search.slice(1);
  fill(byID('views'), views.map(([words, search]) => html`
    <a href=${search ? `?${search}` : '/desk/partners'} aria-current=${search === here ? 'page' : null}>${words}</a>`));
}
addEventListener('popstate', showViews);
byID('filters').addEventListener('change', () => setTimeout(showViews));

// --- Partners ---

/** @param {any} partner */
const partnerRow = (partner) => html`
  <tr>
    <td class="long"><a href=${`/desk/partner?id=${partner.id}`}>${partner.company_name}</a>
      ${partner.contact_name && html`<span class="small muted"> ${partner.contact_name}</span>`}</td>
    <td>${types[partner.type].label}</td>
    <td>${status('partner', partner.status)}</td>
    <td title=${partner.service_areas.map((/** @type {string} */ code) => states[code]).join(', ')}>${
      partner.service_areas.slice(0, 4).join(' ')}${partner.service_areas.length > 4 &&
        ` + ${partner.service_areas.length - 4}`}</td>
    <td>${status('credentials', partner.credentials_status)}</td>
    <td>${acceptance(partner)}</td>
    <td>${partner.pending_changes && html`<a class="tag" href=${`/desk/partner?id=${partner.id}`}>${
      count(Object.keys(partner.pending_changes).length, 'change')}</a>`}</td>
    <td class="number">${when(dateHead() === 'Changed' ? partner.updated_at : partner.created_at)}</td>
  </tr>`;

/** What the date of a row is: that which the order is by. */
const dateHead = () => (new URLSearchParams(location.search).get('sort')?.endsWith('updated_at') ? 'Changed' : 'Added');
function showPartnerColumns() {
  const columns = ['Company', 'Profession', 'Status', 'States', 'Credentials', 'Introductions', 'To review', dateHead()];
  showColumns(rows, columns, dateHead());
}

/** @returns {List} */
function partnerList() {
  showPartnerColumns();
  showFilters(byID('filters'), [
    filter('Search', 'q', 'search'),
    filter('Profession', 'type', [all, ...typeChoices]),
    filter('Status', 'status', orAll(Object.keys(moves), (value) => statusWords('partner', value))),
    filter('State', 'state', [all, ...stateChoices]),
    filter('Changes', 'pending_changes', [all, ['true', 'To review'], ['false', 'None']]),
    filter('Sort', 'sort', [['', 'Newest first'], ['-updated_at', 'Changed last'], ['company_name', 'Name'],
      ['created_at', 'Oldest first']]),
  ]);
  return new List({
    path: '/api/admin/partners',
    rows,
    row: partnerRow,
    key: (partner) => partner.id,
    noun: ['partner', 'partners'],
    filters: byID('filters'),
    summary: byID('summary'),
    own: ['view'],
    every: 30,
    loaded: showPartnerColumns,
    empty: (given) => {
      if (!given.toString()) return 'There are no partners yet. Invite the first one.';
      if (given.toString() === 'pending_changes=true') {
        return 'No changes wait for you. Partners propose them on their own page.';
      }
      return html`<p>No partner fits all of that. <a href="/desk/partners">Show all</a>.</p>`;
    },
  });
}

// --- Credentials ---

/** @param {Credential} credential */
const credentialRow = (credential) => html`
  <tr>
    <td class="long"><a href=${`/desk/partner?id=${credential.partner.id}`}>${credential.partner.company_name}</a></td>
    <td>${credentialKinds[credential.kind] ?? credential.kind}</td>
    <td class="long">${credential.number}</td>
    <td>${credential.state_code}</td>
    <td>${credentialStatus(credential)}</td>
    <td>${credential.expires_on ? day(credential.expires_on) : 'Does not expire'}</td>
    <td class="number">${since(credential.updated_at)}</td>
  </tr>`;

/** @returns {List} */
function credentialList() {
  showColumns(rows, ['Partner', 'Credential', 'Number', 'State', 'Status', 'Expires', 'Changed'], 'Changed');
  showFilters(byID('filters'), [
    filter('Kind', 'kind', orAll(Object.keys(credentialKinds), (kind) => credentialKinds[kind])),
    filter('State', 'state', [all, ...stateChoices]),
    filter('Verified', 'verified', [all, ['true', 'Verified'], ['false', 'Not verified']]),
    filter('Expires', 'expiring_within_days', [['', 'Any time'], ['7', 'Within 7 days'], ['30', 'Within 30 days'],
      ['90', 'Within 90 days']]),
  ]);
  return new List({
    path: '/api/admin/credentials',
    rows,
    row: credentialRow,
    key: (/** @type {Credential} */ credential) => credential.id,
    noun: ['credential', 'credentials'],
    filters: byID('filters'),
    summary: byID('summary'),
    own: ['view'],
    every: 30,
    empty: (given) => (given.toString() === 'verified=false'
      ? 'No credentials wait. What partners add, or change, comes here.'
      : html`<p>No credential fits all of that. <a href="?view=credentials">Show all</a>.</p>`),
  });
}

// --- The page ---

async function invite() {
  try {
    (await loaded(import('./partner-form.js'))).openInvitation();
  } catch (error) {
    toast(explain(error));
  }
}

showViews();
const list = isCredentials ? credentialList() : partnerList();
if (token()) list.load();
addListKeys(list);
addKeys({ key: 'n', words: 'Invite a partner', act: invite });
await startDesk();
byID('invite').hidden = false;
byID('invite').addEventListener('click', invite);
if (drafts().includes('invitation')) invite();
