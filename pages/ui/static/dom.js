// Small helpers: elements with text, and one tooltip for the whole board.

export function element(tag, className = "", text = null) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== null) made.textContent = text;
  return made;
}

// Sets text only where it differs, so that a selection in the page survives a refresh.
export function fill(node, text) {
  if (node.textContent !== String(text)) node.textContent = text;
}

// Whatever has `data-tip`, or a function `tip` that answers for a mouse position, shows it beside the pointer or on focus.
export function tips(board) {
  const tip = element("div", "tip");
  tip.setAttribute("role", "tooltip");
  tip.hidden = true;
  board.root.append(tip);
  const show = (event, text, box) => {
    tip.hidden = !text;
    if (!text) return;
    fill(tip, text);
    const x = event.clientX ?? box.left, y = event.clientY ?? box.bottom;
    tip.style.left = `${Math.max(8, Math.min(x + 14, window.innerWidth - tip.offsetWidth - 12))}px`;
    tip.style.top = `${y + 18 + tip.offsetHeight > window.innerHeight ? y - tip.offsetHeight - 12 : y + 18}px`;
  };
  const over = (event) => {
    const target = event.target.closest?.("[data-tip], .has-tip");
    if (!target || !board.root.contains(target)) return show(event, "");
    show(event, target.tip ? target.tip(event) : target.dataset.tip, target.getBoundingClientRect());
  };
  for (const kind of ["mousemove", "focusin"]) board.root.addEventListener(kind, over);
  for (const kind of ["mouseleave", "focusout"]) board.root.addEventListener(kind, (event) => show(event, ""));
  document.addEventListener("keydown", (event) => event.key === "Escape" && show(event, ""));
}

export const number = (x) => {
  if (x === null || x === undefined || Number.isNaN(x)) return "–";
  if (x === 0) return "0";
  const size = Math.floor(Math.log10(Math.abs(Number(x.toPrecision(3)))));
  const text = size < -3 || size > 5 ? x.toExponential(2).replace("e+", "e") : x.toFixed(Math.max(0, 2 - size));
  return text.replaceAll("-", "−");
};

export const signed = (x) => (x > 0 ? "+" : "") + number(x);

// Where nothing hovers, a touch screen, plotly would lay its bar of buttons over the newest data for good.
export const HOVERS = window.matchMedia("(hover: hover)").matches;
