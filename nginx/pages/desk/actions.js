import { Problem, get, put } from '../lib/api.js';
import { Form, choices, field, mayReplace, options } from '../lib/form.js';
import { fill, fragment, html } from '../lib/html.js';
import { explain, show, toast } from '../lib/page.js';
import { day, outcomes } from '../lib/words.js';

/** @typedef {import('./referral.js').RequestView} RequestView */
/** @typedef {import('./referral.js').Candidate} Candidate */
/** @typedef {import('../lib/html.js').Child} Child */
/** @typedef {[body: Record<string, any>, path?: string]} Step What is sent, and to which path of the request. */
/**
 * @typedef {object} Done What was done.
 * @property {string} words
 * @property {Step[] | null} [undo] What takes it back, if there is a way back.
 * @property {boolean} [isOver] Whether the request needs nothing more for now, so that the next one may follow.
 */

/** @typedef {{ to: string, subject: string, text: string }} Letter */

/** Ends the offer to undo the last action. */
let endOffer = () => {};
/** Undoes the last action, while that is offered. */
export let undo = () => {};

// --- Sending ---

/**
 * Sends the steps, one after the other.
 * @param {RequestView} view
 * @param {Step[]} steps
 * @param {string | null} etag
 */
async function send(view, steps, etag) {
  view.isBusy = true;
  try {
    for (const [body, path = ''] of steps) {
      const answer = await put(view.path + path, body, { etag });
      etag = answer.etag;
      view.take(answer);
    }
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (error.code === 'referral_already_open') {
      error.detail = 'The group has another open request of this kind in this state, and can have only one.';
    } else if (error.status === 412) error.detail = (await view.reload()) ?? 'This was changed meanwhile.';
    throw error;
  } finally {
    view.isBusy = false;
  }
}

/**
 * Does something, and says what was done.
 * @param {RequestView} view
 * @param {Step[]} steps
 * @param {Done} done
 */
async function perform(view, steps, done) {
  await send(view, steps, view.etag);
  // Not the version that is shown later: what somebody else does in between is not to be undone.
  const { etag } = view;
  const { undo: back } = done;
  view.say(null);
  view.loadRest();
  endOffer();
  const act = () => attempt(view, async () => {
    endOffer();
    await send(view, back ?? [], etag);
    view.loadRest();
    toast('Undone.');
    view.options.changed?.(view, { words: 'Undone' });
  });
  const close = toast(done.words, back ? { label: 'Undo', act } : undefined);
  if (back) undo = act;
  endOffer = () => {
    endOffer = undo = () => {};
    close();
  };
  view.options.changed?.(view, done);
}

/**
 * Does something that has no form, and shows why if it fails.
 * @param {RequestView} view
 * @param {() => Promise<void>} act
 */
async function attempt(view, act) {
  if (view.isBusy) return;
  try {
    await act();
  } catch (error) {
    if (error instanceof Problem && error.status === 412) {
      const words = `${error.detail} So nothing was done here. Look at what is new, and decide again.`;
      if (view.isShown) view.say(words);
      else toast(words);
    } else if (view.isShown) show(error, view.parts.alert, () => attempt(view, act));
    else toast(`This did not go through. ${explain(error)}`);
  }
}

// --- Without a form ---

/**
 * @param {RequestView} view
 * @param {Candidate} candidate
 */
export function match(view, { id, company_name: name }) {
  const { status: now, partner_id: before } = view.referral;
  if (id === before) return;
  return attempt(view, () => perform(view, [[{ partner_id: id }]], {
    words: `Matched with ${name}.`, undo: [[now === 'pending' ? { status: 'pending' } : { partner_id: before }]],
  }));
}

/**
 * Makes it the person's own, or nobody's if it is.
 * @param {RequestView} view
 */
export function own(view) {
  const { assigned_to: before } = view.referral;
  const isMine = before === view.me.id;
  return attempt(view, () => perform(view, [[{ assigned_to: isMine ? null : view.me.id }]], {
    words: isMine ? 'Nobody looks after it now.' : 'You look after it now.', undo: [[{ assigned_to: before }]],
  }));
}

// --- Forms ---

/**
 * Shows a form in the request.
 * @param {RequestView} view
 * @param {string} name Of the action: what a draft of it is found by.
 * @param {Child} fields
 * @param {string} button
 * @param {(values: Record<string, any>) => [Step[], Done]} plan
 * @param {Record<string, any>} [values]
 */
function ask(view, name, fields, button, plan, values) {
  const place = view.parts.form;
  if (!mayReplace(place)) return;
  const element = html`
    <form id=${name} class="card" aria-label=${button}>
      ${fields}
      <div class="actions">
        <button class="main">${button}</button>
        <button type="button" class="quiet" onclick=${() => closeForm(view)}>Not now</button>
      </div>
    </form>`;
  fill(place, element);
  /** @type {Form} */
  const form = new Form(element, {
    values,
    save: () => perform(view, ...plan(form.values())),
    saved: () => closeForm(view, true),
  });
  /** @type {HTMLElement | null} */ (element.querySelector(
    'input:checked, .field input, .field textarea, .field select'))?.focus();
}

/**
 * @param {RequestView} view
 * @param {boolean} [isSaved]
 */
export function closeForm(view, isSaved = false) {
  const place = view.parts.form;
  if (!isSaved && !mayReplace(place)) return;
  const hadFocus = place.contains(document.activeElement);
  fill(place);
  if (hadFocus) view.focus();
}

/** @param {Child} [hint] */
const noteField = (hint, isOptional = true) =>
  field('Note', html`<textarea name="note" maxlength="2000"></textarea>`, { hint, isOptional });

/** @param {RequestView} view */
export function note(view) {
  ask(view, 'note', noteField('The history keeps it. The group and the partner do not see it.', false),
    'Keep the note', (values) => {
      if (values.note) return [[[values]], { words: 'The note is kept.' }];
      const detail = 'This field is required.';
      throw new Problem(422, 'validation', detail, { errors: [{ pointer: '/note', code: 'required', detail }] });
    });
}

/** @param {RequestView} view */
export function followUp(view) {
  const { follow_up_on: before } = view.referral;
  const date = /** @type {HTMLInputElement} */ (html`<input name="follow_up_on" type="date">`);
  const button = (/** @type {string} */ words, /** @type {number | null} */ days) => html`
    <button type="button" onclick=${() => {
      date.value = days ? new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10) : '';
      date.form?.requestSubmit();
    }}>${words}</button>`;
  ask(view, 'followUp', fragment`
    <div class="actions">
      ${button('Tomorrow', 1)} ${button('In 3 days', 3)} ${button('In a week', 7)} ${before && button('Never', null)}
    </div>
    ${field('Or on this day', date)}`, 'Follow up then', ({ follow_up_on: after }) => [[[{ follow_up_on: after }]], {
    words: after ? `Follow up on ${day(after).textContent}.` : 'There is no day to follow up on now.',
    undo: [[{ follow_up_on: before }]], isOver: after !== null,
  }], { follow_up_on: before });
  view.parts.form.querySelector('button')?.focus();
}

/** @param {RequestView} view */
export function outcome(view) {
  const { status: now, outcome: before, outcome_notes: notes } = view.referral;
  ask(view, 'outcome', fragment`
    ${choices('What came of the introduction?', 'outcome', Object.entries(outcomes), {
      hint: now === 'closed' ? null : 'If they work together, the request stays open. The others close it.',
    })}
    ${field('Notes', html`<textarea name="outcome_notes" maxlength="10000"></textarea>`, {
      isOptional: true, hint: 'Only staff sees them.',
    })}`, 'Record the outcome', (values) => {
    const { outcome: after } = values;
    /** @type {Step[] | null} */
    let back = null;
    if (now === 'closed' || (now === 'connected' && after === 'engaged' && before)) {
      back = [[{ outcome: before, outcome_notes: notes }, '/outcome']];
    } else if (now === 'connected' && after !== 'engaged') {
      // Reopening clears the outcome, but not the notes.
      back = [[{ outcome_notes: notes }, '/outcome'], [{ status: 'connected' }]];
      if (before) back.push([{ outcome: before }, '/outcome']);
    }
    return [[[values, '/outcome']], { words: `${outcomes[after]}. This is recorded.`, undo: back, isOver: true }];
  }, { outcome: before, outcome_notes: notes });
}

/** @param {RequestView} view */
export function contact(view) {
  const { group_id: group, contact_id: before } = view.referral;
  return attempt(view, async () => {
    const { data } = await get(`/api/admin/groups/${group}`);
    const users = await Promise.all(data.members.map((/** @type {string} */ id) => get(`/api/admin/users/${id}`)));
    const able = users.map((answer) => answer.data).filter(({ disabled }) => !disabled);
    /** @type {[string, string][]} */
    const members = able.map(({ id, name, email }) => [id, `${name}, ${email}`]);
    if (!members.some(([id]) => id === before)) members.unshift(['', 'Nobody']);
    ask(view, 'contact', field('Contact', html`<select name="contact_id">${options(members)}</select>`, {
      hint: 'The member of the group whom the partner is put in touch with.',
    }), 'Change the contact', (values) => [[[values]], {
      words: 'The contact is changed.', undo: before ? [[{ contact_id: before }]] : null,
    }], { contact_id: before });
  });
}

/** @param {RequestView} view */
export function handOver(view) {
  const { assigned_to: before } = view.referral;
  return attempt(view, async () => {
    const { data } = await get('/api/admin/users', { query: { staff: true, disabled: false, limit: 100 } });
    /** @type {[string, string][]} */
    const colleagues = data.data.map((/** @type {{ id: string, name: string }} */ { id, name }) => [id, name]);
    ask(view, 'handOver', field('Who looks after it', html`
      <select name="assigned_to">${options([['', 'Nobody'], ...colleagues])}</select>`), 'Hand it over', (values) => [
      [[values]], {
        words: `${colleagues.find(([id]) => id === values.assigned_to)?.[1] ?? 'Nobody'} looks after it now.`,
        undo: [[{ assigned_to: before }]],
      },
    ], { assigned_to: before });
  });
}

/** @param {RequestView} view */
export function consent(view) {
  ask(view, 'consent', field('Version of the text', html`<input name="consent_version" autocomplete="off">`, {
    hint: 'Which text the requester has agreed to, so that contact data may be shared.',
  }), 'Record the consent', (values) => [[[values]], { words: 'The consent is recorded.' }],
  { consent_version: view.referral.consent_version });
}

/** @param {RequestView} view */
export function accept(view) {
  ask(view, 'accept', noteField('For a partner that has told you that it accepts.'), 'The partner accepted',
    (values) => [[[{ ...values, status: 'connected' }]], { words: 'The request is connected.', isOver: true }]);
}

/** @param {RequestView} view */
export function takeBack(view) {
  const { status: now, partner_id: id, partner: { company_name: name } } = view.referral;
  const words = `Taken back from ${name}.`;
  if (now === 'matched') {
    return attempt(view, () => perform(view, [[{ status: 'pending' }]], { words, undo: [[{ partner_id: id }]] }));
  }
  ask(view, 'takeBack', noteField(`Both have their letters. Tell ${name} and the group that you take it back.`),
    'Take it back', (values) => [[[{ ...values, status: 'pending' }]], { words }]);
}

/** @param {RequestView} view */
export function cancel(view) {
  const { status: now, partner_id: id } = view.referral;
  /** @type {Step[] | null} */
  const back = now === 'pending' ? [[{ status: 'pending' }]]
    : now === 'matched' ? [[{ status: 'pending' }], [{ partner_id: id }]] : null;
  ask(view, 'cancel', noteField(!back && 'It can be reopened later, but then it begins anew, without its partner.'),
    'Cancel the request', (values) => [[[{ ...values, status: 'cancelled' }]],
      { words: 'The request is cancelled.', undo: back, isOver: true }]);
}

/** @param {RequestView} view */
export function reopen(view) {
  const { status: now, partner } = view.referral;
  /** @type {[string, string][]} */
  const ways = [['pending', 'New, without a partner']];
  if (now === 'closed') ways.unshift(['connected', `Connected with ${partner.company_name}`]);
  ask(view, 'reopen', fragment`
    ${choices('What is it then?', 'status', ways, { hint: now === 'closed' ? 'It loses its outcome, but not the notes.' : null })}
    ${noteField()}`, 'Reopen it', (values) => [[[values]], { words: 'The request is open again.' }]);
  const first = view.parts.form.querySelector('input');
  if (first) first.checked = true;
}

// --- The introduction ---

/** @type {Record<string, string>} */
const missing = {
  partner_missing: 'There is no partner yet. Match one first.',
  contact_missing: 'There is no contact who is in the group and not disabled. Choose another contact first.',
  consent_missing: 'The requester has not agreed that contact data is shared. Ask, and record the consent first.',
  not_active: 'The partner is not active.', other_type: 'The partner has another profession than the request asks for.',
  does_not_serve_state: 'The partner does not serve this state.',
  credential_expired: 'A license of the partner has expired.',
};

/**
 * Shows both letters. Only the button below them introduces.
 * @param {RequestView} view
 */
export async function introduce(view) {
  const { partner, group } = view.referral;
  const place = html`<div><p>Reading the letters…</p></div>`;
  const dialog = /** @type {HTMLDialogElement} */ (html`
    <dialog class="wide" aria-labelledby="introduction-title" onclose=${() => {
      dialog.remove();
      if (document.activeElement === document.body) view.focus();
    }}>
      <h2 id="introduction-title" tabindex="-1">Introduce ${partner.company_name} and ${group.name}</h2>
      ${place}
    </dialog>`);
  document.body.append(dialog);
  dialog.showModal();
  try {
    const { data } = await get(`${view.path}/introduction`);
    showLetters(view, data, place, dialog);
  } catch (error) {
    show(error, place, () => {
      dialog.close();
      introduce(view);
    });
  }
}

/**
 * @param {RequestView} view
 * @param {{ to_partner: Letter | null, to_group: Letter | null, missing: string[] }} letters
 * @param {HTMLElement} place
 * @param {HTMLDialogElement} dialog
 */
function showLetters(view, letters, place, dialog) {
  const { partner, group } = view.referral;
  const obstacles = letters.missing.filter((code) => code !== 'mail_not_configured');
  const isManual = letters.missing.includes('mail_not_configured');
  const show = (/** @type {string} */ words, /** @type {Letter | null} */ letter) => letter && html`
    <section>
      <h3>${words}</h3>
      <p class="small">To ${letter.to}<br><strong>${letter.subject}</strong></p>
      <p class="letter small">${letter.text}</p>
      ${isManual && html`<p><a class="button" href=${`mailto:${encodeURIComponent(letter.to)}?subject=${
        encodeURIComponent(letter.subject)}&body=${encodeURIComponent(letter.text)}`}>Write this letter</a></p>`}
    </section>`;
  const element = html`
    <form id="introduction">
      ${obstacles.map((code) => html`<p class="notice bad">${missing[code] ?? code}</p>`)}
      <div class="letters">
        ${show('To the partner', letters.to_partner)}
        ${show('To the group', letters.to_group)}
      </div>
      <div class="foot">
        <p class="small">${isManual ? 'Tomi sends no letters here. Send both yourself, and then say so.'
          : 'Tomi sends both letters at once. They cannot be called back.'}</p>
        <div class="actions">
          ${!obstacles.length && html`<button class="main">${isManual ? 'Both are sent' : 'Introduce both'}</button>`}
          <button type="button" onclick=${() => dialog.close()}>Not now</button>
        </div>
      </div>
    </form>`;
  fill(place, element);
  new Form(element, {
    save: () => perform(view, [[{ status: 'intro_sent' }]], {
      words: `Introduced ${partner.company_name} and ${group.name}.`, isOver: true,
    }),
    saved: () => dialog.close(),
  });
  element.querySelector('button')?.focus({ preventScroll: true });
}
