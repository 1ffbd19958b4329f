/**
 * The client of `/api`: the only module that sends requests.
 *
 * It adds the token, `If-Match` and an `Idempotency-Key`, sends again what can safely be sent again, and throws a
 * {@link Problem} for every answer that is not a success.
 * @module
 */

/** @typedef {{ pointer?: string, parameter?: string, code: string, detail: string }} FieldError */

/** An answer of the service, or the lack of one, as the service describes it (RFC 9457). */
export class Problem extends Error {
  /**
   * @param {number} status 0 without an answer.
   * @param {string} code `network` without an answer.
   * @param {string} detail What happened, in words for people.
   * @param {Record<string, any>} [body] All members of the problem.
   */
  constructor(status, code, detail, body = {}) {
    super(detail);
    this.status = status;
    this.code = code;
    this.detail = detail;
    this.body = body;
    /** @type {FieldError[]} */
    this.errors = body.errors ?? [];
    /** @type {string | null} What an operator finds the request by. */
    this.requestID = body.request_id ?? null;
  }

  /** Whether it is not known what the service did. */
  get isUncertain() {
    return this.status === 0 || this.status === 502 || this.status === 504;
  }
}

/**
 * @template [Data=any]
 * @typedef {{ status: number, data: Data, etag: string | null, location: string | null }} Answer
 */

/**
 * @typedef {object} Options
 * @property {Record<string, string | number | boolean | null | undefined> | URLSearchParams} [query] Empty values are
 *   left out.
 * @property {string | null} [etag] The version that a PUT or DELETE changes: `If-Match`.
 * @property {boolean} [once] For a POST that takes no `Idempotency-Key` (its answer holds a token): it is sent once.
 * @property {AbortSignal} [signal]
 */

/**
 * @param {string} path
 * @param {Options} [options]
 * @returns {Promise<Answer>}
 */
export const get = (path, options = {}) => send('GET', path, undefined, options);
/**
 * @param {string} path
 * @param {unknown} [body]
 * @param {Options} [options]
 * @returns {Promise<Answer>}
 */
export const post = (path, body, options = {}) => send('POST', path, body, options);
/**
 * @param {string} path
 * @param {unknown} body
 * @param {Options} [options]
 * @returns {Promise<Answer>}
 */
export const put = (path, body, options = {}) => send('PUT', path, body, options);
/**
 * @param {string} path
 * @param {Options} [options]
 * @returns {Promise<Answer>}
 */
export const remove = (path, options = {}) => send('DELETE', path, undefined, options);

/**
 * All items of a list, page after page.
 * @param {string} path
 * @param {Options} [options]
 * @returns {Promise<any[]>}
 */
export async function getAll(path, options = {}) {
  /** @type {any[]} */
  const items = [];
  /** @type {string | null} */
  let cursor = null;
  do {
    /** @type {Options['query']} */
    const query = { ...Object.fromEntries(new URLSearchParams(text(options.query))), limit: 100, cursor };
    /** @type {Answer} */
    const { data } = await get(path, { ...options, query });
    items.push(...data.data);
    cursor = data.next_cursor;
  } while (cursor);
  return items;
}

// --- The token ---

const tokenKey = 'tomi.token';
const meKey = 'tomi.me';

/** @returns {string | null} */
export const token = () => sessionStorage.getItem(tokenKey) ?? localStorage.getItem(tokenKey);

/**
 * @param {string} value
 * @param {boolean} stays Whether it outlives this tab.
 */
export function signIn(value, stays) {
  signOut();
  (stays ? localStorage : sessionStorage).setItem(tokenKey, value);
}

/**
 * Forgets the token on this machine, in all tabs that have it.
 * @param {boolean} [isMeant] Whether a person asked for it. Then other tabs show nothing of theirs any more.
 */
export function signOut(isMeant = true) {
  const ended = token();
  if (ended) tabs.postMessage({ ended, isMeant });
  localStorage.removeItem(tokenKey);
  forget();
}

/** Forgets what only this tab has. */
function forget() {
  for (const key of [tokenKey, meKey]) sessionStorage.removeItem(key);
}

/** The token that what this page shows was read with. */
let used = token();
// A page that Back brings again has heard nothing.
addEventListener('pageshow', ({ persisted }) => {
  if (persisted && used && used !== token()) traffic.dispatchEvent(new Event('ended'));
});

// A sign-in that does not stay belongs to one tab. A new tab asks the others for it.
const tabs = new BroadcastChannel('tomi');
tabs.addEventListener('message', ({ data: { asks, ended, isMeant } }) => {
  const own = sessionStorage.getItem(tokenKey);
  if (asks && own) tabs.postMessage({ found: own });
  if (ended && [own, used].includes(ended)) forget();
  if (isMeant && ended === used) traffic.dispatchEvent(new Event('ended'));
});

/**
 * Takes over the sign-in of another tab.
 * @returns {Promise<boolean>} Whether there is one.
 */
export const borrowSignIn = () => new Promise((resolve) => {
  const timer = setTimeout(() => resolve(false), 200);
  tabs.addEventListener('message', ({ data: { found } }) => {
    if (!found || token()) return;
    clearTimeout(timer);
    sessionStorage.setItem(tokenKey, found);
    resolve(true);
  });
  tabs.postMessage({ asks: true });
});

/**
 * @typedef {object} Me Who the token belongs to: `GET /api/me`.
 * @property {string} id
 * @property {string} name
 * @property {string} email
 * @property {('staff' | 'partner' | 'member')[]} roles
 * @property {string | null} scope
 * @property {{ id: string, name: string }[]} groups
 * @property {{ id: string, company_name: string } | null} partner
 */

/**
 * Who is signed in, as of the last page of this tab, or null. It does not wait, so that a page's head does not jump.
 * @returns {Me | null}
 */
export function lastMe() {
  const stored = token() && sessionStorage.getItem(meKey);
  return stored ? JSON.parse(stored) : null;
}

/**
 * Who is signed in. A token that is not good any more is forgotten.
 * @returns {Promise<Me | null>}
 */
export async function getMe() {
  if (!token()) return null;
  try {
    const { data } = await get('/api/me');
    sessionStorage.setItem(meKey, JSON.stringify(data));
    return data;
  } catch (error) {
    if (error instanceof Problem && error.status === 401) return null;
    throw error;
  }
}

// --- Sending ---

/**
 * Its events are `busy` and `idle`, when the first request begins to wait and the last has its answer, `outdated`, when
 * an answer suggests that this page and the service are of different versions, and `ended`, when somebody has signed
 * out whose data this page shows.
 */
export const traffic = new EventTarget();
let waiting = 0;

/**
 * The keys of POSTs whose outcome is not known. The same request sent again must have the same key.
 * @type {Map<string, string>}
 */
const keys = new Map();

const attempts = 4;
/** Of the first wait before a request is sent again, in milliseconds. Each further wait is twice as long. */
const firstWait = 400;
const longestWait = 10_000;
/** After so many milliseconds without an answer the service counts as out of reach. */
const patience = 40_000;

/**
 * @param {string} method
 * @param {string} path
 * @param {unknown} body
 * @param {Options} options
 * @returns {Promise<Answer>}
 */
async function send(method, path, body, options) {
  const query = text(options.query);
  const target = query ? `${path}?${query}` : path;
  const content = body === undefined ? undefined : JSON.stringify(body);
  const headers = new Headers();
  const bearer = (used = token());
  if (bearer) headers.set('Authorization', `Bearer ${bearer}`);
  if (content !== undefined) headers.set('Content-Type', 'application/json');
  if (options.etag && method !== 'GET') headers.set('If-Match', options.etag);
  const request = `${method} ${target} ${content}`;
  if (method === 'POST' && !options.once) {
    const key = keys.get(request) ?? newKey();
    keys.set(request, key);
    headers.set('Idempotency-Key', key);
  }
  if (!waiting++) traffic.dispatchEvent(new Event('busy'));
  try {
    for (let attempt = 1; ; attempt++) {
      const { problem, answer, wait } = await ask(method, target, headers, content, options.signal);
      // Without a key, another attempt might do a second time what the first has done unseen.
      const isSafe = method === 'GET' || headers.has('Idempotency-Key');
      const isTemporary =
        problem && [0, 429, 502, 503, 504].includes(problem.status) && problem.code !== 'quota_exceeded';
      if (isTemporary && (isSafe || !problem.isUncertain) && !options.once && attempt < attempts) {
        await pause(Math.min(wait ?? firstWait * 2 ** (attempt - 1), longestWait), options.signal);
        continue;
      }
      if (!problem?.isUncertain) keys.delete(request);
      if (!problem) return /** @type {Answer} */ (answer);
      if (problem.status === 401) signOut(false);
      if (['not_found', 'method_not_allowed', 'invalid_parameter'].includes(problem.code)) {
        traffic.dispatchEvent(new Event('outdated'));
      }
      throw problem;
    }
  } finally {
    if (!--waiting) traffic.dispatchEvent(new Event('idle'));
  }
}

/**
 * @param {string} method
 * @param {string} target
 * @param {Headers} headers
 * @param {string | undefined} body
 * @param {AbortSignal | undefined} signal
 * @returns {Promise<{ problem?: Problem, answer?: Answer, wait?: number }>} `wait` is in milliseconds.
 */
async function ask(method, target, headers, body, signal) {
  const controller = new AbortController();
  const abort = () => controller.abort();
  const timer = setTimeout(abort, patience);
  signal?.addEventListener('abort', abort, { once: true });
  let response, content;
  try {
    signal?.throwIfAborted();
    response = await fetch(target, { method, headers, body, signal: controller.signal });
    content = response.status === 204 ? null : await response.text();
  } catch (error) {
    signal?.throwIfAborted();
    const words = navigator.onLine ? 'Tomi could not be reached.' : 'You seem to be offline.';
    return { problem: new Problem(0, 'network', `${words} Check your connection, and try again.`) };
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
  }
  /** @type {any} */
  let data = null;
  try {
    data = content ? JSON.parse(content) : null;
  } catch {
    return { problem: new Problem(response.status || 0, 'network', 'The answer was cut off. Try again.') };
  }
  if (response.ok) {
    const { status } = response;
    return { answer: { status, data, etag: response.headers.get('ETag'), location: response.headers.get('Location') } };
  }
  const seconds = Number(response.headers.get('Retry-After') || NaN);
  return {
    problem: new Problem(response.status, data?.code ?? 'internal', data?.detail ?? data?.title ?? '', data ?? {}),
    wait: Number.isFinite(seconds) ? seconds * 1000 : undefined,
  };
}

/**
 * @param {number} milliseconds
 * @param {AbortSignal} [signal]
 */
function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    setTimeout(resolve, milliseconds);
    signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

/** @param {Options['query']} query */
function text(query) {
  if (!query) return '';
  const pairs = query instanceof URLSearchParams ? [...query] : Object.entries(query);
  const given = pairs.filter(([, value]) => value !== null && value !== undefined && value !== '');
  return new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
}

/** 128 random bits. `crypto.randomUUID` exists only over HTTPS. */
function newKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
