// A small chart of a quantity over the epochs, against its clip band.
import { number } from "../lib/format.js";

/** @typedef {{low: number, high: number, aim?: number}} Band  aim: the value it is trained towards */

const SVG = "http://www.w3.org/2000/svg";
const WIDE = 260;
const TALL = 88;
const EDGE = 8;

/**
 * A cross where the clip binds, a dashed line at the target.
 * @param {"ratio" | "value"} name
 * @param {number[]} values  an entry an epoch
 * @param {boolean[]} cuts
 * @param {Band} band
 */
export function bandCurve(name, values, cuts, { low, high, aim }) {
  const { x, y } = scalesOf([...values, low, high, ...(aim === undefined ? [] : [aim])], values.length);
  const written = `${name} over the epochs: ${values.map(number).join(", ")}`;
  const label = `${written}; band ${number(low)} to ${number(high)}`;
  const height = Math.max(1, y(low) - y(high));
  const svg = shape("svg", {
    viewBox: `0 0 ${WIDE} ${TALL}`,
    class: "curve",
    role: "img",
    "aria-label": label,
  });
  svg.append(shape("rect", { x: 0, width: WIDE, y: y(high), height, class: "band" }));
  if (aim !== undefined) svg.append(shape("line", { x1: 0, x2: WIDE, y1: y(aim), y2: y(aim), class: "aim" }));
  const points = values.map((value, i) => `${x(i)},${y(value)}`).join(" ");
  svg.append(shape("polyline", { points, class: `path ${name}` }));
  svg.append(...values.map((value, i) => (cuts[i] ? cross(x(i), y(value)) : point(x(i), y(value), name))));
  return svg;
}

/**
 * Coordinates in the picture: x of an epoch, y of a value.
 * @param {number[]} all  all values that must be visible
 * @param {number} count  epochs
 */
function scalesOf(all, count) {
  const [least, most] = [Math.min(...all), Math.max(...all)];
  const span = most - least || 1;
  const room = WIDE - 2 * EDGE;
  return {
    x: (/** @type {number} */ epoch) => EDGE + (count > 1 ? (epoch * room) / (count - 1) : room / 2),
    y: (/** @type {number} */ value) => EDGE + ((most - value) / span) * (TALL - 2 * EDGE),
  };
}

/**
 * @param {number} x
 * @param {number} y
 */
function cross(x, y) {
  return shape("path", { d: `M${x - 4},${y - 4}l8,8m0,-8l-8,8`, class: "cut" });
}

/**
 * @param {number} x
 * @param {number} y
 * @param {string} name
 */
function point(x, y, name) {
  return shape("circle", { cx: x, cy: y, r: 3.5, class: `point ${name}` });
}

/**
 * @param {string} tag
 * @param {Record<string, string | number>} attributes
 */
function shape(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  return made;
}
