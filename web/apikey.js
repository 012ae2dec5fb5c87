/** The API key: of the page's link, or one that was entered; that one is kept for as long as the tab is. */
import { readFragment } from "./fragment.js";

const NAME = "defi-stream-key";

/** The key, or null. A link's goes first. */
export function readKey() {
  return readFragment().key || stored();
}

/** Whether the key was entered here, so that it can be forgotten here. */
export function isEntered() {
  return !readFragment().key && stored() !== null;
}

/** Keep a key until the tab is closed; null forgets it. False if the browser forbids it. */
export function enterKey(key) {
  try {
    if (key === null) sessionStorage.removeItem(NAME);
    else sessionStorage.setItem(NAME, key);
    return true;
  } catch {
    return false;
  }
}

function stored() {
  try {
    return sessionStorage.getItem(NAME);
  } catch {
    return null;
  }
}
