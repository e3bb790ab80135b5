// Keyboard shortcuts of a page: a visible hint, and the whole list on "?".
import { element } from "./dom.js";

// shortcuts: a list of [keys, meaning, action]. Returns the hint. Keys do nothing while somebody types or another page is open.
export function shortcuts(board, section, hint, list) {
  const shown = element("button", "hint quiet", hint), help = element("dialog", "keys"), rows = element("dl");
  for (const [keys, meaning] of [...list, [["?"], "This list"]]) rows.append(element("dt", "", keys.join(" or ")), element("dd", "", meaning));
  const close = element("button", "", "Close");
  help.append(element("h2", "", "Keys on this page"), rows, close);
  help.setAttribute("aria-label", "Keys on this page");
  const toggle = () => (help.open ? help.close() : help.showModal());
  shown.addEventListener("click", toggle);
  close.addEventListener("click", () => help.close());
  section.append(help);
  const pressed = (event) => {
    if (!board.root.isConnected) return document.removeEventListener("keydown", pressed);
    if (section.hidden || event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.("input, textarea, select, [contenteditable]")) return;
    const found = event.key === "?" ? toggle : list.find(([keys]) => keys.includes(NAMES[event.key] ?? event.key.toUpperCase()))?.[2];
    if (!found || (help.open && found !== toggle)) return;
    event.preventDefault();
    found();
  };
  document.addEventListener("keydown", pressed);
  return shown;
}

const NAMES = { ArrowLeft: "←", ArrowRight: "→", " ": "Space" };
