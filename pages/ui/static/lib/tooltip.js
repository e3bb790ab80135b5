// One tooltip for the whole board: beside the pointer, or below the focused element.
import { fill, h, tipOf } from "./dom.js";

/** What a board dispatches on its root once tips have more to say than when they were last asked. */
export const TIPS_CHANGED = "tips-changed";

/**
 * Shows the tip of any element under `root` that has one. Returns what ends that.
 * @param {HTMLElement} root
 */
export function addTooltip(root) {
  const box = h("div", { class: "tip", role: "tooltip", hidden: true });
  root.append(box);
  const hide = () => {
    box.hidden = true;
  };
  let again = () => {};
  /** @param {MouseEvent | FocusEvent} event */
  const over = (event) => {
    again = () => box.hidden || over(event);
    const target = event.target instanceof Element ? event.target.closest("[data-tip], .has-tip") : null;
    const text = target instanceof HTMLElement && root.contains(target) ? tipOf(target, event) : "";
    box.hidden = !text;
    if (target && text) show(box, text, placeOf(event, target));
  };
  root.addEventListener(TIPS_CHANGED, () => again());
  root.addEventListener("mousemove", over);
  root.addEventListener("focusin", over);
  root.addEventListener("mouseleave", hide);
  root.addEventListener("focusout", hide);
  /** @param {KeyboardEvent} event */
  const hideOnEscape = (event) => event.key === "Escape" && hide();
  document.addEventListener("keydown", hideOnEscape);
  return () => document.removeEventListener("keydown", hideOnEscape);
}

/**
 * @param {MouseEvent | FocusEvent} event
 * @param {Element} target
 */
function placeOf(event, target) {
  if (event instanceof MouseEvent) return { x: event.clientX, y: event.clientY };
  const { left, bottom } = target.getBoundingClientRect();
  return { x: left, y: bottom };
}

/**
 * Places the tooltip beside the pointer, inside the window.
 * @param {HTMLElement} box
 * @param {string} text
 * @param {{x: number, y: number}} place
 */
function show(box, text, { x, y }) {
  fill(box, text);
  const left = Math.max(8, Math.min(x + 14, window.innerWidth - box.offsetWidth - 12));
  const below = y + 18 + box.offsetHeight <= window.innerHeight;
  box.style.left = `${left}px`;
  box.style.top = `${below ? y + 18 : y - box.offsetHeight - 12}px`;
}
