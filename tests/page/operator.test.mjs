import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { KEY } from "./stand-in.mjs";
import { text, World } from "./world.mjs";

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

async function enter(page, key) {
  await page.locator("#operate").click();
  await page.locator("#key").fill(key);
  await page.keyboard.press("Enter");
  await page.locator("#operator").waitFor();
}

test("nothing can be done without a key", async () => {
  const page = await world.live();
  assert.equal(await page.locator("[data-action]:visible").count(), 0);
  await world.close(page);
});

test("a key that may not is told so, with the request's id", async () => {
  const page = await world.live();
  await enter(page, "wrong");
  await page.locator("[data-action=drain]").click();
  await page.locator("#deed-do").click();
  await page.locator("#deed-error", { hasText: /^401 unauthorized: .+ · request [0-9a-f]+$/ }).waitFor();
  assert.equal(await page.locator("#deed-dialog[open]").count(), 1, "what went wrong stays to be read");
  await world.close(page);
});

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
  await page.locator("#outcome", { hasText: "The gateway is draining." }).waitFor();
  assert.deepEqual(deeds(page), [["POST", "/api/admin/drain", null]]);
  await world.close(page);
});

test("an exchange is cordoned and called again", async () => {
  const page = await world.live();
  await enter(page, KEY);
  await page.locator("[data-action=cordon]").click();
  await page.locator("#deed-do").click();
  await page.locator("#outcome", { hasText: "bitfinex is cordoned." }).waitFor();
  await page.locator("#troubles", { hasText: "bitfinex is cordoned, nothing is asked of it" }).waitFor();
  await page.locator("[data-action=uncordon]").click();
  await page.locator("#deed-do").click();
  await page.locator("#outcome", { hasText: "bitfinex is called again." }).waitFor();
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
