// A slider over the tokens, for going at one's own pace.
import { fill, h } from "../lib/dom.js";

/** @import { Actions } from "./batch.js" */

/**
 * @param {string} label
 * @param {number} most
 * @param {Actions} actions
 */
export function scrubber(label, most, { show }) {
  const slider = h("input", {
    type: "range",
    min: 0,
    max: most,
    value: most,
    "aria-label": label,
    oninput: () => show(Number(slider.value)),
  });
  const count = h("span", { class: "number quiet" });
  return {
    root: h("label", { class: "scrubber" }, h("span", { class: "quiet" }, label), slider, count),
    show: (/** @type {number} */ shown) => {
      slider.value = String(shown);
      fill(count, `${shown} of ${most}`);
    },
  };
}
