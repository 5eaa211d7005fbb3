import { el, fill, mark, place, write } from "../dom";
import { act, hasKey, said, useKey } from "../gateway";
import type { Known } from "../pulse";

/** Something that an operator may do, once it is confirmed. */
interface Deed {
  readonly title: string;
  readonly text: string;
  readonly verb: string;
  /** Asks for a text, which `run` gets. */
  readonly field?: { readonly label: string; readonly value: string };
  readonly isGrave?: boolean;
  /** Does it and says what has been done. */
  readonly run: (given: string) => Promise<string>;
}

const path = (exchange: string): string => `/api/admin/exchanges/${encodeURIComponent(exchange)}/cordon`;

function drain(): Deed {
  return {
    title: "Drain this gateway?",
    text: "It stops taking requests and streams, tells its clients to go elsewhere, and ends. This page loses it too, until it is started again.",
    verb: "Drain",
    isGrave: true,
    run: async () => {
      const { state } = await act<{ state: string }>("POST", "/api/admin/drain");
      return `The gateway is ${state}.`;
    },
  };
}

function clear(exchange: string, key: string): Deed {
  return {
    title: "Clear this key?",
    text: `${key} of ${exchange} is forgotten; who asks for it next costs a call to the exchange, unless it is live.`,
    verb: "Clear",
    run: async () => {
      const { cleared } = await act<{ cleared: boolean }>("POST", "/api/admin/cache/clear", { exchange, key });
      return cleared ? `${key} is cleared.` : `${key} was not held.`;
    },
  };
}

function cordon(exchange: string, isOn: boolean): Deed {
  return {
    title: isOn ? `Cordon ${exchange}?` : `Call ${exchange} again?`,
    text: isOn
      ? "It is not called until this is taken back. What is held is served for as long as its policy allows; all else is refused."
      : "The cordon is taken back; calls go out within the budget again.",
    verb: isOn ? "Cordon" : "Uncordon",
    isGrave: isOn,
    run: async () => {
      const { cordoned } = await act<{ cordoned: boolean }>(isOn ? "PUT" : "DELETE", path(exchange));
      return cordoned ? `${exchange} is cordoned.` : `${exchange} is called again.`;
    },
  };
}

function log(filter: string): Deed {
  return {
    title: "Change what is logged",
    text: "Levels by part, separated by commas; the change lasts until the gateway is started again.",
    verb: "Change",
    field: { label: "Filter, such as info,tidegate=debug", value: filter },
    run: async (given) => {
      const { before, filter: now } = await act<{ filter: string; before: string }>("PUT", "/api/admin/log", { filter: given });
      return `Logged is ${now}; before it was ${before}.`;
    },
  };
}

const keyDialog = (): HTMLDialogElement => place<HTMLDialogElement>("key-dialog");
const deedDialog = (): HTMLDialogElement => place<HTMLDialogElement>("deed-dialog");

/** Asks for the operator's key. */
export function askForKey(why: string): void {
  write(place("key-why"), why);
  if (!keyDialog().open) keyDialog().showModal();
}

/** What only an operator may do: the key, the buttons, the questions before anything is done. */
export class Operator {
  #filter = "";
  #deed: Deed | null = null;

  constructor(private readonly changed: () => void) {
    place("operate").addEventListener("click", () => {
      if (hasKey()) this.#forget();
      else askForKey(this.#why);
    });
    place("key-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#take();
    });
    place("deed-form").addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#do();
    });
    for (const button of document.querySelectorAll<HTMLButtonElement>("dialog [data-close]")) {
      button.addEventListener("click", () => button.closest("dialog")?.close());
    }
    keyDialog().addEventListener("close", () => {
      place<HTMLInputElement>("key").value = "";
    });
    document.addEventListener("click", (event) => {
      const button = event.target instanceof Element ? event.target.closest<HTMLElement>("[data-action]") : null;
      if (button) this.#ask(button.dataset);
    });
  }

  #why = "";

  /** Takes over what the gateway tells. */
  show({ status }: Known): void {
    this.#filter = status.log?.filter ?? "info";
    this.#why =
      status.access?.admin === false
        ? "No admin key is configured on this gateway: it refuses whatever is asked of it here."
        : "Drain, clear, cordon and the log need a key with the right “admin”.";
  }

  /** True if the operator's buttons are shown. */
  get isIn(): boolean {
    return hasKey();
  }

  #take(): void {
    const given = place<HTMLInputElement>("key").value.trim();
    if (!given) return;
    useKey(given);
    keyDialog().close();
    this.#switch();
  }

  #forget(): void {
    useKey("");
    this.#switch();
    write(place("outcome"), "The key is forgotten.");
  }

  #switch(): void {
    write(place("operate"), hasKey() ? "Forget the key" : "Operate…");
    place("operator").hidden = !hasKey();
    this.changed();
  }

  #ask({ action, exchange = "", name = "" }: DOMStringMap): void {
    const deeds: Readonly<Record<string, () => Deed>> = {
      drain,
      clear: () => clear(exchange, name),
      cordon: () => cordon(exchange, true),
      uncordon: () => cordon(exchange, false),
      log: () => log(this.#filter),
    };
    const deed = deeds[action ?? ""]?.();
    if (!deed) return;
    this.#deed = deed;
    write(place("deed-title"), deed.title);
    write(place("deed-text"), deed.text);
    write(place("deed-error"), "");
    write(place("deed-do"), deed.verb);
    mark(place("deed-do"), "data-grave", deed.isGrave ? "" : null);
    fill(
      place("deed-field"),
      deed.field && el("label", {}, deed.field.label, el("input", { id: "deed-input", type: "text", required: true, autocomplete: "off", spellcheck: "false" })),
    );
    if (deed.field) place<HTMLInputElement>("deed-input").value = deed.field.value;
    deedDialog().showModal();
    if (!deed.field) place("deed-cancel").focus();
  }

  async #do(): Promise<void> {
    const deed = this.#deed;
    const button = place("deed-do");
    if (!deed || button.hasAttribute("aria-disabled")) return;
    const given = deed.field ? place<HTMLInputElement>("deed-input").value.trim() : "";
    mark(button, "aria-disabled", "true");
    write(place("deed-error"), "");
    try {
      write(place("outcome"), await deed.run(given));
      deedDialog().close();
      this.changed();
    } catch (error) {
      write(place("deed-error"), said(error));
    } finally {
      mark(button, "aria-disabled", null);
    }
  }
}
