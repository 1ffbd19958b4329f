/**
 * The OpenAPI document as the reference shows it: references resolved, `allOf` joined, examples for what has none, and
 * requests as curl.
 * @module
 */
import { itemsOf } from './markdown.js';

/** @typedef {Record<string, any>} Schema As it stands in the document. */

/**
 * @typedef {object} ViewMembers
 * @property {string} [name] Of the schema in the document.
 * @property {boolean} [isNullable]
 * @property {View[]} [choices] The kinds of value, where there are several beside null.
 * @property {Record<string, Schema>} [properties]
 */
/** @typedef {Schema & ViewMembers} View A schema without `$ref` and `allOf`, and with null apart. */

/** @typedef {{ name: string, in: string, description: string, required?: boolean, schema: Schema, example?: any }} Parameter */
/** @typedef {{ status: string, description: string, headers: [name: string, header: Schema][], schema: Schema | null,
 *   type: string, next: string[] }} Answer `next` are the operations that take something of it. */
/** @typedef {{ code: string, status: string, sentence: string, example: any }} Refusal */
/** @typedef {{ description: string, isAlways: boolean, refusals: Refusal[] }} Refusals Of one status, or of every
 *   operation. */

/**
 * @typedef {object} Operation
 * @property {string} id
 * @property {string} method
 * @property {string} path
 * @property {string} tag
 * @property {string} summary
 * @property {string} description
 * @property {string[]} access The kinds of token, of which one is needed; none where anyone may.
 * @property {Parameter[]} parameters
 * @property {{ isRequired: boolean, schema: Schema } | null} body
 * @property {Answer[]} answers
 * @property {Refusals[]} refusals
 */

/** @typedef {{ code: string, schema: string, statuses: string[], title: string, meaning: string, advice: string,
 *   example: any, own: [name: string, schema: Schema][], operations: Operation[] }} Problem */

const problemType = 'application/problem+json';

/**
 * What to do about a problem, by its code.
 * @type {Record<string, string>}
 */
const advice = {
  malformed_json: 'Correct the body. Most libraries can write JSON for you.',
  invalid_parameter: 'Correct what `errors` names. A cursor fits only the filters and the sort that it came with.',
  bad_request: 'Correct the request line or the headers. The web server could not read them.',
  unauthenticated: 'Get a new token, and send it as `Authorization: Bearer`. The same token will not do.',
  forbidden: 'Use a token that may do this.',
  not_found: 'Check the path and the ID, and whether the token is the right one.',
  method_not_allowed: 'Use one of the methods in the header `Allow`.',
  transition_not_allowed: 'Read the resource again, and choose one of the statuses in `allowed`.',
  partner_not_ready: 'Set the fields in `missing`, and try again.',
  partner_exists: 'Look for the partner that has the address, and use it, or give another address.',
  user_already_linked: 'Take the user off the other partner first, or link another user.',
  partner_has_referrals: 'Create another partner of the new type.',
  credential_exists: 'Change the credential that is there.',
  credential_verified: 'Ask staff to change it, or add another credential.',
  partner_not_eligible: 'Read `reasons`, and choose another partner from the candidates.',
  partner_already_introduced: 'Return the request to `pending` first, then match another partner.',
  referral_closed: 'Reopen the request first.',
  contact_missing: 'Set `contact_id` to a member of the group who is not disabled.',
  consent_missing: 'Ask for consent, and set `consent_version`.',
  referral_not_pending: 'Return the request to `pending` first.',
  referral_already_open: 'Use the request at the path in `existing`, or cancel it first.',
  outcome_not_possible: 'Record the outcome after the introduction.',
  no_active_partner: 'Pin another status, or activate a partner that serves the state.',
  already_available: 'Show the partners in the directory instead of the waiting list.',
  not_resendable: 'Let the person ask for a new letter, or write to them yourself.',
  message_not_queued: 'Nothing. The message is gone already, or will not be sent.',
  no_pending_changes: 'Read the partner again. Somebody may have reviewed the changes.',
  email_taken: 'Look for the user who has the address, or give another address.',
  user_erased: 'Use another ID for a new account.',
  partner_erased: 'Create a new partner.',
  user_is_staff: 'Use the command line on the server.',
  code_expired: 'Ask for a new letter.',
  precondition_failed: 'Read the resource again, make the change to what it is now, and send the new `ETag`.',
  too_large: 'Send less.',
  uri_too_long: 'Send fewer or shorter parameters.',
  unsupported_media_type: 'Send JSON with `Content-Type: application/json`, not compressed.',
  validation: 'Correct the fields that `errors` names, all at once. What else you sent was good.',
  idempotency_key_reused: 'Use a new key for a new request.',
  quota_exceeded: 'Wait for as many seconds as `Retry-After` says. It can be hours.',
  rate_limited: 'Wait for as many seconds as `Retry-After` says, and send less at a time.',
  internal: 'Try again later. If it lasts, tell us the `request_id`.',
  unavailable: 'Repeat the request after `Retry-After` seconds, a POST with the same `Idempotency-Key`.',
};

/** Values for what has no example in the document, by format or type. */
const samples = {
  uuid: '019ab4c0-5a6b-7c8d-8e9f-a0b1c2d3e4f5', date: '2026-11-22', 'date-time': '2026-11-22T14:30:28.123Z',
  'idn-email': 'lee@example.com', iri: 'https://example.com', string: '…', boolean: false, object: {},
};

/** One document. */
export class OpenAPI {
  #document;
  /** @type {WeakMap<Schema, View>} */ #views = new WeakMap();
  /** @type {any[] | undefined} */ #objects;

  /** @param {Record<string, any>} document As it is parsed. */
  constructor(document) {
    this.#document = document;
    /** @type {{ name: string, description: string }[]} */
    this.tags = document.tags;
    /** @type {[name: string, scheme: { description: string }][]} */
    this.schemes = Object.entries(document.components.securitySchemes);
    /** @type {{ version: string, description: string }} */
    this.info = document.info;
    /** @type {Operation[]} */
    this.operations = Object.entries(document.paths).flatMap(([path, item]) =>
      Object.entries(item).map(([method, operation]) => this.#operation(method.toUpperCase(), path, operation)));
    const schemas = Object.keys(document.components.schemas);
    /** @type {Map<string, Problem>} By the name of the schema. */
    this.problems = new Map(schemas.filter((name) => this.#raw(name).properties?.code?.const)
      .map((name) => [name, this.#problem(name)]));
    this.schemas = schemas.filter((name) => !this.problems.has(name));
  }

  /** @param {string} name */
  #raw = (name) => this.#document.components.schemas[name];

  /**
   * @param {Schema} thing
   * @returns {Schema} What its reference points to.
   */
  #resolve(thing) {
    if (!thing.$ref) return thing;
    const { $ref, ...own } = thing;
    /** @type {any} */
    let target = this.#document;
    for (const key of $ref.slice(2).split('/')) target = target[key];
    return { ...this.#resolve(target), ...own };
  }

  /**
   * A schema in the form in which it is shown.
   * @param {Schema} schema
   * @returns {View}
   */
  view(schema) {
    const known = this.#views.get(schema);
    if (known) return known;
    const { $ref, allOf = [], oneOf, anyOf, ...own } = schema;
    /** @type {View} */
    let view = {};
    if ($ref) {
      const name = $ref.split('/').pop();
      view = { ...this.view(this.#raw(name)), name };
    }
    for (const part of allOf) view = join(view, { ...this.view(part), name: undefined });
    view = join(view, own);
    const choices = oneOf ?? anyOf;
    if (choices) {
      const all = choices.map((/** @type {Schema} */ one) => this.view(one));
      // An empty text is another way to write null.
      const real = all.filter((/** @type {View} */ { type, const: only }) => type !== 'null' && only !== '');
      if (real.length === 1) view = { ...real[0], ...view, name: real[0].name ?? view.name };
      else view.choices = real;
      if (real.length < all.length) view.isNullable = true;
    }
    if (Array.isArray(view.type)) {
      view.isNullable = view.type.includes('null');
      view.type = view.type.find((type) => type !== 'null');
    }
    this.#views.set(schema, view);
    return view;
  }

  /**
   * The schema of a name in the form in which it is shown.
   * @param {string} name
   */
  named = (name) => this.view({ $ref: `#/components/schemas/${name}` });

  /**
   * @param {string} method
   * @param {string} path
   * @param {any} operation
   * @returns {Operation}
   */
  #operation(method, path, operation) {
    const { operationId: id, summary, description = '', tags: [tag], requestBody, responses } = operation;
    /** @type {[status: string, answer: Schema][]} */
    const all = Object.entries(responses).map(([status, answer]) => [status, this.#resolve(answer)]);
    return {
      id, method, path, tag, summary, description,
      access: (operation.security ?? this.#document.security).flatMap(Object.keys),
      parameters: (operation.parameters ?? []).map((/** @type {Schema} */ one) => this.#resolve(one)),
      body: requestBody
        ? { isRequired: requestBody.required, schema: requestBody.content['application/json'].schema } : null,
      answers: all.filter(([, { content }]) => !content?.[problemType]).map(([status, answer]) => {
        const [[type, { schema }] = ['', { schema: null }]] = Object.entries(answer.content ?? {});
        const headers = Object.entries(answer.headers ?? {});
        return {
          status, type, schema, description: answer.description, next: Object.keys(answer.links ?? {}),
          headers: headers.map(([name, header]) => [name, this.#resolve(header)]),
        };
      }),
      refusals: all.filter(([, { content }]) => content?.[problemType]).map(([status, answer]) => {
        const { schema } = answer.content[problemType];
        const { prose, items } = itemsOf(answer.description);
        return {
          isAlways: status === 'default',
          description: prose,
          refusals: (schema.oneOf ?? [schema]).map((/** @type {Schema} */ one) => {
            const { properties, examples: [example] } = this.#resolve(one);
            const code = properties.code.const;
            const sentence = sentenceOf(items, code) || `${example.title}.`;
            return { code, status: statuses(properties).join(', '), sentence, example };
          }),
        };
      }),
    };
  }

  /**
   * @param {string} name
   * @returns {Problem}
   */
  #problem(name) {
    const { properties, examples: [example] } = this.#raw(name);
    const { code: { const: code } } = properties;
    const common = Object.values(this.#document.components.responses)
      .filter(({ content }) => content?.[problemType] && JSON.stringify(content).includes(`/${name}"`));
    const [said = example.detail] = common.map(({ description }) => {
      const { prose, items } = itemsOf(description);
      return sentenceOf(items, code) || prose;
    });
    return {
      code, schema: name, statuses: statuses(properties), title: example.title, meaning: said, example,
      advice: advice[code] ?? '',
      own: Object.entries(properties).filter(([key]) => !['type', 'status', 'code'].includes(key))
        .map(([key, schema]) => [key, /** @type {Schema} */ (schema)]),
      operations: this.operations.filter(({ refusals }) =>
        refusals.some((one) => !one.isAlways && one.refusals.some((refusal) => refusal.code === code))),
    };
  }

  /**
   * The names of all fields in a schema, at any depth.
   * @param {Schema} schema
   * @param {Set<string>} [names] Where they are added.
   */
  fields(schema, names = new Set()) {
    const { properties = {}, items, additionalProperties: others, choices = [] } = this.view(schema);
    for (const [name, field] of Object.entries(properties)) {
      names.add(name);
      this.fields(field, names);
    }
    for (const one of [items, others, ...choices]) if (one) this.fields(one, names);
    return names;
  }

  /**
   * An example of what fits a schema: one of the document, else what another has for the same fields, else one of its
   * kind.
   * @param {Schema} schema
   * @returns {any}
   */
  example(schema) {
    const { examples, const: only, default: usual, enum: values, choices, type, format, items, properties, minimum,
      isNullable } = this.view(schema);
    if (examples) return examples[0];
    if (only !== undefined) return only;
    if (choices) return this.example(choices[0]);
    if (type === 'array') return [this.example(items)];
    if (properties) {
      const names = Object.keys(properties);
      const other = this.#likeliest(names);
      return Object.fromEntries(names.map((name) => {
        const { properties: inner, items: one } = this.view(properties[name]);
        const isPlain = !inner && !(one && this.view(one).properties);
        return [name, isPlain && name in other ? other[name] : this.example(properties[name])];
      }));
    }
    if (values) return usual ?? values[0];
    if (isNullable) return null;
    return samples[/** @type {'string'} */ (format)] ?? samples[/** @type {'string'} */ (type)] ?? minimum ?? 1;
  }

  /**
   * The object of the document's examples that has most of these fields, and the fewest others.
   * @param {string[]} names
   */
  #likeliest(names) {
    this.#objects ??= objectsIn(Object.values(this.#document.components.schemas).flatMap(({ examples = [] }) => examples))
      .sort((a, b) => Object.keys(a).length - Object.keys(b).length);
    const shared = (/** @type {object} */ one) => names.filter((name) => name in one).length;
    return this.#objects.reduce((best, one) => (shared(one) > shared(best) ? one : best), {});
  }

  /**
   * Requests as curl: one for each example of the body, or one alone.
   * @param {Operation} operation
   * @param {string} origin
   * @returns {string[]}
   */
  curl({ method, path, access, parameters, body }, origin) {
    const of = (/** @type {string} */ place) => parameters.filter((one) => one.in === place);
    const target = path.replace(/{(\w+)}/g, (_, name) => of('path').find((one) => one.name === name)?.example);
    const required = of('query').filter((one) => one.required);
    const chosen = required.length ? required : of('query').filter(({ example }) => example !== undefined).slice(0, 2);
    const query = chosen.map(({ name, example }) => `${name}=${encodeURIComponent(example).replaceAll('%2C', ',')}`);
    const lines = [`curl ${method === 'GET' ? '' : `-X ${method} `}'${origin}${target}${
      query.length ? `?${query.join('&')}` : ''}'`];
    if (access.length) lines.push('-H "Authorization: Bearer $TOKEN"');
    const headers = of('header').map(({ name }) => name);
    if (headers.includes('If-Match')) lines.push('-H "If-Match: $ETAG"');
    if (headers.includes('Idempotency-Key') && access.length) lines.push('-H "Idempotency-Key: $(uuidgen)"');
    if (!body) return [lines.join(' \\\n  ')];
    lines.push("-H 'Content-Type: application/json'");
    return this.view(body.schema).examples.map((/** @type {any} */ example) =>
      [...lines, `-d '${jsonText(example).replaceAll("'", "'\\''")}'`].join(' \\\n  '));
  }
}

/**
 * @param {Record<string, Schema>} properties Of a problem.
 * @returns {string[]}
 */
const statuses = ({ status }) => (status.enum ?? [status.const]).map(String);

/**
 * What a description says about a code, in one place or several.
 * @param {import('./markdown.js').Item[]} items
 * @param {string} code
 */
const sentenceOf = (items, code) => items.filter((item) => item.code === code).map(({ text }) => text).join(' ');

/**
 * What two schemas say together.
 * @param {View} one
 * @param {View} other
 * @returns {View}
 */
function join(one, other) {
  const properties = { ...one.properties };
  for (const [name, field] of Object.entries(other.properties ?? {})) {
    properties[name] = properties[name] ? { allOf: [properties[name], field] } : field;
  }
  const required = [...(one.required ?? []), ...(other.required ?? [])];
  return { ...one, ...other, ...(one.properties || other.properties ? { properties, required } : {}) };
}

/**
 * @param {any} value
 * @returns {any[]} All objects in it.
 */
function objectsIn(value) {
  if (value === null || typeof value !== 'object') return [];
  const inner = Object.values(value).flatMap(objectsIn);
  return Array.isArray(value) ? inner : [value, ...inner];
}

/**
 * JSON for people: what is short stands on one line.
 * @param {any} value
 * @param {string} [indent]
 * @returns {string}
 */
export function jsonText(value, indent = '') {
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  const isList = Array.isArray(value);
  const deeper = `${indent}  `;
  const parts = isList ? value.map((item) => jsonText(item, deeper))
    : Object.entries(value).map(([name, item]) => `${JSON.stringify(name)}: ${jsonText(item, deeper)}`);
  const line = parts.join(', ');
  const [open, close] = isList ? '[]' : '{}';
  if (line.length < 60 && !line.includes('\n')) return `${open}${line}${close}`;
  return `${open}\n${parts.map((part) => deeper + part).join(',\n')}\n${indent}${close}`;
}
