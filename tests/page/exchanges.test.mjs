// Several exchanges behind one gateway: who is told apart, and who is put beside whom.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { arrives, enter, EXCHANGES, KEY, text, until, World } from "./world.mjs";

let world;
before(async () => {
  world = await World.start({ exchanges: EXCHANGES });
  await until("every exchange has told its markets", async () => {
    const { exchanges } = await world.get("/api/status");
    return exchanges.every(({ markets }) => markets > 0);
  });
});
after(() => world?.end());

/** The latest answer about all exchanges that the page was given. */
function compared(page) {
  const held = { body: null, urls: [] };
  page.on("response", async (response) => {
    if (!response.url().includes("/compare/") || !response.ok()) return;
    held.body = await response.json().catch(() => held.body);
    held.urls.push(response.url());
  });
  return held;
}

const cells = (page) =>
  page.locator("#across-rows tbody tr").evaluateAll((rows) => rows.map((row) => [...row.children].map((cell) => cell.textContent)));

/** What the rows of this answer have to say, but for the age. */
function expected({ exchanges, best_bid: bid, best_ask: ask }) {
  const price = (held, best, side, sign) => {
    if (!held) return "–";
    const isBest = best && best.exchange === side.exchange && best.symbol === side.symbol;
    return `${isBest ? `${sign} best ` : ""}${held.price} (${held.amount ?? "–"})`;
  };
  return exchanges.map((side) => [
    side.exchange,
    side.symbol ?? "–",
    price(side.best_bid, bid, side, "▲"),
    price(side.best_ask, ask, side, "▼"),
    side.spread_pct === null ? "–" : `${Number(side.spread_pct.toPrecision(4))} %`,
    side.source ?? side.problem.detail,
  ]);
}

const withoutAge = (rows) => rows.map((row) => row.filter((_, at) => at !== 5));
const isTold = (page, held) =>
  until("the table is the gateway's answer", async () => {
    const { body } = held;
    return body && JSON.stringify(withoutAge(await cells(page))) === JSON.stringify(expected(body)) && body;
  });

async function openMarket(hash) {
  const page = await world.open();
  const held = compared(page);
  await page.goto(`${world.base}/${hash}`);
  await page.locator("#across-rows tbody tr").first().waitFor();
  return { page, held };
}

test("a market is compared as the gateway compares it, and crossed quotes name both", async () => {
  const { page, held } = await openMarket("#market/bitfinex/5m/BTC/USD");
  await page.locator("#across-rows tbody tr", { hasText: "best" }).first().waitFor();
  const told = await isTold(page, held);
  assert.deepEqual(told.exchanges.map(({ exchange }) => exchange), EXCHANGES);
  const rows = await until("three exchanges have quotes that are told with their age", async () => {
    const found = await cells(page);
    return found.slice(0, 3).every((row) => /^[\d.]+ (ms|s)$/.test(row[5])) && found;
  });
  assert.equal(rows.filter(([, , bid]) => bid.startsWith("▲ best ")).length, 1);
  assert.equal(rows.filter(([, , , ask]) => ask.startsWith("▼ best ")).length, 1);
  assert.deepEqual(rows[3].slice(1), ["–", "–", "–", "–", "–", 'no market "BTC/USD" on binance']);

  // The simulated Kraken is dearer than the simulated Coinbase by more than their spreads.
  await page.locator("#across-best .crossed").waitFor();
  const crossed = await until("crossed quotes are told as they are", async () => {
    const { best_bid: bid, best_ask: ask } = held.body;
    const words = `Crossed: kraken bids ${bid?.price} for BTC/USD, and coinbase asks ${ask?.price} for BTC/USD.`;
    // One look at all of it, since it is renewed every few seconds.
    const shown = await text(page, "#across-best");
    return shown.includes(words) && { ...held.body, shown };
  });
  assert.equal(crossed.crossed, true);
  assert.ok(crossed.spread < 0);
  assert.match(crossed.shown, new RegExp(`spread ${crossed.spread} \\(-[\\d.]+ %\\)`));

  const first = held.body.best_bid?.price;
  await until("it is renewed by itself", async () => held.body.best_bid && held.body.best_bid.price !== first);
  await isTold(page, held);
  assert.deepEqual(page.complaints, []);
  await page.locator("#to-overview").click();
  await world.close(page);
});

test("quotes that are worth about the same are together only where that is wanted", async () => {
  const { page, held } = await openMarket("#market/binance/5m/BTC/USDT");
  await isTold(page, held);
  assert.deepEqual([...new Set((await cells(page)).map(([, symbol]) => symbol))], ["BTC/USDT"]);
  assert.equal(await page.locator("#equivalent").isChecked(), false);
  assert.ok(held.urls.every((url) => !url.includes("equivalent")));

  await page.locator("#equivalent").focus();
  await page.keyboard.press("Space");
  await until("dollars are there too", async () => (await cells(page)).some(([, symbol]) => symbol === "BTC/USD"));
  const told = await isTold(page, held);
  assert.equal(told.mixed_quotes, true);
  assert.ok(held.urls.at(-1).endsWith("/compare/BTC/USDT?equivalent=true"));
  assert.match(await text(page, "#across-best"), /Prices in different quotes are beside each other/);

  await page.keyboard.press("Space");
  await until("they are apart again", async () => {
    const rows = await cells(page);
    return rows.length > 0 && rows.every(([, symbol]) => symbol === "BTC/USDT");
  });
  assert.doesNotMatch(await text(page, "#across-best"), /different quotes/);
  await world.close(page);
});

test("a row picks its exchange, and a market that it does not list has near names", async () => {
  const { page } = await openMarket("#market/bitfinex/5m/BTC/USD");
  const row = (name) => page.locator("#across-rows button", { hasText: name });
  assert.equal(await row("bitfinex").getAttribute("aria-current"), "true");
  await row("kraken").click();
  await arrives(page, "#market/kraken/5m/BTC/USD");
  await until("the exchange is picked", async () => (await page.locator("#exchange").inputValue()) === "kraken");
  for (const id of ["candles-fed", "book-fed", "trades-fed", "ticker-fed"]) {
    await page.locator(`#${id}`, { hasText: /^(live|polled), / }).waitFor();
  }
  await page.locator("#across-rows button[aria-current=true]", { hasText: "kraken" }).waitFor();
  await until("the price is that of kraken", async () => {
    const { last } = await world.get("/api/market-data/ticker/BTC/USD?exchange=kraken");
    return (await text(page, "#price")) === String(last);
  });

  await row("binance").click();
  await page.locator("#market-problem", { hasText: /^404 unknown_symbol: no market "BTC\/USD" on binance/ }).waitFor();
  assert.equal(await text(page, "#price"), "–", "no figure of another exchange is left");
  await page.locator("#across-rows tbody tr", { hasText: "coinbase" }).waitFor();
  await page.locator("#suggestions button", { hasText: "BTC/USDT" }).click();
  await arrives(page, "#market/binance/5m/BTC/USDT");
  await page.locator("#ticker-fed", { hasText: /^live, / }).waitFor();
  assert.equal(await text(page, "#market-problem"), "");
  await world.close(page);
});

test("what cannot be counted on is said beside it", async () => {
  const page = await world.open();
  let isDown = false;
  await page.route("**/compare/**", async (route) => {
    if (isDown) return route.fulfill({ status: 503, json: { code: "overloaded", detail: "too much is asked" } });
    const body = await (await route.fetch()).json();
    Object.assign(body.exchanges[0], { fresh: false });
    Object.assign(body.exchanges[1], { quotes_from: "ticker", problem: { code: "upstream_timeout", detail: "orderbook: no answer in time" } });
    Object.assign(body, { crossed: false, best_bid: null });
    return route.fulfill({ json: body });
  });
  await page.goto(`${world.base}/#market/bitfinex/5m/BTC/USD`);
  await page.locator("#across-rows td[data-mood=warn]", { hasText: /^(rest|stream), too old to count$/ }).waitFor();
  await page.locator("#across-rows td[data-mood=warn]", { hasText: /^(rest|stream), by the ticker, orderbook: no answer in time$/ }).waitFor();
  assert.match(await text(page, "#across-best"), /^Best bid – · best ask [\d.]+ BTC\/USD on \w+ · spread/);
  assert.equal(await page.locator("#across .crossed").count(), 0);
  assert.equal(await page.locator("#across-rows", { hasText: "▲ best" }).count(), 0);

  isDown = true;
  await page.locator("#across-problem", { hasText: "503 overloaded: too much is asked" }).waitFor();
  assert.equal(await page.locator("#across-rows tbody tr").count(), EXCHANGES.length, "what was told before stays to be read");
  await page.locator("#across[data-old]").waitFor();
  isDown = false;
  await until("it comes back by itself", async () => (await text(page, "#across-problem")) === "");
  assert.equal(await page.locator("#across[data-old]").count(), 0);
  await world.close(page);
});

test("on a phone bid and ask stand beside each other, and nothing is out of sight", async () => {
  const page = await world.open("#market/bitfinex/5m/BTC/USD", { viewport: { width: 390, height: 844 } });
  await page.locator("#across-rows td[data-mood]", { hasText: "on binance" }).waitFor();
  const { rows, hidden, edge } = await page.locator("#across-rows .rows").evaluate((room) => {
    const box = (cell) => cell.getBoundingClientRect().toJSON();
    return {
      rows: [...room.querySelectorAll("tr")].map((row) => [...row.children].map(box)),
      hidden: [room.scrollWidth - room.clientWidth, room.scrollHeight - room.clientHeight],
      edge: room.getBoundingClientRect().right,
    };
  });
  assert.deepEqual(hidden, [0, 0]);
  assert.equal(rows.length, 1 + EXCHANGES.length);
  for (const cells of rows) {
    assert.equal(cells.length, 7);
    assert.ok(cells.every(({ right, width, height }) => right <= edge && width > 20 && height > 10), JSON.stringify(cells));
    const [, , bid, ask] = cells;
    assert.ok(bid.top === ask.top && bid.right <= ask.left && bid.width > 100 && ask.width > 100, JSON.stringify([bid, ask]));
  }
  // It is a table still, for those who hear it.
  assert.equal(await page.locator("#across-rows").getByRole("columnheader", { name: "Ask (amount)" }).count(), 1);
  assert.equal(await page.locator("#across-rows").getByRole("row").count(), 1 + EXCHANGES.length);
  await world.close(page);
});

test("each exchange has its own markets and widths", async () => {
  const { page } = await openMarket("#market/bitfinex/2w/BTC/USD");
  const widths = () => page.locator("#timeframe option").allInnerTexts();
  assert.ok((await widths()).includes("2w"));
  await page.locator("#exchange").selectOption("coinbase");
  await until("its widths are there", async () => !(await widths()).includes("2w"));
  assert.equal(await page.locator("#timeframe").inputValue(), "5m", "a width that it does not have is not asked for");
  await page.locator(`#candles[aria-label^="Candles of BTC/USD 5m, "][aria-label*="closes"]`).waitFor();
  await page.locator("#timeframe").selectOption("3h");
  await page.locator("#candles-fed", { hasText: /^asked for, / }).waitFor();
  await page.locator(`#candles[aria-label^="Candles of BTC/USD 3h, "][aria-label*="closes"]`).waitFor();

  const input = page.locator("#symbol");
  const first = async () => {
    await input.focus();
    await page.keyboard.type("BTC");
    const names = await page.locator("#symbols li").allInnerTexts();
    await page.keyboard.press("Escape");
    return names;
  };
  await until("the markets of coinbase are offered", async () => (await first()).includes("BTC/USD"));
  await page.locator("#exchange").selectOption("binance");
  await until("its markets are offered", async () => {
    const names = await first();
    return names.includes("BTC/USDT") && !names.includes("BTC/USD");
  });
  assert.deepEqual(page.complaints.filter((words) => !words.includes("404")), []);
  await world.close(page);
});

test("budgets, cards, hot keys and troubles name their exchange", async () => {
  for (const exchange of EXCHANGES) await world.get(`/api/market-data/ticker/BTC/USDT?exchange=${exchange}`);
  const page = await world.live();
  assert.equal(await text(page, "#exchanges"), "Exchanges");
  assert.deepEqual(await page.locator("#exchange-cards h3").allInnerTexts(), ["bitfinex default", "kraken", "coinbase", "binance"]);
  const burn = (title) => text(page, `#budget-plots .burn:has(.title:text-is("${title}")) .notes`);
  assert.equal(await page.locator("#budget-plots .burn").count(), 11);
  assert.match(await burn("bitfinex candles"), /^\d+ of 30 left in any minute/);
  assert.match(await burn("kraken public"), /^\d of 5 left in any 5 s, 60 a minute/);
  assert.match(await burn("coinbase public"), /^\d of 8 left in any 1\.6 s, 300 a minute/);
  assert.match(await burn("binance weight"), /^[\d,]+ of 3,000 weight left in any minute/);
  for (const exchange of EXCHANGES) await page.locator("#hot-rows tr", { hasText: exchange }).first().waitFor();

  await enter(page, KEY);
  await page.getByRole("button", { name: "Cordon kraken" }).click();
  await page.locator("#deed-do").click();
  await page.locator("#outcome", { hasText: "kraken is cordoned." }).waitFor();
  await until("kraken alone is in trouble", async () => {
    const told = await text(page, "#troubles");
    return told.includes("kraken is cordoned, nothing is asked of it") && !/bitfinex|coinbase|binance/.test(told);
  });
  await page.getByRole("button", { name: "Uncordon kraken" }).click();
  await page.locator("#deed-do").click();
  await page.locator("#troubles", { hasText: "All is well" }).waitFor();
  await world.close(page);
});

test("which exchange is in trouble is said first, and why", async () => {
  const page = await world.open();
  const breakers = { kraken: ["open", "maintenance"], coinbase: ["half_open", "timeout"] };
  await page.route("**/api/status", async (route) => {
    const status = await (await route.fetch()).json();
    for (const [name, [breaker, error]] of Object.entries(breakers)) {
      const [budget] = status.exchanges.find(({ exchange }) => exchange === name).budgets;
      Object.assign(budget, { breaker, last_error: { error, ago_seconds: 2 } });
    }
    await route.fulfill({ json: status });
  });
  const troubles = ["the breaker to kraken is open: public (maintenance)", "the next call to coinbase is a trial: public (timeout)"];
  await until("these are their troubles", async () => {
    const told = await page.locator("#troubles li").allInnerTexts();
    return isDeepStrictEqual(told.filter((words) => /kraken|coinbase/.test(words)), troubles);
  });
  const chips = (name) => text(page, `#exchange-cards article:has(#exchange-${name}) header .chips`);
  assert.equal(await chips("kraken"), "breaker open: maintenance");
  assert.equal(await chips("coinbase"), "next call is a trial");

  const { request_id: id } = await world.get("/api/market-data/ticker/XXX-YYY?exchange=kraken");
  await page.locator("#fault-rows tr", { hasText: id }).locator("td", { hasText: "GET /api/market-data/ticker/XXX-YYY · kraken" }).waitFor();
  await world.close(page);
});

test("a window of seconds that is used up is no trouble before somebody waits for it", async () => {
  const page = await world.open();
  let waiting = 0;
  await page.route("**/api/status", async (route) => {
    const status = await (await route.fetch()).json();
    const [budget] = status.exchanges.find(({ exchange }) => exchange === "kraken").budgets;
    Object.assign(budget, { left: 0, waiting });
    await route.fulfill({ json: status });
  });
  await page.locator(".burn[data-state=good] .notes", { hasText: "0 of 5 left" }).waitFor();
  assert.doesNotMatch(await text(page, "#troubles"), /no call to kraken/);
  waiting = 3;
  await page.locator("#troubles li", { hasText: "no call to kraken is left: public" }).waitFor();
  await page.locator(".burn[data-state=bad] .notes", { hasText: "3 wait" }).waitFor();
  await world.close(page);
});
