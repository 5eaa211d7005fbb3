// No barrier for anybody, and pictures for the eye.
import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { after, before, test } from "node:test";
import { barriers, EXCHANGES, KEY, World } from "./world.mjs";

const PICTURES = process.env.PICTURES;
const SIZES = { desktop: { width: 1440, height: 900 }, phone: { width: 390, height: 844 }, wide: { width: 2560, height: 1300 } };

let world;
/** The same with every exchange. */
let many;
before(async () => {
  world = await World.start();
  many = await World.start({ exchanges: EXCHANGES });
  await mkdir(PICTURES, { recursive: true });
  for (const exchange of EXCHANGES) await many.get(`/api/market-data/market-context/ETH/USDT?exchange=${exchange}`);
  for (const symbol of ["BTC/USD", "ETH/USD", "SOL/USD", "XXX/USD"]) {
    for (const path of [`ticker/${symbol}`, `market-context/${symbol}`]) await world.get(`/api/market-data/${path}`);
  }
});
after(async () => {
  await world?.end();
  await many?.end();
});

const drawn = (page) => page.locator("#traffic-plots canvas").nth(5).waitFor();
async function judged(page) {
  await page.locator("#book-fed", { hasText: /^live, / }).waitFor();
  await page.locator("#verdict", { hasText: "suitable" }).waitFor();
}
const views = {
  overview: [() => world, "", drawn],
  market: [() => world, "#market", judged],
  "overview-of-many": [() => many, "", drawn],
  "market-of-many": [() => many, "#market", async (page) => {
    await judged(page);
    await page.locator("#across-best .crossed").waitFor();
  }],
};

for (const [view, [within, hash, ready]] of Object.entries(views)) {
  for (const colorScheme of ["light", "dark"]) {
    for (const [size, viewport] of Object.entries(SIZES)) {
      if (size === "wide" && colorScheme === "dark") continue;
      test(`${view}, ${size}, ${colorScheme}`, async () => {
        const page = await within().live(hash, { viewport, colorScheme });
        await ready(page);
        await page.screenshot({ path: `${PICTURES}/${view}-${size}-${colorScheme}.png`, fullPage: true });
        assert.deepEqual(await barriers(page), []);
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(overflow <= 0, `the page is ${overflow} pixels too wide`);
        await within().close(page);
      });
    }
  }
}

test("one market on four exchanges, for the README", async () => {
  // Read often enough to be worth a channel.
  for (let n = 0; n < 20; n += 1) await many.get("/api/market-data/compare/ETH/USDT");
  const page = await many.live("#market/kraken/5m/ETH/USDT", { viewport: { width: 1280, height: 900 }, colorScheme: "light" });
  await page.locator("#across-rows td", { hasText: /^stream$/ }).nth(EXCHANGES.length - 1).waitFor();
  await page.locator("#across").screenshot({ path: `${PICTURES}/compare.png` });
  await many.close(page);
});

for (const colorScheme of ["light", "dark"]) {
  test(`an operator's page, its dialogs, and old figures, ${colorScheme}`, async () => {
    const page = await world.live("", { colorScheme });
    await page.locator("#operate").click();
    assert.deepEqual(await barriers(page), [], "asked for the key");
    await page.locator("#key").fill(KEY);
    await page.keyboard.press("Enter");
    await page.locator("[data-action=log]").click();
    assert.deepEqual(await barriers(page), [], "asked for a filter");
    await page.locator("#deed-cancel").click();
    await page.screenshot({ path: `${PICTURES}/operator-${colorScheme}.png` });
    assert.deepEqual(await barriers(page), [], "with the operator's buttons");
    await page.route("**/api/status", (route) => route.abort());
    await page.locator("#connection", { hasText: "disconnected" }).waitFor();
    await page.screenshot({ path: `${PICTURES}/disconnected-${colorScheme}.png` });
    assert.deepEqual(await barriers(page), [], "disconnected");
    await world.close(page);
  });

  test(`the API reference has kept its looks, ${colorScheme}`, async () => {
    const page = await world.open("docs", { colorScheme });
    await page.locator(".operation").first().waitFor();
    await page.screenshot({ path: `${PICTURES}/docs-${colorScheme}.png` });
    assert.deepEqual(await barriers(page), []);
    await world.close(page);
  });
}
