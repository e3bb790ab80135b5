// The data door: fetching what a run recorded, and following how it stands. Answers that never change are
// kept by the browser itself.

/** @import { Change } from "./payloads" */

// This file lies three folders below where the server's own paths begin.
const DOOR = new URL("../../../data/v1/", import.meta.url);
const CODE = import.meta.url.split("/").at(-3) ?? "";

/** An error that the server answered with; its message is for the person. */
export class DoorError extends Error {
  /**
   * @param {number} status  of HTTP; 0 where the server could not be reached
   * @param {string} message
   */
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/**
 * An answer of the door. Parameters that are null are left out. Throws `DoorError`.
 * @template Answer
 * @param {string} path
 * @param {Record<string, string | number | null>} [parameters]
 * @returns {Promise<Answer>}
 */
export async function get(path, parameters = {}) {
  const url = addressOf(path, parameters);
  let response;
  try {
    response = await fetch(url);
  } catch {
    throw new DoorError(0, "The server could not be reached.");
  }
  const answer = await response.json().catch(() => null);
  if (!response.ok)
    throw new DoorError(response.status, String(answer?.error ?? `The server answered ${response.status}.`));
  if (answer === null) throw new DoorError(0, "The server's answer broke off.");
  return answer;
}

/**
 * @param {string} path
 * @param {Record<string, string | number | null>} parameters
 */
function addressOf(path, parameters) {
  const url = new URL(path, DOOR);
  for (const [name, value] of Object.entries(parameters))
    if (value !== null) url.searchParams.set(name, String(value));
  url.searchParams.set("code", CODE);
  return url;
}

/** @typedef {(change: Change) => void} Listener */
/**
 * @typedef {object} Followed  a run that this tab follows
 * @property {string} run
 * @property {Set<Listener>} listeners
 * @property {Change | null} latest
 * @property {() => void} stop  ends the stream or the polling
 */

/** @type {Map<string, Followed>} */
const followed = new Map();

/**
 * Tells of each change of a run ("" for none: of which runs there are), and at first how it stands. Returns
 * what ends that. All followers of a tab share one stream; a hidden tab has none.
 * @param {string} run
 * @param {Listener} listener
 */
export function follow(run, listener) {
  const one = followed.get(run) ?? begun(run);
  one.listeners.add(listener);
  if (one.latest) listener(one.latest);
  return () => {
    one.listeners.delete(listener);
    if (one.listeners.size) return;
    one.stop();
    followed.delete(run);
  };
}

/** @param {string} run */
function begun(run) {
  /** @type {Followed} */
  const one = { run, listeners: new Set(), latest: null, stop: () => {} };
  followed.set(run, one);
  if (!isHidden()) listen(one);
  return one;
}

function isHidden() {
  return document.visibilityState === "hidden";
}

globalThis.document?.addEventListener("visibilitychange", () => {
  for (const one of followed.values()) {
    one.stop();
    if (!isHidden()) listen(one);
  }
});

const SLOTS = 3; // streams of one browser: it has six connections to a server, and the pages need some
const SWALLOWED_MS = 5000; // a stream that has said nothing by then is being held back by a proxy
const POLL_MS = 1000;

/**
 * By a stream, where this browser has one to spare and a proxy lets it through; else by asking again and
 * again.
 * @param {Followed} one
 */
function listen(one) {
  const ended = new AbortController();
  one.stop = () => ended.abort();
  const poll = () => void keepAsking(one, ended.signal);
  withSlot(ended.signal, (hasSlot) => (hasSlot ? stream(one, ended.signal, poll) : poll()));
}

/**
 * Calls `act` with whether one of the browser's slots is free, which is then kept until the signal.
 * @param {AbortSignal} signal
 * @param {(hasSlot: boolean) => void} act
 * @param {number} [slot]
 */
function withSlot(signal, act, slot = 0) {
  if (signal.aborted) return;
  if (!navigator.locks) return act(true); // only pages from this machine or by https have locks
  if (slot === SLOTS) return act(false);
  const kept = () => new Promise((release) => signal.addEventListener("abort", release, { once: true }));
  /** @param {Lock | null} lock */
  const granted = (lock) => {
    if (!lock) return withSlot(signal, act, slot + 1);
    act(true);
    return signal.aborted ? undefined : kept();
  };
  const name = `ppo-live ${DOOR.pathname} ${slot}`;
  // a browser that keeps no data of this site refuses
  navigator.locks.request(name, { ifAvailable: true }, granted).catch(() => act(true));
}

/**
 * @param {Followed} one
 * @param {AbortSignal} signal
 * @param {() => void} otherwise
 */
function stream(one, signal, otherwise) {
  if (signal.aborted) return;
  const source = new EventSource(addressOf("stream", { run: one.run || null }));
  const giveUp = () => {
    source.close();
    if (!signal.aborted) otherwise();
  };
  const patience = setTimeout(giveUp, SWALLOWED_MS);
  signal.addEventListener("abort", () => {
    clearTimeout(patience);
    source.close();
  });
  source.onmessage = ({ data }) => {
    clearTimeout(patience);
    tell(one, JSON.parse(data));
  };
  source.onerror = () => {
    if (source.readyState === EventSource.CLOSED) giveUp();
  };
}

/**
 * @param {Followed} one
 * @param {AbortSignal} signal
 */
async function keepAsking(one, signal) {
  while (!signal.aborted) {
    try {
      tell(one, await get("now", { run: one.run || null }));
    } catch (error) {
      // A run that is no longer there: the page has to find another one.
      if (error instanceof DoorError && error.status === 404)
        tell(one, { run: one.run, version: "gone", step: -1, state: "", stamp: "gone" });
    }
    await new Promise((done) => setTimeout(done, POLL_MS));
  }
}

/**
 * @param {Followed} one
 * @param {Change} change
 */
function tell(one, change) {
  const before = one.latest;
  if (before && before.version === change.version && before.stamp === change.stamp) return;
  one.latest = change;
  for (const listener of one.listeners) listener(change);
}

const RETRY_MS = 2000;

/**
 * A function that does one thing at a time: called meanwhile, it does it once more afterwards. Where the
 * server cannot be reached, or fails, it tries again.
 * @param {() => Promise<void>} act
 * @param {(error: DoorError) => void} [fail]  is told what the server refused
 */
export function oneAtATime(act, fail = () => {}) {
  let isBusy = false;
  let again = false;
  const run = async () => {
    again = true;
    if (isBusy) return;
    isBusy = true;
    try {
      while (again) {
        again = false;
        await act();
      }
    } catch (error) {
      if (!(error instanceof DoorError)) throw error;
      if (error.status) fail(error);
      if (!error.status || error.status >= 500) setTimeout(run, RETRY_MS);
    } finally {
      isBusy = false;
      if (again) setTimeout(run);
    }
  };
  return run;
}
