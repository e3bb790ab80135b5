// What the What-if page shows, and reporting it to Python. One request is in flight at a time; meanwhile only
// the newest position of the sliders is kept, for the next request.
import { perBoard } from "../lib/board.js";

/**
 * @import { Board } from "../lib/board.js"
 * @import { WhatIfPayload } from "../lib/payloads"
 */
/** @typedef {Board<WhatIfPayload>} WhatIfBoard */
/**
 * @typedef {object} ViewState  step: null for the newest; turned: the settings that differ from the run's, by
 *   name
 * @property {number | null} step
 * @property {number} sample
 * @property {number} token
 * @property {boolean} example
 * @property {Record<string, number | boolean>} turned
 */
/**
 * @typedef {object} Requests
 * @property {ViewState} view
 * @property {number} count  of the requests sent so far
 * @property {boolean} isPending  whether there is a change that has not been sent
 * @property {boolean} isSettled  false while a slider is being dragged
 * @property {boolean} isWaiting
 * @property {number} sent  when, ms
 */

const PATIENCE_MS = 3000; // how long to wait for an answer before sending the next request

const stateOf = perBoard(
  /**
   * @param {WhatIfBoard} board
   * @returns {Requests}
   */
  ({ data: { whatif } }) => ({
    view: fromQuery(whatif.query),
    count: whatif.told,
    isPending: false,
    isSettled: true,
    isWaiting: false,
    sent: 0,
  }),
);

/** @param {WhatIfBoard} board */
export function viewState(board) {
  return stateOf(board).view;
}

/**
 * Receives a payload: takes over Python's view, unless it has been changed since.
 * @param {WhatIfBoard} board
 */
export function receive(board) {
  const state = stateOf(board);
  const { told, query } = board.data.whatif;
  if (told === state.count) state.isWaiting = false;
  if (!state.isWaiting && !state.isPending) state.view = fromQuery(query);
}

/**
 * @param {WhatIfBoard} board
 * @param {Partial<ViewState>} change
 * @param {boolean} [isSettled]
 */
export function changeView(board, change, isSettled = true) {
  const state = stateOf(board);
  Object.assign(state.view, change);
  Object.assign(state, { isSettled, isPending: true });
  sendPending(board);
}

/** @param {WhatIfBoard} board */
export function sendPending(board) {
  const state = stateOf(board);
  const now = performance.now();
  if (!state.isPending || (state.isWaiting && now - state.sent < PATIENCE_MS)) return;
  Object.assign(state, { isPending: false, isWaiting: true, sent: now, count: state.count + 1 });
  board.send("look", { number: state.count, settled: state.isSettled, query: toQuery(state.view) });
}

/**
 * The view as Python and the address represent it.
 * @param {ViewState} view
 */
export function toQuery({ step, sample, token, example, turned }) {
  const what = Object.entries(turned).map(([name, value]) => `${name}:${wordOf(value)}`);
  return {
    sample: String(sample),
    token: String(token),
    ...(step === null ? {} : { step: String(step) }),
    ...(example ? { example: "notebook" } : {}),
    ...(what.length ? { what: what.join(",") } : {}),
  };
}

/** @param {number | boolean} value */
function wordOf(value) {
  if (typeof value === "number") return value;
  return value ? "on" : "off";
}

/**
 * The inverse of `toQuery`.
 * @param {Record<string, string>} query
 * @returns {ViewState}
 */
export function fromQuery({ step, sample, token, example, what }) {
  const words = (what ?? "").split(",").filter(Boolean);
  const turned = words.map((word) => {
    const [name, text] = word.split(":");
    return [name, text === "on" || text === "off" ? text === "on" : Number(text)];
  });
  return {
    step: step === undefined ? null : Number(step),
    sample: Number(sample),
    token: Number(token),
    example: Boolean(example),
    turned: Object.fromEntries(turned),
  };
}
