import { el, fill, mark, place, type Child } from "../dom";
import { Plot } from "../plot";
import type { Known } from "../pulse";
import type { Budget } from "../shapes";
import { ink } from "../theme";
import { ago, count, millis, plain } from "../words";
import { left } from "./exchanges";

/** Below this part of its limit a budget is short. */
const SHORT = 0.25;

type State = "good" | "warn" | "bad";

function stateOf(budget: Budget): State {
  if (budget.left === 0 || budget.banned_ms > 0 || budget.breaker === "open") return "bad";
  return budget.left < budget.limit * SHORT || budget.breaker !== "closed" || budget.learned < budget.limit ? "warn" : "good";
}

class Burn {
  readonly element: HTMLElement;
  readonly #plot: Plot;
  readonly #left = el("strong", {});
  readonly #notes = el("p", { class: "notes" });
  #state: State = "good";
  #limit = 1;

  constructor(exchange: string, family: string) {
    this.#plot = new Plot({
      title: family,
      label: `Calls left of ${exchange} ${family}`,
      lines: [{ name: "", ink: (opacity) => ink(this.#state === "good" ? "line-0" : this.#state, opacity), isFilled: true }],
      text: count,
      top: () => this.#limit,
      height: 84,
      axis: 28,
    });
    this.element = el("div", { class: "panel burn" }, this.#plot.element, this.#notes);
  }

  show(budget: Budget, known: Known, values: readonly (number | null)[], time: { until: number; step: number }): void {
    this.#state = stateOf(budget);
    this.#limit = budget.limit;
    mark(this.element, "data-state", this.#state);
    this.#plot.show({ ...time, values: [values] });
    fill(this.#notes, this.#left, ` of ${count(budget.limit)} left`, notes(budget, known.received));
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

const burns = new Map<string, Burn>();

/** What is left of each family of calls, now and over the last minutes. */
export function showBudgets(known: Known): void {
  const room = place("budget-plots");
  const { history } = known;
  const wanted = new Set<string>();
  for (const { exchange, budgets } of known.status.exchanges) {
    for (const budget of budgets) {
      const key = `${exchange} ${budget.family}`;
      wanted.add(key);
      let burn = burns.get(key);
      if (!burn) {
        burn = new Burn(exchange, known.status.exchanges.length > 1 ? key : budget.family);
        burns.set(key, burn);
        room.append(burn.element);
      }
      const line = history?.budgets.find((it) => it.exchange === exchange && it.family === budget.family);
      burn.show(budget, known, line?.left ?? [], { until: history?.until ?? 0, step: history?.step_ms ?? 1 });
    }
  }
  for (const [key, burn] of burns) {
    if (wanted.has(key)) continue;
    burn.element.remove();
    burns.delete(key);
  }
}
