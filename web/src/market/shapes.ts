// The gateway's market data, as far as the market view shows it.
import type { ProblemBody } from "../shapes";

export interface Market {
  readonly symbol: string;
  readonly id: string;
  readonly base: string;
  readonly quote: string;
  readonly active: boolean | null;
}

export interface Offer {
  readonly exchange: string;
  readonly default: boolean;
  readonly timeframes: readonly string[];
  /** Made of those by the gateway. */
  readonly derived_timeframes?: readonly string[];
  readonly streams?: { readonly channels: readonly string[] };
}

export interface Candle {
  readonly timestamp: number;
  readonly open: number;
  readonly high: number;
  readonly low: number;
  readonly close: number;
  readonly volume: number;
  readonly closed: boolean;
}

export interface Ticker {
  readonly timestamp: number;
  readonly last: number | null;
  readonly bid: number | null;
  readonly ask: number | null;
  readonly high: number | null;
  readonly low: number | null;
  readonly change: number | null;
  readonly percentage: number | null;
  readonly baseVolume: number | null;
}

/** Price and amount. */
export type Level = readonly [price: number, amount: number];

export interface Book {
  readonly bids: readonly Level[];
  readonly asks: readonly Level[];
}

export interface Trade {
  readonly id: string;
  readonly timestamp: number;
  readonly side: string | null;
  readonly price: number;
  readonly amount: number;
}

export interface Context {
  readonly current_price: number | null;
  readonly best_bid: number | null;
  readonly best_ask: number | null;
  readonly spread: number | null;
  readonly volume_24h: number | null;
  readonly price_change_24h: number | null;
  readonly price_change_pct: number | null;
  readonly volatility_pct: number | null;
  readonly data_quality: {
    readonly ohlcv_rows: number;
    readonly orderbook_levels: number;
    readonly ticker_complete: boolean;
    readonly data_freshness_seconds: number | null;
    readonly degraded: readonly string[];
    readonly parts: Readonly<Record<string, { readonly source: string; readonly age_ms: number }>>;
  };
}

export interface Validation {
  readonly valid: boolean;
  readonly reason: string;
  readonly checks: readonly { readonly name: string; readonly ok: boolean; readonly value: number | null; readonly limit: number | null }[];
}

/** A best price. */
export interface Quote {
  readonly price: number;
  readonly amount: number | null;
}

export interface Best extends Quote {
  readonly exchange: string;
  readonly symbol: string;
}

/** A market on one exchange, as a comparison tells it. */
export interface Side {
  readonly exchange: string;
  readonly symbol: string | null;
  readonly best_bid: Quote | null;
  readonly best_ask: Quote | null;
  readonly quotes_from: string | null;
  readonly spread_pct: number | null;
  /** Others are not counted among the best. */
  readonly fresh: boolean;
  /** That of the oldest part. */
  readonly age_ms: number | null;
  /** That of bid and ask. */
  readonly quotes_age_ms?: number | null;
  readonly source: string | null;
  readonly problem: ProblemBody | null;
}

export interface Comparison {
  readonly symbol: string;
  readonly exchanges: readonly Side[];
  readonly best_bid: Best | null;
  readonly best_ask: Best | null;
  readonly spread: number | null;
  readonly crossed: boolean;
  readonly mixed_quotes: boolean;
}

/** What a stream tells of a topic. */
export interface TopicEvent {
  readonly channel: string;
  readonly timestamp: number;
  readonly mode?: string;
  readonly reason?: string;
  readonly data?: unknown;
}
