import { get } from './lib/api.js';
import { copy } from './lib/copy.js';
import { byID, fill, fragment, html } from './lib/html.js';
import { show, start } from './lib/page.js';
import { inline as inlineOf, markdown as markdownOf } from './reference/markdown.js';
import { jsonText, readOpenAPI } from './reference/openapi.js';

/** @typedef {import('./lib/html.js').Child} Child */
/** @typedef {import('./reference/openapi.js').Operation} Operation */
/** @typedef {import('./reference/openapi.js').Problem} Problem */
/** @typedef {import('./reference/openapi.js').Schema} Schema */
/** @typedef {import('./reference/openapi.js').View} View */

/** @type {import('./reference/openapi.js').OpenAPI} */
let api;

// --- Words ---

/** @param {string} words */
const idOf = (words) => words.toLowerCase().replace(/\W+/g, '-');

/** @param {string} name Of a schema. */
const schemaAddress = (name) => {
  const problem = api.problems.find((one) => one.name === name);
  return problem ? `#code-${problem.code}` : `#schema-${name}`;
};

/**
 * Where a piece of code of a description leads: a request such as `GET /api/me`, or the code of a problem after its
 * status. A word alone can mean something else.
 * @param {string} code
 * @param {string} before
 */
function address(code, before) {
  const operation = api.operations.find(({ method, path }) => code === `${method} ${path}`);
  if (operation) return `#${operation.id}`;
  return /\d{3} $/.test(before) && api.problems.some((one) => one.code === code) ? `#code-${code}` : null;
}
const markdown = (/** @type {string} */ text) => markdownOf(text, address);
const inline = (/** @type {string} */ text) => inlineOf(text, address);
const code = (/** @type {unknown} */ value) => html`<code>${String(value)}</code>`;

/**
 * @param {Child[]} items
 * @param {string} [last] The word before the last one.
 */
const listed = (items, last = 'and') =>
  items.map((item, index) => [index === 0 ? '' : index === items.length - 1 ? ` ${last} ` : ', ', item]);

/** @param {Operation[]} operations */
const links = (operations) => listed(operations.map(({ id }) => html`<a href=${`#${id}`}>${id}</a>`));

/** @type {Record<string, string>} */
const formats = {
  uuid: ' (UUID)', date: ' (date)', 'date-time': ' (date and time)', 'idn-email': ' (e-mail address)', iri: ' (URL)',
  'uri-reference': ' (path)', 'json-pointer': ' (JSON pointer)',
};

/**
 * "array of Partner", "string (UUID) or null".
 * @param {View} view
 * @returns {Child[]}
 */
function typeWords({ name, type, format, items, const: only, choices, isNullable }) {
  const link = name && html`<a href=${schemaAddress(name)}>${name}</a>`;
  const words = choices ? listed(choices.map(typeWords), 'or')
    : only !== undefined ? ['always ', code(only)]
    : items ? ['array of ', typeWords(api.view(items)), link && [' (', link, ')']]
    : type === 'object' && link ? link
    : [type ?? 'any value', formats[format], link && [', ', link]];
  return [words, isNullable && ' or null'];
}

const numbers = new Intl.NumberFormat('en-US');

/**
 * "1 to 200 characters", "At most 51 items"; nothing without limits.
 * @param {number | undefined} least
 * @param {number | undefined} most
 * @param {string} [noun]
 */
function range(least, most, noun = '') {
  const unit = noun && ` ${noun}${(most ?? least) === 1 ? '' : 's'}`;
  // The largest integers of 64 bits limit nothing that people need to know, and have no exact number here.
  const hasEnd = most !== undefined && most <= Number.MAX_SAFE_INTEGER;
  if (least === undefined) return hasEnd && `At most ${numbers.format(most)}${unit}. `;
  if (!hasEnd) return `At least ${numbers.format(least)}${unit}. `;
  return `${least === most ? 'Exactly' : `${numbers.format(least)} to`} ${numbers.format(most)}${unit}. `;
}

/** The most values of an enumeration that stand at each field. */
const mostValues = 16;

/**
 * What a value must be beside its type.
 * @param {View} view
 * @returns {Child[]}
 */
function limits(view) {
  const { enum: values, pattern = '', default: usual, description } = view;
  const isSaid = values?.every((/** @type {string} */ value) => description?.includes(`\`${value}\`: `));
  return [
    values && !isSaid && (values.length > mostValues && view.name
      ? ['One of ', values.length, ' values, such as ', listed(values.slice(0, 3).map(code)), '. ']
      : ['One of ', listed(values.map(code), 'or'), '. ']),
    range(view.minLength, view.maxLength, 'character'), range(view.minimum, view.maximum),
    range(view.minItems, view.maxItems, 'item'), view.uniqueItems && 'No item twice. ',
    range(view.minProperties, undefined, 'field'),
    // Long ones, and those of a format, say less than the words.
    pattern && !view.format && pattern.length < 40 && !pattern.includes('\\') && ['Pattern: ', code(pattern), '. '],
    usual !== undefined && ['Default: ', code(usual), '. '],
    view.items && limits(api.view(view.items)),
  ];
}

// --- Fields ---

/** @typedef {'body' | 'answer'} Use In a body what must be there is marked, in an answer what may be missing. */

/**
 * One field, parameter or header, with the fields that are in it.
 * @param {string} name
 * @param {Schema} schema
 * @param {Use} use
 * @param {boolean} isRequired
 * @param {any} [example]
 * @returns {HTMLElement}
 */
function field(name, schema, use, isRequired, example) {
  const view = api.view(schema);
  const more = html`
    <p class="small muted">${limits(view)}${example !== undefined && ['Example: ', code(example), '.']}</p>`;
  return html`
    <li data-name=${name}>
      <p class="row"><code class="name">${name}</code><span class="small muted">${typeWords(view)}</span>
        ${use === 'body' && isRequired && html`<span class="tag">required</span>`}
        ${use === 'answer' && !isRequired && html`<span class="small muted">may be missing</span>`}
        ${view.readOnly && html`<span class="small muted">read-only, may be sent back unchanged</span>`}</p>
      ${view.description && html`<div class="small">${markdown(view.description)}</div>`}
      ${more.textContent && more}
      ${folded(view, use)}
    </li>`;
}

/**
 * @param {Schema[]} all Parameters or headers.
 * @param {Use} use
 */
const fieldList = (all, use) => html`
  <ul class="plain fields">${all.map(({ name, description, schema, required, example }) =>
    field(name, { ...schema, description }, use, required, use === 'body' ? example : undefined))}</ul>`;

/**
 * The fields of an object, folded: of the value itself, of the items of a list, or of each kind that it can be.
 * @param {View} view
 * @param {Use} use
 * @returns {Child}
 */
function folded(view, use) {
  const { name, properties, items, choices, additionalProperties: others } = view;
  if (choices) return choices.map((/** @type {View} */ one) => folded(one, use));
  if (items) return folded(api.view(items), use);
  return (properties || others) && html`
    <details><summary>${name ? `Fields of ${name}` : 'Its fields'}</summary>${fields(view, use)}</details>`;
}

/**
 * @param {View} view
 * @param {Use} use
 * @returns {HTMLElement}
 */
function fields({ properties = {}, required = [], additionalProperties: others }, use) {
  return html`
    <ul class="plain fields">
      ${Object.entries(properties).map(([name, schema]) => field(name, schema, use, required.includes(name)))}
      ${others && field('any name', others, use, use === 'answer')}
    </ul>`;
}

/**
 * What a schema says, at once: its fields, or the fields of each kind that it can be.
 * @param {View} view
 * @param {Use} use
 * @returns {Child}
 */
function whole(view, use) {
  if (view.properties) return fields(view, use);
  return [view.choices?.map((/** @type {View} */ one) => html`
    <p class="small">${typeWords(one)}: ${inline(one.description ?? '')}</p>`), folded(view, use)];
}

// --- Examples ---

/**
 * JSON whose values can be told from its names.
 * @param {any} value
 */
const colored = (value) => jsonText(value).split(/("(?:\\.|[^"\\])*":?|\b(?:true|false|null)\b|-?\b\d[\d.]*)/)
  .map((part, index) => (index % 2 && !part.endsWith('":') ? html`<span class="value">${part}</span>` : part));

/**
 * @param {string} label
 * @param {Child} text A string can be copied.
 */
function sample(label, text) {
  const content = html`<code>${text}</code>`;
  return html`
    <figure class="sample">
      <figcaption class="spread"><span>${label}</span>${typeof text === 'string' && html`
        <button type="button" class="quiet" onclick=${() => copy(content)}>Copy</button>`}</figcaption>
      <pre tabindex="0">${content}</pre>
    </figure>`;
}

// --- Sections ---

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

const near = new IntersectionObserver((entries) => {
  const sections = entries.filter(({ isIntersecting }) => isIntersecting).map(({ target }) => target);
  build(sections.filter((section) => later.has(section)));
}, { rootMargin: '900px 0px' });

/** The sections at the line where people begin to read. */
const atLine = new Set();
const line = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) atLine[isIntersecting ? 'add' : 'delete'](target);
  showPlace();
}, { rootMargin: '-96px 0px -80% 0px' });

/**
 * @param {string} id
 * @param {Child} title
 * @param {Child} content
 */
const part = (id, title, content) => html`
  <section id=${id} class="stack"><h2><a href=${`#${id}`}>${title}</a></h2>${content}</section>`;

/**
 * @param {string} id
 * @param {Child} title
 * @param {string} kind
 * @param {() => Child} make What it shows later.
 * @param {Child} [head]
 */
function piece(id, title, kind, make, head) {
  const section = html`
    <section id=${id} class=${`${kind} later`}><h3><a href=${`#${id}`}>${title}</a></h3>${head}</section>`;
  later.set(section, make);
  near.observe(section);
  return section;
}

/** @param {string} method */
const badge = (method) => html`<span class=${`method ${method.toLowerCase()}`}>${method}</span>`;

/** @type {Record<string, string>} */
const tokens = { adminToken: 'an admin token', userToken: "a user's token" };

/** @param {Operation} operation */
const operationPiece = (operation) => piece(operation.id, operation.summary, 'operation', () => html`
  <div class="pair">
    <div class="stack">${about(operation)}</div>
    <div class="examples">
      ${api.curl(operation, location.origin).map((text, index) => sample(index ? 'Or' : 'Request', text))}
      ${operation.answers.filter(({ type }) => type === 'application/json').slice(0, 1).map(({ status, schema }) =>
        sample(`Answer ${status}`, colored(api.example(schema))))}
    </div>
  </div>`, html`
  <p>${badge(operation.method)} <code>${operation.path.split(/(?=\/)/).map((step) => [html`<wbr>`, step])}</code></p>`);

/** @param {Operation} operation */
const about = ({ access, description, parameters, body, isBodyRequired, answers, refusals }) => fragment`
  <p class="small">Needs ${access.length === 0 ? 'no token: for everybody' : listed(access.map((scheme) =>
    html`<a href=${`#token-${scheme}`}>${tokens[scheme] ?? scheme}</a>`), 'or')}.</p>
  ${markdown(description)}
  ${Object.entries({ path: 'In the path', query: 'In the query', header: 'Headers' }).map(([place, title]) => {
    const found = parameters.filter((one) => one.in === place);
    return found.length > 0 && html`<section><h4>${title}</h4>${fieldList(found, 'body')}</section>`;
  })}
  ${body && html`
    <section>
      <h4>Body</h4>
      <p class="small">JSON, ${typeWords(api.view(body))}${!isBodyRequired && ', may be left out'}.</p>
      ${whole(api.view(body), 'body')}
    </section>`}
  <section>
    <h4>Answers</h4>
    ${answers.map(({ status, description: words, type, schema, headers, next }) => html`
      <div class="answer" data-status=${status}>
        <p><strong>${status}</strong> ${inline(words)}
          ${schema && html`<span class="small muted"> ${type}, ${typeWords(api.view(schema))}</span>`}</p>
        ${schema && whole(api.view(schema), 'answer')}
        <details><summary>Headers</summary>${fieldList(headers, 'answer')}</details>
        ${next.length > 0 && html`<p class="small">What it gives leads on to ${
          links(api.operations.filter(({ id }) => next.includes(id)))}.</p>`}
      </div>`)}
  </section>
  <section>
    <h4>Errors</h4>
    ${refusals.map((group) => (group.isAlways
      ? html`<details><summary>What every request can be answered with</summary>${refusalList(group)}</details>`
      : refusalList(group)))}
  </section>`;

/** @param {Operation['refusals'][0]} group */
const refusalList = ({ description, isAlways, codes, headers }) => html`
  <div class="refusals small">
    ${description && codes.length > 1 && !isAlways && html`<p>${inline(description)}</p>`}
    <ul class="plain fields">${codes.map((/** @type {any} */ { code: name, status, sentence, example }) => html`
      <li data-code=${name}>
        <p class="row"><strong>${status}</strong><a href=${`#code-${name}`}>${code(name)}</a></p>
        <p>${inline(codes.length > 1 ? sentence : description || sentence)}</p>
        <details><summary>Example</summary><pre tabindex="0">${code(jsonText(example))}</pre></details>
      </li>`)}</ul>
    ${headers.length > 0 && html`<details><summary>Headers</summary>${fieldList(headers, 'answer')}</details>`}
  </div>`;

/** @param {Problem} problem */
const problemPiece = (problem) => piece(`code-${problem.code}`, code(problem.code), 'problem', () => {
  const { name, status, meaning, advice, example, operations } = problem;
  const common = api.named('Problem').properties;
  const own = Object.entries(api.named(name).properties).filter(([key]) => !(key in common));
  return html`
    <div class="pair">
      <div class="stack">
        <p><strong>${status}</strong> ${example.title}.</p>
        <p>${inline(meaning)}</p>
        <p><strong>What to do:</strong> ${inline(advice)}</p>
        ${own.length > 0 && fields({ properties: Object.fromEntries(own) }, 'body')}
        <p class="small">${operations.length === 0 ? 'Every request can be answered with it.'
          : operations.length > 9 ? `${operations.length} requests can be answered with it.`
          : ['An answer to ', links(operations), '.']}</p>
      </div>
      ${sample('Example', colored(example))}
    </div>`;
});

/** @param {string} name */
const schemaPiece = (name) => piece(`schema-${name}`, name, 'schema', () => {
  const view = api.named(name);
  const { properties, required = [], enum: values = [], examples = [], description } = view;
  const isWhole = Object.keys(properties ?? {}).every((one) => required.includes(one));
  return html`
    <div class=${examples.length > 0 && 'pair'}>
      <div class="stack">
        ${description && markdown(description)}
        ${!properties && html`<p class="small muted">${typeWords({ ...view, name: '' })}. ${
          limits({ ...view, name: '' })}</p>`}
        ${whole(view, isWhole ? 'answer' : 'body')}
      </div>
      <div class="examples">${examples.map((/** @type {any} */ one) => sample('Example', colored(one)))}</div>
    </div>`;
});

// --- The page ---

/** @type {{ id: string, title: string, operations: Operation[] }[]} The places of the contents. */
let places = [];

function showDocument() {
  const [begin, ...texts] = api.info.description.split(/^## /m);
  const parts = [
    ...texts.map((text) => {
      const [title] = text.split('\n', 1);
      return part(`about-${idOf(title)}`, title, markdown(text.slice(title.length)));
    }),
    part('about-examples', 'Tokens and examples', fragment`
      <ul>${api.schemes.map(([name, { description }]) => html`
        <li id=${`token-${name}`}><strong>${tokens[name] ?? name}:</strong> ${inline(description)}</li>`)}</ul>
      <p>The examples run in a shell as they are, with your token in ${code('TOKEN')}. Replace the IDs by yours.
        ${code('ETAG')} is the tag of the version that you read. While it is empty, curl leaves ${code('If-Match')} out,
        and the change is unconditional.</p>
      ${sample('Once in each shell', 'export TOKEN=tomi_…')}`),
    ...api.tags.map(({ name, description }) => part(`tag-${idOf(name)}`, name, markdown(description))),
    part('problems', 'Problems', fragment`
      <p>Every error has one of these codes.</p>
      <ul class="columns">${api.problems.map(({ code: name, status }) => html`
        <li><a href=${`#code-${name}`}>${name}</a> <span class="muted">${status}</span></li>`)}</ul>`),
    part('schemas', 'Schemas', fragment`
      <p>The kinds of object and value that requests and answers are made of.</p>
      <ul class="columns">${api.schemas.map((name) => html`<li><a href=${`#schema-${name}`}>${name}</a></li>`)}</ul>`),
  ];
  places = parts.map(({ id, firstChild }) => ({
    id, title: firstChild?.textContent ?? '', operations: api.operations.filter(({ tag }) => id === `tag-${idOf(tag)}`),
  }));
  fill(byID('reference'), html`<section class="stack"><p class="small muted">Version ${api.info.version}</p>${
    markdown(begin)}</section>`, parts.map((one, index) => [one, places[index].operations.map(operationPiece),
    one.id === 'problems' && api.problems.map(problemPiece), one.id === 'schemas' && api.schemas.map(schemaPiece)]));
  for (const section of byID('reference').children) line.observe(section);
}

// --- Contents and search ---

const search = /** @type {HTMLInputElement} */ (html`
  <input id="search" type="search" autocomplete="off" spellcheck="false" placeholder="Path, field, code or heading"
    oninput=${showContents} onkeydown=${(/** @type {KeyboardEvent} */ { key }) => {
      if (key === 'Enter' && search.value) /** @type {HTMLElement | null} */ (list.querySelector('li li a'))?.click();
    }}>`);
const found = html`<p class="small muted" role="status"></p>`;
const list = html`<ul class="plain" onclick=${() => (foldable.open = wide.matches)}></ul>`;
const foldable = /** @type {HTMLDetailsElement} */ (html`<details><summary>Contents</summary>${list}</details>`);
const wide = matchMedia('(min-width: 900px)');
const unfold = () => (foldable.open = wide.matches || search.value !== '');
wide.addEventListener('change', unfold);
fill(byID('contents'), html`<label for="search">Search</label>`, search, found, foldable);
unfold();

/**
 * The names of the fields and codes of each operation, found at the first search.
 * @type {Map<Operation, string[]>}
 */
const names = new Map();

/** @param {Operation} operation */
function findNames({ parameters, body, answers, refusals }) {
  const all = new Set(parameters.map(({ name }) => name));
  for (const schema of [body, ...answers.map((answer) => answer.schema)]) if (schema) api.addFields(schema, all);
  for (const { isAlways, codes } of refusals) {
    for (const { status, code: name } of isAlways ? [] : codes) all.add(`${status} ${name}`);
  }
  return [...all];
}

function showContents() {
  const words = search.value.split(/\s+/).filter(Boolean)
    .map((word) => new RegExp(`(?<![a-z0-9])${word.replace(/\W/g, '\\$&')}`, 'i'));
  if (words.length && !names.size) for (const one of api.operations) names.set(one, findNames(one));
  let number = 0, headings = 0;
  fill(list, places.map(({ id, title, operations }) => {
    const shown = operations.flatMap((operation) => {
      const head = `${operation.id} ${operation.method} ${operation.path} ${operation.summary}`;
      // What the head does not have, one field or code has.
      const others = words.filter((word) => !word.test(head));
      const because = others.length > 0 &&
        names.get(operation)?.find((name) => others.every((word) => word.test(name)));
      return others.length === 0 || because ? [html`
        <li><a href=${`#${operation.id}`}>${badge(operation.method)}<span>${operation.summary}
          ${because && [html`<br>`, html`<code class="muted">${because}</code>`]}</span></a></li>`] : [];
    });
    number += shown.length;
    const has = (/** @type {string} */ text) => words.every((word) => word.test(text));
    const codes = id !== 'problems' || !words.length ? []
      : api.problems.filter(({ code: name, status }) => has(`${status} ${name}`));
    headings += words.length && has(title) ? 1 : 0;
    headings += codes.length;
    return (shown.length > 0 || codes.length > 0 || has(title)) && html`
      <li><a href=${`#${id}`}>${title}</a>${shown.length > 0 && html`<ul class="plain">${shown}</ul>`}
        ${codes.length > 0 && html`<ul class="plain codes">${codes.map(({ code: name, status }) => html`
          <li><a href=${`#code-${name}`}><span class="method">${status}</span><span>${name}</span></a></li>`)}</ul>`}
      </li>`;
  }));
  found.textContent = !words.length ? '' : number || headings ? `${number} of ${api.operations.length} operations`
    : 'No operation has that. Try one word of a path, a field or an error code.';
  unfold();
  showPlace();
}

/** Marks in the contents where the reader is. */
function showPlace() {
  const id = [...byID('reference').children].find((section) => atLine.has(section))?.id ?? '';
  const place = id.startsWith('code-') ? 'problems' : id.startsWith('schema-') ? 'schemas' : id;
  for (const link of list.querySelectorAll('[aria-current]')) link.removeAttribute('aria-current');
  const link = list.querySelector(`a[href="#${place}"]`);
  if (!link) return;
  link.setAttribute('aria-current', 'true');
  // Not scrollIntoView: that could scroll the page, too.
  const contents = byID('contents');
  const [one, box] = [link.getBoundingClientRect(), contents.getBoundingClientRect()];
  if (one.top < box.top || one.bottom > box.bottom) contents.scrollTop += one.top - box.top - box.height / 3;
}

/**
 * Goes to the next place of the contents, or the one before.
 * @param {number} step
 */
function move(step) {
  const all = [...list.querySelectorAll('a')];
  const next = all[all.findIndex((link) => link.hasAttribute('aria-current')) + step];
  if (!(next instanceof HTMLAnchorElement)) return;
  location.replace(next.hash);
  byID(next.hash.slice(1)).querySelector('a')?.focus({ preventScroll: true });
}

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
  const { key, target, altKey, ctrlKey, metaKey } = event;
  // The browser's own search finds only what is built.
  if (key === 'f' && (ctrlKey || metaKey)) build([...later.keys()]);
  if (!keys[key] || altKey || ctrlKey || metaKey || /** @type {Element} */ (target).matches('input, select')) return;
  event.preventDefault();
  keys[key]();
});

/** @type {Element[]} What is open on paper alone. */
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
    api = readOpenAPI((await get('/api/openapi.json')).data);
  } catch (error) {
    return show(error, byID('reference'), load);
  }
  showDocument();
  showContents();
  // The browser looked for the place before there was any.
  document.getElementById(location.hash.slice(1))?.scrollIntoView();
}

load();
await start();
