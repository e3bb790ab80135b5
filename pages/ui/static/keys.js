// Keyboard shortcuts of a page: a visible hint, and the whole list on "?".
import { element } from "./dom.js";

const NAMES = { ArrowLeft: "←", ArrowRight: "→", " ": "Space" };

// list: [[keys, meaning, action], ...]. Returns the hint. Keys rest while somebody types, or another page is open.
export function shortcuts(board, section, hint, list) {
  const shown = element("button", "hint quiet", hint), help = element("dialog", "keys"), rows = element("dl");
  for (const [keys, meaning] of [...list, [["?"], "This list"]]) rows.append(element("dt", "", keys.join(" or ")), element("dd", "", meaning));
  const close = element("button", "", "Close");
  help.append(element("strong", "", "Keys on this page"), rows, close);
  help.setAttribute("aria-label", "Keys on this page");
  const toggle = () => (help.open ? help.close() : help.showModal());
  shown.addEventListener("click", toggle);
  close.addEventListener("click", () => help.close());
  section.append(help);
  const pressed = (event) => {
    if (!board.root.isConnected) return document.removeEventListener("keydown", pressed);
    const key = NAMES[event.key] ?? event.key.toUpperCase();
    if (section.hidden || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || taken(event.target, key)) return;
    const act = key === "?" ? toggle : list.find(([keys]) => keys.includes(key))?.[2];
    if (!act || (help.open && act !== toggle)) return;
    event.preventDefault();
    act();
  };
  document.addEventListener("keydown", pressed);
  return shown;
}

// Whether the element that has the focus wants the key for itself.
function taken(target, key) {
  if (!target.closest) return false;
  if (target.type === "range" || target.type === "checkbox") return key === "←" || key === "→" || key === "Space";
  if (key === "Space" && target.closest("button, a, summary")) return true;
  return Boolean(target.closest('input, textarea, select, [contenteditable="true"], [role="dialog"], [role="combobox"], [role="listbox"], [role="slider"], [role="tablist"], [role="radiogroup"]'));
}
