// What the Tokens page shows: a step of the run, one of its samples, one of its tokens, in one epoch. What is
// chosen is fetched where it is not here yet, and put into the address.
import {
  adoptAddress,
  beyond,
  nearest,
  notIndices,
  parseIndex,
  refusal,
  writeAddress,
} from "../lib/address.js";
import { perBoard } from "../lib/board.js";
import { DoorError, get, oneAtATime } from "../lib/store.js";
import { COLOURS, FIRST_COLOUR, isColour } from "./colours.js";

/**
 * @import { Board } from "../lib/board.js"
 * @import { ColourName, SampleAnswer, SampleTokens, StepsAnswer, TokensAnswer } from "../lib/payloads"
 * @import { TokensPayload, TokenTrace, TraceAnswer } from "../lib/payloads"
 */
/** @typedef {Board<TokensPayload>} TokensBoard */
/**
 * @typedef {object} ViewState  what is wanted, all from 0; step: null for the newest; token: null for the
 *   first; epoch: null for the last
 * @property {number | null} step
 * @property {number} sample
 * @property {number | null} token
 * @property {number | null} epoch
 * @property {ColourName} colour
 */
/**
 * @typedef {object} Look  what is shown; token: null if the sample has none; epoch: -1 if the update made no
 *   gradient step
 * @property {number} step
 * @property {number} sample
 * @property {number | null} token
 * @property {number} epoch
 * @property {ColourName} colour
 */
/**
 * @typedef {object} TokensPage
 * @property {number} step
 * @property {number[]} steps  those whose tokens are stored
 * @property {number} count  of samples
 * @property {boolean} following
 * @property {string} missing  why the wanted step is not shown, or ""
 * @property {boolean} isEpochChosen
 * @property {Look} look
 * @property {SampleTokens} sample
 * @property {TokenTrace | null} trace  null if the sample has no token
 * @property {string[]} problems  what the address asks for and the page does not show
 */
/**
 * @typedef {object} Shown  everything to draw
 * @property {string} run
 * @property {TokensPage & TokensAnswer} page
 * @property {TokensAnswer} batch
 */
/** @typedef {(change: Partial<ViewState>) => void} ChangeView */
/**
 * @typedef {object} State
 * @property {string} run
 * @property {ViewState} wanted
 * @property {Record<string, string>} asked  by the address, until something else is chosen
 * @property {number[]} steps
 * @property {boolean} isStale  whether the run has changed since the steps were fetched
 * @property {Shown | null} shown
 * @property {() => void} show  fetches and draws what is wanted
 */

const INDICES = ["step", "sample", "token", "epoch"];
const NAMES = [...INDICES, "colour"];

export const stateOf = perBoard(
  /**
   * @param {TokensBoard} _
   * @returns {State}
   */
  (_) => ({
    run: "",
    wanted: wantedBy({}),
    asked: {},
    steps: [],
    isStale: true,
    shown: null,
    show: () => {},
  }),
);

/**
 * Begins with the run that Python has mounted, if it is another than before.
 * @param {TokensBoard} board
 * @param {(shown: Shown) => void} draw
 * @param {(error: DoorError) => void} fail
 */
export function begin(board, draw, fail) {
  const state = stateOf(board);
  const { run } = board.data;
  if (state.run === run) return keepAddress(board);
  const { asked } = adoptAddress(NAMES, run, !state.run);
  const wanted = wantedBy(asked);
  const show = oneAtATime(async () => {
    if (!board.root.isConnected) return;
    const shown = await fetched(board);
    if (shown && board.root.isConnected) draw(shown);
  }, fail);
  Object.assign(state, {
    run,
    asked,
    wanted,
    steps: [],
    isStale: true,
    shown: null,
    show,
  });
}

/**
 * @param {Record<string, string>} asked
 * @returns {ViewState}
 */
function wantedBy({ step, sample, token, epoch, colour }) {
  return {
    step: parseIndex(step),
    sample: parseIndex(sample) ?? 0,
    token: parseIndex(token),
    epoch: parseIndex(epoch),
    colour: isColour(colour) ? colour : FIRST_COLOUR,
  };
}

/**
 * The run has changed: fetches and draws what is wanted.
 * @param {TokensBoard} board
 */
export function refresh(board) {
  stateOf(board).isStale = true;
  stateOf(board).show();
}

/**
 * @param {TokensBoard} board
 * @param {Partial<ViewState>} change
 */
export function changeView(board, change) {
  const state = stateOf(board);
  Object.assign(state.wanted, change);
  state.asked = {};
  keepAddress(board);
  state.show();
}

/** @param {TokensBoard} board */
export function keepAddress(board) {
  const { run, wanted, asked, shown } = stateOf(board);
  if (!shown && !Object.keys(asked).length) return;
  if (Object.keys(asked).length) return writeAddress(NAMES, asked);
  const { colour } = wanted;
  const isPinned = wanted.step !== null;
  const kept = { ...wanted, colour: colour === FIRST_COLOUR ? null : colour, ...(isPinned ? { run } : {}) };
  writeAddress(isPinned ? ["run", ...NAMES] : NAMES, kept);
}

/**
 * Fetches what is wanted: of a batch, a sample and a token only what is not here already.
 * @param {TokensBoard} board
 * @returns {Promise<Shown | null>}
 */
async function fetched(board) {
  const state = stateOf(board);
  const { run } = state;
  const wanted = { ...state.wanted };
  const { step, missing } = await stepOf(state, wanted);
  if (step === null) return null;
  const batch = await batchOf(state, step, wanted.epoch);
  const sample = wanted.sample < batch.samples.length ? wanted.sample : 0;
  const path = `runs/${run}/steps/${step}/samples/${sample}`;
  const [tokens, first] = await Promise.all([
    sampleOf(state, step, sample, path),
    traceOf(path, wanted.token ?? 0),
  ]);
  const length = tokens.text.length;
  const token = length ? Math.min(wanted.token ?? 0, length - 1) : null;
  const trace = first ?? (token === null ? null : await traceOf(path, token));
  if (state.run !== run) return null;
  const page = {
    ...batch,
    steps: state.steps,
    count: batch.samples.length,
    following: wanted.step === null,
    missing,
    isEpochChosen: wanted.epoch !== null,
    look: { step, sample, token, epoch: batch.epoch, colour: wanted.colour },
    sample: tokens,
    trace,
    problems: problemsOf(state, batch, sample, length),
  };
  state.shown = { run, page, batch };
  return state.shown;
}

/**
 * The wanted step, else the nearest whose tokens are stored; null where none are.
 * @param {State} state
 * @param {ViewState} wanted
 */
async function stepOf(state, wanted) {
  if (state.isStale) await fetchSteps(state);
  const newest = state.steps.at(-1) ?? null;
  if (newest === null || wanted.step === null) return { step: newest, missing: "" };
  const step = nearest(state.steps, wanted.step);
  const why = `Step ${wanted.step} has no stored tokens. The nearest step with stored tokens is ${step}.`;
  return { step, missing: step === wanted.step ? "" : why };
}

/** @param {State} state */
async function fetchSteps(state) {
  const { run } = state;
  const after = state.steps.at(-1) ?? null;
  /** @type {StepsAnswer} */
  const { steps } = await get(`runs/${run}/steps`, { after });
  if (state.run !== run) return;
  Object.assign(state, { isStale: false, steps: [...state.steps, ...steps] });
}

/**
 * @param {State} state
 * @param {number} step
 * @param {number | null} epoch
 * @returns {Promise<TokensAnswer>}
 */
async function batchOf(state, step, epoch) {
  const held = state.shown?.batch;
  if (held && held.step === step && held.epoch === (epoch ?? held.epochs - 1)) return held;
  const path = `runs/${state.run}/steps/${step}/tokens`;
  try {
    return await get(path, { epoch });
  } catch (error) {
    if (!(error instanceof DoorError) || error.status !== 404) throw error;
    const isThinned = !error.message.startsWith("epoch");
    if (isThinned) state.steps = state.steps.filter((one) => one !== step);
    if (isThinned && state.steps.length) return batchOf(state, nearest(state.steps, step), epoch);
    return get(path);
  }
}

/**
 * @param {State} state
 * @param {number} step
 * @param {number} sample
 * @param {string} path
 */
async function sampleOf({ shown }, step, sample, path) {
  const look = shown?.page.look;
  if (shown && look?.step === step && look.sample === sample) return shown.page.sample;
  /** @type {SampleAnswer} */
  const { tokens } = await get(path);
  return tokens;
}

/**
 * @param {string} path
 * @param {number} token
 * @returns {Promise<TokenTrace | null>}
 */
async function traceOf(path, token) {
  try {
    /** @type {TraceAnswer} */
    const { trace } = await get(`${path}/tokens/${token}`);
    return trace;
  } catch (error) {
    if (error instanceof DoorError && error.status === 404) return null; // the sample is shorter
    throw error;
  }
}

/**
 * What the address asks for and the page does not show. A missing step is reported beside the steps.
 * @param {State} state
 * @param {TokensAnswer} batch
 * @param {number} sample
 * @param {number} length
 */
function problemsOf({ asked }, { step, samples, epochs, epoch }, sample, length) {
  const found = notIndices(asked, INDICES);
  if (asked.colour !== undefined && !isColour(asked.colour))
    found.push(refusal("colour", asked.colour, `must be one of ${Object.keys(COLOURS).join(", ")}`));
  const token = Math.min(parseIndex(asked.token) ?? 0, Math.max(0, length - 1));
  return [
    ...found,
    ...beyond(asked, "sample", samples.length, `step ${step}`, sample),
    ...beyond(asked, "token", length, `sample ${sample}`, token),
    ...beyond(asked, "epoch", epochs, `the update of step ${step}`, epoch),
  ];
}

/**
 * @param {TokensBoard} board
 */
export function shownOf(board) {
  return stateOf(board).shown;
}
