import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fixed, number, percent, signed, visible } from "../../pages/ui/static/lib/format.js";

const FUNCTIONS = { three_digits: number, signed, percent };
const cases = JSON.parse(readFileSync(new URL("numbers.json", import.meta.url), "utf8"));

for (const { function: name, value, text } of cases)
  test(`${name} of ${value} is ${text}`, () => assert.equal(FUNCTIONS[name](Number(value)), text));

test("what is not there is a dash", () => {
  for (const write of [number, signed, percent]) {
    assert.equal(write(null), "–");
    assert.equal(write(undefined), "–");
  }
  assert.equal(fixed(null, 3), "–");
});

test("so many decimals, a half to the even digit", () => {
  assert.deepEqual(
    [0.125, 0.375, -0.125, 2.5, 3.5, 1234.5678, 0, 1].map((x) => fixed(x, x % 1 && Math.abs(x) < 1 ? 2 : 0)),
    ["0.12", "0.38", "−0.12", "2", "4", "1235", "0", "1"],
  );
});

test("a token's line breaks can be seen", () => assert.equal(visible("a\nb\n"), "a⏎b⏎"));
