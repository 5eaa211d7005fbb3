import "uplot/dist/uPlot.min.css";
import "./page.css";
import { el, fill, mark, place, write } from "./dom";
import { hasKey, isProblem, said } from "./gateway";
import { MarketView } from "./market/view";
import { showBudgets } from "./ops/budgets";
import { showExchanges } from "./ops/exchanges";
import { askForKey, Operator } from "./ops/operator";
import { asOf, headline, showClients, showFaults, showHot, showStore, showStreams } from "./ops/tables";
import { showTraffic } from "./ops/traffic";
import { troubles } from "./ops/troubles";
import { Pulse, type Known } from "./pulse";
import { startTheme } from "./theme";
import { clock, span } from "./words";

/** Figures that are older than this are shown as old. */
const OLD_MS = 6000;
const TICK_MS = 1000;
/** What keeps a page from its figures that another key, or none, may change. */
const REFUSALS: readonly number[] = [401, 403, 429];

let last: Known | null = null;
let failure: unknown = null;
let hasAsked = false;

function show(known: Known): void {
  const isOperator = operator.isIn;
  operator.show(known);
  showExchanges(known, isOperator);
  showBudgets(known);
  showTraffic(known);
  showHot(known, isOperator);
  showFaults(known);
  showStreams(known);
  showClients(known);
  showStore(known);
  write(place("headline"), headline(known));
}

function showTroubles(known: Known, isOld: boolean): void {
  const found = troubles(known.status);
  const items = found.map(({ mood, text, at }) =>
    el("li", { "data-mood": mood, "data-key": text }, el("a", { href: `#${at}` }, text)),
  );
  fill(
    place("troubles"),
    isOld && el("p", { "data-mood": "warn", "data-key": "old" }, `Not known while the gateway tells nothing. ${found.length > 0 ? "What was wrong before:" : "Nothing was wrong before."}`),
    found.length > 0 && el("ul", { "data-key": "found" }, items),
    found.length === 0 && !isOld && el("p", { "data-mood": "good", "data-key": "well" }, "All is well: calls go through, nothing is short, nobody is slow."),
  );
}

/** Says whether the figures are those of now. */
function showConnection(): void {
  const isOld = !last || Date.now() - last.received > OLD_MS;
  const isLost = failure !== null;
  const isRefused = isProblem(failure) && REFUSALS.includes(failure.status);
  const lost = isRefused ? "refused" : "disconnected";
  const state = last && !isLost && !isOld ? last.status.state : isLost ? lost : last ? "waiting" : "connecting";
  const pill = place("connection");
  write(pill, state === "ready" ? "live" : state);
  mark(pill, "data-mood", state === "ready" ? "good" : isLost ? "bad" : "warn");
  write(place("as-of"), last ? `figures of ${asOf(last)}` : "no figures yet");
  mark(document.body, "data-old", isLost || (last && isOld) ? "" : null);
  if (last) showTroubles(last, isLost || isOld);
  const since = last ? `The figures below are from ${clock(last.received)} UTC and may be wrong by now.` : "Nothing is known of it yet.";
  const what = isRefused ? "refuses to tell" : "does not answer";
  write(place("notice"), isLost ? `The gateway ${what} (${said(failure)}). ${since} This page comes back by itself.` : "");
  place("notice").hidden = !isLost;
  const bad = last && troubles(last.status).some(({ mood }) => mood === "bad");
  document.title = `${isLost ? `✕ ${lost} · ` : bad ? "! trouble · " : ""}Tidegate`;
  write(place("clock"), `${clock(Date.now())} UTC`);
}

function told(known: Known | null, error: unknown): void {
  if (last && known && error === null && last.status.started !== known.status.started) {
    write(place("outcome"), `The gateway was started again ${span(known.status.uptime_seconds)} ago.`);
  }
  last = known;
  failure = error;
  if (isProblem(error) && error.status === 401 && !hasAsked) {
    hasAsked = true;
    askForKey(hasKey() ? "This gateway does not know the key." : "This gateway asks everybody for a key.");
  }
  if (known && error === null) {
    hasAsked = false;
    show(known);
  }
  showConnection();
}

startTheme();
const pulse = new Pulse(told);
const operator = new Operator(() => {
  hasAsked = false;
  if (last) show(last);
  pulse.now();
});
const market = new MarketView();

function route(): void {
  const { hash } = location;
  const isMarket = hash.startsWith("#market");
  // Other anchors are places within the overview, but the one that is on both views.
  if (hash === "#content") return;
  place("market").hidden = !isMarket;
  place("overview").hidden = isMarket;
  mark(place("to-market"), "aria-current", isMarket ? "page" : null);
  mark(place("to-overview"), "aria-current", isMarket ? null : "page");
  if (isMarket) void market.open(hash);
  else market.close();
}

addEventListener("hashchange", route);
route();
setInterval(() => {
  showConnection();
  // Bans count down between two answers.
  if (last) showExchanges(last, operator.isIn);
}, TICK_MS);
void pulse.run();
