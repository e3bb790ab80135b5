// What the Tokens page shows, and asking Python to show something else.
import { newMark, perBoard } from "../lib/board.js";

/**
 * @import { Board } from "../lib/board.js"
 * @import { ColourName, TokensBatch, TokensPage, TokensPayload } from "../lib/payloads"
 */
/** @typedef {Board<TokensPayload>} TokensBoard */
/**
 * @typedef {object} ViewState  all from 0; step: null for the newest; token: null for the first; epoch: null
 *   for the last
 * @property {number | null} step
 * @property {number} sample
 * @property {number | null} token
 * @property {number | null} epoch
 * @property {ColourName} colour
 */
/** @typedef {{run: string, page: TokensPage, batch: TokensBatch}} Shown  everything to draw */
/** @typedef {(change: Partial<ViewState>) => void} ChangeView */
/**
 * @typedef {object} Requests
 * @property {ViewState | null} wanted  what was requested last
 * @property {string | null} mark  of the last request
 * @property {string} run
 * @property {{key: string, batch: TokensBatch} | null} held  the batch, which Python sends once
 */

const stateOf = perBoard(
  /**
   * @param {TokensBoard} _
   * @returns {Requests}
   */
  (_) => ({ wanted: null, mark: null, run: "", held: null }),
);

/**
 * Receives a payload. Python leaves out the texts and points of a batch that the browser already has; if the
 * browser does not have it after all, this asks for it and returns null.
 * @param {TokensBoard} board
 * @returns {Shown | null}
 */
export function receive(board) {
  const { microscope: page, run } = board.data;
  const state = stateOf(board);
  if (page.batch) state.held = { key: page.batch_key, batch: page.batch };
  // The last request stands until Python has answered it, so that rapid key presses add up.
  const isAnswer = !state.wanted || state.mark === page.echo || state.run !== run.id;
  const isMissing = state.held?.key !== page.batch_key;
  if (isAnswer || isMissing)
    Object.assign(state, { wanted: viewStateOf(page), mark: page.echo, run: run.id });
  if (!isMissing && state.held) return { run: run.id, page, batch: state.held.batch };
  state.held = null;
  changeView(board, {});
  return null;
}

/**
 * The request that the payload answers.
 * @param {TokensPage} page
 * @returns {ViewState}
 */
function viewStateOf({ look, following, epoch_chosen }) {
  return { ...look, step: following ? null : look.step, epoch: epoch_chosen ? look.epoch : null };
}

/**
 * @param {TokensBoard} board
 * @param {Partial<ViewState>} change
 */
export function changeView(board, change) {
  const state = stateOf(board);
  const wanted = { ...(state.wanted ?? viewStateOf(board.data.microscope)), ...change };
  Object.assign(state, { wanted, mark: newMark() });
  board.send("look", { ...wanted, run: board.data.run.id, has: state.held?.key ?? "", click: state.mark });
}

/**
 * Moves to the next recorded step, starting from the one requested last.
 * @param {TokensBoard} board
 * @param {number} by
 */
export function moveStep(board, by) {
  const { steps, step } = board.data.microscope;
  const asked = steps.indexOf(stateOf(board).wanted?.step ?? step);
  const place = asked < 0 ? steps.indexOf(step) : asked;
  changeView(board, { step: steps[within(place + by, steps.length)] });
}

/**
 * @param {TokensBoard} board
 * @param {number} by
 */
export function moveSample(board, by) {
  const { count, look: shown } = board.data.microscope;
  const from = stateOf(board).wanted?.sample ?? shown.sample;
  changeView(board, { sample: within(from + by, count), token: 0 });
}

/**
 * @param {TokensBoard} board
 * @param {number} by
 */
export function moveToken(board, by) {
  const { sample, look: shown } = board.data.microscope;
  const { wanted } = stateOf(board);
  // If another sample has been requested, only Python knows its length.
  const length = wanted?.sample === shown.sample ? sample.text.length : Number.POSITIVE_INFINITY;
  changeView(board, { token: within((wanted?.token ?? 0) + by, length) });
}

/**
 * @param {number} place
 * @param {number} count
 */
function within(place, count) {
  return Math.max(0, Math.min(count - 1, place));
}
