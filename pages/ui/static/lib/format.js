// Number formatting, identical to Python's ppo_engine/formatting.py: tests of both read
// tests/static/numbers.json.

const MINUS = "−";
const THIN_SPACE = "\u2009";
const NARROW_SPACE = "\u202f";
const EXACT = 60; // enough digits to tell whether a double lies exactly halfway between two roundings

/**
 * Three significant digits: 0.123, 12.3, 1 230; scientific notation from 1 000 000 up and below 0.001.
 * `three_digits` in Python.
 * @param {number | null | undefined} x
 */
export function number(x) {
  if (x === null || x === undefined || Number.isNaN(x)) return "–";
  if (!Number.isFinite(x)) return x > 0 ? "∞" : `${MINUS}∞`;
  if (x === 0) return "0";
  const rounded = exponential(x, 2);
  const [mantissa, power] = rounded.split("e");
  const size = Number(power);
  if (size < -3 || size > 5) return withMinus(`${mantissa}e${size}`);
  const text = Number(rounded).toFixed(Math.max(0, 2 - size));
  return withMinus(size < 3 ? text : text.replace(/\B(?=(\d{3})+$)/g, THIN_SPACE));
}

/**
 * The same, with a plus sign if positive.
 * @param {number | null | undefined} x
 */
export function signed(x) {
  const text = number(x);
  return x && x > 0 && Number.isFinite(x) ? `+${text}` : text;
}

/**
 * A fraction as a percentage, with one decimal below 10 %: 4.2 %, 37 %.
 * @param {number | null | undefined} x  0 to 1
 */
export function percent(x) {
  if (x === null || x === undefined || !Number.isFinite(x)) return "–";
  const hundredths = Math.abs(x) < 0.0005 ? 0 : 100 * x; // never −0.0
  return `${fixed(hundredths, Math.abs(hundredths) < 9.95 ? 1 : 0)}${NARROW_SPACE}%`;
}

/**
 * A fixed number of decimals, for numbers that stand in a column.
 * @param {number | null | undefined} x
 * @param {number} decimals
 */
export function fixed(x, decimals) {
  if (x === null || x === undefined) return "–";
  const exact = x.toFixed(decimals + EXACT);
  const point = exact.indexOf(".");
  const kept = decimals ? point + 1 + decimals : point;
  return withMinus(isTieToEven(exact, kept) ? exact.slice(0, kept) : x.toFixed(decimals));
}

/**
 * Like `toExponential`, but rounds half to even, as Python does.
 * @param {number} x
 * @param {number} digits
 */
function exponential(x, digits) {
  const [exact, power] = x.toExponential(EXACT).split("e");
  const kept = exact.indexOf(".") + 1 + digits;
  return isTieToEven(exact, kept) ? `${exact.slice(0, kept)}e${power}` : x.toExponential(digits);
}

/**
 * Whether the digits after the kept ones are exactly one half, and the last kept digit is even.
 * @param {string} exact
 * @param {number} kept
 */
function isTieToEven(exact, kept) {
  const rest = exact.slice(kept).replace(".", "");
  return /^50*$/.test(rest) && Number(exact[kept - 1]) % 2 === 0;
}

/** @param {string} text */
function withMinus(text) {
  return text.replaceAll("-", MINUS);
}

/**
 * A token's text with visible line breaks.
 * @param {string} text
 */
export function visible(text) {
  return text.replaceAll("\n", "⏎");
}
