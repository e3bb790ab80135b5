// The whole batch as a canvas, one row per sample, one column per token. As elements, the 256 x 16 cells
// redrawn at every step would be 4 096 nodes.
import { CLIP } from "../lib/scales.js";

/** @import { TokenColumns } from "../lib/payloads" */
/**
 * @typedef {object} BatchMap
 * @property {HTMLCanvasElement} canvas
 * @property {Layout} [layout]  of what is drawn
 */
/**
 * @typedef {object} Layout  columns: tokens a row; wide, tall: of a cell with its gap, in CSS pixels; cells:
 *   the token's place in the table, by row * columns + column
 * @property {number} columns
 * @property {number} wide
 * @property {number} tall
 * @property {Map<number, number>} cells
 */
/**
 * @typedef {object} Drawing  tints, clips: an entry a token
 * @property {{tokens: TokenColumns, samples: {index: number}[]}} batch
 * @property {string[]} tints
 * @property {number[] | undefined} clips
 * @property {number | undefined} chosen
 */

const GAP = 1;
const TALLEST = 640; // of the whole map, in CSS pixels
const EMPTY_CELL = "rgba(128,128,128,.10)";

/**
 * @param {BatchMap} map
 * @param {Drawing} drawing
 */
export function drawMap(map, drawing) {
  const { tokens, samples } = drawing.batch;
  const columns = Math.max(1, ...tokens.position.map((position) => position + 1));
  const tall = Math.max(3, Math.min(10, TALLEST / samples.length));
  const context = sized(map.canvas, samples.length * tall);
  map.layout = { columns, tall, wide: map.canvas.clientWidth / columns, cells: new Map() };
  const text = getComputedStyle(map.canvas).color;
  tokens.sample.forEach((row, i) => {
    map.layout?.cells.set(row * columns + tokens.position[i], i);
    drawCell(context, map.layout, drawing, i, text);
  });
}

/**
 * Sizes a canvas to the pixels of this screen.
 * @param {HTMLCanvasElement} canvas
 * @param {number} height
 */
function sized(canvas, height) {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = (canvas.parentElement?.clientWidth ?? 0) * ratio;
  canvas.height = height * ratio;
  canvas.style.height = `${height}px`;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.scale(ratio, ratio);
  return context;
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Layout | undefined} layout
 * @param {Drawing} drawing
 * @param {number} i
 * @param {string} text  the text's colour
 */
function drawCell(context, layout, { batch, tints, clips, chosen }, i, text) {
  if (!layout) return;
  const row = batch.tokens.sample[i];
  const gap = layout.tall > 4 ? GAP : 0;
  const x = batch.tokens.position[i] * layout.wide;
  const y = row * layout.tall;
  const [wide, tall] = [layout.wide - GAP, layout.tall - gap];
  /** @type {(colour: string, top: number, height: number) => void} */
  const bar = (colour, top, height) => {
    context.fillStyle = colour;
    context.fillRect(x, top, wide, height);
  };
  bar(EMPTY_CELL, y, tall);
  bar(tints[i], y, tall);
  if (clips?.[i]) bar(CLIP, y + tall - 2, 2);
  if (row !== chosen) return;
  bar(text, y, 1);
  bar(text, y + tall - 1, 1);
}

/** @param {BatchMap} map */
export function clearMap(map) {
  map.canvas.width = 0;
  map.layout = undefined;
}

/**
 * The index of the token under the pointer.
 * @param {BatchMap} map
 * @param {MouseEvent | FocusEvent} event
 */
export function cellAt({ canvas, layout }, event) {
  if (!layout || !(event instanceof MouseEvent)) return null;
  const { left, top } = canvas.getBoundingClientRect();
  const column = Math.floor((event.clientX - left) / layout.wide);
  const row = Math.floor((event.clientY - top) / layout.tall);
  return layout.cells.get(row * layout.columns + column) ?? null;
}
