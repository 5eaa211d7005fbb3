import { el, fill, mark, place } from "../dom";
import type { Market } from "./shapes";

const MOST = 40;
const bare = (text: string): string => text.toUpperCase().replace(/[^A-Z0-9]/g, "");

/** The markets that a text may mean, the likeliest first. */
export function matching(markets: readonly Market[], text: string): readonly Market[] {
  const wanted = bare(text);
  if (!wanted) return markets.slice(0, MOST);
  const rank = (market: Market): number => {
    const name = bare(market.symbol);
    if (name === wanted || bare(market.id) === wanted) return 0;
    if (market.base.toUpperCase() === wanted) return market.quote === "USD" ? 1 : 2;
    if (name.startsWith(wanted)) return 3;
    return name.includes(wanted) ? 4 : 9;
  };
  return markets
    .map((market) => ({ market, at: rank(market) }))
    .filter(({ at }) => at < 9)
    .sort((a, b) => a.at - b.at)
    .slice(0, MOST)
    .map(({ market }) => market);
}

/** Picks a market by typing (ARIA Authoring Practices Guide, combobox with a list). */
export class Combobox {
  readonly #input = place<HTMLInputElement>("symbol");
  readonly #list = place("symbols");
  #markets: readonly Market[] = [];
  #shown: readonly Market[] = [];
  #at = -1;
  #value = "";

  constructor(private readonly picked: (symbol: string) => void) {
    const input = this.#input;
    input.addEventListener("input", () => this.#open(input.value));
    input.addEventListener("click", () => this.#open(""));
    input.addEventListener("focus", () => input.select());
    input.addEventListener("keydown", (event) => this.#key(event));
    input.addEventListener("blur", () => {
      this.#close();
      input.value = this.#value;
    });
    // Before the field loses the focus and closes the list.
    this.#list.addEventListener("pointerdown", (event) => event.preventDefault());
    this.#list.addEventListener("click", (event) => {
      const option = event.target instanceof Element ? event.target.closest("[role=option]") : null;
      const market = option && this.#shown[Number(option.getAttribute("data-at"))];
      if (market) this.#take(market.symbol);
    });
  }

  /** Offers these. */
  offer(markets: readonly Market[]): void {
    this.#markets = markets;
  }

  /** Shows this as the one that is picked. */
  set value(symbol: string) {
    this.#value = symbol;
    if (document.activeElement !== this.#input) this.#input.value = symbol;
  }

  #open(text: string): void {
    this.#shown = matching(this.#markets, text);
    this.#at = text && this.#shown.length > 0 ? 0 : -1;
    this.#show();
  }

  #show(): void {
    const isOpen = this.#shown.length > 0;
    fill(
      this.#list,
      this.#shown.map((market, at) =>
        el(
          "li",
          { id: `symbol-${at}`, role: "option", "data-at": at, "aria-selected": at === this.#at ? "true" : "false" },
          market.symbol,
          market.active === false && el("span", { class: "soft" }, " not active"),
        ),
      ),
    );
    this.#list.hidden = !isOpen;
    mark(this.#input, "aria-expanded", String(isOpen));
    mark(this.#input, "aria-activedescendant", this.#at >= 0 ? `symbol-${this.#at}` : null);
    if (this.#at >= 0) this.#list.children[this.#at]?.scrollIntoView({ block: "nearest" });
  }

  #close(): void {
    this.#shown = [];
    this.#at = -1;
    this.#show();
  }

  #take(symbol: string): void {
    this.#value = symbol;
    this.#input.value = symbol;
    this.#close();
    this.picked(symbol);
  }

  #key(event: KeyboardEvent): void {
    const { length } = this.#shown;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (length === 0) return this.#open("");
      const step = event.key === "ArrowDown" ? 1 : -1;
      this.#at = this.#at < 0 && step < 0 ? length - 1 : (this.#at + step + length) % length;
      return this.#show();
    }
    if (event.key === "Escape") {
      if (length > 0) event.preventDefault();
      this.#close();
      this.#input.value = this.#value;
      this.#input.select();
      return;
    }
    if (event.key !== "Enter") return;
    event.preventDefault();
    const typed = this.#input.value.trim();
    // What matches nothing is asked for as it is: the gateway knows near names.
    const symbol = this.#shown[this.#at]?.symbol ?? typed;
    if (symbol) this.#take(symbol);
  }
}
