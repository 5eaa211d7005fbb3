import { chip, el, facts, fill, mark, place, table, write, type Child, type Mood } from "../dom";
import { ask, isProblem, said, type Problem } from "../gateway";
import { ago, clock, count, exact, figure, millis, plain, span, UNKNOWN } from "../words";
import { CandleChart } from "./candles";
import { Combobox } from "./combobox";
import { Across } from "./compare";
import { Depth } from "./depth";
import { Stream, type Link, type ServerEvent } from "./events";
import { Picture } from "./picture";
import type { Candle, Context, Market, Offer, Trade, Validation } from "./shapes";

const CONTEXT_EVERY_MS = 5000;
/** A little oftener than the 12 reads a minute that earn a market its channels: then no exchange is called for it. */
const ACROSS_EVERY_MS = 4000;
const TICK_MS = 1000;
/** What two answers in a row have not renewed is old. */
const OLD_MS = 2 * CONTEXT_EVERY_MS + TICK_MS;
/** Candles asked for where no stream has them. */
const CANDLES = 240;
const TRADES = 24;
const MODE_MOODS: Readonly<Record<string, Mood>> = { live: "good", polled: "good", rest: "good", starting: "warn", stale: "bad" };

/** What is looked at. */
interface Subject {
  readonly exchange: string;
  readonly symbol: string;
  readonly timeframe: string;
}

/** A symbol as a part of an address. */
const pathOf = (symbol: string): string => symbol.split("/").map(encodeURIComponent).join("/");

/** `#market/bitfinex/5m/BTC/USD`. */
function read(hash: string): Partial<Subject> {
  const [, exchange, timeframe, ...symbol] = hash.replace(/^#/, "").split("/").map(decodeURIComponent);
  return { ...(exchange ? { exchange } : {}), ...(timeframe ? { timeframe } : {}), ...(symbol.length > 0 ? { symbol: symbol.join("/") } : {}) };
}

const WIDTHS: Readonly<Record<string, number>> = { m: 1, h: 60, d: 1440, w: 10_080, M: 43_200 };
/** About how many minutes a candle takes, for the order of the list. */
const width = (timeframe: string): number => parseInt(timeframe, 10) * (WIDTHS[timeframe.slice(-1)] ?? 0);

/** One market, live. Nothing is asked of the gateway before the view is opened. */
export class MarketView {
  readonly #timeframe = place<HTMLSelectElement>("timeframe");
  readonly #exchange = place<HTMLSelectElement>("exchange");
  readonly #across = new Across((pick) => this.#pick(pick), () => this.#later());
  #combobox: Combobox | null = null;
  #candles: CandleChart | null = null;
  #depth: Depth | null = null;
  #offers: readonly Offer[] = [];
  #subject: Subject | null = null;
  #picture = new Picture();
  #stream: Stream | null = null;
  #link: Link = { is: "connecting" };
  #context: { context: Context; validation: Validation; received: number } | null = null;
  #contextError: unknown = null;
  #timers: number[] = [];
  #drawing = 0;
  #isOpen = false;

  constructor() {
    document.addEventListener("visibilitychange", () => {
      if (!this.#isOpen) return;
      if (document.hidden) this.#pause();
      else this.#follow();
    });
    for (const select of [this.#timeframe, this.#exchange]) {
      select.addEventListener("change", () => this.#pick({}));
    }
    place("suggestions").addEventListener("click", (event) => {
      const symbol = event.target instanceof HTMLElement ? event.target.dataset["symbol"] : undefined;
      if (symbol) this.#pick({ symbol });
    });
  }

  /** Shows the view and follows what its address names. */
  async open(hash: string): Promise<void> {
    this.#isOpen = true;
    this.#combobox ??= new Combobox((symbol) => this.#pick({ symbol }));
    this.#candles ??= new CandleChart();
    this.#depth ??= new Depth();
    const wanted = read(hash);
    try {
      if (this.#offers.length === 0) await this.#load();
    } catch (error) {
      this.#contextError = error;
      this.#draw();
      window.setTimeout(() => this.#isOpen && this.#offers.length === 0 && void this.open(location.hash), CONTEXT_EVERY_MS);
      return;
    }
    const offer = this.#offers.find((it) => it.exchange === wanted.exchange) ?? this.#offers.find((it) => it.default) ?? this.#offers[0];
    if (!offer || !this.#isOpen) return;
    const timeframes = [...offer.timeframes, ...(offer.derived_timeframes ?? [])].sort((a, b) => width(a) - width(b));
    const timeframe = timeframes.find((it) => it === wanted.timeframe) ?? (timeframes.includes("5m") ? "5m" : (timeframes[0] ?? "5m"));
    fill(this.#timeframe, timeframes.map((it) => el("option", { value: it, "data-key": it }, it)));
    this.#timeframe.value = timeframe;
    this.#exchange.value = offer.exchange;
    const next = { exchange: offer.exchange, timeframe, symbol: wanted.symbol ?? "BTC/USD" };
    const isElsewhere = this.#subject?.exchange !== next.exchange;
    const isSame = this.#subject && JSON.stringify(this.#subject) === JSON.stringify(next);
    if (!isSame) {
      this.#pause();
      this.#picture = new Picture();
      this.#context = null;
      this.#contextError = null;
      this.#candles.reset();
    }
    this.#subject = next;
    if (isElsewhere) void this.#markets(next.exchange);
    this.#combobox.value = next.symbol;
    if (!this.#stream) this.#follow();
  }

  /** Hides the view: it costs nothing then. */
  close(): void {
    this.#isOpen = false;
    this.#pause();
  }

  async #load(): Promise<void> {
    const { exchanges } = await ask<{ exchanges: Offer[] }>("/api/market-data/exchanges");
    this.#offers = exchanges;
    fill(this.#exchange, exchanges.map(({ exchange }) => el("option", { value: exchange, "data-key": exchange }, exchange)));
    place("exchange-field").hidden = exchanges.length < 2;
    this.#across.isWanted = exchanges.length > 1;
  }

  async #markets(exchange: string): Promise<void> {
    try {
      const { markets } = await ask<{ markets: Market[] }>(`/api/market-data/markets?exchange=${encodeURIComponent(exchange)}`);
      if (this.#subject?.exchange === exchange) this.#combobox?.offer(markets);
    } catch {
      // A name can still be typed.
      if (this.#subject?.exchange === exchange) this.#combobox?.offer([]);
    }
  }

  #pick(change: Partial<Subject>): void {
    const subject = { exchange: this.#exchange.value, timeframe: this.#timeframe.value, symbol: this.#subject?.symbol ?? "BTC/USD", ...change };
    location.hash = `#market/${subject.exchange}/${subject.timeframe}/${pathOf(subject.symbol)}`;
  }

  #query(more: Readonly<Record<string, string>>): string {
    return new URLSearchParams({ exchange: this.#subject?.exchange ?? "", ...more }).toString();
  }

  #follow(): void {
    const subject = this.#subject;
    if (!subject || !this.#isOpen || document.hidden) return;
    this.#pause();
    const candles = `ohlcv:${subject.timeframe}`;
    const offer = this.#offers.find((it) => it.exchange === subject.exchange);
    const isStreamed = offer?.streams?.channels.includes(candles) ?? true;
    const channels = ["ticker", "trades", "orderbook", ...(isStreamed ? [candles] : [])].join(",");
    const query = this.#query({ symbols: subject.symbol, channels });
    const stream = new Stream(
      `/api/market-data/stream?${query}`,
      (event) => this.#told(event, stream),
      (link) => {
        this.#link = link;
        this.#later();
      },
    );
    this.#stream = stream;
    const refresh = (): void => {
      void this.#ask(subject);
      if (!isStreamed) void this.#askCandles(subject);
    };
    const across = (): void => void this.#across.ask(subject);
    refresh();
    across();
    this.#timers = [window.setInterval(refresh, CONTEXT_EVERY_MS), window.setInterval(across, ACROSS_EVERY_MS), window.setInterval(() => this.#later(), TICK_MS)];
    this.#later();
  }

  #pause(): void {
    this.#stream?.stop();
    this.#stream = null;
    for (const timer of this.#timers) clearInterval(timer);
    this.#timers = [];
  }

  #told(event: ServerEvent, stream: Stream): void {
    if (event.event === "welcome") stream.expect((JSON.parse(event.data) as { heartbeat_ms: number }).heartbeat_ms);
    if (this.#picture.take(event)) this.#later();
  }

  async #askCandles(subject: Subject): Promise<void> {
    const query = this.#query({ timeframe: subject.timeframe, limit: String(CANDLES) });
    try {
      const { candles } = await ask<{ candles: Candle[] }>(`/api/market-data/ohlcv/${pathOf(subject.symbol)}?${query}`);
      if (this.#subject === subject) this.#picture.hold(candles, "rest");
    } catch (error) {
      if (this.#subject === subject) this.#contextError = error;
    }
    this.#later();
  }

  async #ask(subject: Subject): Promise<void> {
    const query = this.#query({ timeframe: subject.timeframe, limit: "100" });
    const path = pathOf(subject.symbol);
    try {
      const [context, validation] = await Promise.all([
        ask<Context>(`/api/market-data/market-context/${path}?${query}`),
        ask<Validation>(`/api/market-data/validate-market/${path}?${query}`),
      ]);
      if (this.#subject !== subject) return;
      this.#context = { context, validation, received: Date.now() };
      this.#contextError = null;
    } catch (error) {
      if (this.#subject !== subject) return;
      this.#contextError = error;
    }
    this.#later();
  }

  /** Draws once for all that comes until the next frame. */
  #later(): void {
    if (this.#drawing) return;
    this.#drawing = requestAnimationFrame(() => {
      this.#drawing = 0;
      if (this.#isOpen) this.#draw();
    });
  }

  #draw(): void {
    const picture = this.#picture;
    const subject = this.#subject;
    const candles = [...picture.candles.values()].sort((a, b) => a.timestamp - b.timestamp);
    this.#candles?.show(candles, subject ? `${subject.symbol} ${subject.timeframe}` : "no market");
    this.#depth?.show(picture.book());
    fill(place("trade-rows"), trades(picture.trades, picture.missed));
    this.#head(candles.at(-1));
    for (const [kind, id] of [["ohlcv", "candles-fed"], ["orderbook", "book-fed"], ["trades", "trades-fed"], ["ticker", "ticker-fed"]] as const) {
      const fed = this.#fed(kind);
      fill(place(id), fed.chip);
      mark(place(id).closest(".panel") ?? place(id), "data-old", fed.isOld ? "" : null);
    }
    this.#drawContext();
    this.#across.draw(OLD_MS);
    this.#drawLink();
  }

  #fed(kind: string): { chip: Child; isOld: boolean } {
    const fed = this.#picture.fed.get(kind);
    if (!fed) return { chip: chip("nothing yet", "warn"), isOld: false };
    const heard = span((Date.now() - fed.heard) / 1000);
    const isPolled = fed.mode === "rest";
    if (!isPolled && this.#link.is !== "open") return { chip: chip(`disconnected, from ${heard} ago`, "bad"), isOld: true };
    const mode = fed.reason ? `${fed.mode} (${plain(fed.reason)})` : isPolled ? "asked for" : fed.mode;
    return { chip: chip(`${mode}, ${heard} ago`, MODE_MOODS[fed.mode] ?? "warn"), isOld: fed.mode === "stale" };
  }

  #head(last: Candle | undefined): void {
    const { ticker } = this.#picture;
    write(place("price"), exact(ticker?.last ?? last?.close));
    const change = ticker?.percentage ?? null;
    const direction = change === null ? "" : change >= 0 ? "▲ " : "▼ ";
    write(place("change"), change === null ? `${UNKNOWN} in 24 h` : `${direction}${exact(ticker?.change)} (${figure(change, " %")}) in 24 h`);
    mark(place("change"), "data-way", change === null ? null : change >= 0 ? "rise" : "fall");
  }

  #drawContext(): void {
    const room = place("context-rows");
    const held = this.#context;
    const verdict = place("verdict");
    const error = this.#contextError;
    write(place("market-problem"), error ? said(error) : "");
    const near = isProblem(error) ? suggestions(error) : null;
    fill(place("suggestions"), near);
    if (!held) {
      write(verdict, error ? "unknown" : "not judged yet");
      mark(verdict, "data-mood", "warn");
      fill(room, el("p", { class: "soft" }, error ? "Nothing is known." : "Asked for…"));
      return;
    }
    const { context, validation, received } = held;
    const waited = Date.now() - received;
    const isOld = waited > OLD_MS;
    mark(place("context-panel"), "data-old", isOld ? "" : null);
    write(verdict, isOld ? `old: ${validation.reason}` : validation.reason);
    mark(verdict, "data-mood", isOld ? "warn" : validation.valid ? "good" : "bad");
    fill(room, contextFacts(context, waited), checks(validation));
  }

  #drawLink(): void {
    const link = this.#link;
    const words = {
      connecting: () => "The stream is being connected.",
      open: () => "The stream is open.",
      lost: () => `The stream is lost, ${link.is === "lost" ? link.why : ""}; it is tried again. What is shown is old.`,
      refused: () => (link.is === "refused" ? `No stream: ${link.problem.message}` : ""),
    }[link.is]();
    write(place("link"), words);
    mark(place("link"), "data-mood", link.is === "open" ? "good" : link.is === "connecting" ? "warn" : "bad");
  }
}

function suggestions(problem: Problem): Child {
  const names = problem.body.suggestions ?? [];
  if (names.length === 0) return null;
  return [
    el("span", { class: "soft" }, "Near names: "),
    names.map((name) => el("button", { type: "button", class: "small", "data-symbol": name, "data-key": name }, name)),
  ];
}

function trades(rows: readonly Trade[], missed: number): Child {
  if (rows.length === 0) return el("p", { class: "soft" }, "None yet.");
  return [
    table<Trade>(
      "Last trades",
      [
        { name: "UTC", cell: (row) => clock(row.timestamp) },
        { name: "Side", cell: (row) => el("span", { "data-way": row.side === "buy" ? "rise" : "fall" }, row.side === "buy" ? "▲ buy" : row.side === "sell" ? "▼ sell" : UNKNOWN) },
        { name: "Price", cell: (row) => exact(row.price), numeric: true },
        { name: "Amount", cell: (row) => exact(row.amount), numeric: true },
      ],
      rows.slice(0, TRADES),
      (row) => row.id,
    ),
    missed > 0 && el("p", { class: "soft" }, `${count(missed)} trades were missed.`),
  ];
}

function contextFacts(context: Context, waited: number): HTMLElement {
  const quality = context.data_quality;
  const age = quality.data_freshness_seconds;
  const parts = Object.entries(quality.parts).map(([name, part]) => `${name} ${part.source} ${millis(part.age_ms + waited)}`);
  return facts(
    ["Price", exact(context.current_price)],
    ["Best bid", exact(context.best_bid)],
    ["Best ask", exact(context.best_ask)],
    ["Spread", figure(context.spread)],
    ["Volume 24 h", figure(context.volume_24h)],
    ["Change 24 h", `${exact(context.price_change_24h)} (${figure(context.price_change_pct, " %")})`],
    ["Volatility", figure(context.volatility_pct, " %")],
    ["Oldest part", age === null ? UNKNOWN : ago(age + waited / 1000)],
    ["Parts", parts.join(", ") || UNKNOWN],
    ["Degraded", quality.degraded.join(", ") || "nothing", quality.degraded.length > 0 ? "warn" : undefined],
  );
}

function checks({ checks: all }: Validation): HTMLElement {
  return table<Validation["checks"][number]>(
    "Validation",
    [
      { name: "Check", cell: (row) => plain(row.name) },
      { name: "Verdict", cell: (row) => (row.ok ? "passed" : "failed"), mood: (row) => (row.ok ? "good" : "bad") },
      { name: "Value", cell: (row) => figure(row.value), numeric: true },
      { name: "Limit", cell: (row) => figure(row.limit), numeric: true },
    ],
    all,
    (row) => row.name,
  );
}
