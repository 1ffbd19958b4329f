/**
 * The forms about a partner: the record, an invitation, a credential, a status, and the review of what it proposes.
 * @module
 */
import { Problem, get, post, put } from '../lib/api.js';
import { daysUntil } from '../lib/credentials.js';
import { recount } from '../lib/desk.js';
import { Form, choices, field, mayReplace, options } from '../lib/form.js';
import { byID, fill, html } from '../lib/html.js';
import { explain, toast } from '../lib/page.js';
import {
  count, credentialKinds, language, listed, stateChoices, states, statusWords, typeChoices,
} from '../lib/words.js';
import { whoChanged } from './changed.js';
import { reworded } from './partner-refusals.js';
import { credentialName, moves } from './partner-words.js';

/** @typedef {import('./partner.js').Page} Page */
/** @typedef {import('./partner-words.js').Credential} Credential */
/** @typedef {import('../lib/html.js').Child} Child */

/**
 * @template T
 * @param {Promise<T>} answer
 */
const sent = (answer) => answer.catch((error) => {
  throw reworded(error);
});

// --- Dialogs ---

/**
 * @param {string} title
 * @param {HTMLElement} form
 */
function openDialog(title, form) {
  const dialog = /** @type {HTMLDialogElement} */ (html`
    <dialog aria-labelledby="dialog-title" onclose=${() => dialog.remove()} oncancel=${(/** @type {Event} */ event) => {
      if (!mayReplace(dialog)) event.preventDefault();
    }}><h2 id="dialog-title">${title}</h2>${form}</dialog>`);
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/**
 * The buttons below a form of a dialog.
 * @param {string} words
 * @param {string} [look]
 */
const buttons = (words, look = 'main') => html`
  <div class="actions">
    <button class=${look}>${words}</button>
    <button type="button" class="quiet" onclick=${({ target }) => {
      if (mayReplace(target.closest('dialog'))) target.closest('dialog').close();
    }}>Not now</button>
  </div>`;

// --- The record and the invitation ---

/**
 * Codes as text, with their names below.
 * @param {string} label
 * @param {string} name
 * @param {string} example
 * @param {(code: string) => string | undefined} nameOf
 */
function codes(label, name, example, nameOf) {
  const words = html`<output class="small muted"></output>`;
  const say = () => {
    const given = input.value.split(/[\s,;]+/).filter(Boolean);
    words.textContent = listed(given.map((code) => nameOf(code) ?? `“${code}”?`));
  };
  const input = /** @type {HTMLInputElement} */ (html`
    <input name=${name} data-list autocomplete="off" spellcheck="false" oninput=${say}>`);
  const element = field(label, input, { hint: `Codes, such as ${example}`, isOptional: true });
  element.append(words);
  // The form fills it in without an event.
  setTimeout(say);
  return element;
}

/** @param {string} code */
const languageName = (code) => (/^[a-z]{2}$/i.test(code) ? language(code.toLowerCase()) : undefined);

const baseFields = () => [
  field('Profession', html`<select name="type">${options(typeChoices)}</select>`),
  field('Company', html`<input name="company_name" autocomplete="off">`),
  field('Contact', html`<input name="contact_name" autocomplete="off">`, { isOptional: true }),
  field('E-mail', html`<input name="email" type="email" autocomplete="off">`),
  field('Phone', html`<input name="phone" type="tel" autocomplete="off">`, { isOptional: true }),
  field('Website', html`<input name="website" type="url" autocomplete="off" placeholder="https://">`, {
    isOptional: true }),
  codes('States', 'service_areas', 'MN, CA', (code) => states[code.toUpperCase()]),
  codes('Languages', 'languages', 'en, es', languageName),
  field('Agreement signed', html`<input name="agreement_signed_at" type="datetime-local">`, { isOptional: true }),
  field('Notes', html`<textarea name="notes"></textarea>`, {
    hint: 'For staff only.', isOptional: true }),
];

/** Opens the form that invites a partner, and then goes to its page. */
export function openInvitation() {
  const element = html`
    <form id="invitation" class="fields">
      ${baseFields()}
      ${choices('Begin as', 'status', [
        ['invited', 'Invited: a letter asks it to join'], ['pending_review', 'In review: staff looks at it first'],
        ['active', 'Active: groups are introduced at once'],
      ], { chosen: ['invited'] })}
      ${buttons('Add the partner')}
    </form>`;
  openDialog('Invite a partner', element);
  new Form(element, {
    save: (body) => sent(post('/api/admin/partners', body)),
    saved: (answer) => location.assign(`/desk/partner?id=${answer?.data.id}`),
  });
}

/** @param {{ name: string, email: string }} user */
const nameOf = ({ name, email }) => `${name}, ${email}`;

/**
 * A choice of a user, who is searched for.
 * @param {any} partner
 */
function account({ user_id: id, email }) {
  const select = /** @type {HTMLSelectElement} */ (html`<select name="user_id"></select>`);
  /** @type {[string, string][]} */
  const first = [['', 'Nobody'], ...(id ? [/** @type {[string, string]} */ ([id, 'The present one'])] : [])];
  fill(select, options(first, id));
  const note = html`<p class="small muted" role="status"></p>`;
  /** @param {string} words */
  const search = async (words) => {
    try {
      const { data } = await get('/api/admin/users', { query: { q: words, disabled: false, limit: 20 } });
      const kept = [...select.options].filter(({ value, selected }) => !value || value === id || selected);
      const found = data.data.filter((/** @type {any} */ user) => !kept.some(({ value }) => value === user.id));
      select.replaceChildren(...kept, ...options(found.map((/** @type {any} */ user) => [user.id, nameOf(user)])));
      note.textContent = `${count(data.data.length, 'person', 'people')} found.`;
    } catch (error) {
      note.textContent = explain(error);
    }
  };
  /** @type {number | undefined} */
  let timer;
  const input = html`
    <input type="search" autocomplete="off" placeholder="Name or e-mail" aria-label="Find a person"
      oninput=${({ target }) => {
        clearTimeout(timer);
        timer = setTimeout(() => target.value.trim() && search(target.value), 250);
      }}>`;
  if (id) {
    get(`/api/admin/users/${id}`).then(({ data }) => (select.options[1].text = nameOf(data)), () => {});
  } else search(email);
  const element = field('Account', select, {
    hint: 'Who signs in as this partner. Find the person, then choose.', isOptional: true });
  select.before(input, note);
  return element;
}

/**
 * Opens the record for editing, in the place where it is shown.
 * @param {Page} page
 * @param {HTMLElement} place
 * @param {() => void} done Shows the record again.
 * @param {string} [first] The field to begin with.
 */
export function openRecord(page, place, done, first = 'company_name') {
  const element = html`
    <form id="record-form" class="fields">
      ${baseFields()}
      <label class="choice">
        <input type="checkbox" name="co_ownership_certified"><span>Certified for co-ownership</span>
      </label>
      ${field('Description', html`<textarea name="description"></textarea>`, {
        hint: 'Public.', isOptional: true })}
      ${field('Relation with Tomi', html`<input name="affiliation_disclosure">`, {
        hint: 'Public: any relation of ownership or business between Tomi and the partner.', isOptional: true })}
      ${field('Paused until', html`<input name="paused_until" type="date">`, {
        hint: 'The last day without introductions.', isOptional: true })}
      ${field('At most so many open introductions', html`
        <input name="max_open_referrals" type="number" min="1" max="1000">`, {
        isOptional: true })}
      ${account(page.partner)}
      <div class="actions">
        <button class="main">Save</button>
        <button type="button" class="quiet" onclick=${() => mayReplace(place) && done()}>Leave it as it was</button>
      </div>
    </form>`;
  if (!mayReplace(place)) return;
  fill(place, html`<h2>Record</h2>`, element);
  new Form(element, {
    values: page.partner,
    etag: page.etag,
    save: (body, form) => sent(put(page.path, body, { etag: form.etag })),
    saved: (answer) => {
      if (answer) page.partner = answer.data;
      done();
      toast('The record is saved.');
      page.load();
    },
    read: page.read,
    whoChanged: () => whoChanged('partner', page.partner.id),
  });
  /** @type {HTMLElement | null} */ (element.querySelector(`[name=${first}]`))?.focus();
}

// --- A credential ---

/** The license that each type of partner needs. */
const licenses = /** @type {Record<string, string>} */ ({
  attorney: 'bar_admission', lender: 'nmls', agent: 'real_estate_license', title: 'title_license',
  insurance: 'insurance_license', cpa: 'cpa_license',
});

/**
 * Opens a credential for editing, or a new one.
 * @param {Page} page
 * @param {Credential} [credential]
 */
export async function openCredential(page, credential) {
  const path = `${page.path}/credentials${credential ? `/${credential.id}` : ''}`;
  const read = async () => {
    const answer = await get(path);
    return { ...answer, data: { ...answer.data, verified: !!answer.data.verified_at } };
  };
  let answer = null;
  try {
    if (credential) answer = await read();
  } catch (error) {
    return toast(explain(error));
  }
  const late = html`<p class="hint" role="status"></p>`;
  const end = /** @type {HTMLInputElement} */ (html`<input name="expires_on" type="date">`);
  const expiry = field('Expires', end, {
    hint: 'The last day on which it is good. Empty if it does not expire.', isOptional: true });
  expiry.append(late);
  const warn = () => {
    late.textContent = daysUntil(end.value) < 0 ? 'This day is over: the credential counts as expired.' : '';
  };
  /** @param {{ target: HTMLInputElement }} event */
  const typed = ({ target }) => {
    warn();
    const box = /** @type {HTMLInputElement} */ (element.querySelector('[name=verified]'));
    // Another number or day is yet to be verified.
    if (credential && ['number', 'expires_on'].includes(target.name)) box.checked = false;
  };
  const element = html`
    <form oninput=${typed} id=${`credential-${credential?.id ?? 'new'}`} class="fields">
      ${field('Kind', html`<select name="kind">${options(Object.entries(credentialKinds),
        licenses[page.partner.type])}</select>`)}
      ${field('Number', html`<input name="number" autocomplete="off">`)}
      ${field('State', html`<select name="state_code">${options([['', 'None'], ...stateChoices])}</select>`)}
      ${field('Issuer', html`<input name="issuer">`, { isOptional: true })}
      ${expiry}
      ${field('Notes', html`<textarea name="notes"></textarea>`, {
        hint: 'For staff only.', isOptional: true })}
      <label class="choice">
        <input type="checkbox" name="verified"><span>I have verified it as it stands here</span>
      </label>
      ${buttons(credential ? 'Save' : 'Add it')}
    </form>`;
  const dialog = openDialog(credential ? credentialName(credential) : 'Add a credential', element);
  new Form(element, {
    ...(answer && {
      values: answer.data, etag: answer.etag, read, whoChanged: () => whoChanged('partner', page.partner.id),
    }),
    save: (body, form) => {
      if (!credential) return post(path, body);
      // The API takes the verification off what changes, unless it is verified again.
      return put(path, { ...body, verified: form.values().verified }, { etag: form.etag });
    },
    saved: () => {
      dialog.close();
      toast('The credential is saved.');
      page.load();
    },
  });
  warn();
}

// --- The status ---

/** @type {Record<string, string>} */
const effects = {
  pending_review: 'Staff reviews it. It is not in the directory and gets no introductions.',
  active: 'It is in the directory, groups are introduced to it, and a letter tells it so. ' +
    'It needs a signed agreement and a state.',
  inactive: 'It leaves the directory and gets no introductions. Those that it has stay.',
  removed: 'It leaves all lists, and groups no longer see its contact data. It can come back into review.',
};

/**
 * Opens the change to another status.
 * @param {Page} page
 * @param {string} value
 */
export function openStatus(page, value) {
  let before = page.partner.status;
  const words = statusWords('partner', value);
  const matched = html`<p></p>`;
  const element = html`
    <form id=${`status-${value}`}>
      <p>${effects[value]}</p>
      ${matched}
      ${field('Note', html`<textarea name="note"></textarea>`, {
        hint: 'For staff. The history keeps it.', isOptional: true })}
      ${buttons(`Change to “${words}”`, value === 'removed' ? 'danger' : 'main')}
    </form>`;
  const dialog = openDialog(`Change ${page.partner.company_name} to “${words}”`, element);
  if (before === 'active') {
    const query = { partner_id: page.partner.id, status: 'matched', limit: 100 };
    get('/api/admin/referrals', { query }).then(({ data }) => {
      const number = data.data.length;
      matched.textContent = number ? `${count(number, 'matched request')} will need another partner.` : '';
    }, () => {});
  }
  const move = (/** @type {string} */ to, /** @type {Record<string, any>} */ body, etag = page.etag) =>
    page.attempt(() => put(`${page.path}/status`, { ...body, status: to }, { etag }));
  new Form(element, {
    save: (body) => {
      // Somebody else may have changed it since the form was opened.
      before = page.partner.status;
      return move(value, body);
    },
    saved: async (answer) => {
      dialog.close();
      const undo = async () => {
        try {
          // What somebody else does in between is not to be undone.
          await move(before, {}, answer?.etag ?? null);
          toast(`It is ${statusWords('partner', before)} again.`);
          await page.load();
        } catch (error) {
          toast(explain(error));
        }
      };
      toast(`It is ${words} now.`, moves[value].includes(before) ? { label: 'Undo', act: undo } : undefined);
      await page.load();
      byID('state').querySelector('summary')?.focus();
      recount();
    },
  });
}

// --- The review of what a partner proposes ---

/** @type {Record<string, string>} */
const names = {
  company_name: 'Company', email: 'E-mail', website: 'Website', service_areas: 'States', description: 'Description',
};
let note = '';
/** The fields that are not chosen, as they were proposed: a form that is drawn anew does not choose them again. */
let unticked = new Map();

/**
 * @param {any} value
 * @param {any} other A list marks what the other one does not have.
 * @param {'ins' | 'del'} tag
 * @returns {Child}
 */
function shown(value, other, tag) {
  if (value === null || value.length === 0) return html`<span class="muted">Nothing</span>`;
  if (!Array.isArray(value)) return html`<span class="lines">${value}</span>`;
  return value.map((code, index) => {
    const name = states[code] ?? code;
    const mark = tag === 'ins' ? html`<ins>${name}</ins>` : html`<del>${name}</del>`;
    return [index > 0 && ', ', other?.includes(code) ? name : mark];
  });
}

/**
 * Shows what the partner proposes beside what is stored, to be approved or rejected.
 * @param {Page} page
 * @param {HTMLElement} place
 */
export function showReview(page, place) {
  const { partner } = page;
  let decision = 'approved';
  const element = html`
    <form id="review-form">
      <h2>Changes to review</h2>
      <fieldset class="field"><legend class="hidden">Fields</legend><div class="scrolls"><table class="dense">
        <thead><tr>${['Field', 'Now', 'Proposed'].map((one) => html`<th scope="col">${one}</th>`)}</tr></thead>
        <tbody>${Object.entries(partner.pending_changes).map(([name, value]) => html`
          <tr>
            <td><label class="choice"><input type="checkbox" name="fields" value=${name}
              checked=${unticked.get(name) !== JSON.stringify(value)} onchange=${({ target }) => {
                if (target.checked) unticked.delete(name);
                else unticked.set(name, JSON.stringify(value));
              }}><span>${
              names[name] ?? name}</span></label></td>
            <td class="long">${shown(partner[name], value, 'del')}</td>
            <td class="long">${shown(value, partner[name], 'ins')}</td>
          </tr>`)}</tbody>
      </table></div></fieldset>
      ${field('Note', html`
        <textarea name="note" oninput=${({ target }) => (note = target.value)}></textarea>`, {
        hint: 'The letter to the partner quotes it.', isOptional: true })}
      <div class="actions">
        <button class="main" onclick=${() => (decision = 'approved')}>Approve</button>
        <button onclick=${() => (decision = 'rejected')}>Reject</button>
      </div>
    </form>`;
  fill(place, element);
  const form = new Form(element, {
    save: async (body) => {
      note = body.note ?? '';
      if (!body.fields) {
        const detail = 'Choose at least one.';
        throw new Problem(422, 'validation', detail, { errors: [{ pointer: '/fields', code: 'required', detail }] });
      }
      try {
        return await page.attempt(() => put(`${page.path}/changes`, { ...body, decision }, { etag: page.etag }));
      } catch (error) {
        // After a 412 the form is another one, of what is proposed by now.
        if (!element.isConnected) byID('next').prepend(html`<p class="notice bad" role="alert">${explain(error)}</p>`);
        throw error;
      }
    },
    saved: async () => {
      // So that the page does not take the note for one that is lost.
      note = '';
      form.fill({ note });
      unticked = new Map();
      toast(decision === 'approved' ? 'Approved. The partner gets a letter.' : 'Rejected. The partner gets a letter.');
      await page.load();
      recount();
      if (!page.partner.pending_changes) offerNext(partner.id);
    },
  });
  if (note) form.carry({ note });
  else note = form.values().note ?? '';
}

/**
 * Leads to another partner with changes, if there is one.
 * @param {string} done
 */
async function offerNext(done) {
  try {
    const { data } = await get('/api/admin/partners', { query: { pending_changes: true, limit: 2 } });
    const next = data.data.find((/** @type {any} */ { id }) => id !== done);
    const link = html`
      <p>${next ? html`<a class="button main" href=${`/desk/partner?id=${next.id}`}>Next partner with changes: ${
        next.company_name}</a>` : 'No other partner has changes to review.'}</p>`;
    byID('next').prepend(link);
    link.querySelector('a')?.focus();
  } catch {
    // It is a help. The list of partners has it too.
  }
}
