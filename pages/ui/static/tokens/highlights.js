// Where to look first: the tokens that stand out in the batch.
import { h, redrawn } from "../lib/dom.js";
import { number, signed } from "../lib/format.js";

/**
 * @import { Highlight } from "../lib/payloads"
 * @import { Look, Shown } from "./looking.js"
 */

export function buildHighlights() {
  return h("div", { class: "finds" });
}

/**
 * @param {HTMLElement} list
 * @param {Shown} shown
 * @param {Look} look
 */
export function drawHighlights(list, { run, page, batch }, look) {
  const { sample, token } = page.look;
  redrawn(list, [run, page.step, batch.finds, sample, token], () =>
    batch.finds.map((find) => highlight(find, find.sample === sample && find.position === token, look)),
  );
}

/**
 * @param {Highlight} find
 * @param {boolean} isChosen
 * @param {Look} look
 */
function highlight({ name, about, sample, position, number: x, unit }, isChosen, look) {
  return h(
    "button",
    {
      class: isChosen ? "find chosen" : "find",
      tip: about,
      onclick: () => look({ sample, token: position }),
    },
    h("span", {}, name),
    h("span", { class: "number" }, unit ? `${unit} ${number(x)}` : signed(x)),
    h("small", { class: "quiet" }, `sample ${sample}, token ${position + 1}`),
  );
}
