// Pinned prompts: held-out openings continued with the same random numbers at every evaluation, so that any
// change is the model's doing.
import { perBoard } from "../lib/board.js";
import { h, redrawn, setOptions } from "../lib/dom.js";
import { sideCells } from "./pairs.js";

/**
 * @import { Board } from "../lib/board.js"
 * @import { LivePayload, PromptRow, Prompts } from "../lib/payloads"
 */

const TITLE = "Pinned prompts: the same openings, the same random numbers, step after step";

/** The section's frame; the chart of their mean score goes into its left half. */
export const promptsOf = perBoard(
  /** @param {Board<LivePayload>} board */
  (board) => {
    const chart = h("div", { class: "pinned-chart" });
    const rows = h("div", { class: "rows" });
    const choice = h("select", {
      "aria-label": "Choose a pinned prompt",
      onchange: () => board.send("prompt", Number(choice.value)),
    });
    const body = h("div", { class: "prompts" }, chart, h("div", {}, choice, rows));
    board.parts.pinned.append(h("header", {}, h("h2", {}, TITLE)), body);
    return { chart, choice, rows };
  },
);

/**
 * @param {Board<LivePayload>} board
 * @param {Prompts} prompts
 */
export function drawPrompts(board, prompts) {
  const { choice, rows } = promptsOf(board);
  redrawn(rows, prompts, () => {
    setOptions(
      choice,
      prompts.queries.map((query, i) => [String(i), `${query} …`]),
    );
    choice.value = String(prompts.chosen);
    choice.hidden = !prompts.queries.length;
    return prompts.rows.length
      ? prompts.rows.map(promptRow)
      : [h("div", { class: "none" }, "Their continuations appear here at each evaluation.")];
  });
}

/** @param {PromptRow} row */
function promptRow({ step, side }) {
  const when = step === 0 ? "untrained" : `step ${step}`;
  return h("div", { class: "row" }, h("span", { class: "when number" }, when), ...sideCells(side));
}
