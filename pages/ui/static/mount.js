// A component's board: one piece of DOM that lives as long as the page. Python says which run it shows; the
// page's own module fetches what it shows of it, whenever the run has changed.
import { onPush } from "./lib/address.js";
import { h } from "./lib/dom.js";
import { follow, get, oneAtATime } from "./lib/store.js";
import { addTooltip } from "./lib/tooltip.js";
import { drawTop, NO_RUN } from "./lib/top.js";

/**
 * @import { Board } from "./lib/board.js"
 * @import { Change, LineAnswer, Mounted, Payload } from "./lib/payloads"
 */
/**
 * @typedef {object} Running  what a board does beside its page
 * @property {string | null} followed  the run
 * @property {() => void} unfollow
 * @property {string} asked  the stamp for which the script was last asked to run again
 * @property {Page | null} page
 * @property {string} path  where the page lies
 */
/** @typedef {Board<Payload> & {running: Running}} MountedBoard */
/**
 * @typedef {object} Component  what Streamlit gives
 * @property {HTMLElement & {latest?: Component}} parentElement
 * @property {Payload & Mounted} data
 * @property {(name: string, value: unknown) => void} setStateValue
 */
// draw: Python has mounted it, or made it anew; changed: the run has changed; keepAddress: puts what is
// chosen into the address.
/** @typedef {{draw(board: Board<Payload>): void}} Drawn */
/** @typedef {{changed?(board: Board<Payload>): void, keepAddress?(board: Board<Payload>): void}} Kept */
/** @typedef {Drawn & Kept} Page */

/** @type {Record<string, () => Promise<Page>>} Each page's module, fetched when first opened, by `only`. */
const PAGES = {
  top: async () => topLine,
  live: () => import("./live/page.js"),
  playground: () => import("./playground/page.js"),
  microscope: () => import("./tokens/page.js"),
  walk: () => import("./update/page.js"),
  whatif: () => import("./whatif/page.js"),
};

const LIVE = ["headline", "charts", "pairs", "more", "samples", "tokens", "pinned", "history"];
const SECTIONS = [...LIVE, "playground", "microscope", "walk", "whatif"];

/** @param {Component} component */
export async function render({ parentElement, data, setStateValue }) {
  /** @type {(HTMLElement & {board?: MountedBoard}) | null} */
  const host = parentElement.querySelector(".ppo-container");
  if (!host) return;
  host.board ??= build(host);
  const { board } = host;
  board.send = setStateValue;
  board.data = data;
  const page = await PAGES[data.only]();
  for (const [name, part] of Object.entries(board.parts))
    if (name !== "problems") part.hidden = !isShown(name, data.only);
  board.running.page = page;
  page.draw(board);
  followRun(board, page);
}

/**
 * @param {string} part
 * @param {string} only
 */
function isShown(part, only) {
  if (only === "live") return part === "top" || part === "notice" || LIVE.includes(part);
  return part === only;
}

/**
 * A new board, in place of whatever the host contained.
 * @param {HTMLElement} host
 * @returns {MountedBoard}
 */
function build(host) {
  const root = h("div", { class: "ppo-board" });
  /** @type {Record<string, HTMLElement>} */
  const parts = {};
  for (const name of ["top", "problems", "notice"]) parts[name] = h("div", { class: name });
  for (const name of SECTIONS) parts[name] = h("section", { class: name });
  root.append(...Object.values(parts));
  host.replaceChildren(root);
  for (const old of boards) if (!old.root.isConnected) leave(old);
  parts.problems.hidden = true;
  const removeTooltip = addTooltip(root);
  /** @type {Running} */
  const running = {
    followed: null,
    unfollow: () => {},
    asked: "",
    page: null,
    path: window.location.pathname,
  };
  const board = {
    root,
    parts,
    data: /** @type {never} */ (null),
    send: () => {},
    leaving: [removeTooltip],
    running,
  };
  boards.add(board);
  return board;
}

/**
 * Boards of pages that were left are released; otherwise each visit would keep its plots and its stream.
 * @type {Set<MountedBoard>}
 */
const boards = new Set();

onPush(() => {
  for (const board of boards)
    if (board.root.isConnected && board.running.path === window.location.pathname)
      board.running.page?.keepAddress?.(board);
});

/** @param {MountedBoard} board */
function leave(board) {
  boards.delete(board);
  board.running.unfollow();
  for (const act of board.leaving) act();
}

/**
 * @param {MountedBoard} board
 * @param {Page} page
 */
function followRun(board, page) {
  const { running } = board;
  if (running.followed === board.data.run) return;
  running.unfollow();
  running.followed = board.data.run;
  running.unfollow = follow(board.data.run, (change) => {
    if (!board.root.isConnected) return leave(board);
    askForScript(board, change);
    page.changed?.(board);
  });
}

/**
 * Where anything that Streamlit's script draws has changed, the script has to run again. One board of a page
 * asks for that: the top line, or the live board.
 * @param {MountedBoard} board
 * @param {Change} change
 */
function askForScript(board, { stamp }) {
  const { data, running } = board;
  if (data.only !== "top" && data.only !== "live") return;
  if (stamp === data.stamp || stamp === running.asked) return;
  running.asked = stamp;
  whenIdle(() => {
    if (running.asked !== stamp || !board.root.isConnected) return;
    running.asked = "";
    if (stamp !== board.data.stamp) board.send("stamp", { stamp, address: window.location.search });
  });
}

const BUSY = ["initial", "running", "rerunRequested", "stopRequested"];
const IDLE_LOOK_MS = 50;
const IDLE_PATIENCE_MS = 5000;

/**
 * Calls `act` once Streamlit's script is not running: asked for again in the middle of a run, it would leave
 * out the fields that come later, and their values with them.
 * @param {() => void} act
 */
function whenIdle(act, waited = 0) {
  /** @type {HTMLElement | null} */
  const app = document.querySelector('[data-testid="stApp"]');
  const isIdle = !BUSY.includes(app?.dataset.testScriptState ?? "");
  if (isIdle || waited > IDLE_PATIENCE_MS) return act();
  setTimeout(() => whenIdle(act, waited + IDLE_LOOK_MS), IDLE_LOOK_MS);
}

/** @type {WeakMap<Board<Payload>, () => void>} */
const lines = new WeakMap();

/** @type {Page} The top line of the pages whose content is a component of its own. */
const topLine = {
  draw: (board) => {
    if (!board.data.run) drawTop(board, NO_RUN);
  },
  changed: (board) => {
    const fetched = lines.get(board) ?? oneAtATime(() => drawLine(board));
    lines.set(board, fetched);
    fetched();
  },
};

/** @param {Board<Payload>} board */
async function drawLine(board) {
  const { run } = board.data;
  if (!run) return drawTop(board, NO_RUN);
  if (!board.root.isConnected) return;
  /** @type {LineAnswer} */
  const answer = await get(`runs/${run}/line`);
  if (run === board.data.run) drawTop(board, answer.run);
}
