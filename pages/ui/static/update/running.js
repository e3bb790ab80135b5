// A running sum, one line per token.
import { h } from "../lib/dom.js";
import { visible } from "../lib/format.js";
import { longest } from "./batch.js";
import { scrubber } from "./scrubber.js";

/**
 * @import { Running } from "../lib/payloads"
 * @import { Actions, Part, UpdatePage } from "./batch.js"
 */

/**
 * @param {Running} running
 * @param {UpdatePage} page
 * @param {Actions} actions
 * @returns {Part}
 */
export function running({ title, lines }, page, actions) {
  const slider = scrubber("Tokens worked", longest(page), actions);
  const items = lines.map(({ token, text }) => {
    const word = h("span", { class: "quiet" }, visible(token));
    return h("li", {}, word, h("span", { class: "formula number" }, text));
  });
  const list = h("ol", {}, ...items);
  return {
    root: h("div", { class: "running" }, h("h3", {}, title), slider.root, list),
    show: (count) => {
      slider.show(count);
      const newest = Math.min(count, items.length) - 1;
      items.forEach((item, i) => {
        item.classList.toggle("unseen", i >= count);
        item.classList.toggle("newest", i === newest);
      });
      list.scrollTop = Math.max(0, (items[newest]?.offsetTop ?? 0) - list.clientHeight / 2);
    },
  };
}
