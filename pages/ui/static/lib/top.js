// The line at the top of every page, and the notices below it.
import { perBoard } from "./board.js";
import { fill, h, redrawn } from "./dom.js";

/** @import { Board } from "./board.js" */
/** @import { Notice, RunLine } from "./payloads" */

/** @type {RunLine} Before the first run. */
export const NO_RUN = {
  id: "",
  name: "ppo-live",
  preset: "",
  state: "no run yet",
  step: "",
  share: 0,
  left: "",
  machine: "",
  example: true,
};

/**
 * @param {Board<unknown>} board
 * @param {RunLine} run
 */
export function drawTop(board, run) {
  const { bar, state, texts } = topOf(board);
  for (const [name, node] of texts) fill(node, run[name]);
  fill(state, run.state);
  state.className = `state ${run.example ? "example" : run.state}`;
  bar.style.width = `${100 * run.share}%`;
}

const topOf = perBoard(
  /** @param {Board<unknown>} board */
  ({ parts }) => {
    const name = h("span", { class: "name" });
    const preset = h("span", { class: "quiet" });
    const state = h("span", { class: "state" });
    const step = h("span", { class: "number" });
    const bar = h("div");
    const left = h("span", { class: "quiet number" });
    const machine = h("span", { class: "quiet number right" });
    parts.top.append(name, preset, state, step, h("div", { class: "progress" }, bar), left, machine);
    /** @type {["name" | "preset" | "step" | "left" | "machine", HTMLElement][]} */
    const texts = [
      ["name", name],
      ["preset", preset],
      ["step", step],
      ["left", left],
      ["machine", machine],
    ];
    return { bar, state, texts };
  },
);

/**
 * @param {Board<unknown>} board
 * @param {Notice | null} notice
 */
export function drawNotice({ parts: { notice: section } }, notice) {
  section.hidden = !notice;
  if (!notice) return;
  section.className = `notice ${notice.bad ? "bad" : ""}`;
  redrawn(section, [notice.text, notice.detail], () => [
    h("div", { class: "text" }, notice.text),
    notice.detail && h("details", {}, h("summary", {}, "The whole error"), h("pre", {}, notice.detail)),
  ]);
}

/**
 * What the address asks for and the page does not show, and what the server refused.
 * @param {Board<unknown>} board
 * @param {string[]} problems
 * @param {string} [heading]
 */
export function drawProblems(
  { parts: { problems: section } },
  problems,
  heading = "Invalid parts of the address:",
) {
  section.hidden = !problems.length;
  redrawn(section, [heading, problems], () => [
    h("div", {}, heading),
    h("ul", {}, ...problems.map((problem) => h("li", {}, problem))),
  ]);
}
