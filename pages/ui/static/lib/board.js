// A board: the piece of DOM that a component keeps between payloads, and what each module remembers about it.

/**
 * @import { Mounted } from "./payloads"
 */

/**
 * @template Data
 * @typedef {object} Board
 * @property {HTMLElement} root
 * @property {Record<string, HTMLElement>} parts  the sections, by name
 * @property {Data & Mounted} data  the newest payload
 * @property {(name: string, value: unknown) => void} send  tells Python
 * @property {(() => void)[]} leaving  what to do once the board has left the page
 */

/**
 * A function that calls `build` the first time it is given a board and returns the same result ever after.
 * @template {object} Key
 * @template View
 * @param {(board: Key) => View} build
 * @returns {(board: Key) => View}
 */
export function perBoard(build) {
  /** @type {WeakMap<Key, View>} */
  const views = new WeakMap();
  return (board) => {
    const kept = views.get(board);
    if (kept !== undefined) return kept;
    const view = build(board);
    views.set(board, view);
    return view;
  };
}

let presses = 0;

/** A unique mark for each request; Streamlit ignores a value that equals the previous one. */
export function newMark() {
  return `${Date.now()}-${presses++}`;
}
