// What PPO did to each token: the chosen sample as a strip and the whole batch as a map, in four views.
import { perBoard } from "../lib/board.js";
import { fill, forget, h, onChoice, redrawn } from "../lib/dom.js";
import { signed, visible } from "../lib/format.js";
import { colour } from "../lib/scales.js";
import { centreOf, column, earnedLines, write } from "../lib/token_columns.js";
import { cellAt, clearMap, drawMap } from "./batch_map.js";
import { choiceOf, chosenSample } from "./choice.js";
import { feedOf } from "./feed.js";

/**
 * @import { Batch, BatchSample, TokenColumns } from "../lib/payloads"
 * @import { Actions, TokenView } from "./choice.js"
 * @import { LiveBoard } from "./feed.js"
 */
/**
 * @typedef {object} View
 * @property {string} label
 * @property {"reward" | "whitened" | "ratio" | "new_value"} column
 * @property {"policy_clip" | "value_clip"} [clip]
 */

/** @type {Record<TokenView, View>} */
export const VIEWS = {
  reward: { label: "Reward", column: "reward" },
  advantage: { label: "Advantage", column: "whitened" },
  ratio: { label: "Ratio", column: "ratio", clip: "policy_clip" },
  value: { label: "Value", column: "new_value", clip: "value_clip" },
};

const EMPTY = "What each token of a continuation earned appears here after the first step.";
const CLIPS = "Underlined: in at least one epoch of the update the clip changed this token's loss.";
const MAP_TITLE = "The whole batch: a row a sample, a column a token";

/**
 * @param {LiveBoard} board
 * @param {Actions} actions
 */
export function drawTokens(board, actions) {
  const page = pageOf(board);
  const { run, batch, pin } = feedOf(board);
  page.actions = actions;
  if (!batch) return clear(page);
  const choice = choiceOf(board);
  const view = VIEWS[choice.view];
  const values = batch.tokens[view.column];
  if (!values) return; // they are on their way
  const limit = batch.limits[view.column];
  const sample = chosenSample({ samples: batch.samples, pin }, choice);
  drawHead(page, batch, choice.view, sample);
  const key = [run, batch.step, sample?.index, choice.view, getComputedStyle(board.root).color];
  redrawn(page.strip, key, () => {
    const centre = centreOf(view.column);
    const clips = view.clip && batch.tokens[view.clip];
    const tints = values.map((x) => colour(x, centre, limit));
    drawMap(page.map, { batch, tints, clips, chosen: sample?.index });
    return sample && strip(board, batch, sample, view, tints);
  });
}

/**
 * The view's buttons, explanation and scale.
 * @param {Page} page
 * @param {Batch} batch
 * @param {TokenView} shown
 * @param {BatchSample | undefined} sample
 */
function drawHead(page, batch, shown, sample) {
  const view = VIEWS[shown];
  const limit = batch.limits[view.column];
  const centre = centreOf(view.column);
  for (const [name, button] of page.buttons) button.setAttribute("aria-pressed", String(name === shown));
  fill(page.about, column(view.column).tooltip);
  fill(page.scale.high, write(view.column, centre + limit));
  fill(page.scale.low, write(view.column, centre - limit));
  page.scale.clips.hidden = !view.clip;
  const score = sample && signed(sample.score);
  const title = sample && `Sample ${sample.index} of step ${batch.step}, token by token: score ${score}`;
  fill(page.title, title ?? "");
}

/** @param {Page} page */
function clear(page) {
  forget(page.strip);
  fill(page.title, "Token by token");
  fill(page.about, EMPTY);
  page.strip.replaceChildren();
  clearMap(page.map);
}

/** @typedef {ReturnType<typeof build>} Page */

/** @param {LiveBoard} board */
function build(board) {
  const section = board.parts.tokens;
  section.classList.remove("tokens");
  const title = h("h2");
  const about = h("p", { class: "quiet" });
  const scale = scaleLegend();
  const buttons = viewButtons(board, () => page.actions?.reshow());
  const views = h("div", { class: "views" }, ...buttons.map(([, button]) => button));
  const strip = h("div", { class: "strip" });
  const map = mapBox(board, () => page.actions);
  const under = h("header", { style: "margin: 20px 0 6px" }, h("h2", {}, MAP_TITLE));
  section.append(
    h("header", {}, title, h("span", { class: "grow" }), views, scale.root),
    about,
    strip,
    under,
    map.heat,
  );
  const page = {
    title,
    buttons,
    about,
    strip,
    map: map.map,
    scale,
    actions: /** @type {Actions | null} */ (null),
  };
  const redraw = () => {
    if (page.actions) drawTokens(board, page.actions);
  };
  const sizes = new ResizeObserver(() => {
    forget(strip);
    redraw();
  });
  sizes.observe(map.heat);
  board.leaving.push(() => sizes.disconnect());
  return page;
}

const pageOf = perBoard(build);

function scaleLegend() {
  const low = h("span", { class: "number" });
  const high = h("span", { class: "number" });
  const clips = h("u", { tip: CLIPS }, "clip binds");
  return { root: h("span", { class: "scale" }, low, h("i"), high, clips), low, high, clips };
}

/**
 * @param {LiveBoard} board
 * @param {() => void} redraw
 */
function viewButtons(board, redraw) {
  const names = /** @type {TokenView[]} */ (Object.keys(VIEWS));
  return names.map((name) => {
    const onclick = () => {
      choiceOf(board).view = name;
      redraw();
    };
    return /** @type {const} */ ([name, h("button", { onclick }, VIEWS[name].label)]);
  });
}

/**
 * The map of the batch: hovering over a cell explains it, a click chooses its sample.
 * @param {LiveBoard} board
 * @param {() => Actions | null} actions
 */
function mapBox(board, actions) {
  const map = { canvas: h("canvas") };
  /** @param {MouseEvent | FocusEvent} event */
  const tip = (event) => {
    const { batch } = feedOf(board);
    const at = batch && cellAt(map, event);
    return batch && at !== null ? describe(batch.tokens, at, actions()) : "";
  };
  /** @param {MouseEvent} event */
  const onclick = (event) => {
    const { batch } = feedOf(board);
    const at = batch && cellAt(map, event);
    if (batch && at !== null) actions()?.pin(batch.step, batch.tokens.sample[at]);
  };
  return { map, heat: h("div", { class: "heat", tip, onclick }, map.canvas) };
}

/**
 * @param {LiveBoard} board
 * @param {Batch} batch
 * @param {BatchSample} sample
 * @param {View} view
 * @param {string[]} tints
 */
function strip(board, batch, sample, view, tints) {
  const rows = batch.tokens.sample.flatMap((owner, i) => (owner === sample.index ? [i] : []));
  const boxes = rows.map((i) => {
    const box = tokenBox(batch.tokens, i, view, tints[i], pageOf(board).actions);
    const token = batch.tokens.position[i];
    const open = () =>
      pageOf(board).actions?.ask({ kind: "token", step: batch.step, sample: sample.index, token });
    box.tabIndex = 0;
    if (!feedOf(board).live?.run.example) onChoice(box, open);
    return box;
  });
  return [h("span", { class: "query" }, sample.query), ...boxes];
}

/**
 * @param {TokenColumns} tokens
 * @param {number} i
 * @param {View} view
 * @param {string} tint
 * @param {Actions | null} actions
 */
function tokenBox(tokens, i, view, tint, actions) {
  const text = h("b", {}, visible(tokens.text[i]));
  const figure = h("small", {}, write(view.column, tokens[view.column]?.[i]));
  const box = h("span", { class: "token", tip: () => describe(tokens, i, actions) }, text, figure);
  box.style.background = tint;
  box.classList.toggle("clip", Boolean(view.clip && tokens[view.clip]?.[i]));
  return box;
}

/**
 * What happened to a token. Most of its columns are fetched when somebody first points at one of the batch.
 * @param {TokenColumns} tokens
 * @param {number} i
 * @param {Actions | null} actions
 */
function describe(tokens, i, actions) {
  const name = `token ${tokens.position[i] + 1} of sample ${tokens.sample[i]}`;
  if (!isWhole(tokens)) {
    actions?.details();
    return `“${visible(tokens.text[i])}”  ${name}`;
  }
  /** @param {"advantage" | "whitened" | "ratio" | "value" | "new_value" | "return"} name */
  const at = (name) => write(name, tokens[name][i]);
  /** @param {"policy_clip" | "value_clip"} name */
  const epochs = (name) => `${tokens[name][i]} of ${tokens.epochs_seen[i]} epochs`;
  const values = `value ${at("value")} → ${at("new_value")}, return ${at("return")}`;
  return [
    `“${visible(tokens.text[i])}”  ${name}, id ${tokens.token_id[i]}`,
    ...earnedLines(tokens, i),
    `advantage ${at("advantage")}, whitened ${at("whitened")}`,
    `ratio ${at("ratio")}; policy clip binds in ${epochs("policy_clip")}`,
    `${values}; value clip binds in ${epochs("value_clip")}`,
  ].join("\n");
}

/**
 * Whether all columns are there.
 * @param {TokenColumns} tokens
 * @returns {tokens is Required<TokenColumns>}
 */
function isWhole(tokens) {
  return tokens.token_id !== undefined;
}
