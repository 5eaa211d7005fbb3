// Shows /api/status as text. It knows the units in the names of fields, not the fields, so that
// a figure added to the status appears here by itself.
"use strict";

const EVERY_MS = 2000;
const MOST_ROWS = 60;
const MOODS = {
  ready: "good", fresh: "good", open: "good", connected: "good", live: "good",
  starting: "warn", draining: "warn", stale: "warn", expired: "warn", connecting: "warn",
  degraded: "warn", paused: "warn", opening: "warn",
  failed: "bad",
};
const BREAKER_MOODS = { closed: "good", half_open: "warn", open: "bad" };

function element(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
const isList = (value) => Array.isArray(value) && value.every(isObject);
const isScalar = (value) => !isObject(value) && !isList(value);
const fitsCell = (value) => isScalar(value) || (isObject(value) && Object.values(value).every(isScalar));

function label(key) {
  const words = key.replace(/_(ms|seconds)$/, "").replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function span(seconds) {
  if (seconds < 1) return `${Number((seconds * 1000).toPrecision(3))} ms`;
  if (seconds < 60) return `${Number(seconds.toPrecision(3))} s`;
  const units = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const first = units.findIndex(([, size]) => seconds >= size);
  let rest = Math.floor(seconds);
  return units.slice(first, first + 2).map(([unit, size]) => {
    const count = Math.floor(rest / size);
    rest -= count * size;
    return `${count} ${unit}`;
  }).join(" ");
}

function size(bytes) {
  let value = bytes, unit = "B";
  for (const next of ["KiB", "MiB", "GiB"]) {
    if (value < 1024) break;
    value /= 1024;
    unit = next;
  }
  return `${Number(value.toPrecision(3))} ${unit}`;
}

function text(key, value) {
  if (value === null || value === undefined || value === "") return "–";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "number") {
    if (key === "ago_seconds") return `${span(value)} ago`;
    if (key.endsWith("_ms")) return span(value / 1000);
    if (key.endsWith("_seconds")) return span(value);
    if (/(^|_)bytes$/.test(key)) return size(value);
    if (key.endsWith("_share")) return `${Number((value * 100).toFixed(1))} %`;
    return value.toLocaleString("en");
  }
  if (Array.isArray(value)) return value.join(", ");
  if (isObject(value)) return Object.entries(value).map(([name, part]) => text(name, part)).join(", ");
  const date = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(\.\d+)?Z$/.exec(value);
  return date ? `${date[1]} ${date[2]} UTC` : String(value).replaceAll("_", " ");
}

function cell(tag, key, value, attributes = {}) {
  const moods = key === "breaker" ? BREAKER_MOODS : MOODS;
  const mood = typeof value === "string" ? moods[value] : undefined;
  const kind = typeof value === "number" && tag !== "dd" ? "number" : undefined;
  return element(tag, { "data-mood": mood, class: kind, ...attributes }, text(key, value));
}

function list(entries) {
  const rows = entries.map(([key, value]) =>
    element("div", {}, element("dt", {}, label(key)), cell("dd", key, value)));
  return element("dl", { class: "figures" }, ...rows);
}

function table(rows, name) {
  const keys = [...new Set(rows.flatMap(Object.keys))];
  const numeric = (key) => rows.some((row) => typeof row[key] === "number");
  const head = keys.map((key) =>
    element("th", { scope: "col", class: numeric(key) ? "number" : undefined }, label(key)));
  const body = rows.slice(0, MOST_ROWS).map((row) => element("tr", {}, ...keys.map((key, at) =>
    at === 0 ? cell("th", key, row[key], { scope: "row" }) : cell("td", key, row[key]))));
  const made = element("div", { class: "table figures", role: "region", tabindex: "0", "aria-label": name },
    element("table", {}, element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...body)));
  const rest = rows.length - body.length;
  if (rest > 0) made.append(element("p", { class: "soft" }, `and ${rest} more in the JSON`));
  return made;
}

/** Scalars first, then each list or object under a heading of its own. */
function section(value, level) {
  const entries = Object.entries(value);
  const scalars = entries.filter(([, part]) => isScalar(part));
  const made = scalars.length > 0 ? [list(scalars)] : [];
  for (const [key, part] of entries.filter(([, part]) => !isScalar(part))) {
    const heading = (words) => element(`h${Math.min(level, 6)}`, {}, words);
    if (isObject(part)) {
      made.push(heading(label(key)), ...section(part, level + 1));
    } else if (part.length === 0) {
      made.push(heading(label(key)), element("p", { class: "soft" }, "none yet"));
    } else if (part.every((row) => Object.values(row).every(fitsCell))) {
      made.push(heading(label(key)), table(part, label(key)));
    } else {
      for (const row of part) {
        const [first, ...rest] = Object.entries(row);
        made.push(heading(`${label(key)}: ${first[1]}`));
        made.push(...section(Object.fromEntries(rest), level + 1));
      }
    }
  }
  return made;
}

/** Makes `old` look like `fresh`, touching only what differs: focus, selection and scroll stay. */
function morph(old, fresh) {
  if (old.nodeType === Node.TEXT_NODE && fresh.nodeType === Node.TEXT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  if (old.nodeName !== fresh.nodeName || old.childNodes.length !== fresh.childNodes.length) {
    old.replaceWith(fresh);
    return;
  }
  for (const name of new Set([...old.getAttributeNames(), ...fresh.getAttributeNames()])) {
    const value = fresh.getAttribute(name);
    if (value === null) old.removeAttribute(name);
    else if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  const pairs = [...old.childNodes].map((child, at) => [child, fresh.childNodes[at]]);
  for (const [child, next] of pairs) morph(child, next);
}

function notice(words, mood) {
  const place = document.getElementById("notice");
  if (place.textContent !== words) place.textContent = words;
  if (place.dataset.mood !== mood) place.dataset.mood = mood;
}

async function refresh() {
  try {
    const answer = await fetch("/api/status", {
      headers: { accept: "application/json" }, signal: AbortSignal.timeout(5000),
    });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const status = await answer.json();
    const { name: _, state, ...figures } = status;
    const place = document.getElementById("figures");
    morph(place, element("div", { id: "figures" }, ...section(figures, 3)));
    notice(`The gateway is ${text("state", state ?? "running")}.`, MOODS[state] ?? "good");
  } catch (error) {
    notice(`No figures at the moment (${error.message}); those below may be old.`, "bad");
  }
}

async function run() {
  for (;;) {
    if (!document.hidden) await refresh();
    await new Promise((done) => setTimeout(done, EVERY_MS));
  }
}

const commands = document.getElementById("commands");
commands.textContent = commands.textContent.replaceAll("http://127.0.0.1:8087", location.origin);
document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
run();
