// The charts' points: fetched once, thinned to the screen, and lengthened by each new step; between two steps
// that somebody zoomed to, fetched again as fine as they are recorded.
import { get } from "../lib/store.js";

/** @import { ChartPart, ChartsPart, Curve, Curves as CurvesAnswer, Source } from "../lib/payloads" */
/** @typedef {(number | null)[]} Row  a step, and a number for each metric */

const MOST_NEW = 400; // points beyond those that were thinned
const ZOOMED_POINTS = 1200;

export class Curves {
  upto = -1;
  version = 0;
  /** @type {Curve[][]} By chart and trace. */
  whole = [];
  /** @type {{from: number, to: number, charts: Curve[][]} | null} */
  detail = null;
  #added = 0;
  #zooms = 0;

  /** Whether so many steps were added that the points should be thinned anew. */
  get isLong() {
    return this.#added > MOST_NEW;
  }

  /** @param {string} run */
  async fetch(run) {
    /** @type {CurvesAnswer} */
    const { upto, charts } = await get(`runs/${run}/curves`);
    Object.assign(this, { upto, whole: charts });
    this.#added = 0;
    this.version++;
  }

  /**
   * The points between two steps, as fine as a screen can show; null for all steps.
   * @param {string} run
   * @param {[number, number] | null} range
   */
  async zoom(run, range) {
    const zoom = ++this.#zooms;
    this.detail = null;
    this.version++;
    if (!range) return;
    const [from, to] = [Math.max(0, Math.floor(range[0]) - 1), Math.max(0, Math.ceil(range[1]) + 1)];
    /** @type {CurvesAnswer} */
    const { charts } = await get(`runs/${run}/curves`, { from, to, points: ZOOMED_POINTS });
    if (zoom !== this.#zooms) return; // another was asked for meanwhile
    this.detail = { from, to, charts };
    this.version++;
  }

  /**
   * Adds new steps to every curve.
   * @param {ChartsPart} part
   * @param {Row[]} rows
   */
  append({ charts, names }, rows) {
    const fresh = rows.filter(([step]) => Number(step) > this.upto);
    if (!fresh.length) return;
    for (const one of [this.whole, this.detail?.charts ?? []])
      for (const [place, curves] of one.entries()) appendTo(curves, charts[place], names, fresh);
    this.upto = Number(fresh.at(-1)?.[0]);
    this.#added += fresh.length;
    this.version++;
  }

  /**
   * A chart's traces, as plotly.js takes them.
   * @param {ChartPart} chart
   * @param {number} place
   */
  traces({ traces }, place) {
    const curves = (this.detail?.charts ?? this.whole)[place] ?? [];
    return traces.map((trace, i) => withPoints(trace, curves[i] ?? { x: [], y: [] }));
  }
}

/**
 * @param {Record<string, unknown>} trace
 * @param {Curve} curve
 */
function withPoints(trace, { x, y, error }) {
  return error ? { ...trace, x, y, error_y: { ...Object(trace.error_y), array: error } } : { ...trace, x, y };
}

/**
 * @param {Curve[]} curves
 * @param {ChartPart | undefined} chart
 * @param {string[]} names
 * @param {Row[]} rows
 */
function appendTo(curves, chart, names, rows) {
  curves.forEach((curve, i) => {
    const source = chart?.sources[i];
    if (!source) return;
    for (const row of rows) {
      const point = pointOf(source, names, row);
      if (!point) continue;
      curve.x.push(point.x);
      curve.y.push(point.y);
      if (point.error !== null) curve.error?.push(point.error);
    }
  });
}

/**
 * A source's point at a step, as ppo_engine/charts/series.py has it; null where the step has none.
 * @param {Source} source
 * @param {string[]} names
 * @param {Row} row
 */
export function pointOf({ y, plus, times = 1, error, missing, first = 0 }, names, row) {
  /** @param {string} name */
  const at = (name) => (names.includes(name) ? (row[names.indexOf(name) + 1] ?? null) : null);
  const step = Number(row[0]);
  const value = at(y) ?? missing ?? null;
  const more = plus === undefined ? 0 : at(plus);
  const bar = error === undefined ? null : at(error);
  if (value === null || more === null || step < first || (error !== undefined && bar === null)) return null;
  return { x: step, y: value + times * more, error: bar };
}
