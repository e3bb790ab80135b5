// The live page: a run in progress.
import { adoptAddress, beyond, notIndices, parseIndex, refusal, writeAddress } from "../lib/address.js";
import { newMark, perBoard } from "../lib/board.js";
import { aboutButton, fill, h } from "../lib/dom.js";
import { DoorError, oneAtATime } from "../lib/store.js";
import { TIPS_CHANGED } from "../lib/tooltip.js";
import { drawNotice, drawProblems, drawTop } from "../lib/top.js";
import { drawCharts } from "./charts.js";
import { choiceOf } from "./choice.js";
import { feedOf, fetchBatch, fetchLive, fetchPrompts, forgetRun } from "./feed.js";
import { drawHistory } from "./history.js";
import { drawPairs } from "./pairs.js";
import { drawPrompts, promptsOf } from "./prompts.js";
import { drawSamples } from "./samples.js";
import { drawTokens, VIEWS } from "./tokens.js";

/**
 * @import { Figure } from "../lib/payloads"
 * @import { Actions } from "./choice.js"
 * @import { LiveBoard } from "./feed.js"
 */

const ABOVE = 3; // charts that stand above the pairs, on the first screen; the rest come below
const NAMES = ["step", "sample"];

/**
 * Python has mounted the page, or has made it anew.
 * @param {LiveBoard} board
 */
export function draw(board) {
  const feed = feedOf(board);
  if (feed.run !== board.data.run) begin(board);
  watchBatch(board);
  if (!feed.live) return;
  keepAddress(board);
  drawHistory(board, actions(board));
}

/** @param {LiveBoard} board */
function begin(board) {
  const isFirst = !feedOf(board).run;
  forgetRun(board);
  const { asked, isNamed } = adoptAddress(NAMES, board.data.run, isFirst);
  const step = parseIndex(asked.step);
  Object.assign(addressOf(board), { asked, hasRun: isNamed });
  if (step !== null) feedOf(board).pin = { step, sample: parseIndex(asked.sample) ?? -1 };
}

const addressOf = perBoard(
  /** @param {LiveBoard} _ */
  (_) => ({ asked: /** @type {Record<string, string>} */ ({}), hasRun: false }),
);

/**
 * The run has changed.
 * @param {LiveBoard} board
 */
export function changed(board) {
  refreshOf(board)();
}

/**
 * The batch is most of what a step has, so it is fetched while somebody sees it, or has chosen of it.
 * @type {(board: LiveBoard) => void}
 */
const watchBatch = perBoard((board) => {
  const inSight = new Set();
  const watcher = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries)
      isIntersecting ? inSight.add(target) : inSight.delete(target);
    const feed = feedOf(board);
    const wasInSight = feed.isBatchInSight;
    feed.isBatchInSight = inSight.size > 0;
    if (feed.isBatchInSight && !wasInSight && feed.live) reshow(board);
  });
  for (const part of [board.parts.samples, board.parts.tokens]) watcher.observe(part);
  board.leaving.push(() => watcher.disconnect());
});

/** @type {(board: LiveBoard) => () => Promise<void>} */
const refreshOf = perBoard((board) =>
  oneAtATime(
    () => refresh(board),
    ({ message }) => drawProblems(board, [message], "The run could not be read:"),
  ),
);

/** @param {LiveBoard} board */
async function refresh(board) {
  if (!board.root.isConnected) return;
  await fetchLive(board);
  const missing = await fetchShown(board);
  if (board.root.isConnected) drawAll(board);
  if (missing) throw missing;
}

/**
 * The error, if it is the server's.
 * @param {unknown} error
 */
function doorError(error) {
  if (error instanceof DoorError) return error;
  throw error;
}

/**
 * Fetches what of the run was chosen to be seen; returns the server's error, null for none.
 * @param {LiveBoard} board
 */
async function fetchShown(board) {
  const choice = choiceOf(board);
  const { isBatchInSight, pin, batch } = feedOf(board);
  const { column, clip } = VIEWS[choice.view];
  const isWanted = isBatchInSight || (pin && batch?.step !== pin.step);
  const parts = [
    isWanted && fetchBatch(board, clip ? [column, clip] : [column]),
    fetchPrompts(board, choice.prompt),
  ];
  return Promise.all(parts).then(() => null, doorError);
}

/** @param {LiveBoard} board */
function drawAll(board) {
  const { live, pairs } = feedOf(board);
  if (!live) return;
  board.root.classList.toggle("example", live.run.example);
  drawTop(board, live.run);
  drawNotice(board, live.notice);
  drawProblems(board, problems(board));
  drawHeadline(board, live.headline);
  if (pairs) drawPairs(board, pairs);
  drawBatch(board);
  drawPrompts(board, () => reshow(board));
  drawHistory(board, actions(board));
  drawCharts(board, ABOVE, (key, place) => chartHome(board, key, place));
}

/** @param {LiveBoard} board */
function drawBatch(board) {
  drawSamples(board, actions(board));
  drawTokens(board, actions(board));
}

/**
 * Fetches and draws what has just been chosen.
 * @param {LiveBoard} board
 */
async function reshow(board) {
  const missing = await fetchShown(board);
  if (missing) drawProblems(board, [missing.message], "This could not be read:");
  else drawProblems(board, problems(board));
  drawBatch(board);
  drawPrompts(board, () => reshow(board));
  drawHistory(board, actions(board));
}

/** @type {(board: LiveBoard) => Actions} */
const actions = perBoard((board) => ({
  pin: (step, sample) => pin(board, step, sample),
  ask: (request) => board.send("ask", { run: board.data.run, click: newMark(), ...request }),
  redraw: () => drawBatch(board),
  reshow: () => void reshow(board),
  details: () => fetchDetails(board),
}));

/** @type {WeakSet<object>} The batches whose other columns were asked for. */
const detailed = new WeakSet();

/**
 * Fetches every column of the batch, once.
 * @param {LiveBoard} board
 */
async function fetchDetails(board) {
  const { batch } = feedOf(board);
  if (!batch || detailed.has(batch)) return;
  detailed.add(batch);
  await fetchBatch(board, DETAILS).catch(() => detailed.delete(batch));
  if (batch.tokens.token_id) board.root.dispatchEvent(new Event(TIPS_CHANGED));
}

const DETAILS = [
  ...["token_id", "epochs_seen", "old_logprob", "ref_logprob", "kl", "reward", "kl_penalty", "score_share"],
  ...["advantage", "whitened", "value", "new_value", "return", "ratio", "policy_clip", "value_clip"],
];

/**
 * Chooses a sample, and puts it into the address; -1 follows the newest step.
 * @param {LiveBoard} board
 * @param {number} step
 * @param {number} sample
 */
function pin(board, step, sample) {
  const feed = feedOf(board);
  feed.pin = step < 0 ? null : { step, sample };
  addressOf(board).asked = {};
  keepAddress(board);
  reshow(board);
}

/** @param {LiveBoard} board */
export function keepAddress(board) {
  const { pin, live } = feedOf(board);
  if (live?.run.example) return;
  const { asked, hasRun } = addressOf(board);
  if (!pin) return writeAddress(hasRun ? NAMES : ["run", ...NAMES], asked.step || asked.sample ? asked : {});
  const { step, sample } = pin;
  writeAddress(["run", ...NAMES], { run: board.data.run, step, sample: sample < 0 ? null : sample });
}

/**
 * What the address asks for and the board does not show.
 * @param {LiveBoard} board
 */
function problems(board) {
  const { asked } = addressOf(board);
  const { batch, missing, pin } = feedOf(board);
  const found = notIndices(asked, NAMES);
  if ("sample" in asked && !("step" in asked))
    found.push(refusal("sample", asked.sample, "the step must be given too, as in step=3&sample=0"));
  if (!pin || !batch) return found;
  if (missing) found.push(refusal("step", String(pin.step), missing));
  return [...found, ...beyond(asked, "sample", batch.samples.length, `step ${batch.step}`, null)];
}

/**
 * @param {LiveBoard} board
 * @param {string} key
 * @param {number} place
 */
function chartHome(board, key, place) {
  if (key === "pinned") return promptsOf(board).chart;
  return place < ABOVE ? board.parts.charts : board.parts.more;
}

/**
 * @param {LiveBoard} board
 * @param {Figure[]} figures
 */
function drawHeadline(board, figures) {
  const boxes = headline(board);
  while (boxes.length < figures.length) boxes.push(figureBox(board));
  figures.forEach(({ label, now, change, about }, i) => {
    const box = boxes[i];
    fill(box.label, label);
    fill(box.now, now);
    fill(box.change, change);
    if (box.about.dataset.tip === about) return;
    const button = aboutButton(label, about);
    box.about.replaceWith(button);
    box.about = button;
  });
}

const headline = perBoard(
  /**
   * @param {LiveBoard} _
   * @returns {ReturnType<typeof figureBox>[]}
   */
  (_) => [],
);

/** @param {LiveBoard} board */
function figureBox({ parts }) {
  const label = document.createTextNode("");
  const now = h("div", { class: "now number" });
  const change = h("div", { class: "change number" });
  const about = aboutButton("", "");
  parts.headline.append(
    h("div", { class: "figure" }, h("div", { class: "label" }, label, about), now, change),
  );
  return { label, now, change, about };
}
