/**
 * The codes of the links in letters, such as `#code=…`.
 * @module
 */

const key = `tomi.letter ${location.pathname}`;

/**
 * The code that this tab was opened with, also after a reload. Whoever has a code can use it, so it does not stay in
 * the address.
 * @param {string[]} kinds The names that stand before a code on this page.
 * @returns {{ kind: string, code: string } | null}
 */
export function letterCode(kinds) {
  const [, kind, code] = /^#(\w+)=(.+)$/.exec(location.hash) ?? [];
  if (kinds.includes(kind)) {
    history.replaceState(history.state, '', location.pathname + location.search);
    sessionStorage.setItem(key, JSON.stringify({ kind, code }));
  }
  return JSON.parse(sessionStorage.getItem(key) ?? 'null');
}

/** Once a code was used or refused. */
export const forgetCode = () => sessionStorage.removeItem(key);
