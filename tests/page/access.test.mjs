// Gateways that do not tell everybody everything.
import assert from "node:assert/strict";
import { test } from "node:test";
import { enter, KEY, LOOKERS_KEY, text, until, World } from "./world.mjs";

test("a gateway that wants a key is given it", async (context) => {
  const world = await World.start({ host: "0.0.0.0" });
  context.after(() => world.end());
  const page = await world.open();
  await page.locator("#key-dialog[open]").waitFor();
  assert.match(await text(page, "#notice"), /^The gateway refuses to tell \(401 unauthorized: a key is needed here: /);
  assert.equal(await text(page, "#connection"), "refused");
  await page.keyboard.type(LOOKERS_KEY);
  await page.keyboard.press("Enter");
  await page.locator("#connection", { hasText: "live" }).waitFor();
  const asked = page.asked.filter((request) => request.url().endsWith("/api/status"));
  assert.equal(await asked[0].headerValue("authorization"), null);
  assert.equal(await asked.at(-1).headerValue("authorization"), `Bearer ${LOOKERS_KEY}`);
  await page.locator("#to-market").click();
  await page.locator("#book-fed", { hasText: /^live, / }).waitFor();
  await page.locator("#to-overview").click();
  await until("the page's reads are the client's", async () => /^looker\s+background\s+3\s+[1-9]/.test(await text(page, "#client-rows tr:has-text('looker')")));
  const kept = await page.evaluate(() => JSON.stringify([Object.entries(localStorage), Object.entries(sessionStorage), document.cookie]));
  assert.ok(!kept.includes(LOOKERS_KEY), kept);
  await world.close(page);
});

test("a gateway without keys does nothing for anybody", async (context) => {
  const world = await World.start();
  context.after(() => world.end());
  await world.killGateway();
  world.settings.TIDEGATE__ACCESS__KEYS_FILE = "";
  await world.startGateway();
  const page = await world.live();
  assert.match(await text(page, "#headline"), / · no key required$/);
  await page.locator("#operate").click();
  assert.match(await text(page, "#key-why"), /^No admin key is configured on this gateway/);
  await page.keyboard.press("Escape");
  await enter(page, KEY);
  await page.locator("[data-action=drain]").click();
  await page.locator("#deed-do").click();
  await page.locator("#deed-error", { hasText: /^403 forbidden: .+no keys are configured here/ }).waitFor();
  await world.close(page);
});

test("operators have the whole page on a listener of their own, and clients have none of it", async (context) => {
  const world = await World.start({ isApart: true });
  context.after(() => world.end());
  for (const path of ["/", "/api/status", "/api/status/history", "/metrics"]) {
    const refused = await fetch(world.base + path);
    assert.deepEqual([path, refused.status, (await refused.json()).code], [path, 404, "not_found"]);
  }
  const act = await fetch(`${world.base}/api/admin/drain`, { method: "POST", headers: { authorization: `Bearer ${KEY}` } });
  assert.equal(act.status, 404);

  const page = await world.live();
  await page.locator("#traffic-plots canvas").nth(5).waitFor();
  await world.get("/api/market-data/ticker/BTC/USD");
  await page.locator("#hot-rows tr", { hasText: "ticker tBTCUSD" }).waitFor();
  await page.locator("#to-market").click();
  for (const id of ["candles-fed", "book-fed", "trades-fed", "ticker-fed"]) {
    await page.locator(`#${id}`, { hasText: /^live, / }).waitFor();
  }
  await until("it is one stream", async () => (await world.get("/api/status", world.desk)).streams.clients === 1);
  await page.locator("#to-overview").click();
  await enter(page, KEY);
  await page.getByRole("button", { name: "Clear ticker tBTCUSD" }).click();
  await page.locator("#deed-do").click();
  await page.locator("#outcome", { hasText: "ticker tBTCUSD is cleared." }).waitFor();
  assert.deepEqual(page.complaints, []);
  const elsewhere = page.asked.map((request) => request.url()).filter((url) => !url.startsWith(world.desk));
  assert.deepEqual(elsewhere, []);
  await world.close(page);
});
