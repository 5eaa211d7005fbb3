import { ask, isProblem } from "./gateway";
import { Sampled } from "./sampled";
import type { History, Status } from "./shapes";

const EVERY_MS = 2000;
/** How often a gateway without a history is asked whether it has one by now. */
const ASK_AGAIN_MS = 60_000;

/** What the page knows of the gateway. */
export interface Known {
  readonly status: Status;
  /** Unix milliseconds of this page's clock. */
  readonly received: number;
  readonly history: History | null;
  /** True if the history is made of what this page has seen itself. */
  readonly sampled: boolean;
}

type Listener = (known: Known | null, error: unknown) => void;

/** Asks how the gateway is, for as long as somebody looks. */
export class Pulse {
  #known: Known | null = null;
  readonly #sampled = new Sampled();
  #noHistoryUntil = 0;
  #wake: () => void = () => {};

  constructor(private readonly tell: Listener) {
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) this.now();
    });
  }

  /** Asks at once. */
  now(): void {
    this.#wake();
  }

  /** Never ends. */
  async run(): Promise<never> {
    for (;;) {
      if (!document.hidden) await this.#ask();
      await new Promise<void>((done) => {
        this.#wake = done;
        setTimeout(done, EVERY_MS);
      });
    }
  }

  async #ask(): Promise<void> {
    try {
      const [status, history] = await Promise.all([ask<Status>("/api/status"), this.#history()]);
      const received = Date.now();
      this.#sampled.add(received, status);
      this.#known = { status, received, history: history ?? this.#sampled.history(), sampled: !history };
      this.tell(this.#known, null);
    } catch (error) {
      this.tell(this.#known, error);
    }
  }

  async #history(): Promise<History | null> {
    if (Date.now() < this.#noHistoryUntil) return null;
    try {
      return await ask<History>("/api/status/history");
    } catch (error) {
      // Another gateway may be behind this address after a restart, so a missing one is no verdict.
      if (!isProblem(error) || (error.status !== 404 && error.status !== 405)) throw error;
      this.#noHistoryUntil = Date.now() + ASK_AGAIN_MS;
      return null;
    }
  }
}
