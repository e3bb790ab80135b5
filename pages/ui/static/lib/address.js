// The page's part of the address: what is chosen on it, so that a link reopens it. It changes without a rerun
// of Streamlit's script; the script learns of it when it next runs.

const DIGITS = 9; // no index has more
const SHOWN = 60;

/**
 * The parameters of those names that the address has.
 * @param {readonly string[]} names
 * @returns {Record<string, string>}
 */
export function readAddress(names) {
  const there = new URLSearchParams(window.location.search);
  return Object.fromEntries(
    names.filter((name) => there.has(name)).map((name) => [name, there.get(name) ?? ""]),
  );
}

/**
 * The parameters of those names, if the address is of that run; else they are taken out of it. isFirst:
 * whether the page was just opened, so that an address without a run is of the one shown.
 * @param {readonly string[]} names
 * @param {string} run
 * @param {boolean} isFirst
 */
export function adoptAddress(names, run, isFirst) {
  const { run: named, ...asked } = readAddress(["run", ...names]);
  const isOurs = named === run || (isFirst && !named);
  if (!isOurs) writeAddress(["run", ...names], {});
  return { asked: isOurs ? asked : {}, isNamed: named === run };
}

/**
 * Replaces the parameters of those names by the wanted ones; null and "" are left out.
 * @param {readonly string[]} names
 * @param {Record<string, string | number | null | undefined>} wanted
 */
export function writeAddress(names, wanted) {
  const there = new URLSearchParams(window.location.search);
  for (const name of names) there.delete(name);
  for (const [name, value] of Object.entries(wanted))
    if (value !== null && value !== undefined && value !== "") there.set(name, String(value));
  const search = there.size ? `?${there}`.replaceAll("%3A", ":").replaceAll("%2C", ",") : "";
  if (search === window.location.search) return;
  window.history.replaceState(
    window.history.state,
    "",
    window.location.pathname + search + window.location.hash,
  );
}

/**
 * Calls `act` whenever Streamlit has put an address in place, which lacks what the pages had put there.
 * @param {() => void} act
 */
export function onPush(act) {
  const push = window.history.pushState;
  window.history.pushState = function (...entry) {
    push.apply(this, entry);
    act();
  };
}

/**
 * The text as a whole number, 0 or more; null where it is not one.
 * @param {string | undefined} text
 */
export function parseIndex(text) {
  return text !== undefined && /^\d+$/.test(text) && text.length <= DIGITS ? Number(text) : null;
}

/**
 * The nearest of some steps, at least one.
 * @param {number[]} steps
 * @param {number} wanted
 */
export function nearest(steps, wanted) {
  return steps.reduce((best, step) => (Math.abs(step - wanted) < Math.abs(best - wanted) ? step : best));
}

/**
 * A sentence for each of those parameters that is no whole number.
 * @param {Record<string, string>} asked
 * @param {readonly string[]} names
 */
export function notIndices(asked, names) {
  return names
    .filter((name) => name in asked && parseIndex(asked[name]) === null)
    .map((name) => refusal(name, asked[name], "must be a whole number, 0 or more"));
}

/**
 * A sentence where the index is out of range. count: how many `whose` has; shown: the one shown instead.
 * @param {Record<string, string>} asked
 * @param {string} name
 * @param {number} count
 * @param {string} whose
 * @param {number | null} shown
 */
export function beyond(asked, name, count, whose, shown) {
  const index = parseIndex(asked[name]);
  if (index === null || index < count) return [];
  const instead = shown === null ? "" : `; showing ${shown}`;
  return [refusal(name, asked[name], `${whose} ${thereAre(name, count)}${instead}`)];
}

/**
 * @param {string} name
 * @param {number} count
 */
function thereAre(name, count) {
  if (count > 1) return `has ${name}s 0 to ${count - 1}`;
  return count ? `has only ${name} 0` : `has no ${name}s`;
}

/**
 * The parameter, its value, shortened, and why it is refused.
 * @param {string} name
 * @param {string} text
 * @param {string} why
 */
export function refusal(name, text, why) {
  return `${name} = ${text.slice(0, SHOWN)}: ${why}`;
}
