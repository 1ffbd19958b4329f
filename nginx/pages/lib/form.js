/**
 * Forms whose controls have the API's own field names, so that a body is what the controls hold, and an error stands at
 * the control that its pointer names. A field within an object has a dot: `context.specific_need`.
 * @module
 */
import { Problem } from './api.js';
import { draftKey, takeDraft } from './drafts.js';
import { fill, html } from './html.js';
import { explain, signInAddress } from './page.js';

/** @typedef {HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement} Control */
/** @typedef {import('./api.js').Answer} Answer */
/** @typedef {import('./html.js').Child} Child */

let fields = 0;

/**
 * An answer whose refusals are said in a page's own words.
 * @param {Promise<Answer>} answer
 * @param {Record<string, string | [words: string, pointer: string] | ((problem: Problem) => Child)>} words By the
 *   problem's code. With a pointer they stand at that field. A function makes what stands above the form.
 */
export async function inWords(answer, words) {
  try {
    return await answer;
  } catch (error) {
    const found = error instanceof Problem && words[error.code];
    if (!found) throw error;
    if (typeof found === 'function') {
      throw new Problem(error.status, 'refused', error.detail, { ...error.body, errors: [], content: found(error) });
    }
    const [detail, pointer] = [found].flat();
    const errors = pointer ? [{ pointer, code: error.code, detail }] : [];
    throw new Problem(error.status, 'refused', detail, { ...error.body, errors });
  }
}

/**
 * A control with its label.
 * @param {string} label
 * @param {HTMLElement} control An `input`, `select` or `textarea` with its `name`.
 * @param {{ hint?: Child, isOptional?: boolean }} options
 */
export function field(label, control, { hint, isOptional = false } = {}) {
  control.id ||= `field-${++fields}`;
  if (hint) control.setAttribute('aria-describedby', `${control.id}-hint`);
  return html`
    <div class="field">
      <label for=${control.id}>${label}${isOptional && html`<span class="optional"> (optional)</span>`}</label>
      ${hint && html`<p class="hint" id=${`${control.id}-hint`}>${hint}</p>`}
      ${control}
    </div>`;
}

/**
 * Radio buttons, or checkboxes whose values form a list.
 * @param {string} legend
 * @param {string} name
 * @param {[value: string, words: Child][]} choices
 * @param {{ hint?: Child, multiple?: boolean, chosen?: string[] }} options
 */
export const choices = (legend, name, choices, { hint, multiple = false, chosen = [] } = {}) => html`
  <fieldset class="field">
    <legend>${legend}</legend>
    ${hint && html`<p class="hint">${hint}</p>`}
    ${choices.map(([value, words]) => html`
      <label class="choice">
        <input type=${multiple ? 'checkbox' : 'radio'} name=${name} value=${value} checked=${chosen.includes(value)}>
        <span>${words}</span>
      </label>`)}
  </fieldset>`;

/**
 * The options of a `select`.
 * @param {[value: string, words: string][]} pairs
 * @param {string | null} [selected]
 */
export const options = (pairs, selected) =>
  pairs.map(([value, words]) => html`<option value=${value} selected=${value === selected}>${words}</option>`);

/**
 * @typedef {object} FormOptions
 * @property {(body: Record<string, any>, form: Form) => Promise<Answer | void>} save Sends the body: the fields that
 *   were changed if there are `values`, else those that are not empty.
 * @property {(answer: Answer | void) => void} [saved]
 * @property {Record<string, any>} [values] What it edits, as it was read.
 * @property {string | null} [etag] The version that was read. `save` passes it on as `form.etag`.
 * @property {() => Promise<Answer>} [read] Reads the thing again after a 412.
 * @property {() => Promise<string | null>} [whoChanged] After a 412, such as "Ben changed this 20 seconds ago.".
 */

/** A form that sends what it holds, and keeps it when that fails. */
export class Form {
  /** @type {FormOptions} */ #options;
  /** @type {Record<string, any>} What it held before anybody typed. */ #base;
  #isBusy = false;

  /**
   * @param {HTMLElement} element A `form`.
   * @param {FormOptions} options
   */
  constructor(element, options) {
    this.element = /** @type {HTMLFormElement} */ (element);
    this.#options = options;
    this.etag = options.etag ?? null;
    // The service's answers name what is wrong, in the same words for everybody.
    this.element.noValidate = true;
    if (options.values) this.fill(options.values);
    this.#base = this.values();
    this.#restore();
    this.element.addEventListener('submit', (event) => {
      event.preventDefault();
      this.submit();
    });
    this.element.addEventListener('input', () => guard(this));
  }

  /** Whether it holds something that was not saved. */
  get isDirty() {
    return this.element.isConnected && !equal(this.values(), this.#base);
  }

  /** What the controls hold, by field. */
  values() {
    /** @type {Record<string, any>} */
    const result = {};
    for (const control of this.#controls()) {
      const path = control.name.split('.');
      const last = /** @type {string} */ (path.pop());
      const object = path.reduce((parent, name) => (parent[name] ??= {}), result);
      if (control instanceof HTMLInputElement && control.type === 'radio') {
        object[last] ??= null;
        if (control.checked) object[last] = control.value || null;
      } else if (control instanceof HTMLInputElement && control.type === 'checkbox' && control.hasAttribute('value')) {
        object[last] ??= [];
        if (control.checked) object[last].push(control.value);
      } else object[last] = read(control);
    }
    return result;
  }

  /**
   * Puts values into the controls of their names. Others stay.
   * @param {Record<string, any>} values
   */
  fill(values) {
    for (const control of this.#controls()) {
      /** @type {any} */
      let value = values;
      for (const name of control.name.split('.')) value = value?.[name];
      if (value !== undefined) write(control, value);
    }
  }

  /**
   * Puts in what somebody typed before this form was there. It is as unsaved as before.
   * @param {Record<string, any>} values
   */
  carry(values) {
    this.fill(values);
    guard(this);
  }

  /** Takes what it holds as saved. */
  settle() {
    this.#base = this.values();
  }

  /** Sends it, once at a time. */
  async submit() {
    if (this.#isBusy) return;
    const values = this.values();
    const isEdit = this.#options.values !== undefined;
    const body = Object.fromEntries(
      Object.entries(values).filter(([name, value]) => (isEdit ? !equal(value, this.#base[name]) : !isEmpty(value))),
    );
    this.#isBusy = true;
    const buttons = this.element.querySelectorAll('button[type=submit], button:not([type])');
    for (const button of buttons) button.setAttribute('aria-disabled', 'true');
    this.#clear();
    try {
      const answer = await this.#options.save(body, this);
      this.etag = answer?.etag ?? this.etag;
      this.#base = values;
      this.#options.saved?.(answer);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (error.status === 412 && this.#options.read) await this.#reconcile(this.#options.read);
      else this.fail(error);
    } finally {
      this.#isBusy = false;
      for (const button of buttons) button.removeAttribute('aria-disabled');
    }
  }

  /**
   * Shows what is wrong: at the fields that the errors name, and above the form.
   * @param {Problem} problem
   */
  fail(problem) {
    this.#clear();
    const items = problem.errors.map(({ pointer = '', code, detail: words }) => {
      // People empty a field; only programs know null.
      const detail = code === 'not_null' ? 'This field is required.' : words;
      const control = this.#controlFor(pointer);
      if (!control) return html`<li>${pointer ? `${pointer.slice(1)}: ` : ''}${detail}</li>`;
      mark(control, detail);
      return html`<li><a href=${`#${control.id}`} onclick=${(/** @type {Event} */ event) => {
        event.preventDefault();
        control.focus();
      }}>${labelOf(control).replace(/[^?]$/, '$&:')} ${detail}</a></li>`;
    });
    const content = items.length
      ? [html`<h2>Please correct this</h2>`, html`<ul>${items}</ul>`]
      : [html`<h2>${headline(problem)}</h2>`, html`
        <p>${problem.body.content ?? explain(problem)} What you typed is kept.</p>`,
        problem.status === 401 && html`
          <p><a href=${signInAddress()} onclick=${() => this.#keep()}>Sign in, and come back here</a></p>`];
    this.#summarize(content);
  }

  // --- Another person's change in between ---

  /** @param {() => Promise<Answer>} readAgain */
  async #reconcile(readAgain) {
    try {
      const [{ data, etag }, who] = await Promise.all([readAgain(), this.#options.whoChanged?.() ?? null]);
      const before = this.#base, mine = this.values();
      this.fill(data);
      const theirs = this.values();
      const changed = Object.keys(theirs).filter((name) => !equal(theirs[name], before[name]));
      const lines = changed.map((name) => html`<li>${this.#describe(name, before[name], theirs[name])}</li>`);
      const typed = Object.keys(mine).filter((name) => !equal(mine[name], before[name]));
      this.fill(Object.fromEntries(typed.map((name) => [name, mine[name]])));
      this.#base = theirs;
      this.etag = etag;
      if (!this.isDirty) return this.#options.saved?.({ status: 200, data, etag, location: null });
      this.#summarize([
        html`<h2>${who ?? 'Somebody changed this meanwhile.'}</h2>`,
        lines.length > 0 && html`<ul>${lines}</ul>`,
        html`<p>What you typed is kept. Look at it, and save again.</p>`,
      ]);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.fail(error);
    }
  }

  /**
   * @param {string} name
   * @param {any} before
   * @param {any} after
   */
  #describe(name, before, after) {
    const control = this.#controlFor(`/${name}`);
    const words = (/** @type {any} */ value) => {
      if (isEmpty(value)) return 'nothing';
      const option = control instanceof HTMLSelectElement && [...control.options].find((one) => one.value === value);
      if (option) return option.text;
      if (Array.isArray(value)) return value.join(', ');
      return typeof value === 'object' ? JSON.stringify(value) : String(value);
    };
    return `${control ? labelOf(control) : name}: ${words(before)} → ${words(after)}`;
  }

  // --- Texts that outlive a lost sign-in ---

  #keep() {
    sessionStorage.setItem(draftKey(this.element.id), JSON.stringify(this.values()));
    // It is not lost any more, so that leaving does not ask.
    this.settle();
  }

  #restore() {
    const draft = takeDraft(this.element.id);
    if (!draft) return;
    this.carry(draft);
    // Not isDirty: the form may not be in the page yet.
    if (equal(this.values(), this.#base)) return;
    this.#summarize([html`<p>This is what you had typed. It is not saved yet.</p>`], 'note');
  }

  // --- Controls ---

  /** @returns {Control[]} */
  #controls() {
    return /** @type {Control[]} */ ([...this.element.querySelectorAll('input[name], select[name], textarea[name]')]);
  }

  /**
   * The control of a pointer, or of the list or object that holds what it names.
   * @param {string} pointer
   */
  #controlFor(pointer) {
    const controls = this.#controls();
    for (let path = pointer.slice(1).split('/'); path.length; path = path.slice(0, -1)) {
      const name = path.join('.');
      const control = controls.find((one) => one.name === name || one.name.startsWith(`${name}.`));
      if (control) return control;
    }
    return null;
  }

  #clear() {
    for (const element of this.element.querySelectorAll('.error, .summary')) element.remove();
    for (const control of this.#controls()) {
      if (!control.hasAttribute('aria-invalid')) continue;
      control.removeAttribute('aria-invalid');
      const others = control.getAttribute('aria-describedby')?.split(' ').filter((id) => !id.endsWith('-error')) ?? [];
      if (others.length) control.setAttribute('aria-describedby', others.join(' '));
      else control.removeAttribute('aria-describedby');
    }
  }

  /**
   * @param {Child[]} content
   * @param {'bad' | 'note'} tone
   */
  #summarize(content, tone = 'bad') {
    const summary = html`<div class=${`summary notice ${tone}`} role="alert" tabindex="-1"></div>`;
    fill(summary, content);
    this.element.prepend(summary);
    if (tone === 'bad') summary.focus();
  }
}

/** @param {Problem} problem */
const headline = (problem) =>
  problem.isUncertain ? 'It is not known whether this went through' : 'This did not go through';

/** @param {Control} control */
function labelOf(control) {
  const legend = control.closest('fieldset')?.querySelector('legend');
  const isChoice = control instanceof HTMLInputElement && ['radio', 'checkbox'].includes(control.type);
  const label = isChoice && legend ? legend : control.labels?.[0];
  return (label?.firstChild?.textContent ?? control.name).trim();
}

/**
 * @param {Control} control
 * @param {string} detail
 */
function mark(control, detail) {
  control.id ||= `field-${++fields}`;
  if (control.getAttribute('aria-invalid')) return;
  const error = html`<p class="error" id=${`${control.id}-error`}>${detail}</p>`;
  const choice = control.closest('fieldset .choice');
  (choice?.parentElement?.querySelector('.choice') ?? control).before(error);
  control.setAttribute('aria-invalid', 'true');
  control.setAttribute('aria-describedby', `${control.getAttribute('aria-describedby') ?? ''} ${error.id}`.trim());
}

/** @param {Control} control */
function read(control) {
  if (control instanceof HTMLInputElement && control.type === 'checkbox') return control.checked;
  if (control instanceof HTMLSelectElement && control.multiple) {
    return [...control.selectedOptions].map(({ value }) => value);
  }
  const text = control.value;
  if ('list' in control.dataset) return text.split(/[\s,;]+/).filter(Boolean);
  if (!text.trim()) return null;
  if (control.type === 'number') return Number(text);
  if (control.type === 'datetime-local') return new Date(text).toISOString();
  return text;
}

/**
 * @param {Control} control
 * @param {any} value
 */
function write(control, value) {
  const list = Array.isArray(value) ? value.map(String) : [];
  if (control instanceof HTMLInputElement && control.type === 'checkbox') {
    control.checked = control.hasAttribute('value') ? list.includes(control.value) : value === true;
  } else if (control instanceof HTMLInputElement && control.type === 'radio') {
    control.checked = control.value === (value ?? '');
  } else if (control instanceof HTMLSelectElement && control.multiple) {
    for (const option of control.options) option.selected = list.includes(option.value);
  } else if (control.type === 'datetime-local') control.value = value ? localTime(new Date(value)) : '';
  else control.value = Array.isArray(value) ? list.join(', ') : String(value ?? '');
}

/**
 * A time in the viewer's zone, as `datetime-local` has it.
 * @param {Date} date
 */
function localTime(date) {
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

/**
 * Whether nothing is in it: a text, a list, or all of an object's members.
 * @param {any} value
 * @returns {boolean}
 */
const isEmpty = (value) =>
  value === null || value === undefined || value === '' ||
  (typeof value === 'object' && Object.values(value).every(isEmpty));

/**
 * @param {any} a
 * @param {any} b
 */
const equal = (a, b) => JSON.stringify(a ?? null) === JSON.stringify(b ?? null);

// --- Leaving ---

/** @type {Set<Form>} */
const guarded = new Set();

/** @param {Form} form */
function guard(form) {
  // Only from the first letter on: a listener keeps some browsers from going back at once.
  if (!guarded.size) addEventListener('beforeunload', ask);
  guarded.add(form);
}

/** @param {BeforeUnloadEvent} event */
function ask(event) {
  if ([...guarded].some((form) => form.isDirty)) event.preventDefault();
}

/**
 * Whether a part of the page may be replaced: nothing in it is unsaved, or the person agrees to lose it.
 * @param {Element} element
 */
export const mayReplace = (element) =>
  ![...guarded].some((form) => element.contains(form.element) && form.isDirty) ||
  confirm('What you typed here is not saved. Leave it?');
