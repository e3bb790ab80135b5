// The batch in a few numbers: in the run, with these settings, and the difference.
import { fill, h, redrawn } from "../lib/dom.js";
import { number, percent, signed } from "../lib/format.js";

/**
 * @import { ComparedFigure, WhatIfNumbers } from "../lib/payloads"
 */

const WRITTEN = { signed, number, percent };
const CELLS = ["was", "now", "by"];

export function buildFigures() {
  const heads = ["", "in the run", "with these settings", "difference"].map((label) => h("th", {}, label));
  const rows = h("tbody");
  const root = h("table", { class: "figures" }, h("thead", {}, h("tr", {}, ...heads)), rows);
  return { root, rows, was: heads[1] };
}

/**
 * @param {ReturnType<typeof buildFigures>} view
 * @param {Pick<WhatIfNumbers, "figures"> & {example: boolean}} data
 */
export function drawFigures({ was, rows }, { figures, example }) {
  fill(was, example ? "in the notebook" : "in the run");
  redrawn(
    rows,
    figures.map(({ label }) => label),
    () => figures.map(figureRow),
  );
  figures.forEach((figure, i) => {
    const cells = rows.children[i].querySelectorAll("td");
    const by = difference(figure);
    fill(cells[0], WRITTEN[figure.kind](figure.was));
    fill(cells[1], WRITTEN[figure.kind](figure.now));
    fill(cells[2], by.text);
    cells[2].classList.toggle("moved", by.isMoved);
  });
}

/** @param {ComparedFigure} figure */
function figureRow({ label, about }) {
  const name = h("th", { tip: about, tabindex: 0 }, label);
  const cells = CELLS.map((kind) => h("td", { class: `number ${kind}` }));
  return h("tr", { data: { figure: label } }, name, ...cells);
}

/** @param {ComparedFigure} figure */
function difference({ was, now, kind }) {
  if (was === null || now === null) return { text: "–", isMoved: false };
  const by = now - was;
  if (Math.abs(by) <= 1e-6 * Math.max(Math.abs(was), 1e-3)) return { text: "same", isMoved: false };
  return { text: kind === "percent" ? `${signed(100 * by)} points` : signed(by), isMoved: true };
}
