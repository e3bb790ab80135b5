// One stage of the update: its explanation, its formulas in symbols and in numbers, its tensors, and whatever
// else that stage has.
import { h } from "../lib/dom.js";
import { signed, visible } from "../lib/format.js";
import { colour } from "../lib/scales.js";
import { choose as chooseCell, heatmap, uncover } from "./heatmap.js";
import { running } from "./running.js";
import { sampling } from "./sampling.js";

/**
 * @import { Epochs, Stage, Table, UpdateSample } from "../lib/payloads"
 * @import { Actions, Part, UpdatePage } from "./batch.js"
 */
/**
 * @typedef {object} StageView
 * @property {HTMLElement} article
 * @property {(count: number) => void} show  reveals the first `count` tokens of each response
 * @property {(row: number, position: number) => void} choose
 */

/**
 * @param {UpdatePage} page
 * @param {number} index
 * @param {Actions} actions
 * @returns {StageView}
 */
export function stageView(page, index, actions) {
  const stage = page.stages[index];
  const parts = ownParts(page, stage, actions);
  const lengths = page.samples.map(({ tokens }) => tokens.length);
  const tensors = stage.tensors.map((tensor) => {
    const reveal = stage.key === "sampling" ? "forwards" : tensor.reveal;
    return { reveal, root: heatmap(tensor, page, actions.choose) };
  });
  const article = h(
    "article",
    {},
    h("header", {}, h("h2", {}, `${index + 1}. ${stage.title}`)),
    h("p", { class: "said" }, stage.explanation),
    formulas(stage),
    stage.note && h("p", { class: "aside" }, stage.note),
    stage.epochs && stage.epochs.choices.length > 0 && epochs(stage.epochs, actions),
    ...parts.map(({ root }) => root),
    h("div", { class: "tensors" }, ...tensors.map(({ root }) => root)),
  );
  return {
    article,
    choose: (row, position) => chooseCell(article, row, position),
    show: (count) => {
      for (const { show } of parts) show?.(count);
      for (const { root, reveal } of tensors)
        if (reveal) uncover(root, count, lengths, reveal === "backwards");
    },
  };
}

/**
 * The parts that only this stage has.
 * @param {UpdatePage} page
 * @param {Stage} stage
 * @param {Actions} actions
 * @returns {Part[]}
 */
function ownParts(page, stage, actions) {
  /** @type {Part[]} */
  const parts = [];
  if (page.samples.length) {
    if (stage.key === "sampling") parts.push(sampling(page, actions));
    if (stage.key === "score") parts.push({ root: scores(page.samples) });
    if (stage.running) parts.push(running(stage.running, page, actions));
  }
  if (stage.table) parts.push({ root: table(stage.table) });
  return parts;
}

/**
 * The formulas, in symbols and in numbers.
 * @param {Stage} stage
 */
function formulas({ formulas, worked }) {
  const lines = worked.map(({ of, text }, i) => {
    const isSame = worked[i - 1]?.of === of;
    return h(
      "div",
      { class: isSame ? "worked same" : "worked" },
      h("span", { class: "of quiet" }, isSame ? "" : visible(of)),
      h("span", { class: "formula number" }, text),
    );
  });
  return h(
    "div",
    { class: "formulas" },
    ...formulas.map((text) => h("div", { class: "formula" }, text)),
    ...lines,
  );
}

/**
 * @param {Epochs} epochs
 * @param {Actions} actions
 */
function epochs({ chosen, choices }, { lookAt }) {
  const buttons = choices.map(({ epoch, label }) =>
    h("button", { "aria-pressed": String(epoch === chosen), onclick: () => lookAt(epoch) }, label),
  );
  return h("div", { class: "views epochs" }, ...buttons);
}

/** @param {UpdateSample[]} samples */
function scores(samples) {
  const limit = Math.max(...samples.map(({ score }) => Math.abs(score ?? 0)));
  const lines = samples.map(({ query, response, score, ended }) => {
    const figure = h("span", { class: "number" }, signed(score));
    figure.style.background = colour(score, 0, limit);
    const written = h("span", {}, response + (ended ? " ∎" : ""));
    const text = h("span", { class: "text" }, h("span", { class: "query" }, query), written);
    return h("div", { class: "scored" }, figure, text);
  });
  return h("div", { class: "scores" }, ...lines);
}

/** @param {Table} table */
function table({ head, rows }) {
  const lines = rows.map((cells) =>
    h("tr", {}, ...cells.map((text, i) => h("td", { class: i > 0 && "number" }, text))),
  );
  return h("table", {}, h("tr", {}, ...head.map((text) => h("th", {}, text))), ...lines);
}
