// What the modules of a component share: its board, one piece of DOM that is kept, and what each module keeps
// for it.

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
 * @property {(() => void)[]} leaving  what is to be done once the board has left the page
 */

/**
 * `build(board)`, called once a board: what a module keeps for it.
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

/** A new mark for every request: two that are the same would be taken for one. */
export function newMark() {
  return `${Date.now()}-${presses++}`;
}
