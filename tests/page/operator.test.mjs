import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { enter, KEY, LOOKERS_KEY, text, until, World } from "./world.mjs";

let world;
before(async () => {
  world = await World.start();
  await world.get("/api/market-data/ticker/BTC/USD");
});
after(() => world?.end());

/** What was asked to be done, without the reads. */
const deeds = (page) =>
  page.asked
    .filter((request) => request.url().includes("/api/admin/"))
    .map((request) => [request.method(), new URL(request.url()).pathname, request.postDataJSON()]);

test("nothing can be done without a key", async () => {
  const page = await world.live();
  assert.equal(await page.locator("[data-action]:visible").count(), 0);
  await world.close(page);
});

test("a key that may not is told so, with the request's id", async () => {
  const page = await world.live();
  await enter(page, LOOKERS_KEY);
  await page.locator("[data-action=drain]").click();
  await page.locator("#deed-do").click();
  await page.locator("#deed-error", { hasText: /^403 forbidden: this needs a key with the right admin · request [0-9a-f]+$/ }).waitFor();
  assert.equal(await page.locator("#deed-dialog[open]").count(), 1, "what went wrong stays to be read");
  await world.close(page);
});

test("a key that is not known is asked for again, and what was shown is old", async () => {
  const page = await world.live();
  await enter(page, "wrong");
  await page.locator("#key-why", { hasText: "This gateway does not know the key." }).waitFor();
  assert.equal(await text(page, "#connection"), "refused");
  assert.match(await text(page, "#notice"), /^The gateway refuses to tell \(401 unauthorized: the key is not known here · request [0-9a-f]+\)\. /);
  await page.keyboard.type(KEY);
  await page.keyboard.press("Enter");
  await page.locator("#connection", { hasText: "live" }).waitFor();
  await page.getByRole("row", { name: /^ops client 1 / }).waitFor();
  assert.match(await text(page, "#client-rows"), /looker\s+background\s+3\s.*600 of 600 in 1 min/);
  await world.close(page);
});

test("an exchange is cordoned and called again", async () => {
  const page = await world.live();
  await enter(page, KEY);
  await page.locator("[data-action=cordon]").click();
  await page.locator("#deed-do").click();
  await page.locator("#outcome", { hasText: "bitfinex is cordoned." }).waitFor();
  await page.locator("#troubles", { hasText: "bitfinex is cordoned, nothing is asked of it" }).waitFor();
  const refused = await fetch(`${world.base}/api/market-data/ticker/LTC/USD`);
  assert.deepEqual([refused.status, (await refused.json()).code], [503, "exchange_unavailable"]);
  await page.locator("[data-action=uncordon]").click();
  await page.locator("#deed-do").click();
  await page.locator("#outcome", { hasText: "bitfinex is called again." }).waitFor();
  await until("it is asked again", async () => (await fetch(`${world.base}/api/market-data/ticker/LTC/USD`)).ok);
  await page.locator("#troubles", { hasText: "All is well" }).waitFor();
  const path = "/api/admin/exchanges/bitfinex/cordon";
  assert.deepEqual(deeds(page), [["PUT", path, null], ["DELETE", path, null]]);
  await world.close(page);
});

test("a hot key is cleared", async () => {
  const page = await world.live();
  await enter(page, KEY);
  await page.getByRole("button", { name: "Clear ticker tBTCUSD" }).click();
  assert.match(await text(page, "#deed-text"), /^ticker tBTCUSD of bitfinex is forgotten/);
  await page.locator("#deed-do").click();
  await page.locator("#outcome", { hasText: "ticker tBTCUSD is cleared." }).waitFor();
  assert.deepEqual(deeds(page), [["POST", "/api/admin/cache/clear", { exchange: "bitfinex", key: "ticker tBTCUSD" }]]);
  await world.close(page);
});

test("the log's filter is changed, a wrong one is refused, and the key can be forgotten", async () => {
  const page = await world.live();
  await enter(page, KEY);
  await page.locator("[data-action=log]").click();
  const input = page.locator("#deed-input");
  const before = await input.inputValue();
  await input.fill("!!");
  await page.keyboard.press("Enter");
  await page.locator("#deed-error", { hasText: "422" }).waitFor();
  await input.fill("info,tidegate=debug");
  await page.keyboard.press("Enter");
  await page.locator("#outcome", { hasText: `Logged is info,tidegate=debug; before it was ${before}.` }).waitFor();
  await page.locator("#store-facts", { hasText: "info,tidegate=debug" }).waitFor();
  await page.locator("#operate", { hasText: "Forget the key" }).click();
  assert.equal(await page.locator("[data-action]:visible").count(), 0);
  await world.close(page);
});

// The last one: there is no gateway after it.
test("drain is asked about before it is done", async () => {
  const page = await world.live();
  await enter(page, KEY);
  await page.locator("[data-action=drain]").click();
  assert.equal(await text(page, "#deed-title"), "Drain this gateway?");
  assert.equal(await page.evaluate(() => document.activeElement.id), "deed-cancel", "Enter alone does no harm");
  await page.keyboard.press("Enter");
  assert.equal(await page.locator("#deed-dialog[open]").count(), 0);
  assert.deepEqual(deeds(page), []);
  await page.locator("[data-action=drain]").click();
  await page.locator("#deed-do").click();
  await page.locator("#connection", { hasText: "disconnected" }).waitFor();
  await world.gateway.ended;
  assert.equal(world.gateway.child.exitCode, 0, world.gateway.log);
  assert.deepEqual(deeds(page), [["POST", "/api/admin/drain", null]]);
  await world.close(page);
});
