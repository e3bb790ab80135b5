// The run's history, newest first: edits, pauses, checkpoints and notes, with their steps; edits can be
// undone.
import { perBoard } from "../lib/board.js";
import { fill, h, redrawn } from "../lib/dom.js";
import { feedOf } from "./feed.js";

/**
 * @import { HistoryItem } from "../lib/payloads"
 * @import { Actions } from "./choice.js"
 * @import { LiveBoard } from "./feed.js"
 */

const EMPTY = "Edits, pauses, notes and checkpoints appear here, and as markers on the charts.";

/**
 * @param {LiveBoard} board
 * @param {Actions} actions
 */
export function drawHistory(board, actions) {
  const view = viewOf(board);
  const { history, run } = feedOf(board);
  const { problem } = board.data;
  if (!history) return;
  view.actions = actions;
  fill(view.title, history.title);
  view.problem.hidden = !problem;
  fill(view.problem, problem);
  view.form.hidden = !history.writable;
  fill(view.pin, `Pin a note to step ${noteStep(board)}`);
  redrawn(view.rows, [run, history.items], () => {
    const { earlier } = history;
    const more =
      earlier > 0 && h("div", { class: "none" }, `and ${earlier} earlier ones, as the export has them`);
    return history.items.length
      ? [...history.items.map((item) => historyRow(item, actions)), more]
      : [h("div", { class: "none" }, EMPTY)];
  });
}

/**
 * A note belongs to the step on show: the pinned sample's, else the newest.
 * @param {LiveBoard} board
 */
function noteStep(board) {
  const { batch, pin, live } = feedOf(board);
  return pin && batch ? batch.step : Math.max(0, live?.step ?? 0);
}

const viewOf = perBoard(
  /** @param {LiveBoard} board */
  (board) => {
    const title = h("h2");
    const text = h("input", {
      type: "text",
      placeholder: "What did you see?",
      maxlength: 2000,
      "aria-label": "A note on this step",
    });
    const pin = h("button");
    /** @param {SubmitEvent} event */
    const onsubmit = (event) => {
      event.preventDefault();
      if (!text.value.trim()) return;
      view.actions?.ask({ kind: "note", step: noteStep(board), text: text.value });
      text.value = "";
    };
    const form = h("form", { class: "note", onsubmit }, text, pin);
    const rows = h("div", { class: "rows" });
    const problem = h("div", { class: "refusal", role: "alert" });
    const view = { title, form, pin, rows, problem, actions: /** @type {Actions | null} */ (null) };
    board.parts.history.append(h("header", {}, title, h("span", { class: "grow" }), form), problem, rows);
    return view;
  },
);

/**
 * @param {HistoryItem} item
 * @param {Actions} actions
 */
function historyRow({ number, step, kind, text, undo }, actions) {
  const takeBack = h(
    "button",
    {
      tip: "Ask for the old values again, at the next step.",
      onclick: () => actions.ask({ kind: "undo", number }),
    },
    "Undo",
  );
  return h(
    "div",
    { class: "happening", data: { kind } },
    h("span", { class: "number quiet" }, step < 0 ? "before" : `step ${step}`),
    h("span", { class: "kind quiet" }, kind),
    h("span", { class: "text" }, text),
    undo && takeBack,
  );
}
