// The list of stages at the side: which one is shown, and which are done.
import { fill, h, redrawn } from "../lib/dom.js";

/** @import { Stage } from "../lib/payloads" */

/**
 * @param {HTMLElement} list
 * @param {Stage[]} stages
 * @param {{stage: number, furthest: number, isComputed: boolean}} state
 * @param {(stage: number) => void} go
 */
export function drawStepper(list, stages, { stage, furthest, isComputed }, go) {
  redrawn(
    list,
    stages.map(({ name }) => name),
    () => stages.map(({ name }, i) => step(name, () => go(i + 1))),
  );
  [...list.querySelectorAll("button")].forEach((button, i) => {
    const isNow = i + 1 === stage;
    const isDone = isComputed && i + 1 < furthest && !isNow;
    if (button.firstElementChild) fill(button.firstElementChild, isDone ? "✓" : i + 1);
    button.classList.toggle("done", isDone);
    if (isNow) button.setAttribute("aria-current", "step");
    else button.removeAttribute("aria-current");
  });
}

/**
 * @param {string} name
 * @param {() => void} onclick
 */
function step(name, onclick) {
  return h("li", {}, h("button", { onclick }, h("span", { class: "mark" }), h("span", {}, name)));
}
