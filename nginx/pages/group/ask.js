import { Problem, get, post, token } from '../lib/api.js';
import { Form, choices, field, inWords, options } from '../lib/form.js';
import { isID, otherGroups } from '../lib/groups.js';
import { byID, fill, fragment, html } from '../lib/html.js';
import { show, start } from '../lib/page.js';
import { openStatuses, stateChoices, typeChoices, types } from '../lib/words.js';

/**
 * @typedef {object} Request As the group sees it.
 * @property {string} id
 * @property {string} requested_by
 * @property {string | null} contact_id
 * @property {string} partner_type
 * @property {string} status
 * @property {string} status_since
 * @property {import('../lib/need.js').Need} context
 * @property {string | null} intro_sent_at
 * @property {string | null} outcome
 * @property {string} created_at
 * @property {{ id: string, company_name: string, contact_name: string | null, email: string | null,
 *   phone: string | null } | null} partner
 */

/**
 * @typedef {object} Fit Who fits, of one type.
 * @property {string} partner_type
 * @property {string} status
 * @property {string} message
 * @property {(import('../directory.js').Partner & { why: string[] })[]} partners
 */

/** @typedef {{ version: string, text: string } | null} Consent Null where no text is to be agreed to. */
/** @typedef {import('../lib/need.js').Need} Need */

const query = new URLSearchParams(location.search);
const group = query.get('id') ?? '';
const given = query.get('type') ?? '';
const path = `/api/groups/${encodeURIComponent(group)}/referrals`;
const home = `/group?${new URLSearchParams({ id: group })}`;

/** @returns {Promise<Consent>} */
async function readConsent() {
  try {
    return (await get('/api/consent')).data;
  } catch (error) {
    if (error instanceof Problem && error.code === 'not_found') return null;
    throw error;
  }
}

/** @returns {Promise<[Consent, Need | undefined]>} */
const read = () => Promise.all([
  readConsent(),
  // What a group has said once it need not say again, unless it took it back.
  get(path, { query: { status: [...openStatuses, 'closed'].join(), limit: 1 } })
    .then(({ data }) => data.data[0]?.context),
]);

// What the page shows is asked for before it is known who is signed in.
const first = token() && isID(group) ? read() : undefined;
first?.catch(() => {});
const me = /** @type {import('../lib/api.js').Me} */ (await start({ roles: ['member', 'staff'] }));
const ownGroup = me.groups.find(({ id }) => id === group);

async function load(reading = read()) {
  try {
    const [consent, need] = await reading;
    showForm(consent, need);
  } catch (error) {
    if (error instanceof Problem && error.code === 'not_found') return showNoGroup();
    show(error, byID('ask'), load);
  }
}

/**
 * @param {Consent} consent
 * @param {Need} [need]
 */
function showForm(consent, need) {
  const number = (/** @type {string} */ name) => html`
    <input name=${`context.${name}`} type="number" min="0" inputmode="numeric" autocomplete="off">`;
  const element = html`
    <form id="request">
      ${!types[given] && choices('Whom do you need?', 'partner_type', typeChoices)}
      ${field('What do you need?', html`<textarea name="context.specific_need"></textarea>`, {
        isOptional: true, hint: 'In a sentence or two. The partner reads it too.',
      })}
      ${field('Where do you want to buy?', html`
        <select name="context.state">${options([['', 'Not decided'], ...stateChoices])}</select>`)}
      ${field('How many people buy together?', number('group_size'), { isOptional: true })}
      <div class="side-by-side field">
        ${field('Price from', number('home_price_range.min'), { isOptional: true, hint: 'In US dollars' })}
        ${field('Price up to', number('home_price_range.max'), { isOptional: true, hint: 'In US dollars' })}
      </div>
      ${field('When do you want to buy?', html`<input name="context.timeline" autocomplete="off">`, {
        isOptional: true, hint: 'For example: by March, or within a year.',
      })}
      <p>${ownGroup ? `The partner gets your name and address: ${me.name}, ${me.email}.`
        : 'You are not in this group, so the request has no contact yet. Name one on the desk.'}</p>
      ${consent && html`
        <label class="choice">
          <input type="checkbox" name="consent_version" value=${consent.version}>
          <span class="lines">${consent.text}</span>
        </label>`}
      <div class="actions">
        <button class="main">${types[given] ? `Ask for ${types[given].a}` : 'Ask'}</button>
        <a class="button quiet" href=${home}>Not now</a>
      </div>
    </form>`;
  fill(byID('ask'), element);
  const form = new Form(element, {
    save: ({ consent_version: [version] = [], ...body }) =>
      inWords(post(path, { partner_type: types[given] ? given : undefined, ...body, consent_version: version }), {
        referral_already_open: ({ body }) => fragment`Your group has asked for this there already. <a
          href=${`${home}#request-${body.existing.split('/').pop()}`}>See how that stands</a>.`,
        quota_exceeded: 'Your group has asked for a lot today. Ask again tomorrow.',
      }),
    saved: (answer) => location.replace(`${home}#request-${answer?.data.id}`),
  });
  // What was typed before signing in again stays.
  if (!form.isDirty) {
    const { group_size, home_price_range, timeline, state } = need ?? {};
    form.fill({ context: { group_size, home_price_range, timeline, state: query.get('state') ?? state } });
    form.settle();
  }
}

const back = /** @type {HTMLAnchorElement} */ (byID('back'));

function showNoGroup() {
  back.href = '/group';
  if (group) byID('title').textContent = 'This group is not yours';
  fill(byID('ask'), html`
    <div class="stack">
      ${!group && me.groups.length > 0 && html`<p>For which group do you ask?</p>`}
      ${otherGroups(me, group, (id) => `?${new URLSearchParams({ ...Object.fromEntries(query), id })}`)}
    </div>`);
}

back.href = home;
if (ownGroup) back.textContent = ownGroup.name;
if (types[given]) byID('title').textContent = `Ask for ${types[given].a}`;
if (isID(group)) load(first);
else showNoGroup();
