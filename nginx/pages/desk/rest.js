/**
 * Waits until a part of the page can be exchanged without taking it from under a hand.
 * @module
 */

/** How long what was done stays at hand, in milliseconds. */
const moment = 1200;
/** So long does the pointer rest before, in milliseconds. */
const rest = 1000;

let moved = 0, isDown = false;
addEventListener('pointerdown', () => (isDown = true));
for (const name of ['pointerup', 'pointercancel']) addEventListener(name, () => (isDown = false));
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;

/**
 * Acts in a moment, once the pointer has not moved over the part for a while and is not down. A later call replaces an
 * earlier one.
 * @param {HTMLElement} part
 * @param {() => boolean} isWanted Whether it is still to be done.
 * @param {() => void} act
 */
export function afterRest(part, isWanted, act) {
  clearTimeout(timer);
  part.onpointermove = () => (moved = Date.now());
  timer = setTimeout(() => {
    if (!isWanted()) return;
    if (isDown || Date.now() - moved < rest) afterRest(part, isWanted, act);
    else act();
  }, moment);
}
