import type { Mood } from "../dom";
import type { Budget, Status } from "../shapes";
import { plain } from "../words";
import { isSpent } from "./budgets";

/** Something that an operator should know before anything else. */
export interface Trouble {
  readonly mood: Mood;
  readonly text: string;
  /** Where on the page there is more. */
  readonly at: string;
}

/** A budget's name, and what was seen that made it so. */
const because = ({ family, last_error: last }: Budget): string => (last ? `${family} (${plain(last.error)})` : family);

/** What is not as it should be, the worst first. */
export function troubles(status: Status): readonly Trouble[] {
  const found: Trouble[] = [];
  const add = (mood: Mood, at: string, text: string): void => void found.push({ mood, at, text });
  if (status.state !== "ready") add("warn", "exchanges", `the gateway is ${plain(status.state)}`);
  for (const { exchange, budgets, cordoned, markets } of status.exchanges) {
    const families = (test: (budget: Budget) => boolean, name = ({ family }: Budget): string => family): string =>
      budgets.filter(test).map(name).join(", ");
    const banned = families((budget) => budget.banned_ms > 0);
    const open = families((budget) => budget.breaker === "open", because);
    const trying = families((budget) => budget.breaker === "half_open", because);
    const spent = families((budget) => isSpent(budget) && budget.banned_ms === 0);
    const learned = families((budget) => budget.learned < budget.limit);
    if (banned) add("bad", "exchanges", `${exchange} has banned this address: ${banned}`);
    if (open) add("bad", "exchanges", `the breaker to ${exchange} is open: ${open}`);
    if (spent) add("bad", "budgets", `no call to ${exchange} is left: ${spent}`);
    if (cordoned) add("warn", "exchanges", `${exchange} is cordoned, nothing is asked of it`);
    if (trying) add("warn", "exchanges", `the next call to ${exchange} is a trial: ${trying}`);
    if (learned) add("warn", "budgets", `${exchange} bears less than its limit: ${learned}`);
    if (markets === null) add("warn", "exchanges", `the markets of ${exchange} are not known yet`);
  }
  for (const feed of status.feeds) {
    if (["connecting", "degraded", "paused"].includes(feed.state)) {
      add("warn", "exchanges", `the feed of ${feed.exchange} is ${plain(feed.state)}`);
    }
    const stale = feed.topics.filter((topic) => topic.state === "stale").length;
    if (stale > 0) add("warn", "exchanges", `${stale} of ${feed.wanted} topics of ${feed.exchange} are stale`);
  }
  if (["full", "failing"].includes(status.store.state)) add("bad", "store", `the store is ${status.store.state}`);
  // To be told only the latest state of a book is what a stream of it is for; a lost trade is not.
  const slow = status.streams.slow?.filter((reader) => reader.skipped > 0).length ?? 0;
  if (slow > 0) add("warn", "streams", `${slow === 1 ? "one reader of streams is" : `${slow} readers of streams are`} slow`);
  const order: readonly Mood[] = ["bad", "warn"];
  return found.sort((a, b) => order.indexOf(a.mood) - order.indexOf(b.mood));
}
