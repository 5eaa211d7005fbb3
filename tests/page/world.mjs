// A simulated exchange, a gateway in front of it, and a browser that looks at its page.
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { standIn } from "./stand-in.mjs";

const BIN = process.env.TIDEGATE_BIN;
const FLAGS = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
];
/** The longest that anything here may take. */
export const PATIENCE = 30_000;

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

async function freePort() {
  const server = createServer();
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

/** A process that is ended by its id. */
class Process {
  constructor(args, env) {
    this.log = "";
    this.child = spawn(BIN, args, { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
    for (const pipe of [this.child.stdout, this.child.stderr]) {
      pipe.on("data", (text) => {
        this.log = (this.log + text).slice(-20_000);
      });
    }
    this.ended = new Promise((done) => this.child.once("exit", done));
  }

  async answers(url) {
    await until(`${url} answers`, async () => {
      if (this.child.exitCode !== null) throw new Error(`it ended:\n${this.log}`);
      return fetch(url).then((answer) => answer.ok, () => false);
    });
  }

  async kill() {
    this.child.kill("SIGKILL");
    await this.ended;
  }
}

/** Everything that a file of tests needs. */
export class World {
  static async start() {
    const world = new World();
    world.folder = await mkdtemp(join(tmpdir(), "tidegate-page-"));
    const exchange = `127.0.0.1:${await freePort()}`;
    world.exchange = new Process(["sim", "--listen", exchange, "--ticker-every", "1s"], {});
    await world.exchange.answers(`http://${exchange}/sim/counts`);
    world.port = await freePort();
    world.base = `http://127.0.0.1:${world.port}`;
    world.settings = {
      TIDEGATE__SERVER__LISTEN: `127.0.0.1:${world.port}`,
      TIDEGATE__EXCHANGES__BITFINEX__REST_URL: `http://${exchange}`,
      TIDEGATE__EXCHANGES__BITFINEX__WS_URL: `ws://${exchange}/ws/2`,
      TIDEGATE__FEED__CONNECT_INTERVAL: "50ms",
    };
    await world.startGateway();
    world.browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: FLAGS });
    return world;
  }

  async startGateway() {
    this.gateway = new Process(["serve"], this.settings);
    await this.gateway.answers(`${this.base}/readyz`);
  }

  async killGateway() {
    await this.gateway.kill();
  }

  /** The gateway's own word, past the page. */
  async get(path) {
    const answer = await fetch(this.base + path);
    return answer.json();
  }

  /** Opens the page at `hash`; `page.complaints` is what the browser's console says against it. */
  async open(hash = "", options = {}) {
    const context = await this.browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
    await standIn(context);
    const page = await context.newPage();
    page.setDefaultTimeout(PATIENCE);
    page.complaints = [];
    page.asked = [];
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) page.complaints.push(message.text());
    });
    page.on("pageerror", (error) => page.complaints.push(error.stack));
    page.on("request", (request) => page.asked.push(request));
    await page.goto(`${this.base}/${hash}`);
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
    await this.exchange?.kill();
    await rm(this.folder, { recursive: true, force: true });
  }
}

export const text = async (page, selector) => (await page.locator(selector).innerText()).trim();

/** The findings of axe-core that would keep somebody from using the page. */
export async function barriers(page) {
  await page.evaluate(await readFile(new URL("node_modules/axe-core/axe.min.js", import.meta.url), "utf8"));
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ target, failureSummary }) => `${target} ${failureSummary}`).join("; ")}`);
}
