// Continuations of one opening by several models, side by side: each token tinted by how likely it was.
import { element, signed } from "./dom.js";

export function draw({ parts, data }) {
  const { opening, sources } = data.playground;
  const fingerprint = JSON.stringify(data.playground);
  if (parts.playground.fingerprint === fingerprint) return;
  parts.playground.fingerprint = fingerprint;
  const columns = element("div", "columns");
  columns.append(...sources.map((source) => column(opening, source)));
  const key = element("p", "quiet", "The number is the score of the whole text. The darker a token, the less likely it was; point at it for its probability.");
  parts.playground.replaceChildren(key, columns);
}

function column(opening, { name, samples }) {
  const made = element("div", "column"), mean = samples.reduce((sum, { score }) => sum + score, 0) / samples.length;
  const head = element("h2", "", `${name}: mean score ${signed(mean)}`);
  made.append(head, ...samples.map(({ score, tokens }) => {
    const row = element("div", "played"), text = element("span", "text");
    text.append(element("span", "query", opening));
    for (const [token, chance] of tokens) {
      const piece = element("span", "drawn", token);
      piece.style.setProperty("--surprise", String(Math.min(1, -Math.log(Math.max(chance, 1e-6)) / 7)));
      piece.dataset.tip = `probability ${(100 * chance).toPrecision(3)} %`;
      text.append(piece);
    }
    row.append(element("span", "number", signed(score)), text);
    return row;
  }));
  return made;
}
