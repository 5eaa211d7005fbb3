// The parts of the page that can be judged without a page.
import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { build } from "../../web/node_modules/esbuild/lib/main.js";

/** A source of the page as a module of Node. */
async function load(name) {
  const entry = fileURLToPath(new URL(`../../web/src/${name}`, import.meta.url));
  const { outputFiles } = await build({ entryPoints: [entry], bundle: true, write: false, format: "esm", platform: "neutral" });
  return import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString("base64")}`);
}

test("events are the same however the stream is cut", async () => {
  const { Cutter } = await load("market/events.ts");
  const stream = 'retry: 1000\n\nevent: welcome\ndata: {"a":1}\n\n: a comment\n\nid: x-1\nevent: update\ndata: one\ndata:two\n\r\ndata: three\r\ndata: four\r\n\r\nid: x-2\ndata: never ended\n';
  const expected = [
    { event: "welcome", data: '{"a":1}', id: "" },
    { event: "update", data: "one\ntwo", id: "x-1" },
    { event: "message", data: "three\nfour", id: "x-1" },
  ];
  assert.deepEqual(new Cutter().take(stream), expected);
  for (let size = 1; size < 40; size += 1) {
    const cutter = new Cutter();
    const events = [];
    for (let at = 0; at < stream.length; at += size) events.push(...cutter.take(stream.slice(at, at + size)));
    assert.deepEqual(events, expected, `pieces of ${size}`);
  }
});

test("a picture is what its events say", async () => {
  const { Picture } = await load("market/picture.ts");
  const picture = new Picture();
  const tell = (event, body) => picture.take({ event, data: JSON.stringify(body), id: "" });
  assert.equal(tell("heartbeat", { type: "heartbeat" }), false);
  tell("snapshot", { channel: "orderbook", mode: "live", data: { bids: [[9, 1], [8, 2]], asks: [[11, 1], [10, 3]] } });
  tell("update", { channel: "orderbook", data: { bids: [[9, 0], [7, 5]], asks: [[10, 4]] } });
  assert.deepEqual(picture.book(), { bids: [[8, 2], [7, 5]], asks: [[10, 4], [11, 1]] });
  assert.equal(picture.fed.get("orderbook").mode, "live");
  tell("stale", { channel: "orderbook", reason: "disconnected" });
  assert.deepEqual([picture.fed.get("orderbook").mode, picture.fed.get("orderbook").reason], ["stale", "disconnected"]);
  tell("live", { channel: "orderbook" });
  assert.deepEqual([picture.fed.get("orderbook").mode, picture.fed.get("orderbook").reason], ["live", null]);
  tell("snapshot", { channel: "trades", mode: "live", data: [{ id: "1" }, { id: "2" }] });
  tell("update", { channel: "trades", data: { id: "3" } });
  tell("skipped", { channel: "trades", count: 4, mode: "live" });
  assert.deepEqual(picture.trades.map(({ id }) => id), ["3", "2", "1"]);
  assert.equal(picture.missed, 4);
});

test("what the page has seen itself becomes a history without inventions", async () => {
  const { Sampled } = await load("sampled.ts");
  const status = (total, held, started = "a") => ({
    started,
    requests: { total, from_cache: held, collapsed: 0, upstream_calls: 0, p99_ms: null },
    streams: { clients: 3 },
    exchanges: [{ exchange: "bitfinex", budgets: [{ family: "book", limit: 240, left: 240 - total }] }],
  });
  const sampled = new Sampled();
  sampled.add(2000, status(0, 0));
  assert.equal(sampled.history(), null, "one sample is no rate");
  sampled.add(4000, status(10, 5));
  sampled.add(14_000, status(40, 20));
  sampled.add(16_000, status(40, 20));
  const history = sampled.history();
  assert.equal(history.until, 16_000);
  // From 4 s: known; until 14 s: nobody looked; then nothing was asked.
  assert.deepEqual(history.requests_per_second, [5, null, null, null, null, null, 0]);
  assert.deepEqual(history.hit_ratio, [0.5, null, null, null, null, null, null]);
  assert.deepEqual(history.budgets[0].left, [230, null, null, null, null, null, 200]);
  assert.ok(history.latency_ms.p50.every((value) => value === null));
  sampled.add(18_000, status(1, 1, "b"));
  assert.equal(sampled.history(), null, "counters of another process are not compared");
});

test("words keep what they say", async () => {
  const { span, exact, share, size, clock } = await load("words.ts");
  assert.deepEqual([0, 0.0004, 0.25, 5.04, 59.9, 60, 61, 90_061].map((seconds) => span(seconds)), ["0 ms", "0.4 ms", "250 ms", "5.0 s", "59 s", "1 min", "1 min 1 s", "1 d 1 h"]);
  assert.deepEqual([null, undefined, 0.0000011, 90_659].map(exact), ["–", "–", "0.0000011", "90659"]);
  assert.deepEqual([share(0.9999), share(null), size(1536)], ["100 %", "–", "1.5 KiB"]);
  assert.equal(clock(0, 0), "00:00:00");
  assert.equal(clock(0, 86_400_000), "1970-01-01 00:00:00");
});

test("the likeliest market comes first", async () => {
  const { matching } = await load("market/combobox.ts");
  const markets = ["AETH/USD", "ETH/BTC", "ETH/USD", "XRP/ETH"].map((symbol) => {
    const [base, quote] = symbol.split("/");
    return { symbol, id: `t${base}${quote}`, base, quote, active: true };
  });
  const names = (typed) => matching(markets, typed).map(({ symbol }) => symbol);
  assert.deepEqual(names("eth"), ["ETH/USD", "ETH/BTC", "AETH/USD", "XRP/ETH"]);
  assert.deepEqual(names("tXRPETH"), ["XRP/ETH"]);
  assert.deepEqual(names("nothing"), []);
});
