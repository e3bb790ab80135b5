// The modules that need no page: scales, columns, the lists' order and search, addresses.
import assert from "node:assert/strict";
import { test } from "node:test";
import { newMark, perBoard } from "../../pages/ui/static/lib/board.js";
import { escaped } from "../../pages/ui/static/lib/plot.js";
import { colour } from "../../pages/ui/static/lib/scales.js";
import { earnedLines, write } from "../../pages/ui/static/lib/token_columns.js";
import { chosenSample, listed, ORDERS } from "../../pages/ui/static/live/choice.js";
import { spread } from "../../pages/ui/static/tokens/scatter.js";
import { hitsIn } from "../../pages/ui/static/tokens/search.js";
import { longest } from "../../pages/ui/static/update/batch.js";
import { ladderTitle } from "../../pages/ui/static/whatif/ladder.js";
import { fromQuery, toQuery } from "../../pages/ui/static/whatif/query.js";
import { turnedBy } from "../../pages/ui/static/whatif/sliders.js";

test("the diverging scale: clear at its centre, saturated beyond its limit", () => {
  assert.equal(colour(0, 0, 2), "rgba(0,114,178,0.000)");
  assert.equal(colour(1, 0, 2), "rgba(0,114,178,0.375)");
  assert.equal(colour(9, 0, 2), "rgba(0,114,178,0.750)");
  assert.equal(colour(-9, 0, 2), "rgba(213,94,0,0.750)");
  assert.equal(colour(0.9, 1, 0.2), "rgba(213,94,0,0.375)");
  assert.equal(colour(null, 0, 2), "transparent");
  assert.equal(colour(1, 0, 0), "transparent");
});

test("a column's numbers have a plus where the column says so", () => {
  assert.equal(write("reward", 1.5), "+1.50");
  assert.equal(write("ratio", 1.5), "1.50");
  assert.equal(write("old_logprob", -1.5), "−1.50");
  assert.equal(write("clip", 1.5), "1.50");
});

test("what a token earned, in words", () => {
  const one = { old_logprob: [-1], ref_logprob: [-2], kl: [1] };
  const rest = { reward: [2.8], kl_penalty: [-0.2], score_share: [3] };
  assert.deepEqual(earnedLines({ ...one, ...rest }, 0), [
    "log-probability −1.00, reference −2.00, KL +1.00",
    "reward +2.80 = KL penalty −0.200 + score +3.00",
  ]);
});

const SAMPLES = [
  { index: 0, query: "This film", response: " was fine", score: 1, kl: 5, length: 2, ended: true },
  { index: 1, query: "This FILM", response: " was bad", score: -1, kl: 7, length: 9, ended: true },
  { index: 2, query: "I saw", response: " it", score: 2, kl: 6, length: 1, ended: false },
];

test("the list is sorted by every order, and searched without regard to case", () => {
  const orders = Object.keys(ORDERS).map((order) =>
    listed(SAMPLES, { search: "", order }).map((s) => s.index),
  );
  assert.deepEqual(orders, [
    [2, 0, 1],
    [1, 0, 2],
    [1, 2, 0],
    [1, 0, 2],
    [0, 1, 2],
  ]);
  const found = listed(SAMPLES, { search: "film was", order: "score" });
  assert.deepEqual(
    found.map(({ index }) => index),
    [0, 1],
  );
  assert.deepEqual(
    SAMPLES.map(({ index }) => index),
    [0, 1, 2],
  );
});

test("the chosen sample is the pinned one, else the first of the list, else the first", () => {
  const choice = { search: "film", order: "worst" };
  assert.equal(chosenSample({ samples: SAMPLES, pin: { step: 1, sample: 2 } }, choice).index, 2);
  assert.equal(chosenSample({ samples: SAMPLES, pin: { step: 1, sample: -1 } }, choice).index, 1);
  assert.equal(chosenSample({ samples: SAMPLES, pin: null }, choice).index, 1);
  assert.equal(
    chosenSample({ samples: SAMPLES, pin: null }, { search: "none has this", order: "score" }).index,
    0,
  );
});

test("texts are found by words, and by a sample's number", () => {
  const samples = SAMPLES.map(({ query, response, score }) => [query, response, score, 0]);
  /** @param {string} wanted */
  const found = (wanted) => hitsIn(samples, wanted).map(({ index }) => index);
  assert.deepEqual(found("film"), [0, 1]);
  assert.deepEqual(found("2"), [2]);
  assert.deepEqual(found(""), [0, 1, 2]);
  assert.deepEqual(found("nowhere"), []);
});

test("99 of 100 points are in sight", () => {
  assert.equal(spread([...Array(99).fill(-1), 50]), 1);
  assert.equal(spread([]), 1);
});

test("the longest response, of none too", () => {
  assert.equal(longest({ samples: [{ tokens: ["a"] }, { tokens: ["a", "b"] }] }), 2);
  assert.equal(longest({ samples: [] }), 0);
});

test("what is looked at on the What-if page goes into an address and back", () => {
  const look = { step: 3, sample: 1, token: 2, example: true, turned: { lam: 0.9, whiten: false } };
  const query = { sample: "1", token: "2", step: "3", example: "notebook", what: "lam:0.9,whiten:off" };
  assert.deepEqual(toQuery(look), query);
  assert.deepEqual(fromQuery(query), look);
  const least = { step: null, sample: 0, token: 0, example: false, turned: {} };
  assert.deepEqual(toQuery(least), { sample: "0", token: "0" });
  assert.deepEqual(fromQuery({ sample: "0", token: "0" }), least);
});

test("a setting at the run's own value, or within half a stride of it, is not turned", () => {
  assert.deepEqual(turnedBy({}, { name: "lam", value: 0.9, own: 0.95 }), { lam: 0.9 });
  assert.deepEqual(turnedBy({ lam: 0.9, gamma: 1 }, { name: "lam", value: 0.95, own: 0.95 }), { gamma: 1 });
  assert.deepEqual(turnedBy({ lam: 0.9 }, { name: "lam", value: 0.951, own: 0.95, stride: 0.01 }), {});
  assert.deepEqual(turnedBy({ whiten: false }, { name: "whiten", value: true, own: true }), {});
});

test("the ladder says how many estimators there are", () => {
  assert.equal(ladderTitle(null, 0), "This response has no token");
  assert.equal(
    ladderTitle({ rungs: [], count: 1, sum: 2 }, 4),
    "Token 5: one estimator, because it is the last",
  );
  assert.equal(
    ladderTitle({ rungs: [], count: 3, sum: 2 }, 0),
    "Token 1: 3 estimators make the advantage +2.00",
  );
});

test("a token is no tag of plotly's", () => assert.equal(escaped("<b>&"), "&lt;b>&amp;"));

test("what a module keeps is made once a board", () => {
  let count = 0;
  const keptFor = perBoard(() => ({ number: count++ }));
  const [one, other] = [{}, {}];
  assert.equal(keptFor(one), keptFor(one));
  assert.notEqual(keptFor(one), keptFor(other));
  assert.equal(count, 2);
});

test("no two requests have the same mark", () => assert.notEqual(newMark(), newMark()));
