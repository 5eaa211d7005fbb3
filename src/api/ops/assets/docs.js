// Renders /openapi.json. Every field of the document may be missing; text goes into the page as
// text, never as markup.
"use strict";

const METHODS = ["get", "head", "post", "put", "patch", "delete", "options"];
const SHOWN_HEADERS = [
  "age", "cache-status", "cache-control", "etag", "retry-after", "x-request-id", "content-type",
];
const BODY_CHARS = 200_000;
let api = {};

function element(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === true) made.setAttribute(name, "");
    else if (value !== undefined && value !== null && value !== false) made.setAttribute(name, value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}

const code = (words) => element("code", {}, String(words));
const slug = (words) => String(words).toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "");
const shown = (value) => (typeof value === "string" ? value : JSON.stringify(value));
const mood = (status) => (status < 300 ? "good" : status < 400 ? undefined : status < 500 ? "warn" : "bad");
const sampleOf = (parameter, schema) => parameter.example ?? schema.example ?? schema.examples?.[0];

/** Follows `$ref` inside the document; `{}` where it leads nowhere. */
function resolve(value) {
  for (let hops = 0; value?.$ref && hops < 16; hops += 1) {
    if (!value.$ref.startsWith("#/")) return {};
    const steps = value.$ref.slice(2).split("/");
    const name = (step) => decodeURIComponent(step).replaceAll("~1", "/").replaceAll("~0", "~");
    value = steps.reduce((place, step) => place?.[name(step)], api);
  }
  return value && typeof value === "object" ? value : {};
}

const inline = (line) => String(line ?? "").split(/`([^`]+)`/).map((part, at) => (at % 2 ? code(part) : part));

/** Paragraphs, lists and `code`, which is as much Markdown as descriptions use. */
function prose(words) {
  return String(words ?? "").split(/\n\s*\n/).filter((part) => part.trim()).map((part) => {
    const lines = part.trim().split("\n");
    const isList = lines.every((line) => /^(\s*[-*] |\s{2,})/.test(line));
    if (!isList) return element("p", {}, inline(part.trim()));
    const items = part.trim().split(/\n?\s*[-*] /).filter(Boolean);
    return element("ul", {}, items.map((item) => element("li", {}, inline(item.trim()))));
  });
}

function table(head, rows, name) {
  if (rows.length === 0) return null;
  const cell = (content, at) => element("td", { "data-name": head[at] }, content);
  const line = (row) => element("tr", {}, row.map(cell));
  const heading = element("tr", {}, head.map((words) => element("th", { scope: "col" }, words)));
  return element("div", { class: "table", role: "region", tabindex: "0", "aria-label": name },
    element("table", {}, element("thead", {}, heading), element("tbody", {}, rows.map(line))));
}

/** What a schema allows, in a line; named schemas are links. */
function type(schema, depth = 0) {
  if (!schema || typeof schema !== "object" || depth > 6) return ["any"];
  if (schema.$ref) {
    const name = schema.$ref.split("/").pop();
    return [element("a", { href: `#schema-${slug(name)}` }, name)];
  }
  const joined = (parts, word) =>
    parts.flatMap((part, at) => [...(at ? [word] : []), ...type(part, depth + 1)]);
  if (schema.contentMediaType) return ["bytes"];
  const parts = schema.oneOf ?? schema.anyOf ?? schema.allOf;
  if (Array.isArray(parts)) return joined(parts, schema.allOf ? " and " : " or ");
  const names = [].concat(schema.type ?? (schema.properties ? "object" : schema.enum ? "string" : "any"));
  return names.flatMap((name, at) => {
    const made = at ? [" or "] : [];
    if (name === "array") {
      if (schema.prefixItems) return [...made, "[", ...joined(schema.prefixItems, ", "), "]"];
      return [...made, "array of ", ...type(schema.items, depth + 1)];
    }
    const values = schema.additionalProperties;
    if (name === "object" && values && typeof values === "object") {
      return [...made, "map of ", ...type(values, depth + 1)];
    }
    return [...made, schema.format && name !== "null" ? `${name} (${schema.format})` : name];
  });
}

/** Enum, range, length, pattern. */
function allowed(schema) {
  const values = schema.enum ?? (schema.const === undefined ? [] : [schema.const]);
  const words = values.flatMap((value, at) => [at ? ", " : "", code(shown(value))]);
  const bounds = (low, high, unit) => {
    if (low === undefined && high === undefined) return;
    const open = low === undefined ? `at most ${high}` : `at least ${low}`;
    const range = low === undefined || high === undefined ? open : `${low} to ${high}`;
    words.push(words.length ? "; " : "", range, unit);
  };
  bounds(schema.minimum, schema.maximum, "");
  bounds(schema.minLength, schema.maxLength, " characters");
  bounds(schema.minItems, schema.maxItems, " items");
  if (schema.pattern) words.push(words.length ? "; " : "", code(schema.pattern));
  return words;
}

function example(media) {
  const schema = resolve(media?.schema);
  const given = Object.entries(media?.examples ?? {}).map(([name, value]) => [name, resolve(value)]);
  const links = given.filter(([, { externalValue }]) => externalValue).map(([, { externalValue, summary }]) =>
    element("p", {}, element("a", { href: externalValue }, summary ?? externalValue)));
  const named = given.map(([name, { value }]) => [name, value]);
  const single = media?.example ?? schema.example ?? schema.examples?.[0];
  const all = named.length ? named : single === undefined ? [] : [["", single]];
  return links.concat(all.filter(([, value]) => value !== undefined).flatMap(([name, value]) => [
    name ? element("p", { class: "soft" }, name) : null,
    element("pre", { class: "tall", tabindex: "0", "aria-label": `Example ${name}` },
      element("code", {}, typeof value === "string" ? value : indent(JSON.stringify(value)))),
  ]));
}

/** Lays JSON out without reading its numbers, so that each keeps the digits it came with. */
function indent(json) {
  const tokens = json.match(/"(?:[^"\\]|\\.)*"|[[\]{},:]|[^\s[\]{},:"]+/g) ?? [];
  const spaced = (token) => (token === "," ? ", " : token);
  let out = "", depth = 0;
  const line = () => `\n${"  ".repeat(depth)}`;
  for (let at = 0; at < tokens.length; at += 1) {
    const token = tokens[at];
    if (token === "[" || token === "{") {
      const close = tokens.slice(at + 1, at + 60).findIndex((next) => /^[[\]{}]$/.test(next));
      const inside = tokens.slice(at + 1, at + 1 + Math.max(close, 0)).map(spaced).join("");
      const ends = close >= 0 && tokens[at + 1 + close] === (token === "[" ? "]" : "}");
      if (ends && (close === 0 || (token === "[" && inside.length < 100))) {
        out += token + inside + tokens[at + 1 + close];
        at += close + 1;
      } else {
        depth += 1;
        out += token + line();
      }
    } else if (token === "]" || token === "}") {
      depth -= 1;
      out += line() + token;
    } else {
      out += token === "," ? token + line() : token === ":" ? ": " : token;
    }
  }
  return out;
}

function parameters(list) {
  const rows = list.map((parameter) => {
    const schema = resolve(parameter.schema);
    const sample = sampleOf(parameter, schema);
    const name = element("span", { class: parameter.deprecated && "gone" }, code(parameter.name ?? "?"));
    return [
      [name, parameter.required ? " (required)" : ""],
      parameter.in ?? "",
      type(parameter.schema),
      schema.default === undefined ? "" : code(shown(schema.default)),
      allowed(schema),
      [...prose(parameter.description ?? schema.description),
        sample === undefined ? null : element("p", {}, "Example: ", code(shown(sample)))],
    ];
  });
  return table(["Name", "In", "Type", "Default", "Allowed", "Meaning"], rows, "Parameters");
}

function responses(all) {
  return Object.entries(all ?? {}).map(([status, given]) => {
    const response = resolve(given);
    const headers = Object.entries(response.headers ?? {})
      .map(([name, header]) => [code(name), prose(resolve(header).description)]);
    const bodies = Object.entries(response.content ?? {}).flatMap(([mime, media]) =>
      [element("p", {}, code(mime), ": ", type(media?.schema)), ...example(media)]);
    return element("div", {},
      element("h5", {}, element("span", { "data-mood": mood(Number.parseInt(status, 10)) }, status)),
      prose(response.description), table(["Header", "Meaning"], headers, `Headers of ${status}`), bodies);
  });
}

function field(parameter, id) {
  const schema = resolve(parameter.schema);
  const values = schema.enum ?? (schema.type === "boolean" ? [true, false] : null);
  const sample = sampleOf(parameter, schema);
  const required = Boolean(parameter.required);
  const common = { id, name: parameter.name, required };
  const option = (value, words, selected) => element("option", { value, selected }, words);
  const unset = schema.default === undefined ? "(not given)" : `default: ${schema.default}`;
  const input = values
    ? element("select", common, required ? null : option("", unset),
      values.map((value) => option(String(value), String(value), required && value === sample)))
    : element("input", { ...common, autocomplete: "off", spellcheck: "false",
      value: required ? sample ?? schema.default : undefined, placeholder: schema.default ?? sample });
  return element("div", {}, element("label", { for: id }, parameter.name ?? "?"), input);
}

/** The address and headers that a filled form stands for. */
function request(path, list, form) {
  const headers = {}, query = [];
  for (const { name, in: place } of list) {
    const value = form.elements.namedItem(name)?.value ?? "";
    if (place === "path") path = path.replace(`{${name}}`, encodeURIComponent(value));
    else if (value === "") continue;
    else if (place === "query") query.push(`${encodeURIComponent(name)}=${encodeURIComponent(value)}`);
    else if (place === "header") headers[name] = value;
  }
  return { url: path + (query.length ? `?${query.join("&")}` : ""), headers };
}

async function send({ url, headers }, status, out) {
  const quoted = (words) => `'${words.replaceAll("'", "'\\''")}'`;
  const flags = Object.entries(headers).map(([name, value]) => `-H ${quoted(`${name}: ${value}`)} `);
  const command = `curl -i ${flags.join("")}${quoted(location.origin + url)}`;
  const made = [element("pre", { tabindex: "0", "aria-label": "As a command" }, code(command))];
  status.textContent = "Asking…";
  delete status.dataset.mood;
  const before = performance.now();
  try {
    const answer = await fetch(url, { headers, signal: AbortSignal.timeout(30_000) });
    const mime = answer.headers.get("content-type") ?? "";
    const bytes = /^application\/vnd\./.test(mime);
    const body = bytes ? `${(await answer.arrayBuffer()).byteLength} bytes of ${mime}` : await answer.text();
    const took = Math.round(performance.now() - before);
    const cut = body.length > BODY_CHARS;
    const json = /json/.test(mime);
    const rows = SHOWN_HEADERS.filter((name) => answer.headers.has(name))
      .map((name) => [code(name), code(answer.headers.get(name))]);
    made.push(
      table(["Header", "Value"], rows, "Headers of the answer"),
      element("pre", { class: "tall", tabindex: "0", "aria-label": "Body of the answer" },
        code(cut ? body.slice(0, BODY_CHARS) : json ? indent(body) : body)));
    const length = bytes ? body : `${body.length} characters${cut ? `, the first ${BODY_CHARS} shown` : ""}`;
    status.textContent = `${answer.status} ${answer.statusText} in ${took} ms, ${length}`;
    status.dataset.mood = mood(answer.status);
  } catch (error) {
    status.textContent = `No answer: ${error.message}`;
    status.dataset.mood = "bad";
  }
  out.replaceChildren(...made.filter(Boolean));
}

function tryIt(path, list, id) {
  const usable = list.filter((parameter) => parameter.name && parameter.in !== "cookie");
  const button = element("button", { type: "submit" }, "Send");
  const status = element("p", { role: "status" });
  const out = element("div", {});
  const form = element("form", { class: "try", "aria-label": `Try ${path}` },
    element("div", { class: "fields" }, usable.map((parameter, at) => field(parameter, `${id}-${at}`))),
    button);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (button.getAttribute("aria-disabled")) return;
    button.setAttribute("aria-disabled", "true");
    await send(request(path, usable, form), status, out);
    button.removeAttribute("aria-disabled");
  });
  return [element("h4", {}, "Try it"), form, status, out];
}

function operation({ path, method, item, details, id }) {
  const own = (details.parameters ?? []).map(resolve);
  const same = (one) => (other) => other.name === one.name && other.in === one.in;
  const inherited = (item.parameters ?? []).map(resolve).filter((one) => !own.some(same(one)));
  const list = [...inherited, ...own];
  return element("details", { class: "operation", id },
    element("summary", {}, element("span", { class: "method" }, method.toUpperCase()), " ",
      element("span", { class: details.deprecated ? "path gone" : "path" }, path),
      element("span", { class: "about" }, inline(details.summary))),
    element("div", {}, prose(details.description),
      list.length ? [element("h4", {}, "Parameters"), parameters(list)] : null,
      method === "get" ? tryIt(path, list, id) : null,
      element("h4", {}, "Answers"), responses(details.responses)));
}

function schema([name, given]) {
  const value = resolve(given);
  const parts = [value, ...(value.allOf ?? []).map(resolve)];
  const required = new Set(parts.flatMap((part) => part.required ?? []));
  const fields = parts.flatMap((part) => Object.entries(part.properties ?? {}));
  const rows = fields.map(([key, property]) => [
    code(key), type(property), required.has(key) ? "always" : "", allowed(resolve(property)),
    prose(property?.description ?? resolve(property).description)]);
  const limits = allowed(value);
  const line = rows.length ? null : element("p", {}, type(value), limits.length ? ": " : "", limits);
  return element("details", { class: "schema", id: `schema-${slug(name)}` },
    element("summary", {}, element("span", { class: "path" }, name)),
    element("div", {}, prose(value.description), line,
      table(["Field", "Type", "Present", "Allowed", "Meaning"], rows, `Fields of ${name}`),
      example({ schema: value })));
}

function openTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target instanceof HTMLDetailsElement) {
    target.open = true;
    target.scrollIntoView();
    target.querySelector("summary").focus({ preventScroll: true });
  }
}

function render() {
  const groups = new Map((api.tags ?? []).map((tag) => [tag.name, { about: tag.description, operations: [] }]));
  for (const [path, item] of Object.entries(api.paths ?? {})) {
    for (const method of METHODS.filter((name) => item?.[name])) {
      const details = item[method];
      const tag = details.tags?.[0] ?? "Other";
      if (!groups.has(tag)) groups.set(tag, { operations: [] });
      const id = slug(details.operationId ?? `${method}-${path}`);
      groups.get(tag).operations.push({ path, method, item, details, id });
    }
  }
  const content = prose(api.info?.description), toc = [];
  const section = (id, title, about, parts, links) => {
    const heading = element("h2", { id }, title);
    content.push(element("section", { "aria-labelledby": id }, heading, prose(about), parts));
    toc.push(element("h2", {}, title), element("ul", {}, links.map(([to, words]) =>
      element("li", {}, element("a", { href: `#${to}` }, words)))));
  };
  for (const [tag, { about, operations }] of groups) {
    if (operations.length === 0) continue;
    const links = operations.map(({ id, path, method }) =>
      [id, method === "get" ? path : `${method.toUpperCase()} ${path}`]);
    section(`tag-${slug(tag)}`, tag, about, operations.map(operation), links);
  }
  const schemas = Object.entries(api.components?.schemas ?? {});
  if (schemas.length) {
    const links = schemas.map(([name]) => [`schema-${slug(name)}`, name]);
    section("schemas", "Schemas", "", schemas.map(schema), links);
  }
  document.getElementById("title").textContent = `${api.info?.title ?? "API"} reference`;
  document.getElementById("toc").replaceChildren(...toc);
  document.getElementById("content").replaceChildren(...content);
}

async function start() {
  document.getElementById("contents").open = matchMedia("(min-width: 62rem)").matches;
  const notice = document.getElementById("notice");
  try {
    const answer = await fetch("/openapi.json");
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    api = (await answer.json()) ?? {};
    render();
    notice.textContent = `Version ${api.info?.version ?? "unknown"}, from openapi.json.`;
    openTarget();
    addEventListener("hashchange", openTarget);
  } catch (error) {
    notice.textContent = `openapi.json cannot be shown: ${error.message}`;
    notice.dataset.mood = "bad";
  }
}

start();
