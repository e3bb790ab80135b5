// What is looked at on the Tokens page, and asking Python for something else.
import { newMark, perBoard } from "../lib/board.js";

/**
 * @import { Board } from "../lib/board.js"
 * @import { ColourName, TokensBatch, TokensPage, TokensPayload } from "../lib/payloads"
 */
/** @typedef {Board<TokensPayload>} TokensBoard */
/**
 * @typedef {object} Wanted  all from 0; step: null for the newest; token: null for the first; epoch: null for
 *   the last
 * @property {number | null} step
 * @property {number} sample
 * @property {number | null} token
 * @property {number | null} epoch
 * @property {ColourName} colour
 */
/** @typedef {{run: string, page: TokensPage, batch: TokensBatch}} Shown  everything there is to draw */
/** @typedef {(change: Partial<Wanted>) => void} Look */
/**
 * @typedef {object} Looking
 * @property {Wanted | null} wanted  what was asked for last
 * @property {string | null} mark  of that request
 * @property {string} run
 * @property {{key: string, batch: TokensBatch} | null} held  the batch, which is sent once
 */

const stateOf = perBoard(
  /**
   * @param {TokensBoard} _
   * @returns {Looking}
   */
  (_) => ({ wanted: null, mark: null, run: "", held: null }),
);

/**
 * Takes in a payload. Null where it counts on a batch that is not held, which is asked for then: while what
 * is looked at is in the same batch, Python leaves its texts and points out.
 * @param {TokensBoard} board
 * @returns {Shown | null}
 */
export function taken(board) {
  const { microscope: page, run } = board.data;
  const state = stateOf(board);
  if (page.batch) state.held = { key: page.batch_key, batch: page.batch };
  // What was asked for last stands until Python has drawn it, so that keys pressed quickly add up.
  const isAnswer = !state.wanted || state.mark === page.echo || state.run !== run.id;
  const isMissing = state.held?.key !== page.batch_key;
  if (isAnswer || isMissing) Object.assign(state, { wanted: asWanted(page), mark: page.echo, run: run.id });
  if (!isMissing && state.held) return { run: run.id, page, batch: state.held.batch };
  state.held = null;
  look(board, {});
  return null;
}

/**
 * What the payload answers, as it would be asked for.
 * @param {TokensPage} page
 * @returns {Wanted}
 */
function asWanted({ look, following, epoch_chosen }) {
  return { ...look, step: following ? null : look.step, epoch: epoch_chosen ? look.epoch : null };
}

/**
 * @param {TokensBoard} board
 * @param {Partial<Wanted>} change
 */
export function look(board, change) {
  const state = stateOf(board);
  const wanted = { ...(state.wanted ?? asWanted(board.data.microscope)), ...change };
  Object.assign(state, { wanted, mark: newMark() });
  board.send("look", { ...wanted, run: board.data.run.id, has: state.held?.key ?? "", click: state.mark });
}

/**
 * The next step that has tokens, from the one that was asked for last.
 * @param {TokensBoard} board
 * @param {number} by
 */
export function moveStep(board, by) {
  const { steps, step } = board.data.microscope;
  const asked = steps.indexOf(stateOf(board).wanted?.step ?? step);
  const place = asked < 0 ? steps.indexOf(step) : asked;
  look(board, { step: steps[within(place + by, steps.length)] });
}

/**
 * @param {TokensBoard} board
 * @param {number} by
 */
export function moveSample(board, by) {
  const { count, look: shown } = board.data.microscope;
  const from = stateOf(board).wanted?.sample ?? shown.sample;
  look(board, { sample: within(from + by, count), token: 0 });
}

/**
 * @param {TokensBoard} board
 * @param {number} by
 */
export function moveToken(board, by) {
  const { sample, look: shown } = board.data.microscope;
  const { wanted } = stateOf(board);
  // Another sample is on its way: how long it is, Python knows.
  const length = wanted?.sample === shown.sample ? sample.text.length : Number.POSITIVE_INFINITY;
  look(board, { token: within((wanted?.token ?? 0) + by, length) });
}

/**
 * @param {number} place
 * @param {number} count
 */
function within(place, count) {
  return Math.max(0, Math.min(count - 1, place));
}
