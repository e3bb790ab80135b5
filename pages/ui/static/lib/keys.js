// A page's keyboard shortcuts: a visible hint, and the full list on "?".
import { h } from "./dom.js";

/** @typedef {[keys: string[], meaning: string, act: () => void]} Shortcut */

/** @type {Record<string, string>} */
const NAMES = { ArrowLeft: "←", ArrowRight: "→", " ": "Space" };

const TAKES_KEYS = [
  "input",
  "textarea",
  "select",
  '[contenteditable="true"]',
  '[role="dialog"]',
  '[role="combobox"]',
  '[role="listbox"]',
  '[role="slider"]',
  '[role="tablist"]',
  '[role="radiogroup"]',
].join(", ");

/**
 * Listens for a page's keys and returns a button that lists them. Keys are ignored while someone is typing or
 * another page is open.
 * @param {HTMLElement} root  the board's
 * @param {HTMLElement} section  the page's
 * @param {string} hint
 * @param {Shortcut[]} shortcuts
 */
export function shortcuts(root, section, hint, shortcuts) {
  const help = helpDialog(shortcuts);
  section.append(help);
  const toggle = () => (help.open ? help.close() : help.showModal());
  /** @param {KeyboardEvent} event */
  const pressed = (event) => {
    if (!root.isConnected) return document.removeEventListener("keydown", pressed);
    const key = NAMES[event.key] ?? event.key.toUpperCase();
    const isOurs = !(event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey);
    if (section.hidden || !isOurs || isTaken(event.target, key)) return;
    const act = key === "?" ? toggle : shortcuts.find(([keys]) => keys.includes(key))?.[2];
    if (!act || (help.open && act !== toggle)) return;
    event.preventDefault();
    act();
  };
  document.addEventListener("keydown", pressed);
  return h("button", { class: "hint quiet", onclick: toggle }, hint);
}

/** @param {Shortcut[]} shortcuts */
function helpDialog(shortcuts) {
  /** @type {[string, string][]} */
  const rows = [
    ...shortcuts.map(([keys, meaning]) => /** @type {[string, string]} */ ([keys.join(" or "), meaning])),
    ["?", "This list"],
  ];
  const list = h("dl", {}, ...rows.flatMap(([keys, meaning]) => [h("dt", {}, keys), h("dd", {}, meaning)]));
  const close = h("button", { onclick: () => help.close() }, "Close");
  const heading = h("strong", {}, "Keys on this page");
  const help = h("dialog", { class: "keys", "aria-label": "Keys on this page" }, heading, list, close);
  return help;
}

/**
 * Whether the focused element handles the key itself.
 * @param {EventTarget | null} target
 * @param {string} key
 */
function isTaken(target, key) {
  if (!(target instanceof Element)) return false;
  if (target instanceof HTMLInputElement && (target.type === "range" || target.type === "checkbox"))
    return key === "←" || key === "→" || key === "Space";
  if (key === "Space" && target.closest("button, a, summary")) return true;
  return target.closest(TAKES_KEYS) !== null;
}
