// Which sample of the batch is shown, and in which view; the list's order and search.
import { perBoard } from "../lib/board.js";

/**
 * @import { Board } from "../lib/board.js"
 * @import { BatchSample, LivePayload, Pin } from "../lib/payloads"
 */
/** @typedef {"reward" | "advantage" | "ratio" | "value"} TokenView */
/** @typedef {"score" | "worst" | "kl" | "length" | "index"} Order */
/**
 * @typedef {object} Choice  what was chosen in the browser and the server need not know
 * @property {TokenView} view
 * @property {Order} order
 * @property {string} search
 * @property {number} prompt  the pinned prompt whose continuations are listed
 */
/**
 * @typedef {object} Actions  what the parts of the live page can ask it to do
 * @property {(step: number, sample: number) => void} pin
 * @property {(request: Record<string, unknown>) => void} ask  something that Python answers: an edit back, a
 *   note
 * @property {() => void} redraw  the samples and their tokens
 * @property {() => void} reshow  the same once what they lack is fetched
 * @property {() => Promise<void>} details  fetches every column of the tokens
 */

/** @type {Record<Order, {label: string, compare: (a: BatchSample, b: BatchSample) => number}>} */
export const ORDERS = {
  score: { label: "highest score", compare: (a, b) => b.score - a.score },
  worst: { label: "lowest score", compare: (a, b) => a.score - b.score },
  kl: { label: "largest KL", compare: (a, b) => b.kl - a.kl },
  length: { label: "longest", compare: (a, b) => b.length - a.length },
  index: { label: "batch order", compare: (a, b) => a.index - b.index },
};

export const choiceOf = perBoard(
  /**
   * @param {Board<LivePayload>} _
   * @returns {Choice}
   */
  (_) => ({ view: "reward", order: "score", search: "", prompt: 0 }),
);

/**
 * The samples whose query or response contains the search, in order.
 * @param {BatchSample[]} samples
 * @param {{search: string, order: Order}} choice
 */
export function listed(samples, { search, order }) {
  const wanted = search.toLowerCase();
  return samples
    .filter(({ query, response }) => (query + response).toLowerCase().includes(wanted))
    .sort(ORDERS[order].compare);
}

/**
 * The chosen sample: the pinned one, else the first in the list as sorted.
 * @param {{samples: BatchSample[], pin: Pin | null}} batch
 * @param {{search: string, order: Order}} choice
 */
export function chosenSample({ samples, pin }, choice) {
  const found = samples.find(({ index }) => index === pin?.sample);
  return found ?? listed(samples, choice)[0] ?? samples[0];
}
