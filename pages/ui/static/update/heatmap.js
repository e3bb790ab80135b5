// A tensor as a labelled heatmap: rows are samples with their text, columns are tokens; a cell shows its
// number if there is room.
import { h } from "../lib/dom.js";
import { number, signed, visible } from "../lib/format.js";
import { colour } from "../lib/scales.js";

/**
 * @import { Scale, Tensor, UpdateSample } from "../lib/payloads"
 */
/** @typedef {{samples: UpdateSample[], token: number[] | null}} Batch  token: the chosen row and position */

const TIGHT = 40; // pixels: a narrower cell has no room for a number
const ABOUT_SCALE = "The scale's limits. Numbers beyond them have the limit's colour.";

const sizes = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    const wide = target.querySelector(".cell")?.clientWidth ?? TIGHT;
    target.classList.toggle("tight", wide < TIGHT);
  }
});

/**
 * @param {Tensor} tensor
 * @param {Batch} batch
 * @param {(row: number, position: number) => void} choose  called when a cell is clicked
 */
export function heatmap(tensor, batch, choose) {
  const grid = cellGrid(tensor, batch);
  if (!isNamed(tensor) && !tensor.words) grid.addEventListener("click", (event) => chosenBy(event, choose));
  const shape = h("span", { class: "quiet" }, tensor.shape);
  const caption = h("figcaption", {}, h("b", {}, tensor.label), shape, legend(tensor.scale));
  sizes.observe(grid);
  return h("figure", { class: kindOf(tensor) }, caption, grid, h("p", { class: "quiet" }, tensor.about));
}

/**
 * Whether its rows or columns have names, rather than being samples and tokens.
 * @param {Tensor} tensor
 */
function isNamed({ rows, columns }) {
  return Boolean(rows || columns);
}

/** @param {Tensor} tensor */
function kindOf(tensor) {
  if (tensor.beside) return "tensor beside";
  return isNamed(tensor) ? "tensor named" : "tensor";
}

/**
 * @param {Tensor} tensor
 * @param {Batch} batch
 */
function cellGrid(tensor, { samples, token }) {
  const count = Math.max(1, ...tensor.values.map((row) => row?.length ?? 0));
  const columns = [...Array(count).keys()];
  const heads = columns.map((t) => h("span", { class: "place quiet" }, tensor.columns?.[t] ?? t + 1));
  const rows = tensor.values.flatMap((_, i) => {
    const name = tensor.rows?.[i] ?? `${i}  ${visible(samples[i]?.query ?? "")}`;
    const cells = columns.map((t) => {
      const isChosen = !isNamed(tensor) && token?.[0] === i && token[1] === t;
      return cell(tensor, samples[i], i, t, isChosen);
    });
    return [h("span", { class: "row quiet" }, name), ...cells];
  });
  const tip = (/** @type {Event} */ event) => tipAt(tensor, samples, event.target);
  const grid = h("div", { class: "cells", tip }, h("span", { class: "corner" }), ...heads, ...rows);
  grid.style.setProperty("--columns", String(count));
  return grid;
}

/**
 * @param {MouseEvent} event
 * @param {(row: number, position: number) => void} choose
 */
function chosenBy({ target }, choose) {
  const at = target instanceof Element ? target.closest(".cell:not(.blank)") : null;
  if (at instanceof HTMLElement) choose(Number(at.dataset.row), Number(at.dataset.position));
}

/**
 * A number, signed if its scale is centred on zero.
 * @param {Scale} scale
 * @param {number | null} x
 */
function write(scale, x) {
  if (scale.kind === "none") return String(x);
  return scale.kind === "diverging" && !scale.centre ? signed(x) : number(x);
}

/**
 * @param {Tensor} tensor
 * @param {UpdateSample | undefined} sample
 * @param {number} i
 * @param {number} t
 * @param {boolean} isChosen
 */
function cell(tensor, sample, i, t, isChosen) {
  const row = tensor.values[i];
  const x = row?.[t] ?? null;
  if (!row || t >= row.length || (tensor.words && x === null)) return h("span", { class: "cell blank" });
  const word = wordOf(tensor, sample, i, t);
  const arrow = arrowOf(x, tensor.since?.[i]?.[t]);
  const made = h(
    "span",
    { class: "cell", data: { row: i, position: t } },
    word !== null && h("small", {}, visible(word)),
    h("b", { class: "number" }, write(tensor.scale, x)),
    arrow && h("i", {}, arrow),
  );
  made.style.background = shade(x, tensor.scale);
  made.classList.toggle("clip", Boolean(tensor.marks?.[i]?.[t]));
  made.classList.toggle("moved", arrow !== "");
  made.classList.toggle("chosen", isChosen);
  return made;
}

/**
 * The token in the cell; null if the cell is not a token's.
 * @param {Tensor} tensor
 * @param {UpdateSample | undefined} sample
 * @param {number} i
 * @param {number} t
 */
function wordOf(tensor, sample, i, t) {
  if (tensor.words) return tensor.words[i][t];
  return isNamed(tensor) ? null : (sample?.tokens[t] ?? null);
}

/**
 * The direction in which a number moved, if the change is visible.
 * @param {number | null} x
 * @param {number | null | undefined} before
 */
function arrowOf(x, before) {
  if (before === undefined || number(before) === number(x)) return "";
  return (x ?? 0) > (before ?? 0) ? "▲" : "▼";
}

/**
 * @param {number | null} x
 * @param {Scale} scale
 */
function shade(x, scale) {
  if (scale.kind === "diverging") return colour(x, scale.centre, scale.limit);
  if (scale.kind !== "one-sided" || x === null || !scale.limit) return "transparent";
  const share = Math.max(0, Math.min(1, (scale.below ? -x : x) / scale.limit));
  return `color-mix(in srgb, var(--${scale.colour}) ${(70 * share).toFixed(1)}%, transparent)`;
}

/** @param {Scale} scale */
function legend(scale) {
  if (scale.kind === "none") return null;
  const [low, high] = endsOf(scale);
  const bar = h("i");
  if (scale.kind === "one-sided") {
    const full = `color-mix(in srgb, var(--${scale.colour}) 70%, transparent)`;
    bar.style.background = `linear-gradient(${scale.below ? 270 : 90}deg, transparent, ${full})`;
  }
  const ends = [low, high].map((x) => h("span", { class: "number" }, write(scale, x)));
  return h("span", { class: "scale", tip: ABOUT_SCALE }, ends[0], bar, ends[1]);
}

/** @param {Exclude<Scale, {kind: "none"}>} scale */
function endsOf(scale) {
  if (scale.kind === "diverging") return [scale.centre - scale.limit, scale.centre + scale.limit];
  return scale.below ? [-scale.limit, 0] : [0, scale.limit];
}

/**
 * @param {Tensor} tensor
 * @param {UpdateSample[]} samples
 * @param {EventTarget | null} target
 */
function tipAt(tensor, samples, target) {
  const at = target instanceof Element ? target.closest(".cell, .row") : null;
  if (!(at instanceof HTMLElement) || at.classList.contains("blank")) return "";
  if (at.dataset.row === undefined) return tensor.rows ? "" : textOfRow(samples, at);
  const [i, t] = [Number(at.dataset.row), Number(at.dataset.position)];
  const x = tensor.values[i]?.[t] ?? null;
  const before = tensor.since?.[i]?.[t];
  const value = x === null ? "not a finite number" : write(tensor.scale, x);
  const lines = [nameOf(tensor, samples[i], i, t), `${tensor.label}: ${value}`];
  if (before !== undefined)
    lines.push(`before ${signed(before)}, change ${signed((x ?? 0) - (before ?? 0))}`);
  if (tensor.marks) lines.push(tensor.marks[i]?.[t] ? "the clip binds" : "the clip does not bind");
  return lines.join("\n");
}

/**
 * The full text of the sample with that row label.
 * @param {UpdateSample[]} samples
 * @param {HTMLElement} label
 */
function textOfRow(samples, label) {
  const labels = [...(label.parentElement?.querySelectorAll(".row") ?? [])];
  const sample = samples[labels.indexOf(label)];
  return sample ? sample.query + sample.response : "";
}

/**
 * @param {Tensor} tensor
 * @param {UpdateSample | undefined} sample
 * @param {number} i
 * @param {number} t
 */
function nameOf(tensor, sample, i, t) {
  if (isNamed(tensor)) return `${tensor.rows?.[i] ?? `sample ${i}`}, ${tensor.columns?.[t] ?? ""}`;
  const word = tensor.words?.[i][t] ?? sample?.tokens[t] ?? "";
  return `“${visible(word)}”  token ${t + 1} of sample ${i}`;
}

/**
 * Shows the first `count` tokens of each row, or the last ones if the tensor is computed from the end.
 * @param {HTMLElement} box
 * @param {number} count
 * @param {number[]} lengths  of the rows
 * @param {boolean} isBackwards
 */
export function uncover(box, count, lengths, isBackwards) {
  for (const cell of cellsOf(box)) {
    const length = lengths[Number(cell.dataset.row)] ?? Number.POSITIVE_INFINITY;
    const at = Number(cell.dataset.position);
    cell.classList.toggle("unseen", (isBackwards ? length - 1 - at : at) >= count);
  }
}

/**
 * Marks a token in all heatmaps over tokens.
 * @param {HTMLElement} article
 * @param {number} row
 * @param {number} position
 */
export function choose(article, row, position) {
  for (const cell of cellsOf(article)) {
    const isThere = Number(cell.dataset.row) === row && Number(cell.dataset.position) === position;
    cell.classList.toggle("chosen", isThere && !cell.closest(".named"));
  }
}

/**
 * @param {HTMLElement} box
 * @returns {NodeListOf<HTMLElement>}
 */
function cellsOf(box) {
  return box.querySelectorAll(".cell:not(.blank)");
}
