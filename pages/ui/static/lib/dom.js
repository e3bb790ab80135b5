// Creating elements, and redrawing only what has changed. Model text is only ever set as text, never as
// markup.

/** @typedef {Node | string | number | null | undefined | false} Child */
/** @typedef {(event: MouseEvent | FocusEvent) => string} Tip  a tooltip's text, given where the pointer is */
/**
 * @typedef {object} Special  the attributes that `h` treats specially
 * @property {string | false} [class]
 * @property {string | Tip} [tip]  a tooltip's text, or a function that returns it
 * @property {Record<string, string | number>} [data]  data attributes
 */
/**
 * @typedef {{[Name in keyof HTMLElementEventMap as `on${Name}`]?: (event: HTMLElementEventMap[Name]) =>
 *   void}} Handlers
 */
/** @typedef {Special & Handlers & Record<string, unknown>} Attributes */

/** @type {WeakMap<Element, Tip>} */
const tippers = new WeakMap();

/**
 * Creates an element. Listeners are passed as `onclick` and so on; `true` sets an attribute without a value;
 * false, null and undefined leave out an attribute or a child.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Attributes} [attributes]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function h(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) setAttribute(node, name, value);
  node.append(
    ...children.filter(isShown).map((child) => (typeof child === "number" ? String(child) : child)),
  );
  return node;
}

/**
 * @param {Child} child
 * @returns {child is Node | string | number}
 */
function isShown(child) {
  return child !== null && child !== undefined && child !== false;
}

/**
 * @param {HTMLElement} node
 * @param {string} name
 * @param {unknown} value
 */
function setAttribute(node, name, value) {
  if (value === null || value === undefined || value === false) return;
  if (typeof value === "function" && name.startsWith("on"))
    node.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
  else if (name === "tip") setTip(node, /** @type {string | Tip} */ (value));
  else if (name === "data") Object.assign(node.dataset, value);
  else node.setAttribute(name, value === true ? "" : String(value));
}

/**
 * @param {HTMLElement} node
 * @param {string | Tip} tip
 */
export function setTip(node, tip) {
  if (typeof tip === "string") {
    node.dataset.tip = tip;
    return;
  }
  node.classList.add("has-tip");
  tippers.set(node, tip);
}

/**
 * The current text of an element's tooltip.
 * @param {HTMLElement} node
 * @param {MouseEvent | FocusEvent} event
 */
export function tipOf(node, event) {
  return tippers.get(node)?.(event) ?? node.dataset.tip ?? "";
}

/**
 * Sets text only if it has changed, so that a selection in the page survives a refresh.
 * @param {Node} node
 * @param {string | number} text
 */
export function fill(node, text) {
  if (node.textContent !== String(text)) node.textContent = String(text);
}

/** @type {WeakMap<Element, string>} */
const drawn = new WeakMap();

/**
 * Rebuilds an element's content if its key has changed since it was last built. `build` returns the new
 * children, or nothing if it draws by itself. Returns whether `build` was called.
 * @param {Element} node
 * @param {unknown} key  anything that JSON can represent
 * @param {() => Child[] | void} build
 */
export function redrawn(node, key, build) {
  const written = JSON.stringify(key);
  if (drawn.get(node) === written) return false;
  drawn.set(node, written);
  const children = build();
  if (children) node.replaceChildren(...h("div", {}, ...children).childNodes);
  return true;
}

/**
 * Makes the next `redrawn` rebuild the element, whatever the key.
 * @param {Element} node
 */
export function forget(node) {
  drawn.delete(node);
}

/**
 * The "?" button beside a name, which explains it.
 * @param {string} label
 * @param {string} about
 */
export function aboutButton(label, about) {
  return h("button", { class: "about", "aria-label": `About ${label}: ${about}`, tip: about }, "?");
}

/**
 * Sets the options of a select element if they have changed.
 * @param {HTMLSelectElement} select
 * @param {[value: string, label: string][]} entries
 */
export function setOptions(select, entries) {
  redrawn(select, entries, () => entries.map(([value, label]) => h("option", { value }, label)));
}

/**
 * @param {HTMLElement} node
 * @param {() => void} act  on a click, and on Enter
 */
export function onChoice(node, act) {
  node.tabIndex = 0;
  node.addEventListener("click", act);
  node.addEventListener("keydown", (event) => event.key === "Enter" && act());
}
