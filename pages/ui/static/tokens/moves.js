// Moving between steps, samples and tokens, for the page's buttons and keys.
import { changeView, stateOf } from "./view_state.js";

/** @import { TokensBoard } from "./view_state.js" */

/**
 * Moves to the next recorded step, starting from the one wanted last.
 * @param {TokensBoard} board
 * @param {number} by
 */
export function moveStep(board, by) {
  const { steps, wanted, shown } = stateOf(board);
  const from = steps.indexOf(wanted.step ?? shown?.page.step ?? -1);
  const place = from < 0 ? steps.indexOf(shown?.page.step ?? -1) : from;
  changeView(board, { step: steps[within(place + by, steps.length)] });
}

/**
 * @param {TokensBoard} board
 * @param {number} by
 */
export function moveSample(board, by) {
  const { shown, wanted } = stateOf(board);
  if (!shown) return;
  const from = Math.min(wanted.sample, shown.page.count - 1);
  changeView(board, { sample: within(from + by, shown.page.count), token: 0 });
}

/**
 * @param {TokensBoard} board
 * @param {number} by
 */
export function moveToken(board, by) {
  const { shown, wanted } = stateOf(board);
  if (!shown) return;
  // How long another sample is, is known once it is here.
  const isHere = wanted.sample === shown.page.look.sample;
  const length = isHere ? shown.page.sample.text.length : Number.POSITIVE_INFINITY;
  changeView(board, { token: within((wanted.token ?? 0) + by, length) });
}

/**
 * @param {number} place
 * @param {number} count
 */
function within(place, count) {
  return Math.max(0, Math.min(count - 1, place));
}
