// The Update page: the eleven stages of one update, stepped through by button or key, or played slowly.
import { notIndices, parseIndex, readAddress, refusal, writeAddress } from "../lib/address.js";
import { newMark, perBoard } from "../lib/board.js";
import { fill, h, redrawn } from "../lib/dom.js";
import { shortcuts } from "../lib/keys.js";
import { DoorError, get, oneAtATime } from "../lib/store.js";
import { drawProblems } from "../lib/top.js";
import { begin, reveal, STAGE_MS } from "./revealing.js";
import { stageView } from "./stage.js";
import { stateOf } from "./state.js";
import { drawStepper } from "./stepper.js";

/**
 * @import { Stages, UpdateAnswer, UpdateState } from "../lib/payloads"
 * @import { Actions } from "./batch.js"
 * @import { UpdateBoard } from "./state.js"
 */
const LOOK_MS = 100;

/**
 * Python has mounted the page, or has made it anew.
 * @param {UpdateBoard} board
 */
export function draw(board) {
  const { walk } = board.data;
  const state = stateOf(board);
  const job = `${walk.run} ${walk.number}`;
  if (state.job !== job) beginWith(board, job);
  drawBar(board, walk);
  showOf(board)();
}

/** @type {Map<string, Record<string, string>>} What was last looked at of each update, in this tab. */
const places = new Map();

/**
 * Begins with another update.
 * @param {UpdateBoard} board
 * @param {string} job
 */
function beginWith(board, job) {
  const { run, number } = board.data.walk;
  const state = stateOf(board);
  const { run: named, ...asked } = readAddress(["run", ...NAMES]);
  const isOurs = !state.job || (named === run && asked.job === String(number));
  const left = places.get(job) ?? {};
  const own = isOurs && Object.keys(asked).length ? asked : left;
  const stage = within(parseIndex(own.stage) ?? state.stage);
  Object.assign(state, { job, asked: own, stage, furthest: stage });
  Object.assign(state, { token: own.token ?? null, epoch: parseIndex(own.epoch) });
}

/** @type {(board: UpdateBoard) => () => Promise<void>} */
const showOf = perBoard((board) => oneAtATime(() => show(board)));

/**
 * Fetches and draws the stages: with numbers once the update is done. Until then the batch before stays.
 * @param {UpdateBoard} board
 */
async function show(board) {
  const { walk } = board.data;
  const { run, number } = walk;
  const state = stateOf(board);
  const isBetween = walk.state === "waiting" || walk.state === "error";
  if (!isBetween || state.page.run !== run || !state.page.samples.length) {
    try {
      const told = await stagesOf(board);
      state.page = { run, number, samples: [], ...told };
    } catch (error) {
      if (!(error instanceof DoorError)) throw error;
      if (error.status) drawProblems(board, [error.message], "The update could not be read:");
      return;
    }
  }
  if (!board.root.isConnected) return;
  const batch = `${run} ${state.page.number} ${state.page.samples.length}`;
  state.isComputed = walk.state === "done";
  if (state.batch !== batch) Object.assign(state, { batch, seen: new Set() });
  drawProblems(
    board,
    state.isComputed ? [...state.problems, ...problemsOf(state.asked)] : problemsOf(state.asked),
  );
  drawStage(board);
  keepAddress(board);
}

/**
 * The stages, with the chosen token's numbers; where the address names a wrong one, with the first one's.
 * @param {UpdateBoard} board
 * @returns {Promise<Stages & {samples?: UpdateAnswer["samples"]}>}
 */
async function stagesOf(board) {
  const { run, number, state: standing } = board.data.walk;
  const state = stateOf(board);
  if (standing !== "done") return get("stages");
  const path = `runs/${run}/updates/${number}`;
  state.problems = [];
  for (;;) {
    try {
      /** @type {UpdateAnswer} */
      const answer = await get(path, { token: state.token, epoch: state.epoch });
      return answer;
    } catch (error) {
      if (!(error instanceof DoorError) || error.status >= 500 || !error.status) throw error;
      if (state.token === null && state.epoch === null) throw error;
      state.problems.push(error.message);
      if (error.message.startsWith("epoch")) state.epoch = null;
      else state.token = null;
    }
  }
}

const NAMES = ["job", "stage", "token", "epoch"];
const LAST_STAGE = 11;

/** @param {number} stage */
function within(stage) {
  return Math.min(Math.max(stage, 1), LAST_STAGE);
}

/** @param {Record<string, string>} asked */
function problemsOf(asked) {
  const found = notIndices(asked, ["job", "stage", "epoch"]);
  const stage = parseIndex(asked.stage);
  if (stage !== null && stage !== within(stage))
    found.push(refusal("stage", asked.stage, `must be from 1 to ${LAST_STAGE}; showing ${within(stage)}`));
  return found;
}

/** @typedef {ReturnType<typeof buildFrame>} Frame */

/** @param {UpdateBoard} board */
function buildFrame(board) {
  /** @type {(text: string, tip: string, onclick: () => void) => HTMLButtonElement} */
  const button = (text, tip, onclick) => h("button", { tip, onclick }, text);
  const back = button("Back", "The stage before (←)", () => go(board, stateOf(board).stage - 1));
  const next = button("Next", "The next stage (→)", () => go(board, stateOf(board).stage + 1));
  const play = button("Play", "Goes through the stages slowly (space)", () => togglePlaying(board));
  const another = button("Another batch", "Other prompts, a different seed, the same update", () =>
    ask(board),
  );
  const count = h("input", {
    type: "number",
    min: 1,
    max: 16,
    step: 1,
    value: 4,
    "aria-label": "Samples in the batch",
    tip: "Samples in the batch, 1 to 16.",
    onkeydown: (event) => event.key === "Enter" && ask(board),
  });
  const samples = h("label", { class: "quiet" }, "Samples ", count);
  const status = h("div", { class: "status" });
  const stepper = h("ol", { class: "stepper" });
  const stage = h("div", { class: "stage" });
  const section = board.parts.walk;
  const hint = keyHint(board, section);
  const bar = h(
    "header",
    { class: "bar" },
    back,
    next,
    play,
    h("span", { class: "grow" }),
    samples,
    another,
    hint,
  );
  section.append(bar, status, h("div", { class: "body" }, stepper, stage));
  section.addEventListener("click", giveFocusBack);
  return { back, next, play, another, count, status, stepper, stage };
}

const frameOf = perBoard(buildFrame);

/**
 * @param {UpdateBoard} board
 * @param {HTMLElement} section
 */
function keyHint(board, section) {
  const stage = () => stateOf(board).stage;
  const last = () => stateOf(board).page.stages.length;
  return shortcuts(board.root, section, "Keys: ← → stage, space plays, ? help", [
    [["→"], "Next stage", () => go(board, Math.min(stage() + 1, last()))],
    [["←"], "Previous stage", () => go(board, Math.max(stage() - 1, 1))],
    [["Space"], "Play and pause", () => togglePlaying(board)],
  ]);
}

/**
 * A clicked button would capture the space bar, so it gives up the focus; one reached by Tab keeps it.
 * @param {MouseEvent} event
 */
function giveFocusBack({ detail, target }) {
  if (detail && target instanceof Element) target.closest("button")?.blur();
}

/**
 * @param {UpdateBoard} board
 * @param {UpdateState} page
 */
function drawBar(board, page) {
  const { status, another, count } = frameOf(board);
  const state = stateOf(board);
  const said = [page.said, page.problem].filter(Boolean).join("\n");
  const hasBatch = page.state === "done" && page.batch;
  fill(status, hasBatch ? `${said} Batch ${(page.seed ?? 0) + 1}.` : said);
  status.className = `status ${page.state}${page.problem ? " error" : ""}`;
  fill(another, page.number === null ? "Take an update apart" : "Another batch");
  another.classList.toggle("primary", page.state === "none");
  another.disabled = page.state === "empty" || page.state === "waiting";
  if (state.answered === page.number || !page.batch) return;
  state.answered = page.number;
  count.value = String(page.batch);
}

/** @param {UpdateBoard} board */
function drawStage(board) {
  const state = stateOf(board);
  const { page, stage } = state;
  const { back, next, play, stepper, stage: box } = frameOf(board);
  back.disabled = stage <= 1;
  next.disabled = stage >= page.stages.length;
  fill(play, state.isPlaying ? "Pause" : "Play");
  drawStepper(stepper, page.stages, state, (chosen) => go(board, chosen));
  const key = [page.run, page.number, stage, page.stages[stage - 1], page.samples.length];
  const isNew = redrawn(box, key, () => {
    state.view = stageView(page, stage - 1, actions(board));
    return [state.view.article];
  });
  if (!isNew) return;
  const isSame = state.drawn === `${state.batch} ${stage}`;
  state.drawn = `${state.batch} ${stage}`;
  if (isSame && state.shown < Number.POSITIVE_INFINITY) reveal(state, state.shown);
  else begin(state);
}

/**
 * What a stage can ask the page to do.
 * @param {UpdateBoard} board
 * @returns {Actions}
 */
function actions(board) {
  const state = stateOf(board);
  return {
    choose: (row, position) => {
      state.token = `${row}.${position}`;
      state.view?.choose(row, position);
      report(board);
      showOf(board)();
    },
    lookAt: (epoch) => {
      state.epoch = epoch;
      report(board);
      showOf(board)();
    },
    show: (count) => {
      clearTimeout(state.revealer);
      reveal(state, count);
    },
  };
}

/**
 * @param {UpdateBoard} board
 * @param {number} stage
 */
function go(board, stage) {
  const state = stateOf(board);
  if (stage < 1 || stage > state.page.stages.length) return play(board, false);
  state.stage = stage;
  state.furthest = Math.max(state.furthest, stage);
  drawStage(board);
  const { stage: box } = frameOf(board);
  if (box.getBoundingClientRect().top < 0) box.scrollIntoView();
  report(board);
}

/**
 * Something else was chosen: what the address asked for counts no more.
 * @param {UpdateBoard} board
 */
function report(board) {
  const state = stateOf(board);
  Object.assign(state, { asked: {}, problems: [] });
  keepAddress(board);
}

/**
 * Puts what is shown into the address.
 * @param {UpdateBoard} board
 */
export function keepAddress(board) {
  const { run, number } = board.data.walk;
  const state = stateOf(board);
  if (!run || number === null || problemsOf(state.asked).length || state.problems.length) return;
  const { stage, token, epoch } = state;
  const kept = { job: number, stage, token, epoch };
  const there = Object.entries(kept).filter(([, value]) => value !== null);
  places.set(state.job, Object.fromEntries(there.map(([name, value]) => [name, String(value)])));
  writeAddress(["run", ...NAMES], { run, ...kept });
}

/** @param {UpdateBoard} board */
function ask(board) {
  const { another, count } = frameOf(board);
  if (another.disabled) return;
  const { seed } = board.data.walk;
  const { page } = stateOf(board);
  const next = Number.isInteger(seed) ? Math.max(0, Number(seed) + 1) : 0;
  board.send("ask", { run: page.run, batch: Number(count.value), seed: next, ask: newMark() });
}

/** @param {UpdateBoard} board */
function togglePlaying(board) {
  play(board, !stateOf(board).isPlaying);
}

/**
 * @param {UpdateBoard} board
 * @param {boolean} on
 */
function play(board, on) {
  const state = stateOf(board);
  state.isPlaying = on;
  clearTimeout(state.player);
  fill(frameOf(board).play, on ? "Pause" : "Play");
  if (!on) return;
  if (state.stage >= state.page.stages.length) go(board, 1);
  state.until = Math.max(state.until, performance.now() + STAGE_MS);
  playOn(board);
}

/**
 * Moves to the next stage once this one has had its time, and checks again shortly.
 * @param {UpdateBoard} board
 */
function playOn(board) {
  const state = stateOf(board);
  if (!state.view?.article.isConnected || !state.isPlaying) return;
  const isOver = performance.now() >= state.until;
  if (isOver && state.stage >= state.page.stages.length) return play(board, false);
  if (isOver) go(board, state.stage + 1);
  state.player = window.setTimeout(() => playOn(board), LOOK_MS);
}
