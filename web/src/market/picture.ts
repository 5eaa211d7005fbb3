import type { ServerEvent } from "./events";
import type { Book, Candle, Level, Ticker, TopicEvent, Trade } from "./shapes";

const MOST_CANDLES = 1000;
const MOST_TRADES = 50;

/** How one topic is fed, and when it was heard last (Unix milliseconds of this page's clock). */
export interface Fed {
  readonly mode: string;
  readonly reason: string | null;
  readonly heard: number;
}

const MODES: ReadonlySet<string> = new Set(["live", "polled", "stale", "starting"]);

/** What the stream has told of one market, put together. */
export class Picture {
  readonly candles = new Map<number, Candle>();
  readonly trades: Trade[] = [];
  readonly fed = new Map<string, Fed>();
  ticker: Ticker | null = null;
  /** Trades that this page was too slow for, or the exchange has not told. */
  missed = 0;
  readonly #bids = new Map<number, number>();
  readonly #asks = new Map<number, number>();

  /** Takes an event; false if it says nothing of a topic. */
  take({ event, data }: ServerEvent): boolean {
    const told = JSON.parse(data) as TopicEvent & { count?: number };
    if (!told.channel) return false;
    const [kind = ""] = told.channel.split(":");
    const before = this.fed.get(kind);
    if (event === "snapshot") this.#begin(kind, told.data);
    else if (event === "update") this.#change(kind, told.data);
    else if (event === "skipped") this.missed += told.count ?? 0;
    const mode = told.mode ?? (MODES.has(event) ? event : before?.mode) ?? "starting";
    const reason = told.reason ?? (mode === before?.mode ? before.reason : null);
    this.fed.set(kind, { mode, reason, heard: Date.now() });
    return true;
  }

  /** The book, best first; `null` before the first. */
  book(): Book | null {
    if (this.#bids.size === 0 && this.#asks.size === 0) return null;
    return {
      bids: [...this.#bids].sort(([a], [b]) => b - a),
      asks: [...this.#asks].sort(([a], [b]) => a - b),
    };
  }

  /** Takes candles that were asked for, where the stream has none. */
  hold(candles: readonly Candle[], source: string): void {
    this.#begin("ohlcv", { candles });
    this.fed.set("ohlcv", { mode: source, reason: null, heard: Date.now() });
  }

  #begin(kind: string, data: unknown): void {
    if (kind === "ticker") this.ticker = data as Ticker;
    if (kind === "trades") this.trades.splice(0, this.trades.length, ...(data as Trade[]).slice(-MOST_TRADES).reverse());
    if (kind === "ohlcv") {
      this.candles.clear();
      for (const candle of (data as { candles: Candle[] }).candles) this.candles.set(candle.timestamp, candle);
    }
    if (kind === "orderbook") {
      this.#bids.clear();
      this.#asks.clear();
      this.#levels(data as Book);
    }
  }

  #change(kind: string, data: unknown): void {
    if (kind === "ticker") this.ticker = data as Ticker;
    if (kind === "trades") {
      this.trades.unshift(data as Trade);
      this.trades.length = Math.min(this.trades.length, MOST_TRADES);
    }
    if (kind === "ohlcv") {
      const candle = data as Candle;
      this.candles.set(candle.timestamp, candle);
      if (this.candles.size > MOST_CANDLES) this.candles.delete(Math.min(...this.candles.keys()));
    }
    if (kind === "orderbook") this.#levels(data as Book);
  }

  #levels({ bids, asks }: Book): void {
    const put = (side: Map<number, number>, levels: readonly Level[]): void => {
      for (const [price, amount] of levels) {
        if (amount === 0) side.delete(price);
        else side.set(price, amount);
      }
    };
    put(this.#bids, bids);
    put(this.#asks, asks);
  }
}
