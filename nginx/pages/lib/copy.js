/**
 * Copying a text that a page shows.
 * @module
 */
import { toast } from './page.js';

/** @param {HTMLElement} text */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text.textContent ?? '');
    toast('Copied.');
  } catch {
    // Only pages over HTTPS may write to the clipboard, and not in every browser.
    getSelection()?.selectAllChildren(text);
    toast('Your browser does not let this page copy. The text is selected: copy it with your keyboard or its menu.');
  }
}
