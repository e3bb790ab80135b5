// The What-if page's keys, and the line and the list that say so.
import { element } from "./dom.js";

const KEYS = [
  ["J  K", "next and previous sample"],
  [",  .", "previous and next step"],
  ["E", "the newest step"],
  ["←  →", "previous and next token"],
  ["?", "this list"],
];

export function buildKeys(board, page) {
  const box = element("div", "keys"), hint = element("button", "hint quiet", "Keys: J K sample, comma and full stop step, E newest, ? help"), list = element("dl");
  for (const [keys, about] of KEYS) list.append(element("dt", "", keys), element("dd", "", about));
  list.hidden = true;
  const toggle = () => { list.hidden = !list.hidden; hint.setAttribute("aria-expanded", String(!list.hidden)); };
  hint.setAttribute("aria-expanded", "false");
  hint.addEventListener("click", toggle);
  box.append(hint, list);
  const actions = { j: () => page.act.sample(1), k: () => page.act.sample(-1), ",": page.act.earlier, ".": page.act.later, e: page.act.newest,
    ArrowLeft: () => page.act.token(-1), ArrowRight: () => page.act.token(1), "?": toggle, Escape: () => { if (!list.hidden) toggle(); } };
  const press = (event) => {
    if (!board.root.isConnected) return document.removeEventListener("keydown", press);
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || typing(event.target)) return;
    const act = actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act || (event.target.type === "range" && event.key.startsWith("Arrow"))) return;
    if (event.key !== "Escape") event.preventDefault();
    act();
  };
  document.addEventListener("keydown", press);
  return box;
}

const typing = (target) => target.isContentEditable || target.tagName === "TEXTAREA" || target.tagName === "SELECT"
  || (target.tagName === "INPUT" && !["range", "checkbox"].includes(target.type)) || Boolean(target.closest?.('[role="dialog"], [role="combobox"], [role="tablist"], [role="radiogroup"]'));
