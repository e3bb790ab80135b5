// The live page: a run in progress.
import { newMark, perBoard } from "../lib/board.js";
import { aboutButton, fill, h } from "../lib/dom.js";
import { drawCharts } from "./charts.js";
import { choiceOf } from "./choice.js";
import { drawHistory } from "./history.js";
import { drawPairs } from "./pairs.js";
import { drawPrompts, promptsOf } from "./prompts.js";
import { drawSamples } from "./samples.js";
import { drawTokens } from "./tokens.js";

/**
 * @import { Board } from "../lib/board.js"
 * @import { Figure, LivePayload } from "../lib/payloads"
 * @import { Actions } from "./choice.js"
 */

const ABOVE = 3; // charts that stand above the pairs, on the first screen; the rest come below

/** @param {Board<LivePayload>} board */
export function draw(board) {
  const { data } = board;
  if (data.batch && data.run.example) data.batch.pinned = choiceOf(board).pinned;
  drawHeadline(board, data.headline);
  drawPairs(board, data.pairs);
  drawSamples(board, data.batch, actions(board));
  drawTokens(board, data.batch, actions(board));
  drawPrompts(board, data.prompts);
  drawHistory(board, data.history, actions(board));
  drawCharts(board, data.charts, ABOVE, (key, place) => chartHome(board, key, place));
}

/** @type {(board: Board<LivePayload>) => Actions} */
const actions = perBoard((board) => ({
  pin: (step, sample) => pin(board, step, sample),
  ask: (request) => board.send("ask", { run: board.data.run.id, click: newMark(), ...request }),
  redraw: () => {
    drawSamples(board, board.data.batch, actions(board));
    drawTokens(board, board.data.batch, actions(board));
  },
}));

/**
 * Puts the chosen sample into the address; -1 follows the newest step.
 * @param {Board<LivePayload>} board
 * @param {number} step
 * @param {number} sample
 */
function pin(board, step, sample) {
  const { run } = board.data;
  if (!run.example) return board.send("pin", { run: run.id, step, sample, click: newMark() });
  choiceOf(board).pinned = step < 0 ? null : { step, sample };
  draw(board);
}

/**
 * @param {Board<LivePayload>} board
 * @param {string} key
 * @param {number} place
 */
function chartHome(board, key, place) {
  if (key === "pinned") return promptsOf(board).chart;
  return place < ABOVE ? board.parts.charts : board.parts.more;
}

/**
 * @param {Board<LivePayload>} board
 * @param {Figure[]} figures
 */
function drawHeadline(board, figures) {
  const boxes = headline(board);
  figures.forEach(({ label, now, change }, i) => {
    fill(boxes[i].label, label);
    fill(boxes[i].now, now);
    fill(boxes[i].change, change);
  });
}

const headline = perBoard(
  /** @param {Board<LivePayload>} board */
  ({ parts, data }) =>
    data.headline.map((figure) => {
      const label = document.createTextNode(figure.label);
      const now = h("div", { class: "now number" });
      const change = h("div", { class: "change number" });
      const name = h("div", { class: "label" }, label, aboutButton(figure.label, figure.about));
      parts.headline.append(h("div", { class: "figure" }, name, now, change));
      return { label, now, change };
    }),
);
