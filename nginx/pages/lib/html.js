/**
 * Builds elements from template literals. Text and attributes are set as data, never parsed, so nothing that a value
 * holds can become markup. No string is ever given to the browser's own parser: the pages' Trusted Types forbid it.
 * @module
 */

/** @typedef {string | number | boolean | null | undefined | Node | Iterable<any>} Child */
/** @typedef {(event: any) => void} Handler */
/** @typedef {{ name: string, parts: (string | number)[] }} Attribute */
/** @typedef {{ tag: string, attributes: Attribute[], children: Part[] }} Element_ */
/** @typedef {Element_ | string | number} Part Of a template: an element, a text, or the index of a value. */

const empty = new Set(['br', 'col', 'hr', 'img', 'input', 'wbr']);
const svg = 'http://www.w3.org/2000/svg';
/** @type {WeakMap<TemplateStringsArray, Part[]>} */
const parsed = new WeakMap();

/**
 * One element from a template: `` html`<p class="note">${text}</p>` ``.
 *
 * A value between tags is a text, a number, a node, or a list of these; null, undefined and booleans are nothing. As an
 * attribute's value, false, null and undefined leave the attribute out, and true gives it no value. `onclick=${f}` adds
 * a listener. Every element is closed, as `<path d="…" />` too; but br, col, hr, img, input and wbr need not be.
 *
 * @param {TemplateStringsArray} strings
 * @param {...(Child | Handler)} values
 * @returns {HTMLElement}
 * @throws {Error} if the template is malformed, or is not exactly one element.
 */
export function html(strings, ...values) {
  const nodes = [...fragment(strings, ...values).childNodes];
  const [element, ...others] = nodes.filter((node) => node.nodeType !== Node.TEXT_NODE || node.textContent?.trim());
  if (!(element instanceof Element) || others.length) throw new Error(`Not one element: ${strings.join('…')}`);
  return /** @type {HTMLElement} */ (element);
}

/**
 * Any number of nodes from a template, as {@link html}.
 * @param {TemplateStringsArray} strings
 * @param {...(Child | Handler)} values
 * @returns {DocumentFragment}
 */
export function fragment(strings, ...values) {
  let parts = parsed.get(strings);
  if (!parts) parsed.set(strings, (parts = parse(strings)));
  const result = document.createDocumentFragment();
  build(result, parts, values, false);
  return result;
}

/**
 * Replaces what is in an element.
 * @param {Element} element
 * @param {...Child} children
 */
export function fill(element, ...children) {
  const content = document.createDocumentFragment();
  append(content, children);
  element.replaceChildren(content);
}

/**
 * The element with an ID. Every page knows its own, so that one that is missing is a mistake of the page.
 * @param {string} id
 * @returns {HTMLElement}
 */
export function byID(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`There is no element with the ID ${id}.`);
  return element;
}

/**
 * @param {Node} parent
 * @param {Child | Handler} child
 */
function append(parent, child) {
  if (child === null || child === undefined || typeof child === 'boolean') return;
  if (child instanceof Node) parent.appendChild(child);
  else if (typeof child === 'string' || typeof child === 'number') parent.appendChild(new Text(String(child)));
  else if (typeof child === 'function') throw new Error('A function stands between tags.');
  else for (const one of child) append(parent, one);
}

/**
 * @param {Node} parent
 * @param {Part[]} parts
 * @param {(Child | Handler)[]} values
 * @param {boolean} inSVG
 */
function build(parent, parts, values, inSVG) {
  for (const part of parts) {
    if (typeof part === 'string') parent.appendChild(new Text(part));
    else if (typeof part === 'number') append(parent, values[part]);
    else {
      const isSVG = inSVG || part.tag === 'svg';
      const element = isSVG ? document.createElementNS(svg, part.tag) : document.createElement(part.tag);
      for (const attribute of part.attributes) set(element, attribute, values);
      build(element, part.children, values, isSVG);
      parent.appendChild(element);
    }
  }
}

/**
 * @param {Element} element
 * @param {Attribute} attribute
 * @param {(Child | Handler)[]} values
 */
function set(element, { name, parts }, values) {
  const [first] = parts;
  const only = parts.length === 1 && typeof first === 'number' ? values[first] : undefined;
  if (name.startsWith('on')) {
    if (typeof only !== 'function') throw new Error(`${name} is not a function.`);
    element.addEventListener(name.slice(2), only);
    return;
  }
  if (parts.length === 1 && typeof first === 'number') {
    if (only === false || only === null || only === undefined) return;
    if (only === true) return element.setAttribute(name, '');
  }
  const text = parts.map((part) => (typeof part === 'number' ? values[part] : part)).join('');
  // Addresses come from people. One with another scheme, such as "javascript:", is left out.
  if (name === 'href' && !/^(https?:|mailto:|tel:|[/?#])/i.test(text)) return;
  element.setAttribute(name, text);
}

/**
 * @param {readonly string[]} strings
 * @returns {Part[]}
 */
function parse(strings) {
  /** @type {Element_} */
  const root = { tag: '', attributes: [], children: [] };
  const stack = [root];
  /** @type {Element_ | null} The element whose tag is being read. */
  let open = null;
  /** @type {{ attribute: Attribute, quote: string } | null} The attribute whose quoted value is being read. */
  let value = null;
  const fail = () => new Error(`Malformed template: ${strings.join('${…}')}`);
  strings.forEach((text, index) => {
    let at = 0;
    /** @param {RegExp} pattern Sticky. */
    const take = (pattern) => {
      pattern.lastIndex = at;
      const match = pattern.exec(text);
      if (match) at = pattern.lastIndex;
      return match;
    };
    while (at < text.length) {
      const parent = stack[stack.length - 1];
      let match;
      if (value) {
        const end = text.indexOf(value.quote, at);
        const part = text.slice(at, end < 0 ? undefined : end);
        if (part) value.attribute.parts.push(part);
        at = end < 0 ? text.length : end + 1;
        if (end >= 0) value = null;
      } else if (open) {
        if (take(/\s+/y)) continue;
        if ((match = take(/\/?>/y))) {
          if (match[0] === '>' && !empty.has(open.tag)) stack.push(open);
          open = null;
        } else if ((match = take(/([a-zA-Z][\w:-]*)(?:=(["']?))?/y))) {
          const attribute = { name: match[1], parts: /** @type {(string | number)[]} */ ([]) };
          open.attributes.push(attribute);
          if (match[2]) value = { attribute, quote: match[2] };
          else if (match[0].endsWith('=')) {
            // Only a value of the template may stand without quotation marks.
            if (at < text.length || index + 1 === strings.length) throw fail();
            attribute.parts.push(index);
          }
        } else throw fail();
      } else if ((match = take(/<\/([\w-]+)>/y))) {
        if (stack.pop()?.tag !== match[1] || !stack.length) throw fail();
      } else if ((match = take(/<([a-zA-Z][\w-]*)/y))) {
        open = { tag: match[1], attributes: [], children: [] };
        parent.children.push(open);
      } else if ((match = take(/[^<]+/y))) {
        // Space with a line break between tags is layout of the source, as in JSX.
        const words = match[0].replace(/^\s*\n\s*|\s*\n\s*$/g, '').replace(/\s+/g, ' ');
        if (words) parent.children.push(words);
      } else throw fail();
    }
    if (index + 1 === strings.length) return;
    if (value) value.attribute.parts.push(index);
    else if (!open) stack[stack.length - 1].children.push(index);
    else {
      const last = open.attributes[open.attributes.length - 1];
      if (last?.parts[0] !== index) throw fail();
    }
  });
  if (stack.length > 1 || open || value) throw fail();
  return root.children;
}
