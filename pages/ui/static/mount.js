// A component's board: one piece of DOM that lives as long as the page. Python sends one payload; each part
// updates what has changed. The top line and the notice are drawn here, the rest by the page's own module.
import { fill, h, redrawn } from "./lib/dom.js";
import { addTooltip } from "./lib/tooltip.js";
import * as live from "./live/page.js";

/**
 * @import { Board } from "./lib/board.js"
 * @import { LivePayload, Mounted, Payload, RunLine, RunReference, Notice } from "./lib/payloads"
 */
/** @typedef {Board<Payload> & {top?: TopLine, reported?: boolean}} MountedBoard */
/**
 * @typedef {object} Component  what Streamlit gives
 * @property {HTMLElement & {latest?: Component}} parentElement
 * @property {Payload & Mounted} data
 * @property {(name: string, value: unknown) => void} setStateValue
 */
/** @typedef {{draw(board: Board<Payload>): void}} Page */

/** @type {Record<string, () => Promise<Page>>} Pages that are fetched when first opened, by their `only`. */
const PAGES = {
  playground: () => import("./playground/page.js"),
  microscope: () => import("./tokens/page.js"),
  walk: () => import("./update/page.js"),
  whatif: () => import("./whatif/page.js"),
};

const SECTIONS = [
  "headline",
  "charts",
  "pairs",
  "more",
  "samples",
  "tokens",
  "pinned",
  "history",
  ...Object.keys(PAGES),
];

/** @param {Component} component */
export function render({ parentElement, data, setStateValue }) {
  /** @type {(HTMLElement & {board?: MountedBoard}) | null} */
  const host = parentElement.querySelector(".ppo-container");
  if (!host) return;
  host.board ??= build(host);
  const { board } = host;
  board.send = setStateValue;
  board.data = data;
  const run = "run" in data ? data.run : null;
  board.root.classList.toggle("example", Boolean(run && "example" in run && run.example));
  drawTop(board, run);
  drawNotice(board.parts.notice, "notice" in data ? data.notice : null);
  drawPage(board);
  reportVisibility(board);
}

/**
 * A new board, in place of whatever the host contained.
 * @param {HTMLElement} host
 * @returns {MountedBoard}
 */
function build(host) {
  const root = h("div", { class: "ppo-board" });
  const names = ["top", "notice", ...SECTIONS];
  /** @type {Record<string, HTMLElement>} */
  const parts = {};
  for (const name of names) parts[name] = h(SECTIONS.includes(name) ? "section" : "div", { class: name });
  root.append(...Object.values(parts));
  host.replaceChildren(root);
  for (const old of boards) if (!old.root.isConnected) leave(old);
  addTooltip(root);
  const board = { root, parts, data: /** @type {never} */ (null), send: () => {}, leaving: [] };
  boards.add(board);
  return board;
}

/**
 * Boards of pages that were left are released; otherwise each visit would keep its plots and last payload.
 * @type {Set<MountedBoard>}
 */
const boards = new Set();

/** @param {MountedBoard} board */
function leave(board) {
  boards.delete(board);
  for (const act of board.leaving) act();
}

/** @param {MountedBoard} board */
function drawPage(board) {
  const { data, parts } = board;
  if (!("only" in data)) return live.draw(/** @type {Board<LivePayload>} */ (/** @type {unknown} */ (board)));
  for (const [name, part] of Object.entries(parts)) part.hidden = name !== data.only;
  PAGES[data.only]?.().then((page) => page.draw(board));
}

document.addEventListener("visibilitychange", () => {
  for (const board of boards) if (board.root.isConnected) reportVisibility(board);
});

/**
 * A hidden tab must cost the server nothing: the board reports it, and the page stops refreshing until the
 * tab is visible again. Only one board of a page reports, the top line: Streamlit would attribute two
 * messages in one batch to a single fragment.
 * @param {MountedBoard} board
 */
function reportVisibility(board) {
  if ("only" in board.data && board.data.only !== "top") return;
  const hidden = document.visibilityState === "hidden";
  if (hidden === Boolean(board.data.hidden) || hidden === board.reported) return;
  board.reported = hidden;
  board.send("hidden", hidden);
}

/** @typedef {ReturnType<typeof buildTop>} TopLine */

/**
 * @param {MountedBoard} board
 * @param {RunLine | RunReference | null} run
 */
function drawTop(board, run) {
  if (!run || !("name" in run) || !run.name) return;
  board.top ??= buildTop(board.parts.top);
  const { bar, state, texts } = board.top;
  for (const [name, node] of texts) fill(node, run[name]);
  fill(state, run.state);
  state.className = `state ${run.example ? "example" : run.state}`;
  bar.style.width = `${100 * run.share}%`;
}

/** @param {HTMLElement} section */
function buildTop(section) {
  const name = h("span", { class: "name" });
  const preset = h("span", { class: "quiet" });
  const state = h("span", { class: "state" });
  const step = h("span", { class: "number" });
  const bar = h("div");
  const left = h("span", { class: "quiet number" });
  const machine = h("span", { class: "quiet number right" });
  section.append(name, preset, state, step, h("div", { class: "progress" }, bar), left, machine);
  /** @type {["name" | "preset" | "step" | "left" | "machine", HTMLElement][]} */
  const texts = [
    ["name", name],
    ["preset", preset],
    ["step", step],
    ["left", left],
    ["machine", machine],
  ];
  return { bar, state, texts };
}

/**
 * @param {HTMLElement} section
 * @param {Notice | null} notice
 */
function drawNotice(section, notice) {
  section.hidden = !notice;
  if (!notice) return;
  section.className = `notice ${notice.bad ? "bad" : ""}`;
  redrawn(section, [notice.text, notice.detail], () => [
    h("div", { class: "text" }, notice.text),
    notice.detail && h("details", {}, h("summary", {}, "The whole error"), h("pre", {}, notice.detail)),
  ]);
}
