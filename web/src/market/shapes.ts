// The gateway's market data, as far as the market view shows it.

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

/** What a stream tells of a topic. */
export interface TopicEvent {
  readonly channel: string;
  readonly timestamp: number;
  readonly mode?: string;
  readonly reason?: string;
  readonly data?: unknown;
}
