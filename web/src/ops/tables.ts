import { el, facts, fill, place, table, type Child, type Mood } from "../dom";
import type { Known } from "../pulse";
import type { Client, Fault, Hot, Status, Streams } from "../shapes";
import { clock, count, millis, plain, size, span, UNKNOWN } from "../words";

const HOT_MOODS: Readonly<Record<string, Mood>> = { fresh: "good", stale: "warn", expired: "soft" };
const STORE_MOODS: Readonly<Record<string, Mood>> = { on: "good", full: "bad", failing: "bad", off: "soft" };

const nothing = (words: string): Child => el("p", { class: "soft" }, words);
/** For what this gateway does not tell at all, which is not the same as there being nothing. */
const untold = (): Child => nothing("Unknown: this gateway does not tell.");

/** The keys that most answers were given from. */
export function showHot({ status }: Known, isOperator: boolean): void {
  const exchangeOf = (row: Hot): string => row.exchange ?? status.exchanges.find((it) => it.default)?.exchange ?? "";
  const clear = (row: Hot): Child =>
    el(
      "button",
      { type: "button", class: "small", "data-action": "clear", "data-exchange": exchangeOf(row), "data-name": row.key, "aria-label": `Clear ${row.key}` },
      "Clear…",
    );
  const rows = table<Hot>(
    "Hot keys",
    [
      { name: "Key", cell: (row) => [el("code", {}, row.key), status.exchanges.length > 1 && el("span", { class: "soft" }, ` ${row.exchange ?? UNKNOWN}`)] },
      { name: "Source", cell: (row) => row.source },
      { name: "Age", cell: (row) => millis(row.age_ms), numeric: true },
      { name: "State", cell: (row) => row.state, mood: (row) => HOT_MOODS[row.state] },
      { name: "Hits", cell: (row) => count(row.hits), numeric: true },
      { name: "Clients", cell: (row) => row.clients?.join(", ") || UNKNOWN, wrap: true },
      ...(isOperator ? [{ name: "Action", cell: clear }] : []),
    ],
    status.hot,
    (row) => `${exchangeOf(row)} ${row.key}`,
  );
  fill(place("hot-rows"), status.hot.length > 0 ? rows : nothing("Nothing has been asked for yet."));
}

/** Requests that were not answered as asked, the newest first. */
export function showFaults({ status }: Known): void {
  const { faults } = status;
  if (!faults) return fill(place("fault-rows"), untold());
  const rows = table<Fault>(
    "Recent faults",
    [
      { name: "UTC", cell: (row) => el("time", { datetime: new Date(row.at).toISOString() }, clock(row.at)) },
      { name: "Status", cell: (row) => row.status, numeric: true, mood: (row) => (row.status >= 500 ? "bad" : "warn") },
      { name: "Request id", cell: (row) => [el("code", { class: "line" }, row.request_id), el("span", { class: "line soft" }, row.client || UNKNOWN)] },
      {
        name: "What",
        cell: (row) => [
          el("strong", { class: "line" }, plain(row.code), row.repeats ? `, and ${count(row.repeats)} earlier like it` : null),
          el("span", { class: "line" }, row.detail),
          el("span", { class: "line soft" }, `${row.method} ${row.path}`, row.exchange && ` · ${row.exchange}`),
        ],
        wrap: true,
      },
    ],
    faults,
    (row) => row.request_id + row.at,
  );
  fill(place("fault-rows"), faults.length > 0 ? rows : nothing("None."));
}

/** Those who follow streams, and those of them who were not told all of it. */
export function showStreams({ status }: Known): void {
  const { streams } = status;
  const kinds = table<Streams["kinds"][number]>(
    "Streams by kind",
    [
      { name: "Kind", cell: (row) => row.kind },
      { name: "Clients", cell: (row) => count(row.clients), numeric: true },
      { name: "Topics", cell: (row) => count(row.topics), numeric: true },
      { name: "Messages", cell: (row) => count(row.messages), numeric: true },
      { name: "Sent", cell: (row) => size(row.bytes), numeric: true },
      { name: "Conflated", cell: (row) => count(row.conflated), numeric: true },
      { name: "Skipped", cell: (row) => count(row.skipped), numeric: true, mood: (row) => (row.skipped > 0 ? "warn" : undefined) },
      { name: "Sent away", cell: (row) => count(row.goaways), numeric: true },
    ],
    streams.kinds,
    (row) => row.kind,
  );
  const totals = facts(
    ["Clients", `${count(streams.clients)} of ${count(streams.max_clients)}`],
    ["Topics followed", `${count(streams.topics)} of ${count(streams.max_topics)}`],
  );
  fill(place("stream-rows"), totals, kinds, el("h3", {}, "Readers that were told less"), slow(streams));
}

function slow({ slow: readers }: Streams): Child {
  if (!readers) return untold();
  if (readers.length === 0) return nothing("None.");
  return table(
    "Readers that were told less",
    [
      { name: "Reader", cell: (row) => el("code", {}, String(row.id)) },
      { name: "Kind", cell: (row) => row.kind },
      { name: "Client", cell: (row) => row.client },
      { name: "Topics", cell: (row) => count(row.topics), numeric: true },
      { name: "Conflated", cell: (row) => count(row.conflated), numeric: true },
      { name: "Skipped", cell: (row) => count(row.skipped), numeric: true, mood: (row) => (row.skipped > 0 ? "warn" : undefined) },
      { name: "Connected", cell: (row) => span(row.since_seconds), numeric: true },
    ],
    readers,
    (row) => String(row.id),
  );
}

/** Who asks, and at whose cost. */
export function showClients({ status }: Known): void {
  const { clients } = status;
  if (!clients) return fill(place("client-rows"), untold());
  const quota = ({ quota: held }: Client): string =>
    held ? `${count(held.remaining)} of ${count(held.limit)} in ${span(held.window_seconds)}` : "no limit";
  const rows = table<Client>(
    "Clients",
    [
      { name: "Client", cell: (row) => row.client },
      { name: "Class", cell: (row) => plain(row.class) },
      { name: "Weight", cell: (row) => count(row.weight), numeric: true },
      { name: "Requests", cell: (row) => count(row.requests), numeric: true },
      { name: "Calls", cell: (row) => count(row.upstream_calls), numeric: true },
      { name: "Refused", cell: (row) => count(row.refused), numeric: true, mood: (row) => (row.refused > 0 ? "warn" : undefined) },
      { name: "Quota left", cell: quota, wrap: true, mood: (row) => (row.quota?.remaining === 0 ? "bad" : undefined) },
    ],
    clients,
    (row) => row.client,
  );
  fill(place("client-rows"), clients.length > 0 ? rows : nothing("None yet."));
}

/** What is held in memory and on disk. */
export function showStore({ status }: Known): void {
  const { cache, store, requests } = status;
  fill(
    place("store-facts"),
    facts(
      ["In memory", `${count(cache.entries)} entries, ${size(cache.bytes)} of ${size(cache.max_bytes)}`],
      ["Fetches under way", count(cache.flights)],
      ["Requests since the start", count(requests.total)],
      ["Upstream calls since the start", count(requests.upstream_calls)],
      ["Answers 429 of exchanges", count(requests.rate_limited), requests.rate_limited > 0 ? "warn" : undefined],
      ["On disk", storeText(status), STORE_MOODS[store.state]],
      ["Waiting to be written", `${count(store.pending_rows)} rows`],
      ["Last failure of the store", store.last_error ? `${store.last_error.error}, ${clock(Date.parse(store.last_error.datetime))} UTC` : "none"],
      ["File", store.path ?? "none, memory only"],
      ...(store.set_aside ? [["Set aside", store.set_aside, "warn"] as const] : []),
      ["Log", status.log ? el("code", {}, status.log.filter) : UNKNOWN],
    ),
  );
}

function storeText({ store }: Status): string {
  if (store.state === "off") return "off";
  return `${store.state}, ${size(store.bytes)}, ${count(store.bars)} bars of ${count(store.series)} series`;
}

/** The gateway's own words about itself, in one line. */
export function headline({ status }: Known): string {
  const keys = status.access ? (status.access.keys_required ? "keys required" : "no key required") : `keys ${UNKNOWN}`;
  return `version ${status.version} · up ${span(status.uptime_seconds)} · started ${status.started.slice(0, 19).replace("T", " ")} UTC · ${keys}`;
}

/** How old the figures are. */
export const asOf = (known: Known): string => `${clock(known.received)} UTC, ${Math.max(Math.floor((Date.now() - known.received) / 1000), 0)} s ago`;
