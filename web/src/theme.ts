import { el, place, write } from "./dom";

const CHOICES = ["system", "light", "dark"] as const;
type Choice = (typeof CHOICES)[number];
const NAME = "tidegate-theme";

const listeners = new Set<() => void>();
const inks = new Map<string, string>();
const probe = el("span", { hidden: true });

/** Calls back after colours have changed. */
export const onTheme = (call: () => void): void => void listeners.add(call);

/** A colour of the style sheet, for canvases. */
export function ink(name: string, opacity = 1): string {
  const key = `${name}/${opacity}`;
  let made = inks.get(key);
  if (!made) {
    probe.style.color = `color-mix(in srgb, var(--${name}) ${opacity * 100}%, transparent)`;
    made = getComputedStyle(probe).color;
    inks.set(key, made);
  }
  return made;
}

function read(): Choice {
  try {
    return CHOICES.find((choice) => choice === localStorage.getItem(NAME)) ?? "system";
  } catch {
    return "system"; // Storage may be forbidden; the choice then lasts as long as the page.
  }
}

function keep(choice: Choice): void {
  try {
    localStorage.setItem(NAME, choice);
  } catch {
    return;
  }
}

function changed(): void {
  inks.clear();
  for (const call of listeners) call();
}

/** Takes the choice up and lets the button change it. */
export function startTheme(): void {
  document.body.append(probe);
  let choice = read();
  const button = place("theme");
  const show = (): void => {
    if (choice === "system") delete document.documentElement.dataset["theme"];
    else document.documentElement.dataset["theme"] = choice;
    write(button, `Theme: ${choice}`);
    changed();
  };
  button.addEventListener("click", () => {
    choice = CHOICES[(CHOICES.indexOf(choice) + 1) % CHOICES.length] ?? "system";
    keep(choice);
    show();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
  show();
}
