/**
 * The OpenAPI document as the reference shows it: references resolved, `allOf` joined, examples for what has none, and
 * requests as curl.
 * @module
 */
import { itemsOf } from './markdown.js';

/** @typedef {Record<string, any>} Schema As it stands in the document. */
/** @typedef {Schema} View A schema without `$ref` and `allOf`, with the members `name`, `isNullable` and `choices`. */
/** @typedef {ReturnType<typeof readOpenAPI>} OpenAPI */
/** @typedef {OpenAPI['operations'][0]} Operation */
/** @typedef {OpenAPI['problems'][0]} Problem */

const problemType = 'application/problem+json';

/**
 * What to do about a problem, by its code, where the last sentence of its example does not say so.
 * @type {Record<string, string>}
 */
const advice = {
  malformed_json: 'Correct the body.',
  invalid_parameter: 'Correct what `errors` names. A cursor fits only the filters and the sort that it came with.',
  bad_request: 'Correct the request line or the headers.',
  forbidden: 'Use a token that may do this.',
  not_found: 'Check the path, the ID, and whether the token is the right one.',
  method_not_allowed: 'Use one of the methods in the header `Allow`.',
  transition_not_allowed: 'Read the resource again, and choose one of the statuses in `allowed`.',
  partner_not_ready: 'Set the fields in `missing`, and try again.',
  partner_exists: 'Use the partner that has the address, or give another address.',
  user_already_linked: 'Take the user off the other partner first.',
  partner_has_referrals: 'Create another partner of the new type.',
  credential_exists: 'Change the credential that is there.',
  credential_verified: 'Ask staff to change it, or add another one.',
  partner_not_eligible: 'Read `reasons`, and choose another candidate.',
  referral_closed: 'Reopen the request first.',
  contact_missing: 'Set `contact_id` to a member of the group who is not disabled.',
  consent_missing: 'Ask for consent, and set `consent_version`.',
  referral_not_pending: 'Return the request to `pending` first.',
  referral_already_open: 'Use the request at the path in `existing`, or cancel it first.',
  no_active_partner: 'Pin another status, or activate a partner that serves the state.',
  already_available: 'Show the directory instead of the waiting list.',
  not_resendable: 'Let the person ask for a new letter, or write to them yourself.',
  message_not_queued: 'Nothing. The message was sent, or will not be.',
  no_pending_changes: 'Read the partner again. Somebody may have reviewed the changes.',
  email_taken: 'Use the user who has the address, or give another address.',
  too_large: 'Send less.',
  uri_too_long: 'Send fewer or shorter parameters.',
  validation: 'Correct all fields that `errors` names.',
  internal: 'Try again later. If it lasts, tell us the `request_id`.',
  unavailable: 'Wait for as many seconds as `Retry-After` says, and repeat it, a POST with the same `Idempotency-Key`.',
};

/** @param {any} document As it is parsed. */
export function readOpenAPI({ info, tags, paths, security, components }) {
  /** @type {Record<string, Schema>} */
  const schemas = components.schemas;

  /**
   * @param {Schema} thing
   * @returns {Schema} What its reference points to, with what stands beside the reference.
   */
  function resolve({ $ref, ...own }) {
    const [, , kind, name] = $ref?.split('/') ?? [];
    return kind ? { ...resolve(components[kind][name]), ...own } : own;
  }

  /** @type {WeakMap<Schema, View>} */
  const views = new WeakMap();

  /**
   * A schema in the form in which it is shown.
   * @param {Schema} schema
   * @returns {View}
   */
  function view(schema) {
    const known = views.get(schema);
    if (known) return known;
    const { $ref, allOf = [], oneOf, anyOf, ...own } = schema;
    const name = $ref?.split('/').pop();
    /** @type {View} */
    let result = name ? { ...view(schemas[name]), name } : {};
    for (const part of allOf) result = join(result, { ...view(part), name });
    result = join(result, own);
    /** @type {View[] | undefined} */
    const all = (oneOf ?? anyOf)?.map(view);
    if (all) {
      // An empty text is another way to write null.
      const choices = all.filter(({ type, const: only }) => type !== 'null' && only !== '');
      if (choices.length === 1) result = { ...choices[0], ...result, name: choices[0].name ?? name };
      else result.choices = choices;
      result.isNullable ||= choices.length < all.length;
    }
    if (Array.isArray(result.type)) {
      result.isNullable = true;
      result.type = result.type.find((one) => one !== 'null');
    }
    views.set(schema, result);
    return result;
  }

  /**
   * The names of all fields in a schema, at any depth.
   * @param {Schema} schema
   * @param {Set<string>} names Where they are added.
   */
  function addFields(schema, names) {
    const { properties = {}, items, additionalProperties: others, choices = [] } = view(schema);
    for (const name of Object.keys(properties)) names.add(name);
    for (const one of [...Object.values(properties), items, others, ...choices]) if (one) addFields(one, names);
  }

  /** @param {Schema} answer */
  const headersOf = ({ headers = {} }) => Object.entries(headers).map(([name, one]) => ({ name, ...resolve(one) }));

  const operations = Object.entries(paths).flatMap(([path, item]) => Object.entries(item).map(([method, one]) => {
    /** @type {Schema[]} */
    const answers = Object.entries(one.responses).map(([status, answer]) => ({ ...resolve(answer), status }));
    return {
      method: method.toUpperCase(), path, tag: one.tags[0],
      id: String(one.operationId), summary: String(one.summary), description: String(one.description ?? ''),
      /** @type {string[]} The kinds of token, of which one is needed; none where anyone may. */
      access: (one.security ?? security).flatMap(Object.keys),
      /** @type {Schema[]} */
      parameters: (one.parameters ?? []).map(resolve),
      isBodyRequired: one.requestBody?.required,
      /** @type {Schema | undefined} */
      body: one.requestBody?.content['application/json'].schema,
      answers: answers.filter(({ content }) => !content?.[problemType])
        .map((answer) => {
          const { status, description, content = {}, links = {} } = answer;
          const [type = ''] = Object.keys(content);
          const schema = content[type]?.schema;
          return { status, description, type, schema, next: Object.keys(links), headers: headersOf(answer) };
        }),
      refusals: answers.flatMap((answer) => {
        const schema = answer.content?.[problemType]?.schema;
        const { prose, items } = itemsOf(answer.description);
        return schema ? [{ isAlways: answer.status === 'default', description: prose,
          // Every answer has the other two.
          headers: headersOf(answer).filter(({ name }) => !['Cache-Control', 'X-Request-Id'].includes(name)),
          codes: (schema.oneOf ?? [schema]).map((/** @type {Schema} */ problem) => {
            const { properties, examples: [example] } = resolve(problem);
            const code = String(properties.code.const);
            return { code, example, status: statuses(properties), sentence: said(items, code) || `${example.title}.` };
          }) }] : [];
      }),
    };
  }));

  const problems = Object.entries(schemas).filter(([, { properties }]) => properties?.code?.const)
    .map(([name, { properties, examples: [example] }]) => {
      const code = String(properties.code.const);
      // What one operation says of a code may not hold for others. What several share does.
      const shared = Object.values(components.responses).find(({ content }) =>
        JSON.stringify(content?.[problemType] ?? '').includes(`/${name}"`));
      const { prose, items } = itemsOf(shared?.description ?? example.detail);
      return {
        name, code, example, status: statuses(properties), meaning: said(items, code) || prose,
        advice: advice[code] ?? example.detail.split(/(?<=\.) /).pop(),
        operations: operations.filter(({ refusals }) => refusals.some(({ isAlways, codes }) =>
          !isAlways && codes.some((/** @type {{ code: string }} */ one) => one.code === code))),
      };
    });

  /** @type {object[]} */
  const objects = objectsIn(Object.values(schemas).flatMap(({ examples = [] }) => examples))
    .sort((a, b) => Object.keys(a).length - Object.keys(b).length);

  /**
   * An example of what fits a schema: one of the document, else what the most similar one has for the same fields, else
   * one of its kind.
   * @param {Schema} schema
   * @returns {any}
   */
  function example(schema) {
    const { examples, const: only, choices, type, items, properties, enum: values, isNullable } = view(schema);
    if (examples) return examples[0];
    if (only !== undefined) return only;
    if (choices) return example(choices[0]);
    if (items) return [example(items)];
    if (!properties) return values ? values[0] : isNullable ? null : type === 'object' ? {} : '…';
    const names = Object.keys(properties);
    const shared = (/** @type {object} */ one) => names.filter((name) => name in one).length;
    /** @type {any} */
    const likeliest = objects.reduce((best, one) => (shared(one) > shared(best) ? one : best), {});
    return Object.fromEntries(names.map((name) => {
      const { properties: inner, items: one } = view(properties[name]);
      const isPlain = !inner && !(one && view(one).properties);
      return [name, isPlain && name in likeliest ? likeliest[name] : example(properties[name])];
    }));
  }

  /**
   * Requests as curl: one for each example of the body, or one alone.
   * @param {Operation} operation
   * @param {string} origin
   * @returns {string[]}
   */
  function curl({ method, path, access, parameters, body }, origin) {
    const target = path.replace(/{(\w+)}/g, (_, name) => parameters.find((one) => one.name === name)?.example);
    const queries = parameters.filter((one) => one.in === 'query');
    const required = queries.filter((one) => one.required);
    const chosen = required.length ? required : queries.filter((one) => 'example' in one).slice(0, 2);
    const query = chosen.map(({ name, example: value }) =>
      `${name}=${encodeURIComponent(value).replaceAll('%2C', ',')}`).join('&');
    const takes = (/** @type {string} */ header) => parameters.some(({ name }) => name === header);
    const lines = [
      `curl ${method === 'GET' ? '' : `-X ${method} `}'${origin}${target}${query && `?${query}`}'`,
      ...(access.length ? ['-H "Authorization: Bearer $TOKEN"'] : []),
      ...(takes('If-Match') ? ['-H "If-Match: $ETAG"'] : []),
      ...(takes('Idempotency-Key') && access.length ? ['-H "Idempotency-Key: $(uuidgen)"'] : []),
      ...(body ? ["-H 'Content-Type: application/json'"] : []),
    ];
    const bodies = body ? view(body).examples.map((/** @type {any} */ one) =>
      [`-d '${jsonText(one).replaceAll("'", "'\\''")}'`]) : [[]];
    return bodies.map((/** @type {string[]} */ last) => [...lines, ...last].join(' \\\n  '));
  }

  return {
    /** @type {{ version: string, description: string }} */ info,
    /** @type {{ name: string, description: string }[]} */ tags,
    /** @type {[name: string, scheme: { description: string }][]} */
    schemes: Object.entries(components.securitySchemes),
    operations, problems, schemas: Object.keys(schemas).filter((name) => !problems.some((one) => one.name === name)),
    named: (/** @type {string} */ name) => view({ $ref: `#/components/schemas/${name}` }),
    view, addFields, example, curl,
  };
}

/** @param {Record<string, Schema>} properties Of a problem. */
const statuses = ({ status }) => (status.enum ?? [status.const]).join(', ');

/**
 * What a description says about a code, in one place or several.
 * @param {import('./markdown.js').Item[]} items
 * @param {string} code
 */
const said = (items, code) => items.filter((item) => item.code === code).map(({ text }) => text).join(' ');

/**
 * What two schemas say together.
 * @param {View} one
 * @param {View} other
 * @returns {View}
 */
function join(one, other) {
  if (!one.properties || !other.properties) return { ...one, ...other };
  const properties = { ...one.properties };
  for (const [name, field] of Object.entries(other.properties)) {
    properties[name] = properties[name] ? { allOf: [properties[name], field] } : field;
  }
  return { ...one, ...other, properties, required: [...(one.required ?? []), ...(other.required ?? [])] };
}

/**
 * @param {any} value
 * @returns {object[]} All objects in it.
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
  const parts = Object.entries(value).map(([name, item]) =>
    `${isList ? '' : `${JSON.stringify(name)}: `}${jsonText(item, deeper)}`);
  const line = parts.join(', ');
  const [open, close] = isList ? '[]' : '{}';
  if (line.length < 60 && !line.includes('\n')) return `${open}${line}${close}`;
  return `${open}\n${parts.map((part) => deeper + part).join(',\n')}\n${indent}${close}`;
}
