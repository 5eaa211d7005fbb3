// No barrier for anybody, and pictures for the eye.
import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { after, before, test } from "node:test";
import { barriers, KEY, World } from "./world.mjs";

const PICTURES = process.env.PICTURES;
const SIZES = { desktop: { width: 1440, height: 900 }, phone: { width: 390, height: 844 }, wide: { width: 2560, height: 1300 } };

let world;
before(async () => {
  world = await World.start();
  await mkdir(PICTURES, { recursive: true });
  for (const symbol of ["BTC/USD", "ETH/USD", "SOL/USD", "XXX/USD"]) {
    for (const path of [`ticker/${symbol}`, `market-context/${symbol}`]) await world.get(`/api/market-data/${path}`);
  }
});
after(() => world?.end());

const views = {
  overview: ["", (page) => page.locator("#traffic-plots canvas").nth(5).waitFor()],
  market: ["#market", async (page) => {
    await page.locator("#book-fed", { hasText: /^live, / }).waitFor();
    await page.locator("#verdict", { hasText: "suitable" }).waitFor();
  }],
};

for (const [view, [hash, ready]] of Object.entries(views)) {
  for (const colorScheme of ["light", "dark"]) {
    for (const [size, viewport] of Object.entries(SIZES)) {
      if (size === "wide" && colorScheme === "dark") continue;
      test(`${view}, ${size}, ${colorScheme}`, async () => {
        const page = await world.live(hash, { viewport, colorScheme });
        await ready(page);
        await page.screenshot({ path: `${PICTURES}/${view}-${size}-${colorScheme}.png`, fullPage: true });
        assert.deepEqual(await barriers(page), []);
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(overflow <= 0, `the page is ${overflow} pixels too wide`);
        await world.close(page);
      });
    }
  }
}

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
