// What the pages do with the door's answers: curves that grow, addresses, one request at a time.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { beyond, nearest, notIndices, parseIndex, refusal } from "../../pages/ui/static/lib/address.js";
import { DoorError, oneAtATime } from "../../pages/ui/static/lib/store.js";
import { Curves, pointOf } from "../../pages/ui/static/live/curves.js";

const POINTS = JSON.parse(readFileSync(new URL("points.json", import.meta.url), "utf8"));
const NAMES = ["a", "b", "c"];

test("a curve's point is the one that Python draws", () => {
  for (const { source, row, point } of POINTS) {
    const made = pointOf(source, NAMES, row);
    assert.deepEqual(made && [made.y, made.error], point, JSON.stringify({ source, row }));
    if (made) assert.equal(made.x, row[0]);
  }
});

test("curves grow by each new step once, the earlier run's do not", () => {
  const curves = new Curves();
  const sources = [{ y: "a" }, null, { y: "b", error: "c" }];
  const part = { charts: [{ key: "", about: "", layout: {}, traces: [{}, {}, {}], sources }], names: NAMES };
  curves.upto = 1;
  curves.whole = [
    [
      { x: [1], y: [5] },
      { x: [1], y: [6] },
      { x: [], y: [], error: [] },
    ],
  ];
  curves.append(part, [
    [1, 5, 7, 9],
    [2, 6, 8, 10],
    [3, null, 9, null],
  ]);
  curves.append(part, [[3, null, 9, null]]);
  assert.deepEqual(curves.whole, [
    [
      { x: [1, 2], y: [5, 6] },
      { x: [1], y: [6] },
      { x: [2], y: [8], error: [10] },
    ],
  ]);
  assert.equal(curves.upto, 3);
});

test("an index is a whole number of at most nine digits", () => {
  const texts = ["0", "12", "-1", "1.5", "x", "", "1".repeat(10), "٣", undefined];
  assert.deepEqual(texts.map(parseIndex), [0, 12, null, null, null, null, null, null, null]);
});

test("what an address asks for in vain is named", () => {
  assert.deepEqual(notIndices({ step: "x", token: "3" }, ["step", "sample", "token"]), [
    "step = x: must be a whole number, 0 or more",
  ]);
  assert.deepEqual(beyond({ sample: "9" }, "sample", 3, "step 2", 0), [
    "sample = 9: step 2 has samples 0 to 2; showing 0",
  ]);
  assert.deepEqual(beyond({ sample: "9" }, "sample", 1, "step 2", null), [
    "sample = 9: step 2 has only sample 0",
  ]);
  assert.deepEqual(beyond({ sample: "9" }, "sample", 0, "step 2", null), [
    "sample = 9: step 2 has no samples",
  ]);
  assert.deepEqual(beyond({ sample: "2" }, "sample", 3, "step 2", 0), []);
  assert.deepEqual(beyond({ sample: "3" }, "sample", 3, "step 2", 0).length, 1);
  assert.deepEqual([nearest([2, 5, 9], 6), nearest([2, 5, 9], 7), nearest([2, 5, 9], 8)], [5, 5, 9]);
  assert.deepEqual(beyond({ sample: "x" }, "sample", 3, "step 2", 0), []);
  assert.equal(refusal("step", "9".repeat(99), "no").length, "step = : no".length + 60);
});

test("what throws is not the end: it is done again when asked", async () => {
  let tries = 0;
  /** @type {number[]} */
  const told = [];
  const act = oneAtATime(
    async () => {
      if (++tries === 1) throw new DoorError(404, "no such step");
    },
    ({ status }) => told.push(status),
  );
  await act();
  await act();
  assert.deepEqual([tries, told], [2, [404]]);
});

test("what is asked for meanwhile is done once more, not at the same time", async () => {
  let running = 0;
  let done = 0;
  const act = oneAtATime(async () => {
    assert.equal(running++, 0);
    await new Promise((then) => setTimeout(then, 1));
    running--;
    done++;
  });
  await Promise.all([act(), act(), act()]);
  await act();
  assert.equal(done, 3);
});
