import { Problem, get, lastMe } from './lib/api.js';
import { nextStep } from './lib/asking.js';
import { fact } from './lib/facts.js';
import { isID } from './lib/groups.js';
import { byID, fill, fragment, html } from './lib/html.js';
import { show, start } from './lib/page.js';
import { certificate, certified, credentialKinds, host, language, listed, states, types } from './lib/words.js';

/**
 * @typedef {import('./directory.js').Partner & { credentials: { kind: string, number: string, state_code: string | null
 *   }[] }} Profile
 */

let me = lastMe();
/** @type {Profile | undefined} */
let shown;
const next = html`<div></div>`;

/** Asking for an introduction, and for a member the way back. */
function showNext() {
  fill(byID('ways'), html`<a href="/directory">Directory</a>`, (me?.groups ?? []).map(({ id, name }) => html`
    <a href=${`/group?id=${id}`}>${name}</a>`));
  if (!shown) return;
  const { type, service_areas: [state, ...others] } = shown;
  fill(next, nextStep(me, { type, state: others.length ? '' : state }));
}

/** @param {Profile} partner */
function showProfile(partner) {
  shown = partner;
  showNext();
  const type = types[partner.type];
  document.title = `${partner.company_name} – Tomi`;
  byID('name').textContent = partner.company_name;
  const acceptance = partner.accepting_referrals
    ? html`<span class="status good">Takes them now</span>` : html`<span class="status off">Takes none now</span>`;
  const { website } = partner;
  fill(byID('profile'), fragment`
    <div class="stack">
      <p class="lead">${type.label}, serves ${listed(partner.service_areas.map((code) => states[code]))}.</p>
      ${partner.co_ownership_certified && html`
        <p class="row small">${certified()} <span>${certificate}</span></p>`}
      ${partner.description && html`<p class="lines">${partner.description}</p>`}
      <dl class="facts card">
        ${fact('Contact', partner.contact_name)}
        ${fact('Website', website && html`<a href=${website} rel="noreferrer">${host(website)}</a>`)}
        <dt>Languages</dt><dd>${listed(partner.languages.map(language)) || 'Not given'}</dd>
        <dt>Licenses</dt><dd>${partner.credentials.length === 0 ? 'None that Tomi has verified yet' : html`
          <ul class="plain">${partner.credentials.map(({ kind, number, state_code: state }) => html`
            <li>${credentialKinds[kind]} ${number}${state && `, ${states[state]}`}</li>`)}</ul>`}</dd>
        <dt>Introductions</dt><dd>${acceptance}</dd>
      </dl>
      ${next}
      <section>
        <h2>Relation with Tomi</h2>
        <p class="lines">${partner.affiliation_disclosure ??
          'Tomi has disclosed no relation of ownership or business with this partner.'}</p>
        <p class="muted">Nobody pays Tomi for an introduction or for a place in the directory.</p>
      </section>
    </div>`);
}

async function load() {
  const id = new URLSearchParams(location.search).get('id') ?? '';
  if (!id) {
    byID('name').textContent = 'No partner is chosen';
    fill(byID('profile'), html`<p class="lead">Choose one <a href="/directory">in the directory</a>.</p>`);
    return;
  }
  if (!isID(id)) return showNone();
  try {
    const { data } = await get(`/api/partners/${id}`);
    showProfile(data);
  } catch (error) {
    if (error instanceof Problem && error.code === 'not_found') return showNone();
    show(error, byID('profile'), load);
  }
}

function showNone() {
  byID('name').textContent = 'This partner is not in the directory';
  fill(byID('profile'), html`<p class="lead">It may have left. <a href="/directory">Look at the others</a>.</p>`);
}

load();
me = await start();
showNext();
