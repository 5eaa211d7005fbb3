import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { arrives, text, until, World } from "./world.mjs";

let world;
before(async () => {
  world = await World.start();
});
after(() => world?.end());

const followers = async () => (await world.get("/api/status")).streams.clients;
const isLive = (page, id) => page.locator(`#${id}`, { hasText: /^live, / }).waitFor();
const FED = ["candles-fed", "book-fed", "trades-fed", "ticker-fed"];

/** The list of markets may come later than anything else. */
const offers = (page, typed) =>
  until(`${typed} is offered`, async () => {
    const input = page.locator("#symbol");
    await input.focus();
    await page.keyboard.press("Escape");
    await page.keyboard.type(typed);
    return (await input.getAttribute("aria-expanded")) === "true";
  });

/** Waits until the stream has told of a change. */
async function changes(page) {
  const book = () => text(page, "#book-rows");
  const before = await book();
  await until("the book changes by itself", async () => (await book()) !== before);
}

test("the market view follows the gateway's stream, and costs nothing when it is left", async () => {
  const page = await world.live();
  assert.equal(await followers(), 0, "nothing is followed before it is asked for");
  await page.locator("#to-market").click();
  for (const id of FED) await isLive(page, id);
  await until("it is one stream", async () => (await followers()) === 1);

  assert.match(await page.locator("#candles").getAttribute("aria-label"), /^Candles of BTC\/USD 5m, \d{2,} of them: the last closes at \d+/);
  assert.match(await text(page, "#candle-reading"), /UTC · open \d+.* · volume [\d.]+/);
  await page.locator("#book-rows td.price").nth(23).waitFor();
  const levels = await page.locator("#book-rows td.price").allInnerTexts();
  assert.equal(levels.length, 24);
  assert.ok(levels.every((level) => Number(level) > 0), levels.join());
  assert.match(await text(page, "#spread"), /^Spread [\d.]+ \([\d.]+ %\)$/);
  assert.match(await text(page, "#trade-rows"), /▲ buy|▼ sell/);
  await page.locator("#verdict", { hasText: "Market conditions are suitable for trading" }).waitFor();
  assert.match(await text(page, "#context-rows"), /Volatility\s+[\d.]+ %/);
  assert.equal(await page.locator("#across").isVisible(), false, "there is nothing to compare one exchange with");
  assert.equal(await page.locator("#exchange").isVisible(), false);

  await until("the price is the gateway's", async () => {
    const { last } = await world.get("/api/market-data/ticker/BTC/USD");
    return (await text(page, "#price")) === String(last);
  });
  await changes(page);
  assert.deepEqual(page.complaints, []);
  assert.ok(!page.asked.some((request) => request.url().includes("/compare/")));

  await page.locator("#to-overview").click();
  await until("the stream is hung up", async () => (await followers()) === 0);
  await world.close(page);
});

test("a market is picked by keyboard", async () => {
  const page = await world.live("#market");
  await isLive(page, "ticker-fed");
  await offers(page, "eth");
  const input = page.locator("#symbol");
  const option = async () => text(page, `#${await input.getAttribute("aria-activedescendant")}`);
  assert.equal(await option(), "ETH/USD");
  await page.keyboard.press("ArrowDown");
  assert.notEqual(await option(), "ETH/USD");
  await page.keyboard.press("ArrowUp");
  await page.keyboard.press("Escape");
  assert.equal(await input.getAttribute("aria-expanded"), "false");
  assert.equal(await input.inputValue(), "BTC/USD");
  await page.keyboard.type("eth");
  await page.keyboard.press("Enter");
  await arrives(page, "#market/bitfinex/5m/ETH/USD");
  await page.locator(`#candles[aria-label^="Candles of ETH/USD 5m, "]`).waitFor();
  await page.locator("#timeframe").selectOption("1h");
  await page.locator(`#candles[aria-label^="Candles of ETH/USD 1h, "][aria-label*="closes"]`).waitFor();
  await isLive(page, "candles-fed");
  await page.locator("#timeframe").selectOption("4h");
  await page.locator("#candles-fed", { hasText: /^asked for, / }).waitFor();
  await page.locator(`#candles[aria-label^="Candles of ETH/USD 4h, "][aria-label*="closes"]`).waitFor();
  await world.close(page);
});

test("an unknown market is a problem with a request id and near names", async () => {
  const page = await world.live("#market");
  await isLive(page, "ticker-fed");
  await page.locator("#symbol").focus();
  await page.keyboard.type("XXXUSD");
  await page.keyboard.press("Enter");
  await page.locator("#market-problem", { hasText: /^404 unknown_symbol: no market "XXXUSD" on bitfinex · request [0-9a-f]+$/ }).waitFor();
  assert.equal(await text(page, "#price"), "–", "no figure of another market is left");
  await page.locator("#link", { hasText: /^No stream: 404/ }).waitFor();
  const near = page.locator("#suggestions button").first();
  const name = await near.innerText();
  await near.click();
  await page.locator(`#candles[aria-label^="Candles of ${name} 5m, "][aria-label*="closes"]`).waitFor();
  assert.equal(await text(page, "#market-problem"), "");
  await world.close(page);
});

test("the stream comes back after a restart, from where it was", async () => {
  const page = await world.live("#market");
  for (const id of FED) await isLive(page, id);
  await changes(page);
  await world.killGateway();
  await page.locator("#book-fed", { hasText: "disconnected" }).waitFor();
  // In between, it is being connected.
  await page.locator("#link", { hasText: /^The stream is lost, .+ What is shown is old\.$/ }).waitFor();
  assert.ok((await page.locator(".panel[data-old]").count()) >= 3);
  await world.startGateway();
  await isLive(page, "book-fed");
  const streams = page.asked.filter((request) => request.url().includes("/stream?"));
  assert.equal(await streams[0].headerValue("last-event-id"), null);
  assert.match((await streams.at(-1).headerValue("last-event-id")) ?? "", /^[0-9a-f]+-\d+$/);
  await world.close(page);
});
