// The page's header: which step is shown, buttons to move to another, and any problems.
import { fill, h } from "../lib/dom.js";
import { shortcuts } from "../lib/keys.js";
import { followNewest, moveSample, moveStep, moveToken } from "./moves.js";
import { changeView, shownOf, viewState } from "./view_state.js";

/** @import { WhatIfBoard, WhatIfMissing, WhatIfShown } from "./view_state.js" */

const ABOUT_NEWEST =
  "Go to the newest step and stay with it as the run goes on; settings, sample and token stay. Key: G";
const ABOUT_EXAMPLE = "Four responses whose values, advantages and returns the tutorial notebook prints.";

/** @param {WhatIfBoard} board */
export function buildHead(board) {
  /** @type {(text: string, tip: string, onclick: () => void) => HTMLButtonElement} */
  const button = (text, tip, onclick) => h("button", { tip, onclick }, text);
  const before = () => moveStep(board, "before");
  const after = () => moveStep(board, "after");
  const newest = () => followNewest(board);
  const title = h("h2");
  const buttons = {
    earlier: button("‹ Earlier step", "The step before that has its tokens. Key: [", before),
    later: button("Later step ›", "The next step that has its tokens. Key: ]", after),
    newest: button("Follow the newest", ABOUT_NEWEST, newest),
    example: button("", ABOUT_EXAMPLE, () => toggleExample(board)),
  };
  const hint = keyHint(board);
  const header = h("header", {}, title, h("span", { class: "grow" }), ...Object.values(buttons), hint);
  const trouble = h("div", { class: "notice bad" });
  const why = h("span");
  const nearest = h("button", { onclick: () => showNearest(board) });
  const missing = h("div", { class: "notice" }, why, nearest);
  return { root: h("div", {}, header, trouble, missing), title, ...buttons, trouble, why, nearest, missing };
}

/** @param {WhatIfBoard} board */
function keyHint(board) {
  const hint = "Keys: J K sample, [ ] step, ← → token, G newest, ? help";
  return shortcuts(board.root, board.parts.whatif, hint, [
    [["J"], "Next sample", () => moveSample(board, 1)],
    [["K"], "Previous sample", () => moveSample(board, -1)],
    [["→"], "Next token", () => moveToken(board, 1)],
    [["←"], "Previous token", () => moveToken(board, -1)],
    [["]"], "Next step", () => moveStep(board, "after")],
    [["["], "Previous step", () => moveStep(board, "before")],
    [["G"], "Follow the newest step", () => followNewest(board)],
  ]);
}

/** @param {WhatIfBoard} board */
function toggleExample(board) {
  changeView(board, { example: !viewState(board).example, sample: 0, token: 0, turned: {} });
}

/** @param {WhatIfBoard} board */
function showNearest(board) {
  const data = shownOf(board);
  if (data && "nearest" in data) changeView(board, { step: data.nearest });
}

/**
 * @param {ReturnType<typeof buildHead>} head
 * @param {WhatIfShown | WhatIfMissing} data
 */
export function drawHead(head, data) {
  const { problems } = data;
  fill(head.title, titleOf(data));
  head.earlier.disabled = data.before === null;
  head.later.disabled = data.after === null;
  head.newest.disabled = data.newest === null || (data.following && !data.example);
  fill(head.example, data.example ? "Back to the run" : "Load the notebook's example");
  head.trouble.hidden = !problems.length;
  fill(head.trouble, problems.length ? `Left out as invalid:\n${problems.join("\n")}` : "");
  const nearest = "nearest" in data ? data.nearest : null;
  head.missing.hidden = !("missing" in data);
  fill(head.why, "missing" in data ? `${data.missing} ` : "");
  head.nearest.hidden = nearest === null;
  fill(head.nearest, nearest === null ? "" : `Show step ${nearest}`);
}

/** @param {WhatIfShown | WhatIfMissing} data */
function titleOf({ example, step, run }) {
  if (example) return "The notebook's example with other settings";
  return step === null ? "What if" : `Step ${step}${run ? ` of ${run}` : ""} with other settings`;
}
