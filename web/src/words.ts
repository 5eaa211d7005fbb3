/** What stands where nothing is known. */
export const UNKNOWN = "–";

type Maybe<T> = T | null | undefined;

const known = (value: Maybe<number>): value is number => typeof value === "number" && Number.isFinite(value);

/** A number with at most three significant digits after its thousands. */
export function count(value: Maybe<number>): string {
  if (!known(value)) return UNKNOWN;
  if (Number.isInteger(value) || Math.abs(value) >= 1000) return Math.round(value).toLocaleString("en");
  return String(Number(value.toPrecision(3)));
}

/** A part of a whole, which is 1, in per cent. */
export function share(value: Maybe<number>): string {
  return known(value) ? `${Number((value * 100).toFixed(1))} %` : UNKNOWN;
}

/** A time in seconds in the two units that matter. */
export function span(seconds: Maybe<number>): string {
  if (!known(seconds)) return UNKNOWN;
  if (seconds < 0.00001) return "0 ms";
  if (seconds < 1) return `${Number((seconds * 1000).toPrecision(2))} ms`;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  const units = [["d", 86_400], ["h", 3600], ["min", 60], ["s", 1]] as const;
  const first = units.findIndex(([, size]) => seconds >= size);
  let rest = Math.floor(seconds);
  return units.slice(first, first + 2).map(([unit, size]) => {
    const whole = Math.floor(rest / size);
    rest -= whole * size;
    return whole > 0 ? `${whole} ${unit}` : "";
  }).join(" ").trim();
}

/** A time in milliseconds. */
export const millis = (value: Maybe<number>): string => span(known(value) ? value / 1000 : null);

/** An age in seconds. */
export const ago = (seconds: Maybe<number>): string => (known(seconds) ? `${span(Math.max(seconds, 0))} ago` : UNKNOWN);

/** Bytes in binary units. */
export function size(bytes: Maybe<number>): string {
  if (!known(bytes)) return UNKNOWN;
  let value = bytes;
  let unit = "B";
  for (const next of ["KiB", "MiB", "GiB", "TiB"]) {
    if (value < 1024) break;
    value /= 1024;
    unit = next;
  }
  return `${Number(value.toPrecision(3))} ${unit}`;
}

/** A figure of the market with every digit that it has. */
export const exact = (value: Maybe<number>): string => (known(value) ? String(value) : UNKNOWN);

/** A figure that the gateway computed. */
export const figure = (value: Maybe<number>, unit = ""): string =>
  known(value) ? `${Number(value.toPrecision(4))}${unit}` : UNKNOWN;

/** The time of day in UTC, with the date where it is not today's. */
export function clock(ms: Maybe<number>, now = Date.now()): string {
  if (!known(ms)) return UNKNOWN;
  const [date = "", time = ""] = new Date(ms).toISOString().split("T");
  const day = new Date(now).toISOString().slice(0, 10) === date ? "" : `${date} `;
  return `${day}${time.slice(0, 8)}`;
}

/** Words of the interface's fields, as a reader would write them. */
export const plain = (text: Maybe<string>): string => (text ? text.replaceAll("_", " ") : UNKNOWN);
