/** Whatever can be put into an element; everything that is text stays text. */
export type Child = Node | string | number | null | undefined | false | readonly Child[];
type Attributes = Readonly<Record<string, string | number | boolean | null | undefined>>;

/** Makes an element. An attribute that is `true` is empty, one that is not there is left out. */
export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(name, "");
    else if (value !== undefined && value !== null && value !== false) made.setAttribute(name, String(value));
  }
  add(made, children);
  return made;
}

function add(parent: Element, children: readonly Child[]): void {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    if (Array.isArray(child)) add(parent, child as readonly Child[]);
    else parent.append(child instanceof Node ? child : String(child));
  }
}

/** The element of the page with this id, which index.html has. */
export function place<T extends HTMLElement = HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found as T;
}

/** Writes a text only if it differs, so that selections and screen readers are left in peace. */
export function write(target: Element, text: string): void {
  if (target.textContent !== text) target.textContent = text;
}

/** Sets an attribute, or takes it away. */
export function mark(target: Element, name: string, value: string | null | undefined): void {
  if (value === null || value === undefined) target.removeAttribute(name);
  else if (target.getAttribute(name) !== value) target.setAttribute(name, value);
}

/** Makes the children of `target` look like `fresh`, touching only what differs. */
export function fill(target: Element, ...fresh: Child[]): void {
  const wanted = document.createElement(target.tagName);
  add(wanted, fresh);
  morphChildren(target, wanted);
}

const keyOf = (node: Node): string | null => (node instanceof Element ? node.getAttribute("data-key") : null);

function morphChildren(old: Element, fresh: Element): void {
  const keyed = new Map<string, Node>();
  for (const child of old.childNodes) {
    const key = keyOf(child);
    if (key !== null) keyed.set(key, child);
  }
  let at: ChildNode | null = old.firstChild;
  for (const next of [...fresh.childNodes]) {
    const key = keyOf(next);
    const known = key === null ? (at && keyOf(at) === null ? at : null) : (keyed.get(key) ?? null);
    if (!known || known.nodeName !== next.nodeName) {
      old.insertBefore(next, at);
      continue;
    }
    if (known === at) at = at.nextSibling;
    else old.insertBefore(known, at);
    morph(known, next);
  }
  while (at) {
    const gone = at;
    at = at.nextSibling;
    gone.remove();
  }
}

function morph(old: Node, fresh: Node): void {
  if (!(old instanceof Element) || !(fresh instanceof Element)) {
    if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
    return;
  }
  for (const name of new Set([...old.getAttributeNames(), ...fresh.getAttributeNames()])) {
    mark(old, name, fresh.getAttribute(name));
  }
  morphChildren(old, fresh);
}

/** A column of a table. */
export interface Column<T> {
  readonly name: string;
  readonly cell: (row: T) => Child;
  readonly numeric?: boolean;
  readonly mood?: (row: T) => Mood | undefined;
  readonly wrap?: boolean;
}

/** How good something is; never told by colour alone. */
export type Mood = "good" | "warn" | "bad" | "soft";

/**
 * A table that scrolls by itself where the page is narrow; the first column names the row. Its roles are said,
 * since some browsers forget them where a style lays its rows out in another way.
 */
export function table<T>(
  name: string,
  columns: readonly Column<T>[],
  rows: readonly T[],
  key: (row: T) => string,
): HTMLElement {
  const head = columns.map((column) => el("th", { scope: "col", role: "columnheader", class: column.numeric && "number" }, column.name));
  const body = rows.map((row) => {
    const cells = columns.map((column, at) => {
      const names = [column.numeric && "number", column.wrap && "wrap"].filter(Boolean).join(" ");
      const attributes = { class: names || undefined, "data-mood": column.mood?.(row) };
      return at === 0 ? el("th", { scope: "row", role: "rowheader", ...attributes }, column.cell(row)) : el("td", { role: "cell", ...attributes }, column.cell(row));
    });
    return el("tr", { role: "row", "data-key": key(row) }, cells);
  });
  return el(
    "div",
    { class: "rows", role: "region", tabindex: "0", "aria-label": name, "data-key": name },
    el("table", { role: "table" }, el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, head)), el("tbody", { role: "rowgroup" }, body)),
  );
}

/** Names and values. */
export function facts(...pairs: readonly (readonly [name: string, value: Child, mood?: Mood | undefined])[]): HTMLElement {
  const rows = pairs.map(([name, value, mood]) =>
    el("div", { "data-key": name }, el("dt", {}, name), el("dd", { "data-mood": mood }, value)),
  );
  return el("dl", { class: "facts" }, rows);
}

/** A short word with a mood, which has a sign of its own beside the colour. */
export function chip(text: string, mood: Mood): HTMLElement {
  return el("span", { class: "chip", "data-mood": mood }, text);
}
