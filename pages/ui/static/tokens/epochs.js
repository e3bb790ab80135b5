// A table with one row per epoch and one column per token: the ratio drifting out of its band, clips marked.
import { h } from "../lib/dom.js";
import { fixed, number, visible } from "../lib/format.js";
import { colour } from "../lib/scales.js";

/** @import { ChangeView, Shown } from "./view_state.js" */

const NOTHING = "The update made no gradient step on this sample.";
const UNREACHED =
  " –: the update ended before it came to that token in that epoch, because its KL had reached the limit " +
  "(target_kl).";

/**
 * The table and its legend.
 * @param {Shown["page"]} page
 * @param {ChangeView} changeView
 */
export function epochTable(page, changeView) {
  const { sample, epochs, look: shown } = page;
  if (!epochs || !sample.text.length) return [h("p", { class: "quiet" }, NOTHING)];
  const heads = sample.text.map((text, i) =>
    h("th", { class: i === shown.token && "chosen" }, visible(text)),
  );
  const rows = sample.ratio.map((_, epoch) => epochRow(page, epoch, () => changeView({ epoch })));
  const table = h("table", {}, h("tr", {}, h("th", {}, "epoch"), ...heads), ...rows);
  return [table, h("p", { class: "quiet" }, keyOf(page))];
}

/** @param {Shown["page"]} page */
function keyOf({ sample, cliprange }) {
  const band = `▲ above ${number(1 + cliprange)}, ▼ below ${number(1 - cliprange)}`;
  const policy = "P: the policy clip binds, so the token gives that epoch's policy loss no gradient";
  const missed = sample.ratio.some((row) => row.includes(null)) ? UNREACHED : "";
  return `${band}; ${policy}; V: the value clip binds.${missed}`;
}

/**
 * @param {Shown["page"]} page
 * @param {number} epoch
 * @param {() => void} onclick
 */
function epochRow(page, epoch, onclick) {
  const pick = h("button", { onclick }, epoch + 1);
  const cells = page.sample.ratio[epoch].map((_, i) => cell(page, epoch, i));
  return h("tr", { class: epoch === page.look.epoch && "shown" }, h("th", {}, pick), ...cells);
}

/**
 * @param {Shown["page"]} page
 * @param {number} epoch
 * @param {number} i
 */
function cell({ sample, cliprange, look }, epoch, i) {
  const ratio = sample.ratio[epoch][i];
  const bound = (sample.policy_clip[epoch][i] ? "P" : "") + (sample.value_clip[epoch][i] ? "V" : "");
  const text = `${fixed(ratio, 3)}${sideOf(ratio, cliprange)}`;
  const name = i === look.token ? "number chosen" : "number";
  const made = h("td", { class: name }, text, bound && h("b", {}, bound));
  made.style.background = colour(ratio, 1, 2 * cliprange);
  return made;
}

/**
 * Marks a ratio above or below the clip's band.
 * @param {number | null} ratio
 * @param {number} cliprange
 */
function sideOf(ratio, cliprange) {
  if (ratio === null) return "";
  if (ratio > 1 + cliprange) return "▲";
  return ratio < 1 - cliprange ? "▼" : "";
}
