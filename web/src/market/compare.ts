import { el, fill, mark, place, table, write, type Child, type Column, type Mood } from "../dom";
import { ask, said } from "../gateway";
import { exact, figure, millis, plain, UNKNOWN } from "../words";
import type { Best, Comparison, Quote, Side } from "./shapes";

/** What a row stands for; a market that an exchange does not list has no name of its own there. */
export interface Pick {
  readonly exchange: string;
  readonly symbol?: string;
}

const isOf = (side: Side, best: Best | null): boolean => best !== null && best.exchange === side.exchange && best.symbol === side.symbol;

/** One market on every exchange that is served, side by side. */
export class Across {
  readonly #panel = place("across");
  readonly #together = place<HTMLInputElement>("equivalent");
  #held: { comparison: Comparison; received: number } | null = null;
  #error: unknown = null;
  #shown: Pick = { exchange: "" };
  /** What is asked for now; an answer to something else is of no use any more. */
  #wanted = "";

  constructor(picked: (pick: Pick) => void, private readonly changed: () => void) {
    this.#together.addEventListener("change", () => {
      this.#held = null;
      void this.ask(this.#shown);
      this.changed();
    });
    place("across-rows").addEventListener("click", (event) => {
      const button = event.target instanceof Element ? event.target.closest<HTMLElement>("[data-exchange]") : null;
      const { exchange, symbol } = button?.dataset ?? {};
      if (exchange) picked({ exchange, ...(symbol ? { symbol } : {}) });
    });
  }

  /** There is nothing to compare where only one exchange is served. */
  set isWanted(wanted: boolean) {
    this.#panel.hidden = !wanted;
  }

  /** Asks how the market is elsewhere. */
  async ask(shown: Pick): Promise<void> {
    if (this.#panel.hidden || !shown.symbol) return;
    if (shown.symbol !== this.#shown.symbol) this.forget();
    this.#shown = shown;
    const path = shown.symbol.split("/").map(encodeURIComponent).join("/");
    const address = `/api/market-data/compare/${path}${this.#together.checked ? "?equivalent=true" : ""}`;
    this.#wanted = address;
    try {
      const comparison = await ask<Comparison>(address);
      if (this.#wanted !== address) return;
      this.#held = { comparison, received: Date.now() };
      this.#error = null;
    } catch (error) {
      if (this.#wanted !== address) return;
      this.#error = error;
    }
    this.changed();
  }

  /** Leaves no figure of another market. */
  forget(): void {
    this.#held = null;
    this.#error = null;
    this.#wanted = "";
  }

  /** Draws what is known; what is older than `oldMs` is shown as old. */
  draw(oldMs: number): void {
    if (this.#panel.hidden) return;
    const held = this.#held;
    const waited = held ? Date.now() - held.received : 0;
    mark(this.#panel, "data-old", held && waited > oldMs ? "" : null);
    write(place("across-problem"), this.#error ? said(this.#error) : "");
    if (!held) {
      fill(place("across-best"), "");
      fill(place("across-rows"), el("p", { class: "soft" }, this.#error ? "Nothing is known." : "Asked for…"));
      return;
    }
    fill(place("across-best"), ...summary(held.comparison));
    fill(place("across-rows"), rows(held.comparison, this.#shown, waited));
  }
}

const named = (best: Best): Child => [el("strong", {}, exact(best.price)), ` ${best.symbol} on ${best.exchange}`];

function summary({ best_bid: bid, best_ask: offer, spread, crossed, mixed_quotes: isMixed }: Comparison): Child[] {
  const part = bid && offer ? ((offer.price - bid.price) / offer.price) * 100 : null;
  return [
    crossed && bid && offer &&
      el(
        "p",
        { class: "crossed", "data-mood": "warn", "data-key": "crossed" },
        `Crossed: ${bid.exchange} bids ${exact(bid.price)} for ${bid.symbol}, and ${offer.exchange} asks ${exact(offer.price)} for ${offer.symbol}.`,
      ),
    el(
      "p",
      { "data-key": "best" },
      "Best bid ", bid ? named(bid) : UNKNOWN, " · best ask ", offer ? named(offer) : UNKNOWN,
      ` · spread ${exact(spread)} (${figure(part, " %")})`,
    ),
    isMixed && el("p", { class: "soft", "data-key": "mixed" }, "Prices in different quotes are beside each other: a dollar and a coin of one are not the same money."),
  ];
}

/** A price with its amount, and in words whether it is the best. */
function quote(held: Quote | null, isBest: boolean, sign: string): Child {
  if (!held) return UNKNOWN;
  return [
    isBest && el("span", { class: "best" }, `${sign} best `),
    el(isBest ? "strong" : "span", {}, exact(held.price)),
    el("span", { class: "soft" }, ` (${exact(held.amount)})`),
  ];
}

/** How old bid and ask are by now; where there are none, what else is told. */
function age({ quotes_age_ms: quotes, age_ms: oldest }: Side, waited: number): string {
  const told = quotes ?? oldest;
  return told === null ? UNKNOWN : millis(told + waited);
}

function told(side: Side): { words: Child; mood: Mood | undefined } {
  const { problem, source, quotes_from: from, fresh } = side;
  const why = problem ? (problem.detail ?? problem.title ?? plain(problem.code)) : null;
  if (!source) return { words: why ?? UNKNOWN, mood: problem?.code === "unknown_symbol" ? "soft" : "bad" };
  const notes = [source, from === "ticker" && "by the ticker", !fresh && "too old to count", why].filter(Boolean);
  return { words: notes.join(", "), mood: why || !fresh ? "warn" : undefined };
}

function rows(comparison: Comparison, shown: Pick, waited: number): HTMLElement {
  const isShown = (side: Side): boolean => side.exchange === shown.exchange && (side.symbol ?? shown.symbol) === shown.symbol;
  const name = (side: Side): Child =>
    el(
      "button",
      {
        type: "button",
        class: "small",
        "data-exchange": side.exchange,
        "data-symbol": side.symbol,
        "aria-current": isShown(side) && "true",
        "aria-label": `${side.exchange}: show ${side.symbol ?? comparison.symbol} there`,
      },
      side.exchange,
    );
  const columns: readonly Column<Side>[] = [
    { name: "Exchange", cell: name },
    { name: "Market", cell: (side) => side.symbol ?? UNKNOWN },
    { name: "Bid (amount)", cell: (side) => quote(side.best_bid, isOf(side, comparison.best_bid), "▲"), numeric: true },
    { name: "Ask (amount)", cell: (side) => quote(side.best_ask, isOf(side, comparison.best_ask), "▼"), numeric: true },
    { name: "Spread", cell: (side) => figure(side.spread_pct, " %"), numeric: true },
    { name: "Age", cell: (side) => age(side, waited), numeric: true },
    { name: "Source or problem", cell: (side) => told(side).words, mood: (side) => told(side).mood, wrap: true },
  ];
  return table("Across exchanges", columns, comparison.exchanges, (side) => `${side.exchange} ${side.symbol ?? ""}`);
}
