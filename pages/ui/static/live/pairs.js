// Then and now: held-out openings as continued before training and by the newest policy.
import { perBoard } from "../lib/board.js";
import { fill, h, redrawn } from "../lib/dom.js";
import { signed } from "../lib/format.js";

/**
 * @import { Pair, Pairs, Side } from "../lib/payloads"
 * @import { LiveBoard } from "./feed.js"
 */

const EMPTY = "A held-out opening and its continuation appear here at the next evaluation.";

/**
 * @param {LiveBoard} board
 * @param {Pairs} pairs
 */
export function drawPairs(board, pairs) {
  const { title, grid } = viewOf(board);
  fill(title, pairs.title);
  redrawn(grid, pairs.items, () =>
    pairs.items.length
      ? pairs.items.map(pairBox)
      : [1, 2, 3].map(() => h("div", { class: "pair quiet" }, EMPTY)),
  );
}

const viewOf = perBoard(
  /** @param {LiveBoard} board */
  ({ parts }) => {
    const title = h("h2");
    const grid = h("div", { class: "pairs" });
    parts.pairs.classList.remove("pairs");
    parts.pairs.append(h("header", {}, title), grid);
    return { title, grid };
  },
);

/** @param {Pair} pair */
function pairBox({ query, then, now }) {
  return h(
    "div",
    { class: "pair" },
    h("div", { class: "text query" }, `${query} …`),
    sideRow("then", then),
    now && sideRow("now", now),
  );
}

/**
 * @param {string} when
 * @param {Side} side
 */
function sideRow(when, side) {
  return h("div", { class: "row" }, h("span", { class: "when" }, when), ...sideCells(side));
}

/**
 * A continuation with its new words marked, and its score.
 * @param {Side} side
 */
export function sideCells({ pieces, score }) {
  const words = pieces.map(([piece, isNew]) => h("span", { class: isNew && "new" }, piece));
  return [h("span", { class: "text" }, ...words), h("span", { class: "number" }, signed(score))];
}
