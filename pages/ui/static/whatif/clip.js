// The lesson on the clip: the clipped objective as a function of the ratio, with this batch's tokens.
import { BLUE, CLIP, GREY, VERMILION } from "../lib/scales.js";

/**
 * @import { Clip, ClipSide } from "../lib/payloads"
 */

const SIDES = [
  { name: "advantage above 0", line: { color: BLUE, width: 2, dash: "solid" } },
  { name: "advantage below 0", line: { color: VERMILION, width: 2, dash: "dash" } },
];
const HOVER = "ratio %{x:.3f}<extra></extra>";

/**
 * @param {Clip} clip
 * @param {string} text  the text's colour
 */
export function clipFigure({ grid, sides, range, chosen }, text) {
  const curves = sides.map(({ curve }, i) => ({
    type: "scatter",
    mode: "lines",
    x: grid,
    y: curve,
    ...SIDES[i],
    hoverinfo: "skip",
  }));
  return {
    data: [...curves, points(sides, false), points(sides, true), ...(chosen ? [diamond(chosen, text)] : [])],
    layout: {
      shapes: [band(1 - range, 1 + range)],
      xaxis: { title: { text: "ratio", standoff: 4 } },
      yaxis: { title: { text: "L_CLIP" } },
    },
  };
}

/**
 * The tokens for which the clip binds, or those for which it does not bind.
 * @param {ClipSide[]} sides
 * @param {boolean} isBound
 */
function points(sides, isBound) {
  const all = sides.flatMap(({ x, y, binds }) =>
    x.map((ratio, i) => ({ ratio, loss: y[i], bound: binds[i] })),
  );
  const wanted = all.filter(({ bound }) => bound === isBound);
  const cross = { color: CLIP, symbol: "x", size: 6 };
  const circle = { color: GREY, symbol: "circle-open", size: 6 };
  return {
    type: "scatter",
    mode: "markers",
    x: wanted.map(({ ratio }) => ratio),
    y: wanted.map(({ loss }) => loss),
    name: isBound ? "clip binds" : "clip does not bind",
    marker: isBound ? cross : circle,
    hovertemplate: HOVER,
  };
}

/**
 * The chosen token.
 * @param {number[]} place
 * @param {string} color
 */
function diamond([ratio, loss], color) {
  return {
    type: "scatter",
    mode: "markers",
    x: [ratio],
    y: [loss],
    name: "chosen token",
    marker: { symbol: "diamond-open", size: 14, color, line: { width: 2 } },
    hovertemplate: "ratio %{x:.3f}<extra>chosen token</extra>",
  };
}

/**
 * @param {number} low
 * @param {number} high
 */
function band(low, high) {
  return {
    type: "rect",
    layer: "below",
    yref: "paper",
    x0: low,
    x1: high,
    y0: 0,
    y1: 1,
    line: { width: 0 },
    fillcolor: "rgba(140,140,140,.15)",
  };
}
