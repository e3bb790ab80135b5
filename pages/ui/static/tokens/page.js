// The Tokens page: one step of a run, one of its samples as a strip, one token's trace, and the whole batch.
import { perBoard } from "../lib/board.js";
import { h } from "../lib/dom.js";
import { shortcuts } from "../lib/keys.js";
import { watchTheme } from "../lib/theme.js";
import { drawProblems } from "../lib/top.js";
import { buildHighlights, drawHighlights } from "./highlights.js";
import { moveSample, moveStep, moveToken } from "./moves.js";
import { buildSample, drawSample } from "./sample.js";
import { buildScatter, drawScatter } from "./scatter.js";
import { buildSearch, drawSearch } from "./search.js";
import { buildSteps, drawSteps } from "./steps.js";
import { drawTrace } from "./trace.js";
import { begin, changeView, keepAddress, refresh } from "./view_state.js";

/**
 * @import { Shortcut } from "../lib/keys.js"
 * @import { ChangeView, Shown, TokensBoard } from "./view_state.js"
 */

/**
 * Python has mounted the page, or has made it anew.
 * @param {TokensBoard} board
 */
export function draw(board) {
  begin(
    board,
    (shown) => drawShown(board, shown),
    ({ message }) => drawProblems(board, [message], "The tokens could not be read:"),
  );
}

/**
 * The run has changed.
 * @param {TokensBoard} board
 */
export function changed(board) {
  refresh(board);
}

/**
 * @param {TokensBoard} board
 * @param {Shown} shown
 */
function drawShown(board, shown) {
  const view = viewOf(board);
  watchTheme(board, () => drawShown(board, view.shown ?? shown));
  drawProblems(board, shown.page.problems);
  view.shown = shown;
  drawSteps(view.steps, shown.page);
  drawSample(board, view.sample, shown, view.changeView);
  drawTrace(view.trace, shown, view.changeView);
  drawHighlights(view.highlights, shown, view.changeView);
  drawSearch(view.search, shown, view.changeView);
  board.parts.microscope.dataset.shown = JSON.stringify(shown.page.look);
  drawScatterLater(board, view, shown);
}

/**
 * The batch's thousands of points take the longest, so they are drawn one frame after the trace.
 * @param {TokensBoard} board
 * @param {ReturnType<typeof build>} view
 * @param {Shown} shown
 */
function drawScatterLater(board, view, shown) {
  requestAnimationFrame(() =>
    requestAnimationFrame(() => {
      if (view.shown !== shown || !board.root.isConnected) return;
      drawScatter(board, view.scatter, shown, view.changeView);
      board.parts.microscope.dataset.points = String(shown.page.step);
    }),
  );
}

const viewOf = perBoard(build);

/** @param {TokensBoard} board */
function build(board) {
  const section = board.parts.microscope;
  /** @type {ChangeView} */
  const change = (wanted) => changeView(board, wanted);
  const view = {
    shown: /** @type {Shown | null} */ (null),
    changeView: change,
    steps: buildSteps(board),
    sample: buildSample(board),
    trace: h("div", { class: "story" }),
    highlights: buildHighlights(),
    search: buildSearch(() => view.shown && drawSearch(view.search, view.shown, change)),
    scatter: buildScatter(board),
  };
  const side = h(
    "aside",
    {},
    h("h2", {}, "Where to look first"),
    view.highlights,
    h("h2", {}, "Search the texts"),
    view.search.input,
    view.search.hits,
  );
  const main = h("div", { class: "main" }, view.sample.root, view.trace);
  section.append(view.steps.root, h("div", { class: "columns" }, main, side), view.scatter.root);
  view.steps.root.append(shortcuts(board.root, section, HINT, keys(board)));
  return view;
}

const HINT = "Keys: J K sample, [ ] step, ← → token, G newest, ? help";

/**
 * @param {TokensBoard} board
 * @returns {Shortcut[]}
 */
function keys(board) {
  return [
    [["J"], "Next sample", () => moveSample(board, 1)],
    [["K"], "Previous sample", () => moveSample(board, -1)],
    [["→"], "Next token", () => moveToken(board, 1)],
    [["←"], "Previous token", () => moveToken(board, -1)],
    [["]"], "Next step", () => moveStep(board, 1)],
    [["["], "Previous step", () => moveStep(board, -1)],
    [["G"], "Follow the newest step", () => changeView(board, { step: null })],
  ];
}

export { keepAddress };
