// The batch's continuations, sortable and searchable.
import { perBoard } from "../lib/board.js";
import { fill, forget, h, redrawn } from "../lib/dom.js";
import { number, signed } from "../lib/format.js";
import { choiceOf, chosenSample, listed, ORDERS } from "./choice.js";
import { feedOf } from "./feed.js";

/**
 * @import { Batch, BatchSample } from "../lib/payloads"
 * @import { Actions, Choice, Order } from "./choice.js"
 * @import { LiveBoard } from "./feed.js"
 */

const EMPTY = "The batch's continuations appear here after the first step.";

/**
 * @param {LiveBoard} board
 * @param {Actions} actions
 */
export function drawSamples(board, actions) {
  const view = viewOf(board);
  const { run, batch, pin } = feedOf(board);
  const { title, rows } = view;
  view.actions = actions;
  if (!batch) {
    fill(title, "Continuations");
    forget(rows);
    rows.replaceChildren(h("div", { class: "none" }, EMPTY));
    return;
  }
  fill(title, `Step ${batch.step}'s ${batch.samples.length} continuations`);
  view.follow.hidden = !pin;
  const choice = choiceOf(board);
  const chosen = chosenSample({ samples: batch.samples, pin }, choice)?.index;
  const top = rows.scrollTop;
  const key = [run, batch.step, choice.order, choice.search, chosen];
  if (redrawn(rows, key, () => sampleRows(batch, choice, chosen, actions))) rows.scrollTop = top;
}

/**
 * @param {Batch} batch
 * @param {Choice} choice
 * @param {number | undefined} chosen
 * @param {Actions} actions
 */
function sampleRows(batch, choice, chosen, actions) {
  const shown = listed(batch.samples, choice);
  const all = batch.samples.length;
  const none = `No continuation of this batch contains “${choice.search}”.`;
  if (!shown.length) return [h("div", { class: "none" }, `${none} Clear the search to see all ${all}.`)];
  return shown.map((sample) =>
    sampleRow(sample, sample.index === chosen, () => actions.pin(batch.step, sample.index)),
  );
}

/**
 * @param {BatchSample} sample
 * @param {boolean} isChosen
 * @param {() => void} choose
 */
function sampleRow({ index, query, response, score, kl, ended }, isChosen, choose) {
  const end = ended && h("span", { class: "quiet", tip: "The policy ended its text here." }, " ∎");
  return h(
    "div",
    {
      class: isChosen ? "sample chosen" : "sample",
      role: "button",
      data: { sample: index },
      tabindex: 0,
      onclick: choose,
      onkeydown: (event) => event.key === "Enter" && choose(),
    },
    h("span", { class: "number quiet" }, index),
    h("span", { class: "number" }, signed(score)),
    h("span", { class: "number quiet" }, number(kl)),
    h(
      "span",
      { class: "text" },
      h("span", { class: "query" }, query),
      h("span", { class: "response" }, response),
      end,
    ),
  );
}

const viewOf = perBoard(
  /** @param {LiveBoard} board */
  (board) => {
    const section = board.parts.samples;
    section.classList.remove("samples");
    const title = h("h2");
    const rows = h("div", { class: "samples", tabindex: 0 });
    const follow = h("button", { onclick: () => view.actions?.pin(-1, -1) }, "Follow the newest step");
    const view = { title, rows, follow, actions: /** @type {Actions | null} */ (null) };
    const fields = [searchField(board, view), orderField(board, view)];
    section.append(h("header", {}, title, h("span", { class: "grow" }), follow, ...fields));
    section.append(columnHeads(), rows);
    return view;
  },
);

/**
 * @param {LiveBoard} board
 * @param {{actions: Actions | null}} view
 */
function searchField(board, view) {
  const field = h("input", {
    type: "search",
    placeholder: "Search the texts",
    "aria-label": "Search the continuations",
    oninput: () => {
      choiceOf(board).search = field.value;
      view.actions?.redraw();
    },
  });
  return field;
}

/**
 * @param {LiveBoard} board
 * @param {{actions: Actions | null}} view
 */
function orderField(board, view) {
  const options = Object.entries(ORDERS).map(([value, { label }]) => h("option", { value }, label));
  const onchange = () => {
    choiceOf(board).order = /** @type {Order} */ (field.value);
    view.actions?.redraw();
  };
  const field = h("select", { "aria-label": "Sort the continuations", onchange }, ...options);
  return field;
}

function columnHeads() {
  const labels = ["#", "score", "KL", "query, then response"];
  const cells = labels.map((label) => h("span", { class: label.length < 6 && "number" }, label));
  return h("div", { class: "samples head" }, h("div", { class: "sample" }, ...cells));
}
