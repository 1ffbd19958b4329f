import { Problem, get, token } from '../lib/api.js';
import { addKeys, loaded, startDesk } from '../lib/desk.js';
import { drafts } from '../lib/drafts.js';
import { fact, phoneLink } from '../lib/facts.js';
import { fill, fragment, html } from '../lib/html.js';
import { show, toast } from '../lib/page.js';
import {
  count, day, dayWords, outcomes, price, since, states, status, statusWords, types, when,
} from '../lib/words.js';

/** @typedef {import('../lib/api.js').Me} Me */
/** @typedef {import('../lib/api.js').Answer} Answer */
/** @typedef {import('../lib/html.js').Child} Child */
/** @typedef {import('./actions.js').Done} Done */
/**
 * @typedef {{ id: string, company_name: string, co_ownership_certified: boolean, why: string[], left_out: string[] }}
 *   Candidate
 */
/** @typedef {Exclude<keyof typeof import('./actions.js'), 'undo'>} Name */
/** @typedef {{ name: Name, words: string, key?: string, style?: string, argument?: any }} Action */
/**
 * @typedef {object} Options
 * @property {Promise<Me>} me
 * @property {(view: RequestView, done: Done | null) => void} [changed] Null if somebody else has changed it.
 * @property {() => void} close
 */

const pollSeconds = 30;
/** @type {RequestView | null} */
let current = null;

const loadActions = () => loaded(import('./actions.js'));

/** Which of the folded parts a person likes to see stays for the next request. */
const foldedKey = 'tomi.desk.shown';
/** @returns {string[]} */
const shownFolds = () => JSON.parse(localStorage.getItem(foldedKey) ?? '[]');

/** @type {Record<string, string>} */
const leftOut = {
  paused: 'wants no introductions for now', at_capacity: 'has as many open introductions as it wants',
  credential_expired: 'a license of it has expired', held_back: 'its profession is held back in this state',
  tried_before: 'it declined this request, or was taken off it', own_group: 'its own user is in the group',
};
/** @param {string} reason Of a candidate. */
const dated = (reason) => reason.replace(/\d{4}-\d\d-\d\d/g, (date) => dayWords(date));

/** @param {any} referral */
const title = ({ group, partner_type: type, context: { state } }) =>
  `${group.name} asks for ${types[type].a}${state ? ` in ${states[state]}` : ''}`;

/** One request with all that can be done with it, in an element. */
export class RequestView {
  /** @type {any} As it was read last. */ referral = null;
  /** @type {string | null} Of the version that is shown. */ etag = null;
  /** @type {Me} */ me = /** @type {any} */ (null);
  /** Whether a change is on its way. */ isBusy = false;
  /**
   * What a change by somebody else leads to, while something depends on what is shown.
   * @type {((who: string | null) => void) | null}
   */
  news = null;
  /** @type {Candidate[] | null} */ #candidates = null;
  /** @type {Record<string, string>} What each part shows. One that did not change stays as it is. */ #drawn = {};
  /** @type {ReturnType<typeof setInterval>} */ #timer;
  parts = {
    head: html`<header class="stack"></header>`, alert: html`<div></div>`, form: html`<div></div>`,
    facts: html`<section></section>`, candidates: html`<section></section>`,
    history: html`<div></div>`, letters: html`<div></div>`,
  };
  #folds = { history: this.#fold('history', 'History'), letters: this.#fold('letters', 'Letters') };

  /**
   * @param {Element} place
   * @param {string} id
   * @param {Options} options
   */
  constructor(place, id, options) {
    this.id = id;
    this.options = options;
    this.path = `/api/admin/referrals/${encodeURIComponent(id)}`;
    const { head, alert, form, facts, candidates } = this.parts;
    this.element = html`
      <article class="request stack" aria-labelledby="request-title" aria-busy="true">
        ${head}${alert}${form}
        <div class="pair">
          <div class="stack">${facts}${candidates}</div>
          <div class="stack">${this.#folds.history}${this.#folds.letters}</div>
        </div>
      </article>`;
    fill(place, this.element);
    /** Fulfilled when all of it is shown. */
    this.ready = this.#load();
    this.#timer = setInterval(this.refresh, pollSeconds * 1000);
    document.addEventListener('visibilitychange', this.refresh);
    current = this;
  }

  /** Whether it is still on the page. */
  get isShown() {
    return this.element.isConnected;
  }

  /** What a form relies on that does something with the status. */
  get basis() {
    const { status: now, partner_id: partner } = this.referral;
    return `${now} ${partner}`;
  }

  /**
   * Whether something can be done with it now.
   * @param {string} name
   */
  can(name) {
    return this.#actions().some((one) => one.name === name);
  }

  /** Whether it holds a form. */
  get isEditing() {
    return this.parts.form.hasChildNodes();
  }

  /** Takes it away, unless the person wants to keep what they typed. */
  async close() {
    if (this.isEditing && !(await import('../lib/form.js')).mayReplace(this.element)) return false;
    clearInterval(this.#timer);
    document.removeEventListener('visibilitychange', this.refresh);
    this.element.remove();
    if (current === this) current = null;
    return true;
  }

  // --- Reading ---

  async #load() {
    try {
      // First it has to be known that there is such a request.
      const answer = await get(this.path);
      const rest = this.loadRest();
      this.me = await this.options.me;
      this.take(answer);
      await rest;
      if (this.isShown && drafts().length) await this.run('resume');
    } catch (error) {
      if (error instanceof Problem && error.code === 'not_found') {
        fill(this.element, html`<p>This request does not exist. <a href="/desk">Go to the queue</a>.</p>`);
      } else show(error, this.parts.alert, () => (this.ready = this.#load()));
    } finally {
      this.element.removeAttribute('aria-busy');
    }
  }

  /** Reads the parts that have requests of their own, if they are shown. Each fails by itself. */
  async loadRest() {
    const parts = /** @type {('history' | 'letters')[]} */ (Object.keys(this.#folds));
    await Promise.all([
      this.#loadPart('candidates', async () => {
        const { data } = await get(`${this.path}/candidates`, { query: { all: true, limit: 100 } });
        this.#candidates = data.data;
        this.#draw();
      }),
      ...parts.filter((name) => this.parts[name].hasChildNodes()).map((name) => this.#loadPast(name)),
    ]);
  }

  /**
   * @param {'candidates' | 'history' | 'letters'} name
   * @param {() => Promise<void>} load
   */
  async #loadPart(name, load) {
    try {
      await load();
    } catch (error) {
      if (error instanceof Problem && error.code === 'not_found') return;
      this.#drawn[name] = '';
      show(error, this.parts[name], () => this.#loadPart(name, load));
    }
  }

  /** @param {'history' | 'letters'} name */
  #loadPast(name) {
    return this.#loadPart(name, async () => (await loaded(import('./past.js')))[name](this));
  }

  /**
   * A part that is read when it is unfolded.
   * @param {'history' | 'letters'} name
   * @param {string} words
   */
  #fold(name, words) {
    const details = /** @type {HTMLDetailsElement} */ (html`
      <details ontoggle=${() => {
        const others = shownFolds().filter((one) => one !== name);
        localStorage.setItem(foldedKey, JSON.stringify(details.open ? [...others, name] : others));
        if (details.open) this.#loadPast(name);
      }}><summary><h3>${words}</h3></summary>${this.parts[name]}</details>`);
    details.open = shownFolds().includes(name);
    return details;
  }

  /**
   * Shows an answer that has the request.
   * @param {Answer} answer
   */
  take({ data, etag }) {
    this.referral = data;
    this.etag = etag;
    this.#draw();
  }

  /** Asks for what others have changed, and says who it was. What is typed stays. */
  refresh = async () => {
    if (document.visibilityState !== 'visible' || this.isBusy || !this.referral) return;
    try {
      const answer = await get(this.path);
      if (answer.etag === this.etag || this.isBusy) return;
      const who = await this.reload(answer);
      if (this.news) this.news(who);
      else this.say(who);
    } catch {
      // The next time will tell. What is shown stays.
    }
  };

  /**
   * Shows it as it is now.
   * @param {Answer} [answer]
   * @returns {Promise<string | null>} Who has changed it.
   */
  async reload(answer) {
    const { whoChanged } = await loaded(import('./changed.js'));
    const [now, who] = await Promise.all([answer ?? get(this.path), whoChanged('referral', this.id)]);
    this.take(now);
    this.loadRest();
    this.options.changed?.(this, null);
    return who;
  }

  // --- Acting ---

  /**
   * @param {Name} name
   * @param {any} [argument]
   */
  run = async (name, argument) => {
    try {
      await (await loadActions())[name](this, argument);
    } catch (error) {
      show(error, this.parts.alert, () => this.run(name, argument));
    }
  };

  /**
   * Does what a key stands for.
   * @param {string} key
   * @param {string} words
   */
  async act(key, words) {
    await this.ready;
    if (!this.referral || !this.isShown) return;
    const { status: now } = this.referral;
    const action = this.#actions().find((one) => one.key === key);
    const form = this.parts.form.querySelector('form');
    // A key never takes away a form that somebody has opened.
    if (form) {
      /** @type {HTMLElement | null} */ (form.querySelector('textarea, input:checked, input, select'))?.focus();
      if (form.id !== action?.name) toast('Finish this form first, or close it with Esc.');
    } else if (key === 'm' && ['pending', 'matched'].includes(now)) this.#choose();
    else if (action) this.run(action.name);
    else toast(`${words}: not while the request is ${statusWords('referral', now).toLowerCase()}.`);
  }

  /** Waits for the number of a candidate. Any other key gives it up. */
  #choose() {
    const { candidates } = this.parts;
    candidates.classList.add('choosing');
    candidates.scrollIntoView({ block: 'nearest' });
    document.addEventListener('keydown', (event) => {
      candidates.classList.remove('choosing');
      if (!/^[1-9]$/.test(event.key)) return;
      event.preventDefault();
      const candidate = this.#proposed[Number(event.key) - 1];
      if (candidate) this.run('match', candidate);
      else toast(`There is no candidate ${event.key}.`);
    }, { capture: true, once: true });
  }

  /** Closes its form, else itself. */
  leave() {
    if (this.isEditing) this.run('closeForm');
    else this.options.close();
  }

  /** Moves the focus to its title. */
  focus() {
    /** @type {HTMLElement | null} */ (this.element.querySelector('h2'))?.focus();
  }

  /** @param {Child} words */
  say(words) {
    fill(this.parts.alert, words && html`<div class="notice note" role="status"><p>${words}</p></div>`);
  }

  /** @returns {Candidate[]} */
  get #proposed() {
    return (this.#candidates ?? []).filter((one) => !one.left_out.length);
  }

  /**
   * What can be done with it now, the next thing first.
   * @returns {Action[]}
   */
  #actions() {
    const { status: now, assigned_to: owner } = this.referral;
    const is = (/** @type {string[]} */ ...those) => those.includes(now);
    const [best] = this.#proposed;
    /** @type {(Action | false)[]} */
    const all = [
      is('pending') && !!best && { name: 'match', words: `Match ${best.company_name}`, argument: best, style: 'main' },
      is('matched') && { name: 'introduce', key: 'i', words: 'Introduce both', style: 'main' },
      is('intro_sent', 'connected', 'closed') && {
        name: 'outcome', key: 'o', words: 'Outcome', style: is('closed') ? '' : 'main',
      },
      is('intro_sent') && { name: 'accept', words: 'Accepted' },
      is('closed', 'cancelled') && { name: 'reopen', key: 'r', words: 'Reopen' },
      { name: 'own', key: 'a', words: owner === this.me.id ? 'Leave it to others' : 'Look after it' },
      { name: 'followUp', key: 'f', words: 'Follow up' },
      { name: 'note', key: 'n', words: 'Note' },
      is('matched', 'intro_sent') && { name: 'takeBack', words: 'Take back' },
      !is('closed', 'cancelled') && { name: 'cancel', words: 'Cancel', style: 'danger' },
    ];
    return /** @type {Action[]} */ (all.filter(Boolean));
  }

  // --- Showing ---

  #draw() {
    if (!this.referral || !this.me || !this.isShown) return;
    this.draw('head', [this.referral, this.#proposed[0]?.id], () => this.#head());
    this.draw('facts', this.referral, () => this.#facts());
    const isOpen = ['pending', 'matched'].includes(this.referral.status);
    this.draw('candidates', isOpen && [this.#candidates, this.referral.partner_id],
      () => isOpen && this.#candidates && this.#listCandidates(this.#candidates));
  }

  /**
   * Draws a part if what it shows has changed. The focus stays on the same thing.
   * @param {'head' | 'facts' | 'candidates' | 'history' | 'letters'} name
   * @param {unknown} data
   * @param {() => Child} content
   */
  draw(name, data, content) {
    const text = JSON.stringify(data) ?? '';
    if (this.#drawn[name] === text) return;
    this.#drawn[name] = text;
    const element = this.parts[name];
    const held = element.contains(document.activeElement) ? document.activeElement?.textContent : null;
    fill(element, content());
    if (held === null) return;
    const targets = [...element.querySelectorAll('a, button, summary, [tabindex]')];
    const same = targets.find((one) => one.textContent === held);
    if (same instanceof HTMLElement) same.focus();
    else this.focus();
  }

  #head() {
    const { status: now, status_since: time, assignee, follow_up_on: date } = this.referral;
    return fragment`
      <h2 id="request-title" tabindex="-1">${title(this.referral)}</h2>
      <p class="row small">
        <span>${status('referral', now)} for ${since(time, true)}</span>
        <span>Looked after by ${assignee?.name ?? 'nobody'}${' '}
          <button type="button" class="link" onclick=${() => this.run('handOver')}>Hand over</button></span>
        ${date && !['closed', 'cancelled'].includes(now) && html`<span>Follow up on ${day(date)}</span>`}
      </p>
      <div class="actions">${this.#actions().map(({ name, key, words, style, argument }) => html`
        <button type="button" class=${style} aria-keyshortcuts=${key} onclick=${() => this.run(name, argument)}>${words}
          ${key && html`<kbd aria-hidden="true">${key}</kbd>`}</button>`)}</div>`;
  }

  #facts() {
    const { context, group, requester, contact, partner, consent_version: version, consented_at: at, outcome,
      outcome_notes: notes, status: now } = this.referral;
    const person = (/** @type {{ name: string, email: string }} */ { name, email }) =>
      [name, html`<br>`, html`<a class="small" href=${`mailto:${email}`}>${email}</a>`];
    const edit = (/** @type {string} */ words, /** @type {string} */ of, /** @type {Name} */ name) => [' ', html`
      <button type="button" class="link" aria-label=${`${words} ${of}`} onclick=${() => this.run(name)}>
        ${words}</button>`];
    return fragment`
      <h3>What they need</h3>
      <p class="lines need">
        ${context.specific_need ? `“${context.specific_need}”` : 'They have said nothing more.'}</p>
      <dl class="facts">
        ${fact('People', context.group_size)}
        ${fact('Price', price(context.home_price_range))}
        ${fact('Time', context.timeline)}
        ${fact('Group', html`<a href=${`/desk?group_id=${group.id}&sort=-created_at`}>${group.name}</a>`)}
        ${fact('Asked by', person(requester))}
        ${fact('Contact', [contact ? (contact.id === requester.id ? 'The same' : person(contact)) : 'Nobody yet',
          !['closed', 'cancelled'].includes(now) && edit('Change', 'the contact', 'contact')])}
        ${fact('Consent', [version ? ['To ', version, ', ', when(at)] : 'Not recorded',
          edit(version ? 'Change' : 'Record', 'the consent', 'consent')])}
        ${partner && fact('Partner', [html`<a href=${`/desk/partner?id=${partner.id}`}>${partner.company_name}</a>`,
          html`<br>`, person({ name: partner.contact_name ?? '', email: partner.email }),
          partner.phone && [html`<br>`, phoneLink(partner.phone)]])}
        ${fact('Outcome', outcome && outcomes[outcome])}
        ${fact('Notes on it', notes && html`<span class="lines">${notes}</span>`)}
      </dl>`;
  }

  /** @param {Candidate[]} all */
  #listCandidates(all) {
    const { partner_id: partner, partner_type: type, context: { state } } = this.referral;
    const item = (/** @type {Candidate} */ candidate, /** @type {number | null} */ number) => {
      const { id, company_name: name, why, left_out: reasons } = candidate;
      return html`
        <li><div class="candidate"><div>
            <a href=${`/desk/partner?id=${id}`}>${name}</a>
            <p class="small muted">
              ${reasons.length ? reasons.map((code) => leftOut[code] ?? code).join(', ')
                : why.map(dated).join(' · ')}</p></div>
          ${id === partner ? html`<span class="tag">Matched</span>` : !reasons.includes('credential_expired') && html`
            <button type="button" aria-label=${`Match ${name}`} onclick=${() => this.run('match', candidate)}>Match
              ${number && number < 10 ? html`<kbd aria-hidden="true">m ${number}</kbd>` : null}</button>`}
        </div></li>`;
    };
    const proposed = this.#proposed;
    const others = all.filter(({ left_out: reasons }) => reasons.length);
    return fragment`
      <h3>Candidates</h3>
      ${proposed.length ? html`
        <ol class="candidates">${proposed.map((one, index) => item(one, index + 1))}</ol>` : html`
        <p>No ${types[type].one} can be proposed${state && ` in ${states[state]}`}. <a
          href=${`/desk/coverage?${new URLSearchParams({ state: state ?? '', type })}`}>Look at the coverage</a>, or <a
          href=${`/desk/partners?type=${type}`}>at the partners</a>.</p>`}
      ${others.length > 0 && html`
        <details>
          <summary>${count(others.length, 'partner')} not proposed</summary>
          <ul class="candidates">${others.map((one) => item(one, null))}</ul>
        </details>`}`;
  }
}

// --- Keys ---

/** @type {[key: string, words: string, more?: string][]} */
const keys = [
  ['m', 'Match', ', then the number of the candidate'], ['i', 'Introduce', ': shows both letters, Enter sends them'],
  ['a', 'Look after it', ', or leave it to others'],
  ['f', 'Follow up'], ['o', 'Outcome'], ['n', 'Note'], ['r', 'Reopen'],
];

/**
 * Adds the keys of a request.
 * @param {() => RequestView | null | Promise<RequestView | null>} [find] Which one they are for.
 */
export function addRequestKeys(find = () => current) {
  addKeys(...keys.map(([key, words, more = '']) => ({
    key, words: words + more,
    act: async (/** @type {KeyboardEvent} */ event) => {
      if (!event.repeat) (await find())?.act(key, words);
    },
  })), { key: 'u', words: 'Undo the last action', act: async () => (await loadActions()).undo() }, {
    key: 'Escape', words: '',
    act: () => current?.leave(),
  });
}

// --- The page of one request. Beside the queue, this file is only a module. ---

const place = document.getElementById('referral');
if (place && !token()) startDesk();
else if (place) {
  const id = new URLSearchParams(location.search).get('id') ?? '';
  const view = new RequestView(place, id, { me: startDesk(), close: () => history.back() });
  addRequestKeys();
  await view.ready;
  if (view.referral) {
    document.title = `${title(view.referral)} – Tomi`;
    // Its own title says it better. Screen readers still find where it belongs.
    document.querySelector('h1')?.classList.add('hidden');
  }
}
