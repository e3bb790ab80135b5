// Streamlit runs this for each of our components. It loads the board's modules once, whatever path this
// server is mounted at, and passes on what Python sent.

const PLACE = "/static/js/"; // of Streamlit's own scripts, which say where this server's files begin

/** @type {Record<string, Promise<typeof import("./mount.js")>>} */
const modules = {};

function root() {
  const theirs = [...document.scripts].map(({ src }) => src).find((src) => src.includes(PLACE));
  return theirs?.split(PLACE)[0] ?? window.location.origin;
}

/** @param {string} prefix */
async function load(prefix) {
  const home = `${root()}/${prefix}/`;
  const style = { rel: "stylesheet", href: `${home}mount.css` };
  return (await Promise.all([import(`${home}mount.js`), added("link", style)]))[0];
}

/**
 * @param {"link"} tag
 * @param {Record<string, string>} fields
 */
function added(tag, fields) {
  return new Promise((loaded, failed) => {
    const made = Object.assign(document.createElement(tag), fields, { onload: loaded, onerror: failed });
    document.head.append(made);
  });
}

/** @param {import("./mount.js").Component} component */
export default function show(component) {
  const { parentElement } = component;
  parentElement.latest = component;
  const { prefix } = component.data;
  modules[prefix] ??= load(prefix);
  modules[prefix].then((board) => board.render(parentElement.latest ?? component));
}
