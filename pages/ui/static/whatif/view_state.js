// What the What-if page shows: a recorded step with other settings. One request is under way at a time;
// meanwhile only the newest position of the sliders is kept, for the next.
import { adoptAddress, beyond, nearest, notIndices, refusal, writeAddress } from "../lib/address.js";
import { perBoard } from "../lib/board.js";
import { DoorError, get, oneAtATime } from "../lib/store.js";
import { fromQuery, toQuery } from "./query.js";

/**
 * @import { Board } from "../lib/board.js"
 * @import { LineAnswer, StepsAnswer, WhatIfAnswer, WhatIfPayload } from "../lib/payloads"
 * @import { ViewState } from "./query.js"
 */
/** @typedef {Board<WhatIfPayload>} WhatIfBoard */
/**
 * @typedef {object} Frame  what is shown, and what there is beside it
 * @property {Record<string, string>} query  the view as in the address
 * @property {string[]} problems  what of the address is not shown
 * @property {boolean} example
 * @property {string} run  its name
 * @property {number | null} step
 * @property {number | null} newest
 * @property {number | null} before
 * @property {number | null} after
 * @property {boolean} following
 */
/** @typedef {Frame & WhatIfAnswer} WhatIfShown */
/** @typedef {Frame & {missing: string, nearest: number | null}} WhatIfMissing */
/**
 * @typedef {object} State
 * @property {string} run
 * @property {ViewState} view
 * @property {Record<string, string>} asked  by the address, until something else is chosen
 * @property {number[]} steps  those whose tokens are stored
 * @property {LineAnswer | null} line
 * @property {string[]} refused  settings that the server left out, until something else is chosen
 * @property {boolean} isStale  whether the run has changed since the steps were fetched
 * @property {WhatIfShown | WhatIfMissing | null} shown
 * @property {() => void} show  fetches and draws
 */

const INDICES = ["step", "sample", "token"];
const NAMES = [...INDICES, "example", "what"];

const stateOf = perBoard(
  /**
   * @param {WhatIfBoard} _
   * @returns {State}
   */
  (_) => ({
    run: "",
    view: fromQuery({}),
    asked: {},
    steps: [],
    line: null,
    refused: [],
    isStale: true,
    shown: null,
    show: () => {},
  }),
);

/** @param {WhatIfBoard} board */
export function viewState(board) {
  return stateOf(board).view;
}

/** @param {WhatIfBoard} board */
export function shownOf(board) {
  return stateOf(board).shown;
}

/**
 * Begins with the run that Python has mounted, if it is another than before.
 * @param {WhatIfBoard} board
 * @param {(shown: WhatIfShown | WhatIfMissing) => void} draw
 * @param {(error: DoorError) => void} fail
 */
export function begin(board, draw, fail) {
  const state = stateOf(board);
  const { run } = board.data;
  if (state.run === run) return keepAddress(board);
  const { asked } = adoptAddress(NAMES, run, !state.run);
  const wasLeft = left.run !== "";
  const show = oneAtATime(async () => {
    if (!board.root.isConnected) return;
    const shown = await fetched(board);
    if (!shown || !board.root.isConnected) return;
    draw(shown);
    Object.assign(left, { run, view: structuredClone(state.view) });
    if (wasLeft) keepAddress(board);
  }, fail);
  const view = Object.keys(asked).length ? fromQuery(asked) : viewLeft(run);
  Object.assign(state, {
    run,
    view,
    asked,
    refused: [],
    steps: [],
    isStale: true,
    shown: null,
    show,
  });
}

/** What was last looked at, while the tab is open. */
const left = { run: "", view: fromQuery({}) };

/**
 * The view that this tab left; of another run its settings alone.
 * @param {string} run
 * @returns {ViewState}
 */
function viewLeft(run) {
  return left.run === run ? structuredClone(left.view) : { ...fromQuery({}), turned: left.view.turned };
}

/**
 * The run has changed.
 * @param {WhatIfBoard} board
 */
export function refresh(board) {
  stateOf(board).isStale = true;
  stateOf(board).show();
}

/**
 * @param {WhatIfBoard} board
 * @param {Partial<ViewState>} change
 * @param {boolean} [isSettled]  only settled values go into the address
 */
export function changeView(board, change, isSettled = true) {
  const state = stateOf(board);
  Object.assign(state.view, change);
  Object.assign(state, { asked: {}, refused: [] });
  if (isSettled) keepAddress(board);
  state.show();
}

/** @param {WhatIfBoard} board */
export function keepAddress(board) {
  const { run, view, asked, shown } = stateOf(board);
  if (Object.keys(asked).length) return writeAddress(NAMES, asked);
  if (!shown) return;
  const isPinned = view.step !== null && !view.example;
  writeAddress(isPinned ? ["run", ...NAMES] : NAMES, { ...toQuery(view), ...(isPinned ? { run } : {}) });
}

/**
 * @param {WhatIfBoard} board
 * @returns {Promise<WhatIfShown | WhatIfMissing | null>}
 */
async function fetched(board) {
  const state = stateOf(board);
  const { run } = state;
  if (state.isStale) await fetchSteps(state);
  const view = structuredClone(state.view);
  const { steps, line } = state;
  const newest = steps.at(-1) ?? null;
  const step = view.step ?? newest;
  const query = toQuery(view);
  const frame = {
    query,
    problems: problemsOf(state),
    example: view.example,
    run: line?.run.example ? "a recorded example" : (line?.run.name ?? ""),
    step,
    newest,
    before: steps.filter((one) => step !== null && one < step).at(-1) ?? null,
    after: steps.find((one) => step !== null && one > step) ?? null,
    following: view.step === null,
  };
  const isHere = view.example || (step !== null && steps.includes(step));
  const answer = isHere ? await answerTo(state, view, step, { ...query, ...whatOf(state) }) : null;
  if (state.run !== run) return null;
  if (answer) adopt(state, view, answer);
  else if (state.asked.what) state.refused = await problemsIn(state.asked.what);
  const problems = [...frame.problems, ...state.refused];
  const missing = { ...frame, problems, ...missingFrom(line, step, state.steps) };
  state.shown = answer ? withProblems(state, frame, answer) : missing;
  return state.shown;
}

/**
 * The answer; null where the step's tokens were deleted since, to save disk space.
 * @param {State} state
 * @param {ViewState} view
 * @param {number | null} step
 * @param {Record<string, string>} query
 * @returns {Promise<WhatIfAnswer | null>}
 */
async function answerTo(state, view, step, { sample, token, what }) {
  const path = view.example ? "notebook/what-if" : `runs/${state.run}/steps/${step}/what-if`;
  try {
    return await get(path, { sample, token, what: what ?? null });
  } catch (error) {
    if (!(error instanceof DoorError) || !error.message.startsWith("step")) throw error;
    state.steps = state.steps.filter((one) => one !== step);
    return null;
  }
}

/**
 * The settings as the address has them, whatever they are: the server says what is wrong with them.
 * @param {State} state
 * @returns {Record<string, string>}
 */
function whatOf({ asked: { what } }) {
  return what ? { what } : {};
}

/**
 * What is wrong with settings, whatever batch they are for.
 * @param {string} what
 */
async function problemsIn(what) {
  /** @type {WhatIfAnswer} */
  const { problems } = await get("notebook/what-if", { what });
  return problems;
}

/**
 * Takes over the settings that the server accepted, unless they have been changed since.
 * @param {State} state
 * @param {ViewState} view
 * @param {WhatIfAnswer} answer
 */
function adopt(state, view, { turned, problems }) {
  if (JSON.stringify(view.turned) === JSON.stringify(state.view.turned)) state.view.turned = turned;
  if (problems.length) state.refused = problems;
}

/** @param {State} state */
async function fetchSteps(state) {
  const { run } = state;
  const path = `runs/${run}`;
  /** @type {[StepsAnswer, LineAnswer]} */
  const [{ steps }, line] = await Promise.all([
    get(`${path}/steps`, { after: state.steps.at(-1) ?? null }),
    get(`${path}/line`),
  ]);
  if (state.run === run) Object.assign(state, { isStale: false, steps: [...state.steps, ...steps], line });
}

/** @param {State} state */
function problemsOf({ asked }) {
  const found = notIndices(asked, INDICES);
  const { example } = asked;
  if (example && example !== "notebook") found.push(refusal("example", example, "must be notebook"));
  return found;
}

/**
 * @param {State} state
 * @param {Frame} frame
 * @param {WhatIfAnswer} answer
 * @returns {WhatIfShown}
 */
function withProblems({ asked, refused }, frame, answer) {
  const { count, length, sample } = answer;
  const beyondIt = [
    ...beyond(asked, "sample", count, "the batch", sample.index),
    ...beyond(asked, "token", length, `sample ${sample.index}`, sample.token),
  ];
  return { ...frame, ...answer, problems: [...frame.problems, ...refused, ...beyondIt] };
}

/**
 * Why there is nothing to show, and the nearest step with something.
 * @param {LineAnswer | null} line
 * @param {number | null} step
 * @param {number[]} steps
 */
function missingFrom(line, step, steps) {
  const last = line?.step ?? -1;
  const near = steps.length ? nearest(steps, step ?? 0) : null;
  if (last < 1) return { missing: NO_STEPS, nearest: near };
  if (step === null) return { missing: NOT_STORED, nearest: near };
  const there = near === null ? "" : ` The nearest step with stored tokens is ${near}.`;
  return {
    missing: `Step ${step} of this run ${whyMissing(step, last, line?.parent_step ?? null)}.${there}`,
    nearest: near,
  };
}

const NO_STEPS =
  "This run has no steps yet. The first will appear here; meanwhile, load the notebook's example.";
const NOT_STORED =
  "This run's tokens are no longer stored. Load the notebook's example instead, or open another run on the " +
  "Runs page.";

/**
 * @param {number} step
 * @param {number} last
 * @param {number | null} parentStep
 */
function whyMissing(step, last, parentStep) {
  if (step > last) return "has not been computed yet";
  if (step === 0) return "is the untrained policy, before any update";
  if (parentStep !== null && step <= parentStep) return "belongs to the run that this one branched from";
  return "has no stored tokens";
}
