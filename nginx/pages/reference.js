import { get } from './lib/api.js';
import { byID, fill, fragment, html } from './lib/html.js';
import { show, start, toast } from './lib/page.js';
import { inline as inlineOf, markdown as markdownOf } from './reference/markdown.js';
import { OpenAPI, jsonText } from './reference/openapi.js';

/** @typedef {import('./lib/html.js').Child} Child */
/** @typedef {import('./reference/openapi.js').Operation} Operation */
/** @typedef {import('./reference/openapi.js').Problem} Problem */
/** @typedef {import('./reference/openapi.js').Schema} Schema */
/** @typedef {import('./reference/openapi.js').View} View */

/** @type {OpenAPI} */
let api;

// --- Words ---

/** @param {string} words */
const idOf = (words) => words.toLowerCase().replace(/\W+/g, '-');

/** @param {string} name Of a schema. */
const schemaAddress = (name) =>
  api.problems.has(name) ? `#code-${api.problems.get(name)?.code}` : `#schema-${name}`;

/**
 * Where a piece of code of a description leads: a request such as `GET /api/me`, or the code of a problem after its
 * status. A word alone can mean something else.
 * @param {string} code
 * @param {string} before
 */
function address(code, before) {
  const operation = api.operations.find(({ method, path }) => code === `${method} ${path}`);
  if (operation) return `#${operation.id}`;
  const isProblem = /\d{3} $/.test(before) && [...api.problems.values()].some((problem) => problem.code === code);
  return isProblem ? `#code-${code}` : null;
}
const markdown = (/** @type {string} */ text) => markdownOf(text, address);
const inline = (/** @type {string} */ text) => inlineOf(text, address);

/**
 * @param {string[]} values
 * @param {string} last The word before the last one.
 */
const codes = (values, last) => values.map((value, index) => [
  index === 0 ? '' : index === values.length - 1 ? ` ${last} ` : ', ', html`<code>${String(value)}</code>`,
]);

/** @type {Record<string, string>} */
const formats = {
  uuid: 'UUID', date: 'date', 'date-time': 'date and time', 'idn-email': 'e-mail address', iri: 'URL',
  'uri-reference': 'path', 'json-pointer': 'JSON pointer',
};

/**
 * "array of Partner", "string (UUID) or null".
 * @param {View} view
 * @returns {Child[]}
 */
function typeWords(view) {
  const { name, type, format = '', items, const: only, choices, isNullable } = view;
  const link = name && html`<a href=${schemaAddress(name)}>${name}</a>`;
  const words = choices ? choices.map((one, index) => [index ? ' or ' : '', typeWords(one)])
    : only !== undefined ? ['always ', html`<code>${String(only)}</code>`]
    : type === 'array' ? ['array of ', typeWords(api.view(items)), link && [' (', link, ')']]
    : type === 'object' && link ? link
    : [type ?? 'any value', formats[format] && ` (${formats[format]})`, link && [', ', link]];
  return [words, isNullable && ' or null'];
}

const numbers = new Intl.NumberFormat('en-US');

/**
 * "1 to 200 characters", "at most 51 items"; nothing without limits.
 * @param {number | undefined} least
 * @param {number | undefined} most
 * @param {string} noun
 */
function range(least, most, noun = '') {
  const words = (/** @type {number} */ number) => numbers.format(number);
  const unit = noun && ` ${(most ?? least) === 1 ? noun : `${noun}s`}`;
  if (least !== undefined && least === most) return `Exactly ${words(least)}${unit}.`;
  // The largest integers of 64 bits limit nothing that people need to know, and have no exact number here.
  const isOpen = most === undefined || most > Number.MAX_SAFE_INTEGER;
  if (least !== undefined && !isOpen) return `${words(least)} to ${words(most)}${unit}.`;
  if (least !== undefined) return `At least ${words(least)}${unit}.`;
  return isOpen ? null : `At most ${words(most)}${unit}.`;
}

/** The most values of a list that stand at each field. */
const mostValues = 16;

/**
 * What a value must be beside its type.
 * @param {View} view
 * @returns {Child[]}
 */
function limits(view) {
  const { name, enum: values, pattern = '', format, default: usual } = view;
  const said = values?.every((/** @type {string} */ value) => view.description?.includes(`\`${value}\`: `));
  const showsPattern = pattern && !format && pattern.length < 40 && !pattern.includes('\\');
  return [
    values && !said && (values.length <= mostValues || !name ? ['One of ', codes(values, 'or'), '. ']
      : ['One of ', values.length, ' values, such as ', codes(values.slice(0, 3), 'and'), '. ']),
    [range(view.minLength, view.maxLength, 'character'), range(view.minimum, view.maximum),
      range(view.minItems, view.maxItems, 'item'), view.uniqueItems && 'No item twice.',
      range(view.minProperties, undefined, 'field')].filter(Boolean).join(' '),
    showsPattern && [' Pattern: ', html`<code>${pattern}</code>`, '.'],
    usual !== undefined && [' Default: ', html`<code>${String(usual)}</code>`, '.'],
  ];
}

/** @param {HTMLElement} element */
const nonempty = (element) => element.textContent?.trim() && element;

// --- Fields ---

/** @typedef {'body' | 'answer'} Use In a body the fields that must be there are marked, in an answer those that may not. */

const mark = (/** @type {string} */ words) => html`<span class="small muted">${words}</span>`;
const required = () => html`<span class="tag">required</span>`;

/**
 * One field or parameter, with the fields that are in it.
 * @param {string} name
 * @param {Schema} schema
 * @param {Use} use
 * @param {Child} marks
 * @param {Child} [example]
 * @returns {HTMLElement}
 */
function field(name, schema, use, marks, example) {
  const view = api.view(schema);
  const items = view.items && api.view(view.items);
  return html`
    <li data-name=${name}>
      <p class="row"><code class="name">${name}</code><span class="small muted">${typeWords(view)}</span>${marks}</p>
      ${view.description && html`<div class="small">${markdown(view.description)}</div>`}
      ${nonempty(html`<p class="small muted">${limits(view)} ${items && limits(items)} ${example}</p>`)}
      ${folded(view, use)}
    </li>`;
}

/**
 * The fields of an object, folded: of the value itself, of the items of a list, or of each kind that it can be.
 * @param {View} view
 * @param {Use} use
 * @returns {Child}
 */
function folded(view, use) {
  const { name, properties, items, choices, additionalProperties: others } = view;
  if (choices) return choices.map((one) => folded(one, use));
  if (items) return folded(api.view(items), use);
  return (properties || others) && html`
    <details><summary>${name ? `Fields of ${name}` : 'Its fields'}</summary>${fields(view, use)}</details>`;
}

/**
 * @param {View} view
 * @param {Use} use
 * @returns {HTMLElement}
 */
function fields({ properties = {}, required: names = [], additionalProperties: others }, use) {
  return html`
    <ul class="plain fields">
      ${Object.entries(properties).map(([name, schema]) => field(name, schema, use, [
        names.includes(name) ? use === 'body' && required() : use === 'answer' && mark('may be missing'),
        api.view(schema).readOnly && mark('read-only, may be sent back unchanged'),
      ]))}
      ${others && field('any name', others, use, null)}
    </ul>`;
}

/**
 * What a schema says, at once: its fields, or the fields of each kind that it can be.
 * @param {View} view
 * @param {Use} use
 * @returns {Child}
 */
function whole(view, use) {
  if (view.choices) {
    return [html`<p>One of these:</p>`, view.choices.map((one) => [
      html`<p class="small">${typeWords(one)}${one.description && [': ', inline(one.description)]}</p>`,
      folded(one, use),
    ])];
  }
  return view.properties ? fields(view, use) : folded(view, use);
}

// --- Examples ---

/**
 * JSON whose values can be told from its names.
 * @param {any} value
 */
const colored = (value) => jsonText(value).split(/("(?:\\.|[^"\\])*":?|\b(?:true|false|null)\b|-?\b\d[\d.]*)/)
  .map((part, index) => (index % 2 && !part.endsWith('":') ? html`<span class="value">${part}</span>` : part));

/** @param {HTMLElement} code */
async function copy(code) {
  try {
    await navigator.clipboard.writeText(code.textContent ?? '');
    toast('Copied.');
  } catch {
    // Only pages over HTTPS may write to the clipboard, and not in every browser.
    getSelection()?.selectAllChildren(code);
    toast('Your browser does not let this page copy. The text is selected: copy it with Ctrl+C.');
  }
}

/**
 * @param {string} label
 * @param {Child} text
 * @param {boolean} [isCopied] Whether it has a button that copies it.
 */
function sample(label, text, isCopied = false) {
  const code = html`<code>${text}</code>`;
  return html`
    <figure class="sample">
      <figcaption class="spread"><span>${label}</span>
        ${isCopied && html`<button type="button" class="quiet" onclick=${() => copy(code)}>Copy</button>`}</figcaption>
      <pre tabindex="0">${code}</pre>
    </figure>`;
}

// --- Places ---

/**
 * What each section has yet to show. It is built when the section comes near, since all at once would take a second.
 * @type {Map<Element, () => Child>}
 */
const later = new Map();

/** @param {Element[]} sections */
function build(sections) {
  // All is measured before anything changes, and once after: each measurement in between would be a layout.
  const boxes = sections.map((section) => section.getBoundingClientRect());
  for (const section of sections) {
    near.unobserve(section);
    section.classList.remove('later');
    section.append(fragment`${later.get(section)?.()}`);
    later.delete(section);
  }
  // What is in view stays where it is when something above it grows. Not every browser does that by itself.
  const moved = sections.reduce((sum, section, index) =>
    (boxes[index].bottom < 64 ? sum + section.getBoundingClientRect().height - boxes[index].height : sum), 0);
  if (moved) scrollBy(0, moved);
}

const near = new IntersectionObserver((entries) =>
  build(entries.filter(({ isIntersecting, target }) => isIntersecting && later.has(target)).map(({ target }) => target)),
{ rootMargin: '900px 0px' });

/** The sections at the line where people begin to read. */
const atLine = new Set();
const line = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (isIntersecting) atLine.add(target);
    else atLine.delete(target);
  }
  showPlace();
}, { rootMargin: '-96px 0px -80% 0px' });

/**
 * @param {string} id
 * @param {HTMLElement} section
 * @param {() => Child} [make] What it shows later.
 */
function place(id, section, make) {
  section.id = id;
  line.observe(section);
  if (make) {
    later.set(section, make);
    near.observe(section);
  }
  return section;
}

/** @param {Operation['method']} method */
const badge = (method) => html`<span class=${`method ${method.toLowerCase()}`}>${method}</span>`;

/** @param {Operation} operation */
const operationSection = (operation) => place(operation.id, html`
  <section class="operation later">
    <header>
      <h3><a href=${`#${operation.id}`}>${operation.summary}</a></h3>
      <p class="path">${badge(operation.method)} <code>${operation.path.split(/(?=\/)/).map((part) =>
        [html`<wbr>`, part])}</code></p>
    </header>
  </section>`, () => [operationText(operation), operationExamples(operation)]);

/** @type {Record<string, string>} */
const accessWords = { adminToken: 'an admin token', userToken: "a user's token" };
/** @type {[place: string, title: string][]} */
const parameterPlaces = [['path', 'In the path'], ['query', 'In the query'], ['header', 'Headers']];

/** @param {Operation} operation */
function operationText({ description, access, parameters, body, answers, refusals }) {
  return html`
    <div class="stack">
      <p class="small">Needs ${access.length === 0 ? 'no token: for everybody.' : [access.map((scheme, index) => [
        index ? ' or ' : '', html`<a href=${`#token-${scheme}`}>${accessWords[scheme] ?? scheme}</a>`]), '.']}</p>
      ${markdown(description)}
      ${parameterPlaces.map(([where, title]) => {
        const found = parameters.filter((one) => one.in === where);
        return found.length > 0 && html`
          <section>
            <h4>${title}</h4>
            <ul class="plain fields">${found.map(({ name, description: words, schema, example, ...one }) =>
              field(name, { ...schema, description: words }, 'body', one.required && required(), example !== undefined && [
                ' Example: ', html`<code>${String(example)}</code>`, '.']))}</ul>
          </section>`;
      })}
      ${body && html`
        <section>
          <h4>Body${body.isRequired ? '' : ', if you like'}</h4>
          <p class="small">JSON, ${typeWords(api.view(body.schema))}.</p>
          ${whole(api.view(body.schema), 'body')}
        </section>`}
      <section>
        <h4>Answers</h4>
        ${answers.map(answerText)}
      </section>
      <section>
        <h4>Errors</h4>
        ${refusals.map((group) => (group.isAlways
          ? html`<details><summary>What every request can be answered with</summary>${refusalList(group)}</details>`
          : refusalList(group)))}
      </section>
    </div>`;
}

/** @param {Operation['answers'][0]} answer */
function answerText({ status, description, schema, type, headers, next }) {
  return html`
    <div class="answer" data-status=${status}>
      <p><strong>${status}</strong> ${inline(description)}
        ${schema && html`<span class="small muted"> ${type}, ${typeWords(api.view(schema))}</span>`}</p>
      ${schema && whole(api.view(schema), 'answer')}
      <details>
        <summary>Headers</summary>
        <ul class="plain fields">${headers.map(([name, { schema: of, description: words, ...one }]) =>
          field(name, { ...of, description: words }, 'answer', !one.required && mark('may be missing')))}</ul>
      </details>
      ${next.length > 0 && html`<p class="small">What it gives leads on to ${next.map((id, index) =>
        [index ? ', ' : '', html`<a href=${`#${id}`}>${id}</a>`])}.</p>`}
    </div>`;
}

/** @param {Operation['refusals'][0]} group */
const refusalList = ({ description, isAlways, refusals }) => html`
  <div class="refusals small">
    ${description && refusals.length > 1 && !isAlways && html`<p>${inline(description)}</p>`}
    <ul class="plain fields">${refusals.map(({ code, status, sentence, example }) => html`
      <li data-code=${code}>
        <p class="row"><strong>${status}</strong><a href=${`#code-${code}`}><code>${code}</code></a></p>
        <p>${inline(refusals.length > 1 ? sentence : description || sentence)}</p>
        <details><summary>Example</summary><pre tabindex="0"><code>${jsonText(example)}</code></pre></details>
      </li>`)}</ul>
  </div>`;

/** @param {Operation} operation */
function operationExamples(operation) {
  const requests = api.curl(operation, location.origin);
  const answer = operation.answers.find(({ schema, type }) => schema && type === 'application/json');
  return html`
    <div class="examples">
      ${requests.map((text, index) => sample(index ? 'Or' : 'Request', text, true))}
      ${answer?.schema && sample(`Answer ${answer.status}`, colored(api.example(answer.schema)))}
    </div>`;
}

/** @param {Problem} problem */
const problemSection = (problem) => place(`code-${problem.code}`, html`
  <section class="problem later">
    <h3><a href=${`#code-${problem.code}`}><code>${problem.code}</code></a></h3>
  </section>`, () => html`
  <div class="pair">
    <div class="stack">
      <p><strong>${problem.statuses.join(', ')}</strong> ${problem.title}.</p>
      <p>${inline(problem.meaning)}</p>
      <p><strong>What to do:</strong> ${inline(problem.advice)}</p>
      ${problem.own.length > 0 && html`
        <ul class="plain fields">${problem.own.map(([name, schema]) => field(name, schema, 'answer', null))}</ul>`}
      <p class="small">${problem.operations.length === 0 ? 'Every request can be answered with it.'
        : problem.operations.length > 9 ? `${problem.operations.length} of the requests can be answered with it.`
        : ['An answer to ', problem.operations.map(({ id }, index) =>
          [index ? ', ' : '', html`<a href=${`#${id}`}>${id}</a>`]), '.']}</p>
    </div>
    ${sample('Example', colored(problem.example))}
  </div>`);

/** @param {string} name */
const schemaSection = (name) => place(`schema-${name}`, html`
  <section class="schema later"><h3><a href=${`#schema-${name}`}>${name}</a></h3></section>`, () => {
  const view = api.named(name);
  const isWhole = Object.keys(view.properties ?? {}).every((one) => view.required?.includes(one));
  const values = view.enum?.length > mostValues && view.enum;
  return html`
    <div class="pair">
      <div class="stack">
        ${view.description && markdown(view.description)}
        ${!view.properties && html`<p class="small muted">${typeWords({ ...view, name: '' })}. ${!values && limits(view)}</p>`}
        ${values && html`<p class="small">${codes(values, 'or')}.</p>`}
        ${whole(view, isWhole ? 'answer' : 'body')}
      </div>
      ${view.examples && html`
        <div class="examples">
          ${view.examples.map((/** @type {any} */ one) => sample('Example', colored(one)))}
        </div>`}
    </div>`;
});

// --- The page ---

/** @type {[id: string, words: string, operations: Operation[]][]} The places of the contents. */
const places = [];

function showDocument() {
  const [about, ...parts] = api.info.description.split(/^## /m);
  const sections = parts.map((part) => {
    const [, title, text] = /** @type {RegExpExecArray} */ (/^(.*)\n([^]*)$/.exec(part));
    return { id: `about-${idOf(title)}`, title, text };
  });
  const problems = [...api.problems.values()];
  places.push(
    ...sections.map(({ id, title }) => /** @type {typeof places[0]} */ ([id, title, []])),
    ['about-examples', 'Tokens and examples', []],
    ...api.tags.map(({ name }) => /** @type {typeof places[0]} */ ([`tag-${idOf(name)}`, name,
      api.operations.filter(({ tag }) => tag === name)])),
    ['problems', 'Problems', []], ['schemas', 'Schemas', []],
  );
  fill(byID('reference'), [
    place('about', html`<section class="stack">
      <p class="small muted">Version ${api.info.version}</p>${markdown(about)}</section>`),
    sections.map(({ id, title, text }) => place(id, html`
      <section class="stack"><h2><a href=${`#${id}`}>${title}</a></h2>${markdown(text)}</section>`)),
    place('about-examples', html`
      <section class="stack">
        <h2><a href="#about-examples">Tokens and examples</a></h2>
        <ul>${api.schemes.map(([name, { description }]) => html`
          <li id=${`token-${name}`}><strong>${accessWords[name] ?? name}:</strong> ${inline(description)}</li>`)}</ul>
        <p>The examples run in a shell as they are, with your token in <code>TOKEN</code>. Replace the IDs by yours.
          <code>ETAG</code> is the tag of the version that you read. While it is empty, curl leaves
          <code>If-Match</code> out, and the change is unconditional.</p>
        ${sample('Once in each shell', 'export TOKEN=tomi_…', true)}
      </section>`),
    api.tags.map(({ name, description }) => [
      place(`tag-${idOf(name)}`, html`
        <section class="stack"><h2><a href=${`#tag-${idOf(name)}`}>${name}</a></h2>${markdown(description)}</section>`),
      api.operations.filter(({ tag }) => tag === name).map(operationSection),
    ]),
    place('problems', html`
      <section class="stack">
        <h2><a href="#problems">Problems</a></h2>
        <p>Every error has one of these codes.</p>
        <ul class="columns">${problems.map(({ code, statuses }) => html`
          <li><a href=${`#code-${code}`}>${code}</a><span class="muted">${statuses.join(', ')}</span></li>`)}</ul>
      </section>`),
    problems.map(problemSection),
    place('schemas', html`
      <section class="stack">
        <h2><a href="#schemas">Schemas</a></h2>
        <p>The kinds of object and value that requests and answers are made of.</p>
        <ul class="columns">${api.schemas.map((name) => html`<li><a href=${`#schema-${name}`}>${name}</a></li>`)}</ul>
      </section>`),
    api.schemas.map(schemaSection),
  ]);
}

// --- Contents and search ---

const search = /** @type {HTMLInputElement} */ (html`
  <input id="search" type="search" autocomplete="off" spellcheck="false" maxlength="100" placeholder="Path, field or code"
    oninput=${showContents} onkeydown=${(/** @type {KeyboardEvent} */ { key }) => {
      const first = key === 'Enter' && search.value && list.querySelector('a');
      if (first) first.click();
    }}>`);
const found = html`<p class="small muted" role="status"></p>`;
const list = html`<ul class="plain"></ul>`;
const foldable = /** @type {HTMLDetailsElement} */ (html`<details><summary>Contents</summary>${list}</details>`);
fill(byID('contents'), html`<label for="search">Search</label>`, search, found, foldable);

const wide = matchMedia('(min-width: 900px)');
const unfold = () => (foldable.open = wide.matches || search.value !== '');
wide.addEventListener('change', unfold);
unfold();

/**
 * What a search looks through, made at the first one.
 * @type {Map<Operation, { text: string, names: string[] }>}
 */
const texts = new Map();

/** @param {Operation} operation */
function searched(operation) {
  let known = texts.get(operation);
  if (!known) {
    const { id, method, path, summary, parameters, body, answers, refusals } = operation;
    const names = new Set(parameters.map(({ name }) => name));
    for (const one of [body, ...answers]) if (one?.schema) api.fields(one.schema, names);
    for (const one of refusals) if (!one.isAlways) for (const { code } of one.refusals) names.add(code);
    known = { text: `${id} ${method} ${path} ${summary}`, names: [...names] };
    texts.set(operation, known);
  }
  return known;
}

/**
 * Whether an operation has all words, each at the beginning of a word, and the field or code that has what its head has
 * not.
 * @param {Operation} operation
 * @param {RegExp[]} words
 */
function match(operation, words) {
  const { text, names } = searched(operation);
  const others = words.filter((word) => !word.test(text));
  const because = others.length > 0 && names.find((name) => others.every((word) => word.test(name)));
  return { fits: others.length === 0 || because, because };
}

function showContents() {
  const words = search.value.split(/\s+/).filter(Boolean)
    .map((word) => new RegExp(`(?<![a-z0-9])${word.replace(/\W/g, '\\$&')}`, 'i'));
  let number = 0;
  fill(list, places.map(([id, title, operations]) => {
    const shown = operations.flatMap((operation) => {
      const { fits, because } = words.length ? match(operation, words) : { fits: true, because: null };
      return fits ? [html`
        <li><a href=${`#${operation.id}`}>${badge(operation.method)}<span>${operation.summary}
          ${because && [html`<br>`, html`<code class="muted">${because}</code>`]}</span></a></li>`] : [];
    });
    number += shown.length;
    return (shown.length > 0 || !words.length) &&
      html`<li><a href=${`#${id}`}>${title}</a>${shown.length > 0 && html`<ul class="plain">${shown}</ul>`}</li>`;
  }));
  found.textContent = words.length ? number ? `${number} of ${api.operations.length} operations`
    : 'No operation has that. Try one word of a path, a field or an error code.' : '';
  unfold();
  showPlace();
}

/** Marks in the contents where the reader is. */
function showPlace() {
  const id = [...byID('reference').children].find((section) => atLine.has(section))?.id;
  if (!id) return;
  const inContents = id.startsWith('code-') ? 'problems' : id.startsWith('schema-') ? 'schemas' : id;
  for (const link of list.querySelectorAll('[aria-current]')) link.removeAttribute('aria-current');
  const link = list.querySelector(`a[href="#${inContents}"]`);
  if (!link) return;
  link.setAttribute('aria-current', 'true');
  // Not scrollIntoView: that could scroll the page, too.
  const { top, bottom } = link.getBoundingClientRect();
  const contents = byID('contents');
  const box = contents.getBoundingClientRect();
  if (top < box.top || bottom > box.bottom) contents.scrollTop += top - box.top - box.height / 3;
}

/**
 * Goes to the next operation, or the one before.
 * @param {number} step
 */
function move(step) {
  const links = [...list.querySelectorAll('ul a')];
  const present = links.findIndex((link) => link.hasAttribute('aria-current'));
  const next = links[present < 0 && step < 0 ? -1 : present + step];
  if (!(next instanceof HTMLAnchorElement)) return;
  location.replace(next.hash);
  document.querySelector(next.hash)?.querySelector('a')?.focus({ preventScroll: true });
}

list.addEventListener('click', () => {
  if (!wide.matches) foldable.open = false;
});

/** @type {Record<string, () => void>} */
const keys = {
  '/': () => {
    byID('contents').scrollTop = 0;
    search.focus({ preventScroll: wide.matches });
  },
  j: () => move(1),
  k: () => move(-1),
};
addEventListener('keydown', (event) => {
  const { key, target } = event;
  const isCommand = event.ctrlKey || event.metaKey;
  // The browser's own search finds only what is built.
  if (key === 'f' && isCommand) build([...later.keys()]);
  if (!keys[key] || isCommand || event.altKey || /** @type {Element} */ (target).matches('input, select')) return;
  event.preventDefault();
  keys[key]();
});

/** @type {Element[]} */
let unfolded = [];
addEventListener('beforeprint', () => {
  build([...later.keys()]);
  unfolded = [...document.querySelectorAll('main details:not([open])')];
  for (const one of unfolded) one.setAttribute('open', '');
});
addEventListener('afterprint', () => {
  for (const one of unfolded) one.removeAttribute('open');
});

async function load() {
  try {
    const { data } = await get('/api/openapi.json');
    api = new OpenAPI(data);
  } catch (error) {
    return show(error, byID('reference'), load);
  }
  showDocument();
  showContents();
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target) target.scrollIntoView();
}

load();
await start();
