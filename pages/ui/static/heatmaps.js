// A tensor as a labelled heatmap: rows are samples with their text, columns tokens; a cell shows its number where it fits.
import { element, number, signed } from "./dom.js";
import { colour, visible } from "./tokens.js";

const TIGHT = 40; // pixels: a narrower cell has no room for a number

// payload: samples and token, which is the chosen one; choose(row, position) is called for a cell that is clicked.
export function heatmap(tensor, { samples, token }, choose) {
  const { scale, values } = tensor, named = Boolean(tensor.rows || tensor.columns);
  const columns = Math.max(1, ...values.map((row) => row?.length ?? 0));
  const box = element("figure", tensor.beside ? "tensor beside" : named ? "tensor named" : "tensor"), caption = element("figcaption"), grid = element("div", "cells has-tip");
  caption.append(element("b", "", tensor.label), element("span", "quiet", tensor.shape), ...legend(scale));
  grid.style.setProperty("--columns", columns);
  grid.append(element("span", "corner"), ...range(columns).map((t) => element("span", "place quiet", tensor.columns?.[t] ?? t + 1)));
  values.forEach((row, i) => {
    const sample = samples[i], label = element("span", "row quiet", tensor.rows?.[i] ?? `${i}  ${visible(sample?.query ?? "")}`);
    grid.append(label, ...range(columns).map((t) => cell(tensor, sample, i, t, !named && token?.[0] === i && token[1] === t)));
  });
  grid.tip = (event) => tip(tensor, samples, event.target.closest(".cell, .row"));
  if (!named && !tensor.words) grid.addEventListener("click", ({ target }) => {
    const at = target.closest(".cell:not(.blank)");
    if (at) choose(Number(at.dataset.row), Number(at.dataset.position));
  });
  box.append(caption, grid, element("p", "quiet", tensor.about));
  box.reveal = tensor.reveal;
  sizes.observe(grid);
  return box;
}

const range = (count) => [...Array(count).keys()];
const sizes = new ResizeObserver((entries) => entries.forEach(({ target }) =>
  target.classList.toggle("tight", (target.querySelector(".cell")?.clientWidth ?? TIGHT) < TIGHT)));

const written = (tensor, x) => (tensor.scale.kind === "none" ? String(x) : tensor.scale.kind === "diverging" && !tensor.scale.centre ? signed(x) : number(x));

function cell(tensor, sample, i, t, chosen) {
  const row = tensor.values[i], there = row !== null && t < (row?.length ?? 0) && !(tensor.words && row[t] === null);
  const made = element("span", there ? "cell" : "cell blank"), x = there ? row[t] : null, before = tensor.since?.[i]?.[t];
  if (!there) return made;
  const word = tensor.words ? tensor.words[i][t] : tensor.rows || tensor.columns ? null : sample?.tokens[t];
  if (word !== null && word !== undefined) made.append(element("small", "", visible(word)));
  const moved = before !== undefined && number(before) !== number(x) ? (x > before ? "▲" : "▼") : "";
  made.append(element("b", "number", written(tensor, x)));
  if (moved) made.append(element("i", "", moved));
  made.style.background = shade(x, tensor.scale);
  made.classList.toggle("clip", Boolean(tensor.marks?.[i]?.[t]));
  made.classList.toggle("moved", Boolean(moved));
  made.classList.toggle("chosen", chosen);
  Object.assign(made.dataset, { row: i, position: t });
  return made;
}

function shade(x, { kind, centre, limit, colour: name, below }) {
  if (kind === "diverging") return colour(x, centre, limit);
  if (kind !== "one-sided" || x === null || !limit) return "transparent";
  const share = Math.max(0, Math.min(1, (below ? -x : x) / limit));
  return `color-mix(in srgb, var(--${name}) ${(70 * share).toFixed(1)}%, transparent)`;
}

function legend({ kind, centre, limit, colour: name, below }) {
  if (kind === "none") return [];
  const made = element("span", "scale"), bar = element("i"), ends = kind === "diverging" ? [centre - limit, centre + limit] : below ? [-limit, 0] : [0, limit];
  const write = kind === "diverging" && !centre ? signed : number;
  if (kind === "one-sided") bar.style.background = `linear-gradient(${below ? 270 : 90}deg, transparent, color-mix(in srgb, var(--${name}) 70%, transparent))`;
  made.append(element("span", "number", write(ends[0])), bar, element("span", "number", write(ends[1])));
  made.dataset.tip = "The scale's limits. Numbers beyond them have the limit's colour.";
  return [made];
}

function tip(tensor, samples, at) {
  if (!at || at.classList.contains("blank")) return "";
  const { row: i, position: t } = at.dataset;
  if (i === undefined) return tensor.rows ? "" : samples.map(({ query, response }) => query + response)[[...at.parentElement.querySelectorAll(".row")].indexOf(at)] ?? "";
  const x = tensor.values[i][t], before = tensor.since?.[i]?.[t], word = tensor.words?.[i][t] ?? samples[i]?.tokens[t];
  const name = tensor.rows || tensor.columns ? `${tensor.rows?.[i] ?? `sample ${i}`}, ${tensor.columns?.[t] ?? ""}` : `“${visible(word ?? "")}”  token ${Number(t) + 1} of sample ${i}`;
  const told = [name, `${tensor.label}: ${x === null ? "not a finite number" : written(tensor, x)}`];
  if (before !== undefined) told.push(`before ${signed(before)}, change ${signed(x - before)}`);
  if (tensor.marks) told.push(tensor.marks[i]?.[t] ? "the clip binds" : "the clip does not bind");
  return told.join("\n");
}

// Shows the first `count` tokens of each row, or the last ones where the tensor is worked out from its end.
export function uncover(box, count) {
  for (const one of box.querySelectorAll(".cell:not(.blank)")) {
    const length = box.lengths[Number(one.dataset.row)] ?? Infinity, at = Number(one.dataset.position);
    one.classList.toggle("unseen", box.reveal === "backwards" ? length - 1 - at >= count : at >= count);
  }
}
