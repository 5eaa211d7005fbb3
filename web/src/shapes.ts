// What the gateway answers, as far as the page shows it. A field with `?` may be missing, because
// this gateway does not know it; the page then shows that it is unknown.

export interface Status {
  readonly version: string;
  readonly started: string;
  readonly uptime_seconds: number;
  readonly state: string;
  readonly requests: {
    readonly total: number;
    readonly from_cache: number;
    readonly from_streams_share: number | null;
    readonly collapsed: number;
    readonly upstream_calls: number;
    readonly rate_limited: number;
    readonly p99_ms: number | null;
  };
  readonly cache: { readonly entries: number; readonly bytes: number; readonly max_bytes: number; readonly flights: number };
  readonly store: {
    readonly state: string;
    readonly path: string | null;
    readonly bytes: number;
    readonly bars: number;
    readonly series: number;
    readonly pending_rows: number;
    readonly last_error: { readonly error: string; readonly datetime: string } | null;
    readonly set_aside: string | null;
  };
  readonly exchanges: readonly Exchange[];
  readonly streams: Streams;
  readonly feeds: readonly Feed[];
  readonly hot: readonly Hot[];
  readonly faults?: readonly Fault[];
  readonly clients?: readonly Client[];
  readonly log?: { readonly filter: string };
  readonly access?: { readonly keys_required: boolean; readonly admin: boolean };
}

export interface Exchange {
  readonly exchange: string;
  readonly default: boolean;
  readonly markets: number | null;
  readonly markets_age_seconds: number | null;
  readonly cordoned?: boolean;
  readonly budgets: readonly Budget[];
}

export interface Budget {
  readonly family: string;
  /** What is counted: `requests`, or `weight`. */
  readonly unit?: string;
  readonly per_minute?: number;
  /** What `limit`, `learned` and `left` are about; a minute where it is not told. */
  readonly window_ms?: number;
  readonly limit: number;
  readonly learned: number;
  readonly left: number;
  readonly waiting: number;
  readonly next_slot_ms: number;
  readonly breaker: string;
  readonly banned_ms: number;
  readonly last_error: { readonly error: string; readonly ago_seconds: number } | null;
}

export interface Feed {
  readonly exchange: string;
  readonly enabled: boolean;
  readonly state: string;
  readonly channels: number;
  readonly max_channels: number;
  readonly wanted: number;
  readonly next_connect_ms: number;
  readonly sockets: readonly {
    readonly socket: number;
    readonly state: string;
    readonly since_seconds: number;
    readonly channels: number;
    readonly max_channels: number;
    readonly last_message_age_seconds: number | null;
    readonly reconnects: number;
  }[];
  readonly counters: Readonly<Record<string, number>>;
  readonly topics: readonly Topic[];
}

export interface Topic {
  readonly topic: string;
  readonly state: string;
  readonly reason: string | null;
  readonly wanted: string;
  readonly last_message_age_seconds: number | null;
  readonly reads_per_minute: number;
  readonly followers: number;
}

export interface Streams {
  readonly clients: number;
  readonly max_clients: number;
  readonly topics: number;
  readonly max_topics: number;
  readonly kinds: readonly {
    readonly kind: string;
    readonly clients: number;
    readonly topics: number;
    readonly messages: number;
    readonly bytes: number;
    readonly conflated: number;
    readonly skipped: number;
    readonly goaways: number;
  }[];
  readonly slow?: readonly {
    readonly id: string | number;
    readonly kind: string;
    readonly client: string;
    readonly topics: number;
    readonly conflated: number;
    readonly skipped: number;
    readonly since_seconds: number;
  }[];
}

export interface Hot {
  readonly key: string;
  readonly kind: string;
  readonly source: string;
  readonly age_ms: number;
  readonly hits: number;
  readonly state: string;
  readonly exchange?: string;
  readonly clients?: readonly string[];
}

export interface Fault {
  readonly at: number;
  readonly request_id: string;
  readonly client: string;
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  /** Which exchange was meant; `null` where it was none, or several. */
  readonly exchange?: string | null;
  /** Earlier ones like it that are not listed any more. */
  readonly repeats?: number;
}

export interface Client {
  readonly client: string;
  readonly class: string | null;
  readonly weight: number | null;
  readonly requests: number;
  readonly refused: number;
  readonly upstream_calls: number;
  readonly quota: { readonly limit: number; readonly window_seconds: number; readonly remaining: number } | null;
}

/** Values oldest first; `null` where not known. */
export type Line = readonly (number | null)[];

/** The last minutes, one value a step, the newest at `until` (Unix milliseconds; `null` before the first). */
export interface History {
  readonly step_ms: number;
  readonly until: number | null;
  readonly samples: number;
  readonly requests_per_second: Line;
  readonly hit_ratio: Line;
  readonly collapsed_per_second: Line;
  readonly upstream_calls_per_second: Line;
  readonly latency_ms: { readonly p50: Line; readonly p99: Line };
  readonly served_age_seconds: { readonly p50: Line; readonly p99: Line };
  readonly stream_clients: Line;
  readonly budgets: readonly { readonly exchange: string; readonly family: string; readonly limit: number; readonly left: Line }[];
}

/** RFC 9457. */
export interface ProblemBody {
  readonly title?: string;
  readonly status?: number;
  readonly detail?: string;
  readonly code?: string;
  readonly request_id?: string;
  readonly retryable?: boolean;
  readonly suggestions?: readonly string[];
}
