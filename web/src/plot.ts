import uPlot from "uplot";
import { el, mark, write } from "./dom";
import { ink, onTheme } from "./theme";
import { clock, UNKNOWN } from "./words";

/** One line of a plot. */
export interface PlotLine {
  /** Empty where the plot has one line only. */
  readonly name: string;
  readonly ink: (opacity?: number) => string;
  readonly isFilled?: boolean;
  readonly isDashed?: boolean;
}

/** What a plot is. */
export interface PlotSettings {
  readonly title: string;
  readonly lines: readonly PlotLine[];
  readonly text: (value: number | null | undefined) => string;
  /** The top of the scale for what is shown; the bottom is 0. */
  readonly top: (greatest: number) => number;
  readonly height: number;
  /** Room for the figures beside it, in pixels. */
  readonly axis?: number;
  /** Under what a screen reader finds it, where the title alone does not say it. */
  readonly label?: string;
}

/** Values oldest first, one a step, the newest at `until` (Unix milliseconds). */
export interface PlotData {
  readonly until: number;
  readonly step: number;
  readonly values: readonly (readonly (number | null)[])[];
}

/** A scale that begins with less than this many seconds would be all edges. */
const SHORTEST_S = 60;
const utc = (time: number): Date => uPlot.tzDate(new Date(time * 1000), "Etc/UTC");
const FONT = '10px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif';

/** How axes look on every plot of the page. */
export function axis(more: uPlot.Axis): uPlot.Axis {
  return {
    stroke: () => ink("soft"),
    font: FONT,
    grid: { stroke: () => ink("grid"), width: 1 },
    ticks: { show: false },
    gap: 4,
    ...more,
  };
}

/** Keeps a chart as wide as the place it is in, and in the colours of the page. */
export function fit(chart: uPlot, room: HTMLElement, height: () => number): void {
  new ResizeObserver(() => {
    if (room.clientWidth > 0) chart.setSize({ width: room.clientWidth, height: height() });
  }).observe(room);
  onTheme(() => chart.redraw(false));
}

function alone(values: ArrayLike<number | null | undefined>): number[] {
  const isKnown = (at: number): boolean => (values[at] ?? null) !== null;
  return Array.from(values, (_, at) => at).filter((at) => isKnown(at) && !isKnown(at - 1) && !isKnown(at + 1));
}

/** The last minutes of a figure, with its value of now in words. */
export class Plot {
  readonly element: HTMLElement;
  readonly #chart: uPlot;
  readonly #room: HTMLElement;
  readonly #values: HTMLElement[];
  readonly #time: HTMLElement;
  readonly #none: HTMLElement;
  #data: PlotData = { until: 0, step: 1, values: [] };

  constructor(private readonly settings: PlotSettings) {
    this.#values = settings.lines.map(() => el("span", { class: "value" }, UNKNOWN));
    this.#time = el("span", { class: "soft at", "aria-hidden": "true" });
    const named = settings.lines.map((line, at) => {
      const swatch = line.name && el("span", { class: "swatch", "data-dash": line.isDashed, "aria-hidden": "true" });
      if (swatch) swatch.style.setProperty("color", `var(--line-${at})`);
      return el("span", { class: "reading" }, swatch, line.name && el("span", { class: "soft" }, line.name), this.#values[at]);
    });
    this.#room = el("div", { class: "canvas", role: "img" });
    this.#none = el("p", { class: "none soft", hidden: true }, "not known");
    this.element = el(
      "figure",
      { class: "plot" },
      el("figcaption", {}, el("span", { class: "title" }, settings.title), el("span", { class: "readings" }, named, this.#time)),
      el("div", { class: "plate" }, this.#room, this.#none),
    );
    this.#chart = new uPlot(this.#options(), [[], ...settings.lines.map(() => [])], this.#room);
    mark(this.#room, "aria-label", this.#summary());
    fit(this.#chart, this.#room, () => settings.height);
  }

  #options(): uPlot.Options {
    const { settings } = this;
    return {
      width: 240,
      height: settings.height,
      tzDate: utc,
      padding: [6, 14, 0, 0],
      legend: { show: false },
      cursor: {
        y: false,
        drag: { x: false, y: false },
        points: { size: 5 },
        sync: { key: "ops", setSeries: false },
      },
      scales: {
        x: { range: (_, low, high) => [Math.min(low, high - SHORTEST_S), high] },
        y: { range: (_, __, high) => [0, settings.top(Math.max(high ?? 0, 0))] },
      },
      axes: [
        axis({ size: 16, space: 70, values: [[60, "{HH}:{mm}", null, null, null, null, null, null, 1], [1, "{HH}:{mm}:{ss}", null, null, null, null, null, null, 1]] }),
        axis({ size: settings.axis ?? 34, space: 24, values: (_, splits) => splits.map((value) => settings.text(value).replace(" ", "\u2009")) }),
      ],
      series: [
        {},
        ...settings.lines.map((line): uPlot.Series => ({
          stroke: () => line.ink(),
          width: 1.5,
          // A value between two gaps has no line that would show it.
          points: { show: true, size: 4, width: 0, fill: () => line.ink(), filter: (chart, at) => alone(chart.data[at] ?? []) },
          spanGaps: false,
          ...(line.isDashed ? { dash: [4, 3] } : {}),
          ...(line.isFilled ? { fill: () => line.ink(0.14) } : {}),
        })),
      ],
      hooks: { setCursor: [() => this.#read()] },
    };
  }

  /** Shows these values instead of those before. */
  show(data: PlotData): void {
    this.#data = data;
    const length = data.values[0]?.length ?? 0;
    const times = Array.from({ length }, (_, at) => (data.until - (length - 1 - at) * data.step) / 1000);
    this.#chart.setData([times, ...data.values.map((line) => [...line])]);
    this.#none.hidden = data.values.some((line) => line.some((value) => value !== null));
    this.#read();
    mark(this.#room, "aria-label", this.#summary());
  }

  /** The values under the cursor, else those of now. */
  #read(): void {
    const under = this.#chart?.cursor.idx ?? null;
    const times = this.#chart?.data[0] ?? [];
    this.settings.lines.forEach((_, at) => {
      const values = this.#data.values[at] ?? [];
      const value = under === null ? values.at(-1) : values[under];
      const target = this.#values[at];
      if (target) write(target, this.settings.text(value));
    });
    const time = under === null ? undefined : times[under];
    write(this.#time, time === undefined ? "" : clock(time * 1000));
  }

  #summary(): string {
    const { settings } = this;
    const parts = settings.lines.map((line, at) => {
      const values = (this.#data.values[at] ?? []).filter((value) => value !== null);
      const name = line.name ? `${line.name} ` : "";
      if (values.length === 0) return `${name}not known`;
      const now = settings.text(this.#data.values[at]?.at(-1));
      return `${name}${now} now, ${settings.text(Math.min(...values))} to ${settings.text(Math.max(...values))}`;
    });
    const minutes = ((this.#data.values[0]?.length ?? 0) * this.#data.step) / 60_000;
    return `${settings.label ?? settings.title}, last ${Math.max(Math.round(minutes), 1)} minutes: ${parts.join("; ")}`;
  }
}
