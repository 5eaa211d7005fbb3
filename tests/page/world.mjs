// A simulated exchange, a gateway in front of it, and a browser that looks at its page.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const BIN = process.env.TIDEGATE_BIN;
const FLAGS = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
];
/** The longest that anything here may take. */
export const PATIENCE = 90_000;
/** The key of a client who may do everything, and that of one who may only look. */
export const KEY = "an-operators-key";
export const LOOKERS_KEY = "a-lookers-key";

const client = (name, key, rights, more = "") =>
  `[[client]]\nname = "${name}"\nkeys = ["sha256:${createHash("sha256").update(key).digest("hex")}"]\nrights = ${JSON.stringify(rights)}\n${more}\n`;
const KEYS =
  client("ops", KEY, ["read", "stream", "ops", "admin"]) +
  client("looker", LOOKERS_KEY, ["read", "stream", "ops"], 'class = "background"\nweight = 3\nquota = { requests = 600, window = "1m" }\n');

export const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** Asks `look` until it gives something that is true; fails with `what` if it never does. */
export async function until(what, look, patience = PATIENCE) {
  const end = Date.now() + patience;
  let seen;
  while (Date.now() < end) {
    seen = await look();
    if (seen) return seen;
    await pause(100);
  }
  throw new Error(`${what}: not within ${patience / 1000} s, last seen: ${JSON.stringify(seen)}`);
}

const children = new Set();
process.once("exit", () => {
  for (const child of children) child.kill("SIGKILL");
});

/** A process that is ended by its id, at the latest with this one. */
class Process {
  constructor(args, env) {
    this.log = "";
    this.child = spawn(BIN, args, { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
    children.add(this.child);
    for (const pipe of [this.child.stdout, this.child.stderr]) {
      pipe.on("data", (text) => {
        this.log = (this.log + text).slice(-20_000);
      });
    }
    this.ended = new Promise((done) => this.child.once("exit", done)).then(() => children.delete(this.child));
  }

  /** What `look` gives once it gives something; what has ended gives nothing any more. */
  async #until(what, look) {
    return until(what, () => {
      if (this.child.exitCode !== null || this.child.signalCode !== null) throw new Error(`it ended:\n${this.log}`);
      return look();
    });
  }

  /** The port that it says it has taken: one that was found for it beforehand may be taken by then. */
  async port(says) {
    const [, port] = await this.#until(`"${says}" is said`, () => new RegExp(`${says} http://\\S+:(\\d+)\\n`).exec(this.log));
    return Number(port);
  }

  async answers(url) {
    await this.#until(`${url} answers`, () => fetch(url).then((answer) => answer.ok, () => false));
  }

  async kill() {
    this.child.kill("SIGKILL");
    await this.ended;
  }
}

/** Where each simulated exchange has its WebSocket. */
const SOCKETS = { bitfinex: "/ws/2", kraken: "/v2", coinbase: "/", binance: "/stream" };
export const EXCHANGES = Object.keys(SOCKETS);

/** Everything that a file of tests needs. */
export class World {
  exchanges = [];

  /** `host`: where clients ask; beyond the loopback everybody needs a key. `isApart`: operators have a listener of their own. */
  static async start(options = {}) {
    const world = new World();
    try {
      await world.#begin(options);
      return world;
    } catch (error) {
      await world.end();
      throw error;
    }
  }

  async #begin({ host = "127.0.0.1", isApart = false, exchanges = ["bitfinex"] }) {
    this.folder = await mkdtemp(join(tmpdir(), "tidegate-page-"));
    const served = {};
    for (const name of exchanges) {
      const exchange = new Process(["sim", "--exchange", name, "--listen", "127.0.0.1:0", "--ticker-every", "1s"], {});
      this.exchanges.push(exchange);
      const address = `127.0.0.1:${await exchange.port("listening on")}`;
      await exchange.answers(`http://${address}/sim/counts`);
      const settings = `TIDEGATE__EXCHANGES__${name.toUpperCase()}__`;
      Object.assign(served, {
        [`${settings}ENABLED`]: "true",
        [`${settings}REST_URL`]: `http://${address}`,
        [`${settings}WS_URL`]: `ws://${address}${SOCKETS[name]}`,
      });
    }
    const keys = join(this.folder, "keys.toml");
    await writeFile(keys, KEYS);
    this.settings = {
      TIDEGATE__SERVER__LISTEN: `${host}:0`,
      TIDEGATE__SERVER__ADMIN__LISTEN: isApart ? "127.0.0.1:0" : "",
      TIDEGATE__ACCESS__KEYS_FILE: keys,
      ...served,
      TIDEGATE__FEED__CONNECT_INTERVAL: "50ms",
    };
    await this.startGateway();
    // Where it was the first time, a page finds it again.
    this.settings.TIDEGATE__SERVER__LISTEN = `${host}:${new URL(this.base).port}`;
    this.desk = isApart ? `http://127.0.0.1:${await this.gateway.port("operators are served on")}` : this.base;
    this.browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: FLAGS, timeout: PATIENCE });
  }

  async startGateway() {
    this.gateway = new Process(["serve"], this.settings);
    this.base = `http://127.0.0.1:${await this.gateway.port("tidegate is listening on")}`;
    await this.gateway.answers(`${this.base}/readyz`);
  }

  async killGateway() {
    await this.gateway.kill();
  }

  /** The gateway's own word, past the page. */
  async get(path, from = this.base) {
    const answer = await fetch(from + path);
    return answer.json();
  }

  /** Opens the page at `hash`; `page.complaints` is what the browser's console says against it. */
  async open(hash = "", options = {}) {
    const context = await this.browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
    const page = await context.newPage();
    page.setDefaultTimeout(PATIENCE);
    page.complaints = [];
    page.asked = [];
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) page.complaints.push(message.text());
    });
    page.on("pageerror", (error) => page.complaints.push(error.stack));
    page.on("request", (request) => page.asked.push(request));
    await page.goto(`${this.desk}/${hash}`);
    return page;
  }

  /** Opens the page and waits for its first figures. */
  async live(hash, options) {
    const page = await this.open(hash, options);
    await page.locator("#connection", { hasText: "live" }).waitFor();
    return page;
  }

  /** Closes a page; what its routes are still waiting for is of no interest any more. */
  async close(page) {
    await page.context().unrouteAll({ behavior: "ignoreErrors" });
    await page.context().close();
  }

  async end() {
    await this.browser?.close();
    await this.gateway?.kill();
    for (const exchange of this.exchanges) await exchange.kill();
    if (this.folder) await rm(this.folder, { recursive: true, force: true });
  }
}

/** Gives the page a key. */
export async function enter(page, key) {
  await page.locator("#operate").click();
  await page.locator("#key").fill(key);
  await page.keyboard.press("Enter");
  await page.locator("#operator").waitFor();
}

/** Waits until the address names this place. */
export const arrives = (page, hash) => page.waitForURL((url) => url.hash === hash);

export const text = async (page, selector) => (await page.locator(selector).innerText()).trim();

/** The findings of axe-core that would keep somebody from using the page. */
export async function barriers(page) {
  await page.evaluate(await readFile(new URL("node_modules/axe-core/axe.min.js", import.meta.url), "utf8"));
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ target, failureSummary }) => `${target} ${failureSummary}`).join("; ")}`);
}
