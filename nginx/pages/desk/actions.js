import { Problem, get, put } from '../lib/api.js';
import { drafts, takeDraft } from '../lib/drafts.js';
import { Form, choices, field, mayReplace, options } from '../lib/form.js';
import { fill, fragment, html } from '../lib/html.js';
import { explain, show, toast } from '../lib/page.js';
import { day, listed, outcomes, today } from '../lib/words.js';
import { flowing } from './message-words.js';

/** @typedef {import('./referral.js').RequestView} RequestView */
/** @typedef {import('./referral.js').Candidate} Candidate */
/** @typedef {import('../lib/html.js').Child} Child */
/**
 * @typedef {[body: Record<string, any>, path?: string, name?: string]} Step What is sent, to which path of the request,
 *   and what it does, if it is one of several.
 */
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
  let done = 0;
  try {
    for (const [body, path = ''] of steps) {
      const answer = await put(view.path + path, body, { etag });
      etag = answer.etag;
      view.take(answer);
      done++;
    }
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    let who = null;
    if (done || error.status === 412) {
      try {
        who = await view.reload();
      } catch (failure) {
        // What was done has to be told all the same. The last answer stays.
        if (!done) throw failure;
      }
    }
    if (error.code === 'referral_already_open') {
      error.detail = 'The group has another open request of this kind in this state, and can have only one.';
    } else if (error.status === 412) error.detail = who ?? 'This was changed meanwhile.';
    if (!done) throw error;
    const say = (/** @type {Step[]} */ those) => listed(those.map(([, , name = '']) => name));
    throw new Problem(error.status, 'half_done', `Only a part of this was done. Done: ${say(steps.slice(0, done))}. ${
      error.isUncertain ? 'Not known' : 'Not done'}: ${say(steps.slice(done))}. ${explain(error)}`);
  } finally {
    view.isBusy = false;
  }
}

/**
 * Does something, and says what was done.
 * @param {RequestView} view
 * @param {Step[]} steps
 * @param {Done} done
 * @param {string | null} [version] The one that the person has seen.
 */
async function perform(view, steps, done, version = view.etag) {
  await send(view, steps, version);
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
 * @param {(etag: string | null) => Promise<void>} act
 * @param {string | null} [etag] The version that it was decided for. Another attempt does not do it to a later one.
 */
async function attempt(view, act, etag = view.etag) {
  if (view.isBusy) return;
  try {
    await act(etag);
  } catch (error) {
    const isHalfDone = error instanceof Problem && error.code === 'half_done';
    if (isHalfDone || (error instanceof Problem && error.status === 412)) {
      const words = isHalfDone ? error.detail
        : `${error.detail} So nothing was done here. Look at what is new, and decide again.`;
      if (view.isShown) view.say(words);
      else toast(words);
    } else if (view.isShown) show(error, view.parts.alert, () => attempt(view, act, etag));
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
  return attempt(view, (etag) => perform(view, [[{ partner_id: id }]], {
    words: `Matched with ${name}.`, undo: [[now === 'pending' ? { status: 'pending' } : { partner_id: before }]],
  }, etag));
}

/**
 * Makes it the person's own, or nobody's if it is.
 * @param {RequestView} view
 */
export function own(view) {
  const { assigned_to: before } = view.referral;
  const isMine = before === view.me.id;
  return attempt(view, (etag) => perform(view, [[{ assigned_to: isMine ? null : view.me.id }]], {
    words: isMine ? 'Nobody looks after it now.' : 'You look after it now.', undo: [[{ assigned_to: before }]],
  }, etag));
}

// --- Forms ---

/**
 * What was typed in a form that had to be drawn anew, and why.
 * @type {{ name: string, values: Record<string, any>, words: string } | null}
 */
let carried = null;

/**
 * Shows a form in the request.
 * @param {RequestView} view
 * @param {string} name Of the action: what a draft of it is found by.
 * @param {Child} fields
 * @param {string} button
 * @param {(values: Record<string, any>) => [Step[], Done]} plan
 * @param {{ values?: Record<string, any>, isBound?: boolean }} [more] A form that is bound says something of the status
 *   or the partner. When these are others, it is drawn anew.
 */
function ask(view, name, fields, button, plan, more = {}) {
  const { values, isBound = false } = more;
  const place = view.parts.form;
  if (!mayReplace(place)) return;
  const basis = view.basis;
  const element = html`
    <form id=${name} class="card" aria-label=${button} onkeydown=${(/** @type {KeyboardEvent} */ event) => {
      if (event.key !== 'Escape') return;
      event.preventDefault();
      closeForm(view);
    }}>
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
    save: async () => {
      let words = 'The request has changed meanwhile.';
      try {
        if (!isBound || basis === view.basis) return await perform(view, ...plan(form.values()));
      } catch (error) {
        if (!isBound || basis === view.basis || !(error instanceof Problem) || error.status !== 412) throw error;
        words = error.detail;
      }
      // What the button would do now is not what the form says.
      form.settle();
      fill(place);
      await askAgain(view, name, `${words} So nothing was done here.`, form.values());
    },
    saved: () => element.isConnected && closeForm(view, true),
  });
  if (carried?.name === name) {
    form.carry(carried.values);
    const notice = html`<div class="summary notice bad" role="alert" tabindex="-1"><p>${carried.words}</p></div>`;
    element.prepend(notice);
    return notice.focus();
  }
  /** @type {HTMLElement | null} */ (element.querySelector(
    'input:checked, .field input, .field textarea, .field select'))?.focus();
}

/**
 * Shows a form anew with what was typed in it. If the request does not have it any more, a note takes the text, so that
 * it is not lost.
 * @param {RequestView} view
 * @param {string} name
 * @param {string} words What has happened.
 * @param {Record<string, any>} values
 */
async function askAgain(view, name, words, values) {
  const isPossible = view.can(name);
  const text = [values.note, values.outcome_notes].find((one) => one && one !== view.referral.outcome_notes);
  if (!isPossible && !text) return view.say(words);
  carried = isPossible
    ? { name, values, words: `${words} Look at it as it is now, and decide again.` }
    : { name: 'note', values: { note: text }, words: `${words} This is what you had written. Keep it as a note, or ` +
      'copy it.' };
  await view.run(/** @type {any} */ (carried.name));
  carried = null;
}

/** @type {Record<string, (view: RequestView) => unknown>} */
const forms = { accept, cancel, consent, contact, followUp, handOver, note, outcome, reopen, takeBack };

/**
 * Opens the form that somebody had filled in before signing in again.
 * @param {RequestView} view
 */
export async function resume(view) {
  const name = drafts().find((one) => one in forms);
  if (!name) return;
  // These three have their buttons elsewhere, and are possible at any time.
  if (view.can(name) || ['consent', 'contact', 'handOver'].includes(name)) return forms[name](view);
  await askAgain(view, name, 'The request has changed while you signed in again.', takeDraft(name) ?? {});
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
  field('Note', html`<textarea name="note"></textarea>`, { hint, isOptional });

/**
 * @param {string} pointer
 * @param {string} detail
 */
const required = (pointer, detail) =>
  new Problem(422, 'validation', detail, { errors: [{ pointer, code: 'required', detail }] });

/** @param {RequestView} view */
export function note(view) {
  ask(view, 'note', noteField('The history keeps it. The group and the partner do not see it.', false),
    'Keep the note', (values) => {
      if (values.note) return [[[values]], { words: 'The note is kept.' }];
      throw required('/note', 'This field is required.');
    });
}

/** @param {RequestView} view */
export function followUp(view) {
  const { follow_up_on: present } = view.referral;
  const late = html`<p class="hint" role="status"></p>`;
  const date = /** @type {HTMLInputElement} */ (html`<input name="follow_up_on" type="date" oninput=${() => {
    late.textContent = date.value && date.value < today() ? 'This day is over. The request is due at once then.' : '';
  }}>`);
  let isNever = false;
  const button = (/** @type {string} */ words, /** @type {number | null} */ days) => html`
    <button type="button" onclick=${() => {
      isNever = days === null;
      date.value = days === null ? '' : today(days);
      date.form?.requestSubmit();
    }}>${words}</button>`;
  ask(view, 'followUp', fragment`
    <div class="actions">
      ${button('Tomorrow', 1)} ${button('In 3 days', 3)} ${button('In a week', 7)} ${present && button('Never', null)}
    </div>
    ${field('Or on this day', date)}${late}`, 'Follow up then', ({ follow_up_on: after }) => {
    if (!after && !isNever) throw required('/follow_up_on', 'Choose a day.');
    isNever = false;
    // Somebody else may have set another one meanwhile.
    const { follow_up_on: before } = view.referral;
    return [[[{ follow_up_on: after }]], {
      words: after ? `Follow up on ${day(after).textContent}.` : 'There is no day to follow up on now.',
      undo: [[{ follow_up_on: before }]], isOver: after !== null,
    }];
  }, { values: { follow_up_on: present } });
  view.parts.form.querySelector('button')?.focus();
}

/** @param {RequestView} view */
export function outcome(view) {
  const { status: now, outcome: before, outcome_notes: notes } = view.referral;
  ask(view, 'outcome', fragment`
    ${choices('What came of the introduction?', 'outcome', Object.entries(outcomes), {
      hint: now === 'closed' ? null : 'If they work together, the request stays open. The others close it.',
    })}
    ${field('Notes', html`<textarea name="outcome_notes"></textarea>`, {
      isOptional: true, hint: 'Only staff sees them.',
    })}`, 'Record the outcome', (values) => {
    const { outcome: after } = values;
    /** @type {Step[] | null} */
    let back = null;
    if (now === 'closed' || (now === 'connected' && after === 'engaged' && before)) {
      back = [[{ outcome: before, outcome_notes: notes }, '/outcome']];
    } else if (now === 'connected' && after !== 'engaged') {
      // Reopening clears the outcome, but not the notes.
      back = [[{ outcome_notes: notes }, '/outcome', 'restoring the notes'],
        [{ status: 'connected' }, '', 'reopening the request']];
      if (before) back.push([{ outcome: before }, '/outcome', 'restoring the outcome']);
    }
    return [[[values, '/outcome']], { words: `${outcomes[after]}. This is recorded.`, undo: back, isOver: true }];
  }, { values: { outcome: before, outcome_notes: notes }, isBound: true });
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
    }], { values: { contact_id: before } });
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
    ], { values: { assigned_to: before } });
  });
}

/** @param {RequestView} view */
export function consent(view) {
  ask(view, 'consent', field('Version of the text', html`<input name="consent_version" autocomplete="off">`, {
    hint: 'Which text the requester has agreed to, so that contact data may be shared.',
  }), 'Record the consent', (values) => [[[values]], { words: 'The consent is recorded.' }],
  { values: { consent_version: view.referral.consent_version } });
}

/** @param {RequestView} view */
export function accept(view) {
  ask(view, 'accept', noteField('For a partner that has told you that it accepts.'), 'The partner accepted',
    (values) => [[[{ ...values, status: 'connected' }]], { words: 'The request is connected.', isOver: true }],
    { isBound: true });
}

/** @param {RequestView} view */
export function takeBack(view) {
  const { status: now, partner_id: id, partner: { company_name: name } } = view.referral;
  const words = `Taken back from ${name}.`;
  if (now === 'matched') {
    return attempt(view, (etag) =>
      perform(view, [[{ status: 'pending' }]], { words, undo: [[{ partner_id: id }]] }, etag));
  }
  ask(view, 'takeBack', noteField(`Both have their letters. Tell ${name} and the group that you take it back.`),
    'Take it back', (values) => [[[{ ...values, status: 'pending' }]], { words }], { isBound: true });
}

/** @param {RequestView} view */
export function cancel(view) {
  const { status: now, partner_id: id, partner } = view.referral;
  /** @type {Step[] | null} */
  const back = now === 'pending' ? [[{ status: 'pending' }]] : now !== 'matched' ? null
    : [[{ status: 'pending' }, '', 'reopening the request'],
      [{ partner_id: id }, '', `matching it with ${partner.company_name}`]];
  ask(view, 'cancel', noteField(!back &&
    'Both have their letters. Tell them. It can be reopened later, but then it begins anew, without its partner.'),
  'Cancel the request', (values) => [[[{ ...values, status: 'cancelled' }]],
    { words: 'The request is cancelled.', undo: back, isOver: true }], { isBound: true });
}

/** @param {RequestView} view */
export function reopen(view) {
  const { status: now, partner } = view.referral;
  /** @type {[string, string][]} */
  const ways = [['pending', 'New, without a partner']];
  if (now === 'closed') ways.unshift(['connected', `Connected with ${partner.company_name}`]);
  ask(view, 'reopen', fragment`
    ${choices('What is it then?', 'status', ways, { hint: now === 'closed' ? 'It loses its outcome, but not the notes.' : null })}
    ${noteField()}`, 'Reopen it', (values) => [[[values]], { words: 'The request is open again.' }], { isBound: true });
  const first = view.parts.form.querySelector('input');
  if (first && !view.parts.form.querySelector('input:checked')) first.checked = true;
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

/** A follow-up comes so many days after an introduction. */
const followUpDays = 3;

/**
 * Shows both letters. Only the button below them introduces.
 * @param {RequestView} view
 */
export async function introduce(view) {
  const place = html`<div></div>`;
  const title = html`<h2 id="introduction-title" tabindex="-1"></h2>`;
  const dialog = /** @type {HTMLDialogElement} */ (html`
    <dialog class="wide" aria-labelledby="introduction-title" onclose=${() => {
      dialog.remove();
      view.news = null;
      if (document.activeElement === document.body) view.focus();
    }}>${title}${place}</dialog>`);
  document.body.append(dialog);
  dialog.showModal();
  /** @param {string | null} [news] What somebody else did. */
  const read = async (news = null) => {
    const { partner, group } = view.referral;
    title.textContent = `Introduce ${partner?.company_name ?? 'nobody yet'} and ${group.name}`;
    fill(place, html`<p>Reading the letters…</p>`);
    try {
      // First the request: if it changes while the letters are read, its version is refused, and all is read again.
      const answer = await get(view.path);
      const id = answer.data.partner_id;
      const [letters, account] = await Promise.all([
        get(`${view.path}/introduction`),
        id && get(`/api/admin/partners/${id}`).then(({ data }) => data.user_id, () => undefined),
      ]);
      if (!dialog.open) return;
      view.take(answer);
      title.textContent =
        `Introduce ${answer.data.partner?.company_name ?? 'nobody yet'} and ${answer.data.group.name}`;
      showLetters(view, { ...letters.data, account }, place, dialog, news, read);
    } catch (error) {
      show(error, place, () => read(news));
    }
  };
  // Letters that do not say any more what would be sent are never left there with their button.
  view.news = (words) => read(words ?? 'The request has changed meanwhile.');
  await read();
}

/**
 * @param {RequestView} view
 * @param {{ to_partner: Letter | null, to_group: Letter | null, missing: string[], account?: string | null }} letters
 *   With the partner's account: undefined if it is not known.
 * @param {HTMLElement} place
 * @param {HTMLDialogElement} dialog
 * @param {string | null} news
 * @param {(news: string) => Promise<void>} read
 */
function showLetters(view, letters, place, dialog, news, read) {
  const { etag, me } = view;
  const { partner_id: id, partner, group, status: now, assigned_to: owner, follow_up_on: date,
    consent_version: consent } = view.referral;
  const obstacles = letters.missing.filter((code) => code !== 'mail_not_configured');
  const isManual = letters.missing.includes('mail_not_configured');
  const isOffered = now === 'matched' && !obstacles.length;
  const more = { ...(!owner && { assigned_to: me.id }), ...(!date && { follow_up_on: today(followUpDays) }) };
  const show = (/** @type {string} */ words, /** @type {Letter | null} */ letter) => letter && html`
    <section>
      <h3>${words}</h3>
      <p class="small">To ${letter.to}<br><strong>${letter.subject}</strong></p>
      <p class="letter small">${flowing(letter.text)}</p>
      ${isManual && html`<p><a class="button" href=${`mailto:${encodeURIComponent(letter.to)}?subject=${
        encodeURIComponent(letter.subject)}&body=${encodeURIComponent(letter.text)}`}>Write this letter</a></p>`}
    </section>`;
  const notice = news && html`
    <div class="notice bad" role="alert" tabindex="-1">
      <p>${news} So nothing was sent. ${isOffered
        ? 'These are the letters as they would be now. Read them, and decide again.' : 'It cannot be introduced now.'}
      </p></div>`;
  const element = html`
    <form id="introduction">
      ${notice}
      ${obstacles.map((code) => html`<p class="notice bad">${missing[code] ?? code}</p>`)}
      ${!consent && !obstacles.includes('consent_missing') && html`
        <p class="notice">No consent is recorded. Ask first, or record it.</p>`}
      ${letters.account === null && html`
        <p class="notice note">The partner has no account yet: it answers by mail.</p>`}
      <div class="letters">
        ${show('To the partner', letters.to_partner)}
        ${show('To the group', letters.to_group)}
      </div>
      <div class="foot">
        <p class="small">${isManual ? 'Tomi sends no letters here. Send both yourself, and then say so.'
          : 'Tomi sends both letters at once. They cannot be called back.'}
          ${!owner && ' You look after the request from then on.'}
          ${more.follow_up_on && [' It comes back for a follow-up on ', day(more.follow_up_on), '.']}</p>
        <div class="actions">
          ${isOffered && html`<button class="main">${isManual ? 'Both are sent' : 'Introduce both'}</button>`}
          <button type="button" onclick=${() => dialog.close()}>Not now</button>
        </div>
      </div>
    </form>`;
  fill(place, element);
  let isRead = true;
  new Form(element, {
    save: async () => {
      try {
        await perform(view, [[{ status: 'intro_sent', partner_id: id, ...more }]], {
          words: `Introduced ${partner.company_name} and ${group.name}.`, isOver: true,
        }, etag);
      } catch (error) {
        if (!(error instanceof Problem) || error.status !== 412) throw error;
        isRead = false;
        await read(error.detail);
      }
    },
    saved: () => isRead && dialog.close(),
  });
  const first = notice || element.querySelector('.foot button');
  if (first instanceof HTMLElement) first.focus({ preventScroll: true });
}
