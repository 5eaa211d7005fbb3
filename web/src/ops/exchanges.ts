import { chip, el, facts, fill, place, table, write, type Child, type Mood } from "../dom";
import type { Known } from "../pulse";
import type { Budget, Exchange, Feed, Topic } from "../shapes";
import { ago, count, millis, plain, size, span, UNKNOWN } from "../words";

const MOST_TOPICS = 40;

const FEED_MOODS: Readonly<Record<string, Mood>> = {
  connected: "good", idle: "good", connecting: "warn", degraded: "warn", paused: "warn", off: "soft",
};
const TOPIC_MOODS: Readonly<Record<string, Mood>> = { live: "good", opening: "warn", stale: "bad", waiting: "soft", closing: "soft" };

/** What is left of a time that the gateway told a while ago. */
export const left = (ms: number, received: number): number => Math.max(ms - (Date.now() - received), 0);

/** The exchanges: whether they are called, what keeps them from it, their feeds. */
export function showExchanges({ status, received }: Known, isOperator: boolean): void {
  const cards = status.exchanges.map((exchange) => {
    const feed = status.feeds.find((it) => it.exchange === exchange.exchange);
    return card(exchange, feed, received, isOperator);
  });
  write(place("exchanges"), cards.length > 1 ? "Exchanges" : "Exchange");
  fill(place("exchange-cards"), cards);
}

function card(exchange: Exchange, feed: Feed | undefined, received: number, isOperator: boolean): HTMLElement {
  const { exchange: name, cordoned } = exchange;
  const heading = `exchange-${name}`;
  const verb = cordoned ? "uncordon" : "cordon";
  return el(
    "article",
    { class: "panel exchange", "data-key": name, "aria-labelledby": heading },
    el(
      "header",
      {},
      el("h3", { id: heading }, name, exchange.default && el("span", { class: "soft" }, " default")),
      el("span", { class: "chips" }, verdict(exchange, received)),
      isOperator &&
        el("button", { type: "button", class: "small", "data-action": verb, "data-exchange": name, "aria-label": cordoned ? `Uncordon ${name}` : `Cordon ${name}` }, cordoned ? "Uncordon…" : "Cordon…"),
    ),
    facts(
      ["Breaker", breaker(exchange), worst(exchange)],
      ["Ban", ban(exchange, received), exchange.budgets.some((it) => it.banned_ms > 0) ? "bad" : undefined],
      ["Cordoned", cordoned === undefined ? UNKNOWN : cordoned ? "yes" : "no", cordoned ? "warn" : undefined],
      ["Last failure", lastError(exchange)],
      ["Markets", exchange.markets === null ? "not known yet" : `${count(exchange.markets)}, ${ago(exchange.markets_age_seconds)}`],
    ),
    feed && feedOf(feed, received),
  );
}

function verdict({ budgets, cordoned }: Exchange, received: number): Child {
  if (cordoned) return chip("cordoned", "warn");
  const longest = Math.max(0, ...budgets.map((budget) => budget.banned_ms));
  if (longest > 0) return chip(`banned, ${seconds(left(longest, received))} left`, "bad");
  const open = budgets.filter((budget) => budget.breaker === "open");
  if (open.length > 0) return chip(["breaker open", newest(open)?.error].filter(Boolean).map(plain).join(": "), "bad");
  if (budgets.some((budget) => budget.breaker === "half_open")) return chip("next call is a trial", "warn");
  return chip("calls go through", "good");
}

/** Whole seconds, rounded up: a countdown ends with the ban, not before. */
const seconds = (ms: number): string => `${Math.ceil(ms / 1000)} s`;

function worst({ budgets }: Exchange): Mood {
  if (budgets.some((budget) => budget.breaker === "open")) return "bad";
  return budgets.some((budget) => budget.breaker === "half_open") ? "warn" : "good";
}

function breaker({ budgets }: Exchange): string {
  const others = budgets.filter((budget) => budget.breaker !== "closed");
  if (others.length === 0) return "closed";
  return others.map((budget) => `${budget.family} ${plain(budget.breaker)}`).join(", ");
}

function ban({ budgets }: Exchange, received: number): string {
  const banned = budgets.filter((budget) => budget.banned_ms > 0);
  if (banned.length === 0) return "none";
  return banned.map((budget) => `${budget.family} ${seconds(left(budget.banned_ms, received))}`).join(", ");
}

function newest(budgets: readonly Budget[]): { family: string; error: string; ago_seconds: number } | undefined {
  const errors = budgets.flatMap(({ family, last_error: last }) => (last ? [{ family, ...last }] : []));
  return errors.sort((a, b) => a.ago_seconds - b.ago_seconds)[0];
}

function lastError({ budgets }: Exchange): string {
  const last = newest(budgets);
  return last ? `${last.family}: ${plain(last.error)}, ${ago(last.ago_seconds)}` : "none";
}

function feedOf(feed: Feed, received: number): HTMLElement {
  const { counters } = feed;
  const live = feed.topics.filter((topic) => topic.state === "live").length;
  const sockets = feed.sockets.map((socket) => {
    const message = socket.last_message_age_seconds;
    const heard = message === null ? "nothing heard yet" : `heard ${ago(message)}`;
    return el(
      "li",
      { "data-key": `socket ${socket.socket}` },
      `Socket ${socket.socket}: ${plain(socket.state)} for ${span(socket.since_seconds)}, ${socket.channels} of ${socket.max_channels} channels, ${heard}, ${count(socket.reconnects)} reconnects`,
    );
  });
  return el(
    "section",
    { class: "feed", "data-key": "feed", "aria-label": `Feed of ${feed.exchange}` },
    el("h4", {}, "Feed ", chip(plain(feed.state), FEED_MOODS[feed.state] ?? "warn")),
    facts(
      ["Live topics", `${live} of ${feed.wanted} wanted`, live < feed.wanted ? "warn" : undefined],
      ["Channels", `${feed.channels} of ${feed.max_channels}`],
      ["Messages", `${count(counters["messages"])}, ${size(counters["bytes"])}`],
      ["Resyncs", count(counters["resyncs"])],
      ["Checksum failures", count(counters["checksum_failures"]), (counters["checksum_failures"] ?? 0) > 0 ? "warn" : undefined],
      ["Next connection", left(feed.next_connect_ms, received) > 0 ? `in ${millis(left(feed.next_connect_ms, received))}` : "at any time"],
    ),
    sockets.length > 0 ? el("ul", { class: "sockets" }, sockets) : el("p", { class: "soft" }, "No socket is open."),
    topics(feed),
  );
}

function topics(feed: Feed): Child {
  if (feed.topics.length === 0) return null;
  const shown = feed.topics.slice(0, MOST_TOPICS);
  const rest = feed.topics.length - shown.length;
  return el(
    "details",
    { "data-key": "topics" },
    el("summary", {}, `Topics (${feed.topics.length})`),
    table<Topic>(
      `Topics of ${feed.exchange}`,
      [
        { name: "Topic", cell: (row) => el("code", {}, row.topic) },
        { name: "State", cell: (row) => (row.reason ? `${row.state}: ${plain(row.reason)}` : row.state), mood: (row) => TOPIC_MOODS[row.state] },
        { name: "Wanted", cell: (row) => row.wanted },
        { name: "Heard", cell: (row) => ago(row.last_message_age_seconds), numeric: true },
        { name: "Reads a minute", cell: (row) => count(row.reads_per_minute), numeric: true },
        { name: "Followers", cell: (row) => count(row.followers), numeric: true },
      ],
      shown,
      (row) => row.topic,
    ),
    rest > 0 && el("p", { class: "soft" }, `and ${rest} more in /api/status`),
  );
}
