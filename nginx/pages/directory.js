import { lastMe } from './lib/api.js';
import { nextStep } from './lib/asking.js';
import { fact } from './lib/facts.js';
import { field, options } from './lib/form.js';
import { byID, fill, html } from './lib/html.js';
import { languageChoices } from './lib/languages.js';
import { List } from './lib/list.js';
import { start } from './lib/page.js';
import { certified, host, language, listed, stateChoices, states, typeChoices, types } from './lib/words.js';

/**
 * @typedef {object} Partner
 * @property {string} id
 * @property {string} type
 * @property {string} company_name
 * @property {string | null} contact_name
 * @property {string | null} website
 * @property {string[]} service_areas
 * @property {boolean} co_ownership_certified
 * @property {string | null} description
 * @property {string[]} languages
 * @property {string | null} affiliation_disclosure
 * @property {boolean} accepting_referrals
 */

/** @param {{ accepting_referrals: boolean }} partner */
const acceptance = ({ accepting_referrals: accepts }) =>
  accepts ? html`<span class="status good">Takes introductions</span>`
    : html`<span class="status off">Takes no introductions now</span>`;

/**
 * The states that a partner serves, or the first of many.
 * @param {string[]} codes
 */
function areas(codes) {
  const names = codes.map((code) => states[code]);
  return names.length > 6 ? listed([...names.slice(0, 4), `${names.length - 4} more states`]) : listed(names);
}

/** @param {Partner} partner */
function card(partner) {
  const { website } = partner;
  const spoken = listed(partner.languages.map(language));
  return html`
    <li class="card">
      <p class="row small muted">
        <span>${types[partner.type].label}</span>
        ${partner.co_ownership_certified && certified()}
      </p>
      <h2><a href=${`/partner?id=${partner.id}`}>${partner.company_name}</a></h2>
      ${partner.description && html`<p class="small clip">${partner.description}</p>`}
      <dl class="facts small">
        ${fact('Contact', partner.contact_name)}
        ${fact('Serves', areas(partner.service_areas))}
        ${fact('Speaks', spoken)}
        ${fact('Website', website && html`<a href=${website} rel="noreferrer">${host(website)}</a>`)}
      </dl>
      ${partner.affiliation_disclosure && html`<p class="small">Has a business relation with Tomi: <a
        href=${`/partner?id=${partner.id}`}>what it is</a></p>`}
      <p class="small">${acceptance(partner)}</p>
    </li>`;
}

let me = lastMe();

function showNextStep() {
  const query = new URLSearchParams(location.search);
  const [type = '', state = ''] = ['type', 'state'].map((name) => query.get(name) ?? '');
  fill(byID('next'), nextStep(me, { type: types[type] ? type : '', state: states[state] ? state : '' }));
}

const filters = byID('filters');
fill(
  filters,
  field('Name', html`<input name="q" type="search" autocomplete="off">`),
  field('Profession', html`<select name="type">${options([['', 'All'], ...typeChoices])}</select>`),
  field('State', html`<select name="state">${options([['', 'All'], ...stateChoices])}</select>`),
  field('Language', html`<select name="language">${options([['', 'All'], ...languageChoices])}</select>`),
);
filters.hidden = false;

const list = new List({
  path: '/api/partners',
  rows: byID('partners'),
  row: card,
  key: (/** @type {Partner} */ partner) => partner.id,
  noun: ['partner', 'partners'],
  filters,
  summary: byID('summary'),
  loaded: showNextStep,
  empty: (query) => {
    if (!query.toString()) return 'There is nobody in the directory yet.';
    const place = new URLSearchParams([...query].filter(([name]) => ['state', 'type'].includes(name)));
    return html`
      <div class="stack">
        <p>Nobody fits all of that yet.</p>
        <p><a href="/directory">Show everybody</a>, or <a href=${`/?${place}`}>see what is coming</a> to your state.</p>
      </div>`;
  },
});
showNextStep();
list.load();
me = await start();
showNextStep();
