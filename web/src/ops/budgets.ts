import { el, fill, mark, place, type Child } from "../dom";
import { Plot } from "../plot";
import type { Known } from "../pulse";
import type { Budget } from "../shapes";
import { ink } from "../theme";
import { ago, count, millis, plain } from "../words";
import { left } from "./exchanges";

/** Below this part of its limit a budget is short. */
const SHORT = 0.25;
const MINUTE_MS = 60_000;

type State = "good" | "warn" | "bad";

/** A window of seconds is used up by every few calls, and is whole again before anybody is kept waiting. */
const isBrief = ({ window_ms: window = MINUTE_MS, waiting }: Budget): boolean => window < MINUTE_MS && waiting === 0;

/** True if calls that come now are kept waiting for long. */
export const isSpent = (budget: Budget): boolean => budget.left === 0 && !isBrief(budget);

function stateOf(budget: Budget): State {
  if (isSpent(budget) || budget.banned_ms > 0 || budget.breaker === "open") return "bad";
  const isShort = budget.left < budget.limit * SHORT && !isBrief(budget);
  return isShort || budget.breaker !== "closed" || budget.learned < budget.limit ? "warn" : "good";
}

/** What the limit is: ` of 5 left in any 5 s, 60 a minute`. */
function terms({ limit, unit, window_ms: window = MINUTE_MS, per_minute: steady }: Budget): string {
  const counted = unit && unit !== "requests" ? ` ${unit}` : "";
  const whole = ` of ${count(limit)}${counted} left in any`;
  if (window === MINUTE_MS) return `${whole} minute`;
  return `${whole} ${window / 1000} s${steady === undefined ? "" : `, ${count(steady)} a minute`}`;
}

class Burn {
  readonly element: HTMLElement;
  readonly #plot: Plot;
  readonly #left = el("strong", {});
  readonly #notes = el("p", { class: "notes" });
  #state: State = "good";
  #limit = 1;

  constructor(exchange: string, { family, limit, unit }: Budget, isOneOfMany: boolean) {
    this.#plot = new Plot({
      title: isOneOfMany ? `${exchange} ${family}` : family,
      label: `${unit === "weight" ? "Weight" : "Calls"} left of ${exchange} ${family}`,
      lines: [{ name: "", ink: (opacity) => ink(this.#state === "good" ? "line-0" : this.#state, opacity), isFilled: true }],
      text: count,
      top: () => this.#limit,
      height: 84,
      axis: limit < 1000 ? 28 : 36,
    });
    this.element = el("div", { class: "panel burn" }, this.#plot.element, this.#notes);
  }

  show(budget: Budget, known: Known, values: readonly (number | null)[], time: { until: number; step: number }): void {
    this.#state = stateOf(budget);
    this.#limit = budget.limit;
    mark(this.element, "data-state", this.#state);
    this.#plot.show({ ...time, values: [values] });
    fill(this.#notes, this.#left, terms(budget), notes(budget, known.received));
    this.#left.textContent = count(budget.left);
  }
}

function notes(budget: Budget, received: number): Child {
  const said: string[] = [];
  if (budget.banned_ms > 0) said.push(`banned ${Math.ceil(left(budget.banned_ms, received) / 1000)} s`);
  if (budget.breaker !== "closed") said.push(`breaker ${plain(budget.breaker)}`);
  if (budget.learned < budget.limit) said.push(`bears ${count(budget.learned)}`);
  if (budget.waiting > 0) said.push(`${count(budget.waiting)} wait`);
  if (budget.next_slot_ms > 0) said.push(`next in ${millis(left(budget.next_slot_ms, received))}`);
  if (budget.last_error) said.push(`${plain(budget.last_error.error)} ${ago(budget.last_error.ago_seconds)}`);
  return said.length > 0 && ` · ${said.join(" · ")}`;
}

interface Shown {
  readonly burn: Burn;
  readonly room: HTMLElement;
}

const burns = new Map<string, Shown>();

/** Where the budgets of an exchange are: it has a row of its own if it counts families apart. */
function roomOf(exchange: string, isAlone: boolean): HTMLElement {
  const room = place("budget-plots");
  const name = isAlone ? "alone" : exchange;
  const found = [...room.children].find((it) => it instanceof HTMLElement && it.dataset["of"] === name);
  if (found instanceof HTMLElement) return found;
  const made = el("div", { class: isAlone ? "plots few-plots" : "plots small-plots", "data-of": name });
  room.append(made);
  return made;
}

/** What is left of each budget, now and over the last minutes. */
export function showBudgets(known: Known): void {
  const { history } = known;
  const { exchanges } = known.status;
  const wanted = new Set<string>();
  for (const { exchange, budgets } of exchanges) {
    for (const budget of budgets) {
      const key = `${exchange} ${budget.family}`;
      wanted.add(key);
      let shown = burns.get(key);
      if (!shown) {
        shown = { burn: new Burn(exchange, budget, exchanges.length > 1), room: roomOf(exchange, budgets.length === 1) };
        burns.set(key, shown);
        shown.room.append(shown.burn.element);
      }
      const line = history?.budgets.find((it) => it.exchange === exchange && it.family === budget.family);
      shown.burn.show(budget, known, line?.left ?? [], { until: history?.until ?? 0, step: history?.step_ms ?? 1 });
    }
  }
  for (const [key, { burn, room }] of burns) {
    if (wanted.has(key)) continue;
    burn.element.remove();
    if (room.childElementCount === 0) room.remove();
    burns.delete(key);
  }
}
