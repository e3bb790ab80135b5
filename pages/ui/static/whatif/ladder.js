// The lesson on lambda: the chosen token's k-step estimators, and how GAE weights them.
import { fill, h, redrawn } from "../lib/dom.js";
import { fixed, number, signed } from "../lib/format.js";
import { colour } from "../lib/scales.js";

/**
 * @import { Ladder, Rung } from "../lib/payloads"
 */

/**
 * @param {Ladder | null} ladder
 * @param {number} token
 */
export function ladderTitle(ladder, token) {
  if (!ladder) return "This response has no token";
  const many = `${ladder.count} estimators make the advantage ${signed(ladder.sum)}`;
  return `Token ${token + 1}: ${ladder.count === 1 ? "one estimator, because it is the last" : many}`;
}

/**
 * @param {HTMLElement} list
 * @param {Ladder | null} ladder
 */
export function drawLadder(list, ladder) {
  const rungs = ladder?.rungs ?? [];
  redrawn(
    list,
    rungs.map(({ k }) => k),
    () => rungs.map(rungRow),
  );
  const limit = Math.max(...rungs.map(({ value }) => Math.abs(value ?? 0)), 1e-9);
  /** @type {NodeListOf<HTMLElement>} */
  const rows = list.querySelectorAll(".rung");
  rows.forEach((row, i) => {
    drawRung(row, rungs[i], limit, rungs[i].k === ladder?.count);
  });
}

/** @param {Rung} rung */
function rungRow({ k }) {
  return h(
    "div",
    { class: "rung", tabindex: 0 },
    h("span", { class: "k" }, k ? `A(${k})` : "between"),
    h("span", { class: "number value" }),
    h("span", { class: "bar" }, h("i"), h("u")),
    h("span", { class: "number quiet weight" }),
  );
}

/**
 * @param {HTMLElement} row
 * @param {Rung} rung
 * @param {number} limit  at which the values' colour saturates
 * @param {boolean} isLast
 */
function drawRung(row, rung, limit, isLast) {
  const { value, weight, own } = rung;
  /** @type {(selector: string) => HTMLElement} */
  const part = (selector) => /** @type {HTMLElement} */ (row.querySelector(selector));
  fill(part(".value"), value === null ? "" : signed(value));
  part(".value").style.background = colour(value, 0, limit);
  part(".bar i").style.width = `${100 * weight}%`;
  part(".bar u").style.left = `${100 * own}%`;
  fill(part(".weight"), weight < 0.0005 && weight > 0 ? "below 0.1 %" : `${fixed(100 * weight, 1)} %`);
  row.dataset.tip = tipOf(rung, isLast);
}

/**
 * @param {Rung} rung
 * @param {boolean} isLast
 */
function tipOf({ k, value, weight, own }, isLast) {
  const weights = `Weight ${number(weight)}, the run's ${number(own)}`;
  if (!k) return `The estimators between, together.\n${weights}.`;
  const some = `${k} reward${k > 1 ? "s" : ""} as sampled, then the value head's forecast`;
  const seen = isLast ? "every reward to the end of the response as sampled" : some;
  return `A(${k}) = ${signed(value)}: ${seen}.\n${weights}; adds ${signed(weight * (value ?? 0))}.`;
}
