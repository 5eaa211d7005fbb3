import type { History, Line, Status } from "./shapes";

const STEP_MS = 2000;
const MOST = 300;

interface Sample {
  readonly at: number;
  readonly status: Status;
}

/** A history of what this page itself has seen, for gateways that keep none. */
export class Sampled {
  readonly #samples: Sample[] = [];

  /** Takes what was seen at `at` (Unix milliseconds). */
  add(at: number, status: Status): void {
    const last = this.#samples.at(-1);
    if (last && last.status.started !== status.started) this.#samples.length = 0;
    this.#samples.push({ at, status });
    if (this.#samples.length > MOST + 1) this.#samples.shift();
  }

  /** What is known from it: rates between one sample and the next. */
  history(): History | null {
    const newest = this.#samples.at(-1);
    if (!newest || this.#samples.length < 2) return null;
    const until = Math.floor(newest.at / STEP_MS) * STEP_MS;
    const oldest = this.#samples[0]?.at ?? until;
    const steps = Math.min(Math.floor((until - oldest) / STEP_MS), MOST);
    const line = (read: (now: Sample, before: Sample) => number | null): Line =>
      Array.from({ length: steps }, (_, at) => {
        const time = until - (steps - 1 - at) * STEP_MS;
        const after = this.#samples.findIndex((sample) => sample.at >= time);
        const now = this.#samples[after];
        const before = this.#samples[after - 1];
        if (!now || !before || now.at - before.at > 2 * STEP_MS) return null;
        return read(now, before);
      });
    const risen = (of: (status: Status) => number) => (now: Sample, before: Sample) => of(now.status) - of(before.status);
    const rate = (of: (status: Status) => number): Line =>
      line((now, before) => (risen(of)(now, before) * 1000) / (now.at - before.at));
    const none = line(() => null);
    return {
      step_ms: STEP_MS,
      until,
      samples: steps,
      requests_per_second: rate((status) => status.requests.total),
      hit_ratio: line((now, before) => {
        const asked = risen((status) => status.requests.total)(now, before);
        const held = risen((status) => status.requests.from_cache)(now, before);
        return asked > 0 ? Math.min(held / asked, 1) : null;
      }),
      collapsed_per_second: rate((status) => status.requests.collapsed),
      upstream_calls_per_second: rate((status) => status.requests.upstream_calls),
      latency_ms: { p50: none, p99: line((now) => now.status.requests.p99_ms) },
      served_age_seconds: { p50: none, p99: none },
      stream_clients: line((now) => now.status.streams.clients),
      budgets: newest.status.exchanges.flatMap(({ exchange, budgets }) =>
        budgets.map(({ family, limit }) => ({
          exchange,
          family,
          limit,
          left: line((now) => {
            const of = now.status.exchanges.find((it) => it.exchange === exchange);
            return of?.budgets.find((it) => it.family === family)?.left ?? null;
          }),
        })),
      ),
    };
  }
}
