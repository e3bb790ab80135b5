// The What-if page: other settings for a recorded step. A slider moves at once; Python recomputes, and the
// answer is drawn.
import { perBoard } from "../lib/board.js";
import { h } from "../lib/dom.js";
import { watchTheme } from "../lib/theme.js";
import { drawProblems } from "../lib/top.js";
import { buildDistributions, buildLessons, drawDistributions, drawLessons } from "./charts.js";
import { buildFigures, drawFigures } from "./figures.js";
import { buildHead, drawHead } from "./head.js";
import { buildSliders, drawSliders } from "./sliders.js";
import { buildTokens, drawTokens } from "./tokens.js";
import { begin, keepAddress, refresh, shownOf } from "./view_state.js";

/** @import { WhatIfBoard, WhatIfMissing, WhatIfShown } from "./view_state.js" */

/**
 * Python has mounted the page, or has made it anew.
 * @param {WhatIfBoard} board
 */
export function draw(board) {
  begin(
    board,
    (shown) => drawShown(board, shown),
    ({ message }) => drawProblems(board, [message], "The step could not be read:"),
  );
  const shown = shownOf(board);
  if (shown && !("missing" in shown)) drawSliders(board, viewOf(board).sliders, shown);
}

/**
 * The run has changed.
 * @param {WhatIfBoard} board
 */
export function changed(board) {
  refresh(board);
}

/**
 * @param {WhatIfBoard} board
 * @param {WhatIfShown | WhatIfMissing} data
 */
function drawShown(board, data) {
  const view = viewOf(board);
  watchTheme(board, () => drawShown(board, shownOf(board) ?? data));
  drawProblems(board, []);
  drawHead(view.head, data);
  view.main.hidden = "missing" in data;
  if (!("missing" in data)) {
    drawSliders(board, view.sliders, data);
    drawFigures(view.figures, data);
    drawTokens(board, view.tokens, data);
    drawDistributions(board, view.distributions, data);
    drawLessons(board, view.lessons, data);
  }
  board.parts.whatif.dataset.shown = JSON.stringify(data.query);
}

const viewOf = perBoard(
  /** @param {WhatIfBoard} board */
  (board) => {
    const head = buildHead(board);
    const sliders = buildSliders(board);
    const figures = buildFigures();
    const distributions = buildDistributions(board);
    const tokens = buildTokens(board);
    const lessons = buildLessons(board);
    const body = h("div", { class: "body" }, figures.root, distributions.root, tokens.root, lessons.root);
    const main = h("div", { class: "main" }, sliders.root, body);
    board.parts.whatif.append(head.root, main);
    return { head, main, sliders, figures, distributions, tokens, lessons };
  },
);

export { keepAddress };
