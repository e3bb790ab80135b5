// The chosen sample before and after: two strips tinted by the advantage as the policy loss uses it, and a table with all that moves.
import { element, fill, number, signed } from "./dom.js";
import { choose } from "./whatif.js";
import { colour, visible } from "./tokens.js";

const COLUMNS = [
  ["token", "Token", "The response's tokens in order. Choose one for the lesson on lambda below."],
  ["rewards", "Reward", "KL penalty, plus the sample's score at its last token."],
  ["values", "Value", "The value head's forecast when the text was sampled. No knob here moves it."],
  ["advantages", "Advantage", "The GAE advantage."],
  ["used", "As used", "The advantage as the policy loss takes it: whitened over the batch, unless whitening is off."],
  ["returns", "Return", "Advantage plus value: what the value head is trained towards."],
  ["ratios", "Ratio", "New over old probability of the token in its last epoch, read from the record."],
  ["policy_clips", "Policy clip", "In how many of the token's epochs the policy clip binds."],
  ["value_clips", "Value clip", "In how many of the token's epochs the value clip binds."],
];

export function buildTokens(board, page, body) {
  const box = element("div", "tokens"), header = element("header"), title = element("h2"), moved = element("button", "", "Sample that moves most");
  const step = (text, tip, by) => {
    const made = element("button", "", text);
    made.dataset.tip = tip;
    made.addEventListener("click", () => page.act.sample(by));
    return made;
  };
  moved.dataset.tip = "The sample whose advantages, as used, change most.";
  moved.addEventListener("click", () => choose(board, { sample: page.data.sample.moved, token: 0 }));
  header.append(title, element("span", "grow"), moved, step("‹ Sample", "The sample before. Key: K", -1), step("Sample ›", "The next sample. Key: J", 1));
  const query = element("p", "query text"), strips = ["as it was", "with these knobs"].map((label) => {
    const row = element("div", "pairs"), strip = element("div", "strip");
    row.append(element("span", "quiet when", label), strip);
    return { row, strip };
  });
  const key = element("p", "quiet key", "The number is the advantage as used; blue tokens are made likelier. Underlined: the policy clip binds in an epoch. Choose a token.");
  const table = element("table", "all"), scroll = element("div", "scroll");
  scroll.append(table);
  box.append(header, query, ...strips.map(({ row }) => row), key, scroll);
  body.append(box);
  page.tokens = { title, moved, query, strips, table, rows: [] };
}

export function drawTokens(board, page, data) {
  const made = page.tokens, { sample } = data;
  fill(made.title, `Sample ${sample.index} of ${sample.count}${sample.score === undefined ? "" : `: score ${signed(sample.score)}`}`);
  fill(made.query, sample.query);
  made.query.hidden = !sample.query;
  made.moved.disabled = sample.moved === null || sample.moved === sample.index;
  const shape = JSON.stringify([data.example, data.step, sample.index, sample.texts]);
  if (made.shape !== shape) { made.shape = shape; rebuild(board, page, sample); }
  const write = sample.digits ? (x) => (x === null ? "–" : x.toFixed(sample.digits).replace("-", "−")) : signed;
  made.strips.forEach(({ boxes }, side) => boxes.forEach((box, i) => {
    const x = sample.used[side][i];
    fill(box.lastChild, write(x));
    box.style.background = colour(x, 0, sample.limit);
    box.classList.toggle("clip", Boolean(sample.policy_clips?.[side][i]));
    box.classList.toggle("chosen", i === sample.token);
  }));
  made.rows.forEach((cells, i) => {
    cells.row.classList.toggle("chosen", i === sample.token);
    for (const [name] of COLUMNS.slice(1)) if (cells[name]) drawCell(cells[name], name, sample, i, write);
  });
}

function drawCell([now, was], name, sample, i, write) {
  const column = sample[name];
  if (name === "values" || name === "ratios") return fill(now, name === "values" ? write(column[i]) : number(column[i]));
  const clips = name.endsWith("clips"), text = clips ? (x) => `${x} of ${sample.epochs[i]}` : write;
  const before = text(column[0][i]), after = text(column[1][i]);
  fill(now, after);
  fill(was, before === after ? "" : before);
}

function rebuild(board, page, sample) {
  const made = page.tokens, columns = COLUMNS.filter(([name]) => name === "token" || sample[name]);
  const pick = (node, i) => {
    node.tabIndex = 0;
    node.addEventListener("click", () => choose(board, { token: i }));
    node.addEventListener("keydown", (event) => event.key === "Enter" && choose(board, { token: i }));
  };
  for (const one of made.strips) {
    one.boxes = sample.texts.map((text, i) => {
      const box = element("span", "token");
      box.append(element("b", "", visible(text)), element("small"));
      box.setAttribute("role", "button");
      pick(box, i);
      return box;
    });
    one.strip.replaceChildren(...one.boxes);
  }
  const head = element("tr");
  for (const [, label, about] of columns) { const cell = element("th", "", label); cell.dataset.tip = about; cell.tabIndex = 0; head.append(cell); }
  made.rows = sample.texts.map((text, i) => {
    const row = element("tr"), cells = { row };
    const name = element("th");
    name.append(element("span", "text", visible(text)));
    row.append(name);
    for (const [column] of columns.slice(1)) {
      const cell = element("td", "number"), now = element("span", "now"), was = element("small", "quiet");
      cell.dataset.column = column;
      cell.append(now, was);
      row.append(cell);
      cells[column] = [now, was];
    }
    pick(row, i);
    return cells;
  });
  const top = element("thead"), body = element("tbody");
  top.append(head);
  body.append(...made.rows.map(({ row }) => row));
  made.table.replaceChildren(top, body);
}
