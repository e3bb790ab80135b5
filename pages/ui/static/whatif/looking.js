// What is looked at on the What-if page, and telling Python. One question is under way at a time: while it
// is, only the newest position of the sliders is kept for the next.
import { perBoard } from "../lib/board.js";

/**
 * @import { Board } from "../lib/board.js"
 * @import { WhatIfPayload } from "../lib/payloads"
 */
/** @typedef {Board<WhatIfPayload>} WhatIfBoard */
/**
 * @typedef {object} Look  step: null for the newest; turned: what is not as the run had it, by name
 * @property {number | null} step
 * @property {number} sample
 * @property {number} token
 * @property {boolean} example
 * @property {Record<string, number | boolean>} turned
 */
/**
 * @typedef {object} Looking
 * @property {Look} look
 * @property {number} count  of the questions that were sent
 * @property {boolean} isPending  whether there is a look that is not sent yet
 * @property {boolean} isSettled  false while a slider is on its way
 * @property {boolean} isWaiting
 * @property {number} sent  when, ms
 */

const PATIENCE_MS = 3000; // an answer that has not come by then is not waited for any longer

const stateOf = perBoard(
  /**
   * @param {WhatIfBoard} board
   * @returns {Looking}
   */
  ({ data: { whatif } }) => ({
    look: lookOf(whatif.query),
    count: whatif.told,
    isPending: false,
    isSettled: true,
    isWaiting: false,
    sent: 0,
  }),
);

/** @param {WhatIfBoard} board */
export function current(board) {
  return stateOf(board).look;
}

/**
 * Takes in a payload: the look is Python's again, unless it was changed since.
 * @param {WhatIfBoard} board
 */
export function take(board) {
  const state = stateOf(board);
  const { told, query } = board.data.whatif;
  if (told === state.count) state.isWaiting = false;
  if (!state.isWaiting && !state.isPending) state.look = lookOf(query);
}

/**
 * @param {WhatIfBoard} board
 * @param {Partial<Look>} change
 * @param {boolean} [isSettled]
 */
export function choose(board, change, isSettled = true) {
  const state = stateOf(board);
  Object.assign(state.look, change);
  Object.assign(state, { isSettled, isPending: true });
  sendPending(board);
}

/** @param {WhatIfBoard} board */
export function sendPending(board) {
  const state = stateOf(board);
  const now = performance.now();
  if (!state.isPending || (state.isWaiting && now - state.sent < PATIENCE_MS)) return;
  Object.assign(state, { isPending: false, isWaiting: true, sent: now, count: state.count + 1 });
  board.send("look", { number: state.count, settled: state.isSettled, query: queryOf(state.look) });
}

/**
 * The look as Python and the address have it.
 * @param {Look} look
 */
export function queryOf({ step, sample, token, example, turned }) {
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
 * The same read back.
 * @param {Record<string, string>} query
 * @returns {Look}
 */
export function lookOf({ step, sample, token, example, what }) {
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
