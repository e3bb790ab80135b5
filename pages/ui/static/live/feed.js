// What the live page knows of its run: fetched when the run changes, and kept until something newer comes.
import { nearest } from "../lib/address.js";
import { perBoard } from "../lib/board.js";
import { DoorError, get } from "../lib/store.js";
import { Curves } from "./curves.js";

/**
 * @import { Board } from "../lib/board.js"
 * @import { Batch, ChartsPart, HistoryList, LiveAnswer, LivePayload, Pairs } from "../lib/payloads"
 * @import { PartName, Pin, Prompts, StepsAnswer } from "../lib/payloads"
 */
/** @typedef {Board<LivePayload>} LiveBoard */
/**
 * @typedef {object} Feed
 * @property {string} run
 * @property {LiveAnswer | null} live
 * @property {Partial<Record<PartName, string>>} keys  of the parts that are here
 * @property {ChartsPart | null} charts
 * @property {HistoryList | null} history
 * @property {Pairs | null} pairs
 * @property {Curves} curves
 * @property {Batch | null} batch
 * @property {Prompts | null} prompts
 * @property {string} promptsKey  of those that are here
 * @property {string} promptsWanted  of those that were asked for last
 * @property {Pin | null} pin  the chosen step and sample; null to follow the newest step
 * @property {string} missing  why the pinned step is not shown
 * @property {boolean} isBatchInSight
 */

/** @returns {Feed} */
function emptyFeed() {
  return {
    run: "",
    live: null,
    keys: {},
    charts: null,
    history: null,
    pairs: null,
    curves: new Curves(),
    batch: null,
    prompts: null,
    promptsKey: "",
    promptsWanted: "",
    pin: null,
    missing: "",
    isBatchInSight: false,
  };
}

export const feedOf = perBoard(
  /** @param {LiveBoard} _ */
  (_) => emptyFeed(),
);

/**
 * Begins with another run.
 * @param {LiveBoard} board
 */
export function forgetRun(board) {
  const { isBatchInSight } = feedOf(board);
  Object.assign(feedOf(board), emptyFeed(), { run: board.data.run, isBatchInSight });
}

/**
 * Fetches what is new of the run: small at every step, its parts where they have changed.
 * @param {LiveBoard} board
 */
export async function fetchLive(board) {
  const feed = feedOf(board);
  const { run, curves } = feed;
  const isFirst = !feed.live;
  if (isFirst) await curves.fetch(run);
  const have = Object.values(feed.keys).join(".") || null;
  /** @type {LiveAnswer} */
  const live = await get(`runs/${run}/live`, { after: curves.upto, have });
  if (feed.run !== run) return;
  const hasEnded = !isFirst && feed.live?.run.state !== live.run.state;
  feed.live = live;
  Object.assign(feed, live.parts);
  feed.keys = live.keys;
  const isOther = Boolean(live.parts.charts) && !isFirst;
  // A run that ends is evaluated once more, at a step that is here already.
  if (!live.rows || isOther || hasEnded || curves.isLong) await curves.fetch(run);
  if (live.rows && feed.charts) curves.append(feed.charts, live.rows);
}

/**
 * Fetches the batch that is shown, with the columns that are wanted.
 * @param {LiveBoard} board
 * @param {string[]} columns
 */
export async function fetchBatch(board, columns) {
  const feed = feedOf(board);
  const { run, pin } = feed;
  const step = await stepShown(feed);
  if (feed.run !== run || feed.pin !== pin) return;
  const { batch } = feed;
  const isHere = batch?.step === step;
  const lacking = isHere ? columns.filter((name) => !(name in batch.tokens)) : columns;
  if (step === null) feed.batch = null;
  if (step === null || !lacking.length) return;
  /** @type {Batch} */
  let fetched;
  try {
    fetched = await get(`runs/${run}/steps/${step}`, { columns: lacking.join(",") });
  } catch (error) {
    if (!isHere || !(error instanceof DoorError) || error.status !== 404) throw error;
    feed.batch = null; // its tokens were deleted since, to save disk space
    return fetchBatch(board, columns);
  }
  if (feed.run === run && feed.pin === pin) take(feed, fetched);
}

/**
 * Takes over what was fetched, unless there is a newer batch meanwhile; of the same one its columns.
 * @param {Feed} feed
 * @param {Batch} fetched
 */
function take(feed, fetched) {
  const { batch, pin } = feed;
  if (batch?.step === fetched.step) {
    Object.assign(batch.tokens, fetched.tokens);
    Object.assign(batch.limits, fetched.limits);
  } else if (pin || !batch || fetched.step > batch.step) feed.batch = fetched;
}

/**
 * The pinned step, or the nearest whose tokens are stored; else the newest.
 * @param {Feed} feed
 */
async function stepShown(feed) {
  const { run, pin, live, batch } = feed;
  feed.missing = "";
  const newest = live?.kept ?? null;
  if (!pin || newest === null) return newest;
  if (pin.step === newest || pin.step === batch?.step) return pin.step;
  /** @type {StepsAnswer} */
  const { steps } = await get(`runs/${run}/steps`);
  const shown = nearest(steps, pin.step);
  if (shown === pin.step) return shown;
  const why = pin.step > (live?.step ?? 0) ? `the last step is ${live?.step}` : "its batch is not stored";
  feed.missing = `${why}; showing step ${shown}`;
  return shown;
}

/**
 * Fetches the chosen opening's continuations where there is a newer evaluation, or another is chosen.
 * @param {LiveBoard} board
 * @param {number} chosen
 */
export async function fetchPrompts(board, chosen) {
  const feed = feedOf(board);
  const { run, live } = feed;
  const at = live?.evaluated ?? null;
  const key = `${run} ${at} ${chosen}`;
  if (at === null || feed.promptsKey === key) return;
  feed.promptsWanted = key;
  /** @type {Prompts} */
  const prompts = await get(`runs/${run}/prompts/${chosen}`, { at });
  if (feed.run === run && feed.promptsWanted === key) Object.assign(feed, { prompts, promptsKey: key });
}
