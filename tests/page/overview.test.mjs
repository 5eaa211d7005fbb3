import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { text, until, World } from "./world.mjs";

let world;
before(async () => {
  world = await World.start();
});
after(() => world?.end());

const requests = async (page) => Number((await fact(page, "Requests since the start")).replaceAll(",", ""));
const fact = (page, name) => text(page, `#store-facts div:has(> dt:text-is("${name}")) dd`);

test("it loads without a complaint, and asks nobody else", async () => {
  const page = await world.live();
  await page.locator("#traffic-plots canvas").nth(5).waitFor();
  assert.equal(await page.locator("#budget-plots .burn").count(), 8, "a plot for each family");
  assert.match(await text(page, "#exchange-cards"), /bitfinex default\s+calls go through/);
  assert.match(await text(page, "#headline"), /^version \d+\.\d+\.\d+ · up .+ · started \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC · keys required$/);
  for (const section of ["hot", "fault", "stream", "client"]) {
    assert.notEqual(await text(page, `#${section}-rows`), "", section);
  }
  assert.deepEqual(page.complaints, []);
  const elsewhere = page.asked.map((request) => request.url()).filter((url) => !url.startsWith(world.base));
  assert.deepEqual(elsewhere, []);
  await world.close(page);
});

test("it updates by itself", async () => {
  const page = await world.live();
  const first = await requests(page);
  const asked = 7;
  for (let n = 0; n < asked; n += 1) await world.get("/api/market-data/ticker/BTC/USD");
  await until("the requests are counted on the page", async () => (await requests(page)) >= first + asked);
  const row = page.locator("#hot-rows tr", { hasText: "ticker tBTCUSD" });
  await row.waitFor();
  // Fresh for three seconds, so it is asked for again while the page is on its way there.
  const [, source, age] = await until("a key that is asked for is fresh", async () => {
    await world.get("/api/market-data/ticker/BTC/USD");
    const cells = await row.locator("th, td").allInnerTexts();
    return cells[3] === "fresh" && cells;
  });
  assert.match(source, /^(rest|stream)$/);
  assert.match(age, /^[\d.]+ (ms|s)$/);
  const rate = page.locator('#traffic-plots [role=img][aria-label^="Requests a second, last"]');
  await until("its rate is told", async () => /: [\d.,]+ now, [\d.,]+ to [\d.,]+$/.test(await rate.getAttribute("aria-label")));
  await world.close(page);
});

test("it survives a restart of the gateway, and says meanwhile that its figures are old", async () => {
  const page = await world.live();
  await page.evaluate(() => {
    globalThis.wasHere = true;
  });
  await world.killGateway();
  await page.locator("#connection", { hasText: "disconnected" }).waitFor();
  assert.match(await text(page, "#notice"), /^The gateway does not answer \(no connection\)\. The figures below are from \d\d:\d\d:\d\d UTC/);
  assert.equal(await page.locator("body[data-old]").count(), 1);
  assert.match(await page.title(), /disconnected/);
  assert.match(await text(page, "#troubles"), /^Not known while the gateway tells nothing\. /);
  const age = async () => Number(/(\d+) s ago/.exec(await text(page, "#as-of"))[1]);
  const then = await age();
  await until("the age of the figures grows", async () => (await age()) > then + 1);

  await world.startGateway();
  await page.locator("#connection", { hasText: "live" }).waitFor();
  assert.equal(await page.locator("#notice").isVisible(), false);
  assert.equal(await page.locator("body[data-old]").count(), 0);
  assert.match(await text(page, "#outcome"), /^The gateway was started again .+ ago\.$/);
  assert.equal(await page.evaluate(() => globalThis.wasHere), true, "the page was not loaded anew");
  await world.close(page);
});

test("what is wrong comes first, and a ban counts down", async () => {
  const page = await world.open("", {});
  await page.route("**/api/status", async (route) => {
    const status = await (await route.fetch()).json();
    Object.assign(status.exchanges[0].budgets.find(({ family }) => family === "trades"), { banned_ms: 43_000, breaker: "open", left: 0 });
    status.streams.slow = [{ id: 7, kind: "ws", client: "dashboards", topics: 3, conflated: 9, skipped: 2, since_seconds: 60 }, { id: 8, kind: "ws", client: "bots", topics: 3, conflated: 9, skipped: 0, since_seconds: 60 }];
    await route.fulfill({ json: status });
  });
  const troubles = ["bitfinex has banned this address: trades", "the breaker to bitfinex is open: trades", "one reader of streams is slow"];
  await until("these are the troubles", async () => isDeepStrictEqual(await page.locator("#troubles li").allInnerTexts(), troubles));
  assert.match(await text(page, "#stream-rows"), /7\s+ws\s+dashboards/);
  // The route that was made last is the one that is taken.
  await page.route("**/api/status", (route) => route.abort());
  const left = async () => Number(/banned, (\d+) s left/.exec(await text(page, ".exchange .chips"))[1]);
  const then = await left();
  assert.ok(then <= 43, `${then}`);
  await until("the ban counts down without a new answer", async () => (await left()) < then);
  await world.close(page);
});

test("a fault is there with its request id", async () => {
  const page = await world.live();
  const answer = await page.evaluate(async () => (await fetch("/api/market-data/ticker/XXXUSD")).json());
  assert.equal(answer.code, "unknown_symbol");
  const row = page.locator("#fault-rows tr", { hasText: answer.request_id });
  await row.waitFor();
  const cells = await row.locator("th, td").allInnerTexts();
  assert.match(cells[0], /^(\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d$/);
  assert.equal(cells[1], "404");
  assert.deepEqual(cells[2].split("\n"), [answer.request_id, "anonymous"]);
  assert.ok(cells[3].includes(answer.detail) && cells[3].includes("GET /api/market-data/ticker/XXXUSD"), cells[3]);
  await world.close(page);
});

test("a gateway that tells less is shown as one that tells less", async () => {
  const page = await world.open();
  await page.route("**/api/status/history", (route) => route.fulfill({ status: 404, json: {} }));
  await page.route("**/api/status", async (route) => {
    const status = await (await route.fetch()).json();
    for (const name of ["faults", "clients", "log", "access"]) delete status[name];
    delete status.streams.slow;
    delete status.exchanges[0].cordoned;
    await route.fulfill({ json: status });
  });
  await page.locator("#fault-rows", { hasText: "Unknown: this gateway does not tell." }).waitFor();
  assert.match(await text(page, "#client-rows"), /^Unknown/);
  assert.match(await text(page, "#headline"), /keys –$/);
  assert.match(await text(page, ".exchange"), /Cordoned\s+–/);
  await page.locator("#traffic-note", { hasText: "As seen by this page" }).waitFor();
  const label = page.locator(`#traffic-plots [role=img][aria-label^="Requests a second"]:not([aria-label$="not known"])`);
  await label.waitFor();
  await world.close(page);
});

test("it can be walked with the keyboard", async () => {
  const page = await world.live();
  const focused = () => page.evaluate(() => document.activeElement.id || document.activeElement.textContent);
  await page.keyboard.press("Tab");
  assert.equal(await focused(), "Skip to the figures");
  await page.keyboard.press("Enter");
  assert.equal(await focused(), "content");
  await page.locator("#theme").focus();
  const paper = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const before = await paper();
  await page.keyboard.press("Enter");
  await page.keyboard.press("Enter");
  assert.equal(await text(page, "#theme"), "Theme: dark");
  assert.notEqual(await paper(), before);
  await page.reload();
  await page.locator("#theme", { hasText: "Theme: dark" }).waitFor();

  await page.locator("#operate").focus();
  await page.keyboard.press("Enter");
  assert.equal(await focused(), "key");
  for (let step = 0; step < 6; step += 1) {
    await page.keyboard.press("Tab");
    const isOutside = await page.evaluate(() => document.activeElement !== document.body && !document.activeElement.closest("dialog"));
    assert.equal(isOutside, false, "the focus stays in the dialog");
  }
  await page.keyboard.press("Escape");
  assert.equal(await page.locator("#key-dialog[open]").count(), 0);
  assert.equal(await focused(), "operate");
  await world.close(page);
});
