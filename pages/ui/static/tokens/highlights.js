// Where to look first: the tokens that stand out in the batch.
import { h, redrawn } from "../lib/dom.js";
import { number, signed } from "../lib/format.js";

/**
 * @import { Highlight } from "../lib/payloads"
 * @import { ChangeView, Shown } from "./view_state.js"
 */

export function buildHighlights() {
  return h("div", { class: "finds" });
}

/**
 * @param {HTMLElement} list
 * @param {Shown} shown
 * @param {ChangeView} changeView
 */
export function drawHighlights(list, { run, page, batch }, changeView) {
  const { sample, token } = page.look;
  redrawn(list, [run, page.step, batch.finds, sample, token], () =>
    batch.finds.map((find) => highlight(find, find.sample === sample && find.position === token, changeView)),
  );
}

/**
 * @param {Highlight} find
 * @param {boolean} isChosen
 * @param {ChangeView} changeView
 */
function highlight({ name, about, sample, position, number: x, unit }, isChosen, changeView) {
  return h(
    "button",
    {
      class: isChosen ? "find chosen" : "find",
      tip: about,
      onclick: () => changeView({ sample, token: position }),
    },
    h("span", {}, name),
    h("span", { class: "number" }, unit ? `${unit} ${number(x)}` : signed(x)),
    h("small", { class: "quiet" }, `sample ${sample}, token ${position + 1}`),
  );
}
