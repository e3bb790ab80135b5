// The chosen sample before and after: two strips tinted by the advantage as the policy loss uses it, and a
// table of everything that changes.
import { fill, h, onChoice, redrawn } from "../lib/dom.js";
import { fixed, signed, visible } from "../lib/format.js";
import { colour } from "../lib/scales.js";
import { column, write } from "../lib/token_columns.js";
import { moveSample } from "./moves.js";
import { changeView, shownOf } from "./view_state.js";

/**
 * @import { WhatIfSample } from "../lib/payloads"
 * @import { WhatIfBoard, WhatIfShown } from "./view_state.js"
 */
/** @typedef {"rewards" | "values" | "advantages" | "used" | "returns" | "ratios" | Clips} Moving */
/** @typedef {"policy_clips" | "value_clips"} Clips */
/** @typedef {(x: number | null) => string} Write */

/**
 * The table's columns, with titles and tooltips where they differ from the token column's.
 * @type {{key: Moving, column: string, title?: string, about?: string}[]}
 */
const COLUMNS = [
  { key: "rewards", column: "reward" },
  {
    key: "values",
    column: "value",
    about: "The value head's forecast when the text was sampled. No knob here moves it.",
  },
  { key: "advantages", column: "advantage" },
  {
    key: "used",
    column: "whitened",
    title: "As used",
    about: "The advantage as the policy loss takes it: whitened over the batch, unless whitening is off.",
  },
  { key: "returns", column: "return" },
  {
    key: "ratios",
    column: "ratio",
    about: "New over old probability of the token in its last epoch, read from the record.",
  },
  {
    key: "policy_clips",
    column: "policy_clip",
    about: "In how many of the token's epochs the policy clip binds.",
  },
  {
    key: "value_clips",
    column: "value_clip",
    about: "In how many of the token's epochs the value clip binds.",
  },
];

const ABOUT_TOKEN = "The response's tokens in order. Choose one for the lesson on lambda below.";
const KEY =
  "The number is the advantage as used; blue tokens become more likely. Underlined: the policy clip binds " +
  "in an epoch. Choose a token.";

/** @param {WhatIfBoard} board */
export function buildTokens(board) {
  /** @type {(text: string, tip: string, onclick: () => void) => HTMLButtonElement} */
  const button = (text, tip, onclick) => h("button", { tip, onclick }, text);
  const title = h("h2");
  const aboutMoved = "The sample whose advantages, as used, change most.";
  const moved = button("Sample that moves most", aboutMoved, () => showMostMoved(board));
  const before = button("‹ Sample", "The sample before. Key: K", () => moveSample(board, -1));
  const after = button("Sample ›", "The next sample. Key: J", () => moveSample(board, 1));
  const header = h("header", {}, title, h("span", { class: "grow" }), moved, before, after);
  const query = h("p", { class: "query text" });
  const strips = [h("div", { class: "strip" }), h("div", { class: "strip" })];
  const labels = ["as it was", "with these settings"];
  const pairs = strips.map((strip, side) =>
    h("div", { class: "pairs" }, h("span", { class: "quiet when" }, labels[side]), strip),
  );
  const key = h("p", { class: "quiet key" }, KEY);
  const table = h("table", { class: "all" });
  const root = h(
    "div",
    { class: "tokens" },
    header,
    query,
    ...pairs,
    key,
    h("div", { class: "scroll" }, table),
  );
  return { root, title, moved, query, strips, table };
}

/** @param {WhatIfBoard} board */
function showMostMoved(board) {
  const data = shownOf(board);
  if (data && "sample" in data && data.sample.moved !== null)
    changeView(board, { sample: data.sample.moved, token: 0 });
}

/**
 * @param {WhatIfBoard} board
 * @param {ReturnType<typeof buildTokens>} view
 * @param {WhatIfShown} data
 */
export function drawTokens(board, view, { sample, example, step }) {
  const score = sample.score === undefined ? "" : `: score ${signed(sample.score)}`;
  fill(view.title, `Sample ${sample.index} of ${sample.count}${score}`);
  fill(view.query, sample.query);
  view.query.hidden = !sample.query;
  view.moved.disabled = sample.moved === null || sample.moved === sample.index;
  const shape = [example, step, sample.index, sample.texts];
  /** @param {number} token */
  const pick = (token) => changeView(board, { token });
  for (const strip of view.strips) redrawn(strip, shape, () => stripBoxes(sample, pick));
  redrawn(view.table, shape, () => tableParts(sample, pick));
  /** @type {Write} */
  const text = sample.digits ? (x) => fixed(x, sample.digits) : signed;
  view.strips.forEach((strip, side) => {
    drawStrip(strip, sample, side, text);
  });
  drawTable(view.table, sample, text);
}

/**
 * @param {WhatIfSample} sample
 * @param {(token: number) => void} pick
 */
function stripBoxes(sample, pick) {
  return sample.texts.map((text, i) => {
    const box = h("span", { class: "token", role: "button" }, h("b", {}, visible(text)), h("small"));
    onChoice(box, () => pick(i));
    return box;
  });
}

/**
 * @param {HTMLElement} strip
 * @param {WhatIfSample} sample
 * @param {number} side  0 as it was, 1 with these settings
 * @param {Write} text
 */
function drawStrip(strip, sample, side, text) {
  /** @type {NodeListOf<HTMLElement>} */
  const boxes = strip.querySelectorAll(".token");
  boxes.forEach((box, i) => {
    const x = sample.used[side][i];
    if (box.lastChild) fill(box.lastChild, text(x));
    box.style.background = colour(x, 0, sample.limit);
    box.classList.toggle("clip", Boolean(sample.policy_clips?.[side][i]));
    box.classList.toggle("chosen", i === sample.token);
  });
}

/**
 * The table's head and rows, with empty cells.
 * @param {WhatIfSample} sample
 * @param {(token: number) => void} pick
 */
function tableParts(sample, pick) {
  const columns = COLUMNS.filter(({ key }) => sample[key]);
  const heads = columns.map(({ column: name, title, about }) =>
    headCell(title ?? column(name).title, about ?? column(name).tooltip),
  );
  const rows = sample.texts.map((text, i) => {
    const name = h("th", {}, h("span", { class: "text" }, visible(text)));
    const row = h("tr", {}, name, ...columns.map(({ key }) => dataCell(key)));
    onChoice(row, () => pick(i));
    return row;
  });
  const head = h("tr", {}, headCell("Token", ABOUT_TOKEN), ...heads);
  return [h("thead", {}, head), h("tbody", {}, ...rows)];
}

/**
 * @param {string} label
 * @param {string} tip
 */
function headCell(label, tip) {
  return h("th", { tip, tabindex: 0 }, label);
}

/** @param {Moving} key */
function dataCell(key) {
  const data = { column: key };
  return h("td", { class: "number", data }, h("span", { class: "now" }), h("small", { class: "quiet" }));
}

/**
 * @param {HTMLElement} table
 * @param {WhatIfSample} sample
 * @param {Write} text
 */
function drawTable(table, sample, text) {
  table.querySelectorAll("tbody tr").forEach((row, i) => {
    row.classList.toggle("chosen", i === sample.token);
    for (const cell of row.querySelectorAll("td")) {
      const [now, was] = textsOf(sample, /** @type {Moving} */ (cell.dataset.column), i, text);
      fill(cell.children[0], now);
      fill(cell.children[1], now === was ? "" : was);
    }
  });
}

/**
 * A token's number in a column: with the chosen settings, and in the run.
 * @param {WhatIfSample} sample
 * @param {Moving} key
 * @param {number} i
 * @param {Write} text
 * @returns {[now: string, was: string]}
 */
function textsOf(sample, key, i, text) {
  if (key === "values") return [text(sample.values[i]), text(sample.values[i])];
  if (key === "ratios") return [write("ratio", sample.ratios?.[i]), write("ratio", sample.ratios?.[i])];
  const [was, now] = (sample[key] ?? []).map((side) => side[i]);
  if (key === "policy_clips" || key === "value_clips") {
    const all = sample.epochs?.[i];
    return [`${now} of ${all}`, `${was} of ${all}`];
  }
  return [text(now), text(was)];
}
