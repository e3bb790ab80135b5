// The step selector: which step is shown, and buttons to move to another.
import { fill, h } from "../lib/dom.js";
import { moveStep } from "./moves.js";
import { changeView, shownOf } from "./view_state.js";

/** @import { TokensBoard, TokensPage } from "./view_state.js" */

/** @param {TokensBoard} board */
export function buildSteps(board) {
  const chosen = () => shownOf(board)?.page.steps[Number(slider.value)];
  const label = h("h2");
  const slider = h("input", {
    type: "range",
    min: 0,
    "aria-label": "Step",
    oninput: () => fill(label, `Step ${chosen()}`),
    onchange: () => changeView(board, { step: chosen() ?? null }),
  });
  const before = h("button", { "aria-label": "Previous step", onclick: () => moveStep(board, -1) }, "◀");
  const after = h("button", { "aria-label": "Next step", onclick: () => moveStep(board, 1) }, "▶");
  const newest = h("button", { onclick: () => changeView(board, { step: null }) }, "Follow the newest");
  const missing = h("span", { class: "missing" });
  const root = h("div", { class: "steps" }, label, before, slider, after, newest, missing);
  return { root, slider, label, newest, missing };
}

/**
 * @param {ReturnType<typeof buildSteps>} line
 * @param {TokensPage} page
 */
export function drawSteps({ label, slider, newest, missing }, { step, steps, following, missing: why }) {
  fill(label, `Step ${step}`);
  slider.max = String(steps.length - 1);
  if (document.activeElement !== slider || following) slider.value = String(steps.indexOf(step));
  fill(newest, following ? "Following the newest" : `Follow the newest, ${steps.at(-1)}`);
  newest.setAttribute("aria-pressed", String(following));
  fill(missing, why);
}
