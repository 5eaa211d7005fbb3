import { headers, isProblem, Problem } from "../gateway";

/** One server-sent event (WHATWG HTML, section 9.2). */
export interface ServerEvent {
  readonly event: string;
  readonly data: string;
  readonly id: string;
}

/** Cuts a stream of text into events. */
export class Cutter {
  #rest = "";
  #event = "";
  #data: string[] = [];
  #id = "";

  /** The events that this piece completes. */
  take(piece: string): ServerEvent[] {
    const lines = (this.#rest + piece).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop() ?? "";
    return lines.flatMap((line) => this.#line(line));
  }

  #line(line: string): ServerEvent[] {
    if (line === "") {
      const made = { event: this.#event || "message", data: this.#data.join("\n"), id: this.#id };
      const isEmpty = this.#data.length === 0;
      this.#event = "";
      this.#data = [];
      return isEmpty ? [] : [made];
    }
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "event") this.#event = value;
    else if (name === "data") this.#data.push(value);
    else if (name === "id") this.#id = value;
    return [];
  }
}

/** How a stream is: `refused` is final, the others are not. */
export type Link =
  | { readonly is: "connecting" }
  | { readonly is: "open" }
  | { readonly is: "lost"; readonly why: string }
  | { readonly is: "refused"; readonly problem: Problem };

const LEAST_WAIT_MS = 500;
const MOST_WAIT_MS = 8000;
/** Heartbeats that may be missed before a silent connection is given up. */
const MISSED = 2.5;
const HEARTBEAT_MS = 15_000;

/**
 * Follows a stream until it is stopped: comes back by itself, after the event that it has seen
 * last. Read by `fetch`, since `EventSource` sends no headers.
 */
export class Stream {
  readonly #stop = new AbortController();
  #last = "";
  #wait = LEAST_WAIT_MS;
  #silence = HEARTBEAT_MS * MISSED;

  constructor(
    private readonly address: string,
    private readonly tell: (event: ServerEvent) => void,
    private readonly linked: (link: Link) => void,
  ) {
    void this.#run();
  }

  /** Hangs up. */
  stop(): void {
    this.#stop.abort();
  }

  /** Heartbeats come at least this often. */
  expect(heartbeatMs: number): void {
    this.#silence = heartbeatMs * MISSED;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      this.linked({ is: "connecting" });
      let why = "the gateway has ended the stream";
      try {
        await this.#follow();
      } catch (error) {
        if (signal.aborted) return;
        // What is wrong with the request stays wrong; all else may pass.
        if (isProblem(error) && error.status < 500 && error.status !== 429) {
          return this.linked({ is: "refused", problem: error });
        }
        why = isProblem(error) ? error.message : "the connection is lost";
      }
      if (signal.aborted) return;
      this.linked({ is: "lost", why });
      // Not all at once after a restart.
      const wait = this.#wait * (0.5 + Math.random() / 2);
      this.#wait = Math.min(this.#wait * 2, MOST_WAIT_MS);
      await new Promise((done) => setTimeout(done, wait));
    }
  }

  async #follow(): Promise<void> {
    const silent = new AbortController();
    let timer = setTimeout(() => silent.abort(), this.#silence);
    try {
      const answer = await fetch(this.address, {
        headers: headers({ accept: "text/event-stream", ...(this.#last ? { "last-event-id": this.#last } : {}) }),
        signal: AbortSignal.any([this.#stop.signal, silent.signal]),
        cache: "no-store",
      });
      if (!answer.ok || !answer.body) throw await Problem.of(answer);
      this.linked({ is: "open" });
      const cutter = new Cutter();
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        clearTimeout(timer);
        timer = setTimeout(() => silent.abort(), this.#silence);
        for (const event of cutter.take(value)) {
          this.#wait = LEAST_WAIT_MS;
          if (event.id) this.#last = event.id;
          this.tell(event);
        }
      }
    } finally {
      clearTimeout(timer);
    }
  }
}
