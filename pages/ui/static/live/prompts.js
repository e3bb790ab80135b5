// Pinned prompts: held-out openings continued with the same random numbers at every evaluation, so that any
// change is the model's doing.
import { perBoard } from "../lib/board.js";
import { h, redrawn, setOptions } from "../lib/dom.js";
import { choiceOf } from "./choice.js";
import { feedOf } from "./feed.js";
import { sideCells } from "./pairs.js";

/**
 * @import { PromptRow } from "../lib/payloads"
 * @import { LiveBoard } from "./feed.js"
 */

const TITLE = "Pinned prompts: the same openings, the same random numbers, step after step";

/** The section's frame; the chart of their mean score goes into its left half. */
export const promptsOf = perBoard(
  /** @param {LiveBoard} board */
  (board) => {
    const chart = h("div", { class: "pinned-chart" });
    const rows = h("div", { class: "rows" });
    const choice = h("select", {
      "aria-label": "Choose a pinned prompt",
      onchange: () => {
        choiceOf(board).prompt = Number(choice.value);
        view.reshow();
      },
    });
    const body = h("div", { class: "prompts" }, chart, h("div", {}, choice, rows));
    board.parts.pinned.append(h("header", {}, h("h2", {}, TITLE)), body);
    const view = { chart, choice, rows, reshow: () => {} };
    return view;
  },
);

/**
 * @param {LiveBoard} board
 * @param {() => void} reshow  fetches and draws another opening
 */
export function drawPrompts(board, reshow) {
  const view = promptsOf(board);
  const { choice, rows } = view;
  const { prompts } = feedOf(board);
  view.reshow = reshow;
  choice.hidden = !prompts?.queries.length;
  redrawn(rows, prompts, () => {
    setOptions(choice, prompts?.queries.map((query, i) => [String(i), `${query} …`]) ?? []);
    choice.value = String(prompts?.chosen ?? 0);
    return prompts?.rows.length
      ? prompts.rows.map(promptRow)
      : [h("div", { class: "none" }, "Their continuations appear here at each evaluation.")];
  });
}

/** @param {PromptRow} row */
function promptRow({ step, side }) {
  const when = step === 0 ? "untrained" : `step ${step}`;
  return h("div", { class: "row" }, h("span", { class: "when number" }, when), ...sideCells(side));
}
