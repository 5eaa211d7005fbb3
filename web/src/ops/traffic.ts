import { place, write } from "../dom";
import { Plot, type PlotLine } from "../plot";
import type { Known } from "../pulse";
import type { History, Line } from "../shapes";
import { ink } from "../theme";
import { count, millis, share, span } from "../words";

interface Figure {
  readonly plot: Plot;
  readonly read: (history: History) => readonly Line[];
}

const HEIGHT = 120;
/** Room above the greatest value, so that a peak is seen as one. */
const above = (least: number) => (greatest: number) => Math.max(greatest * 1.15, least);
const first = (name: string): PlotLine => ({ name, ink: (opacity) => ink("line-0", opacity), isFilled: true });
const second = (name: string): PlotLine => ({ name, ink: (opacity) => ink("line-1", opacity) });

function make(title: string, lines: readonly PlotLine[], text: (value: number | null | undefined) => string, top: (greatest: number) => number, read: Figure["read"]): Figure {
  return { plot: new Plot({ title, lines, text, top, height: HEIGHT, axis: 46 }), read };
}

const rate = (value: number | null | undefined): string => count(typeof value === "number" ? Math.round(value * 100) / 100 : value);

let figures: readonly Figure[] = [];

function start(): readonly Figure[] {
  const made = [
    make("Requests a second", [first("")], rate, above(1), (it) => [it.requests_per_second]),
    make("Answered from the cache", [first("")], share, () => 1, (it) => [it.hit_ratio]),
    make("A second", [first("upstream calls"), second("collapsed")], rate, above(0.5), (it) => [it.upstream_calls_per_second, it.collapsed_per_second]),
    make("Latency", [first("p50"), second("p99")], millis, above(1), (it) => [it.latency_ms.p50, it.latency_ms.p99]),
    make("Age of answers", [first("p50"), second("p99")], span, above(1), (it) => [it.served_age_seconds.p50, it.served_age_seconds.p99]),
    make("Stream clients", [first("")], count, above(4), (it) => [it.stream_clients]),
  ];
  place("traffic-plots").append(...made.map(({ plot }) => {
    plot.element.classList.add("panel");
    return plot.element;
  }));
  return made;
}

/** What is asked of the gateway and how it answers, over the last minutes. */
export function showTraffic({ history, sampled }: Known): void {
  if (figures.length === 0) figures = start();
  write(place("traffic-note"), sampled ? "As seen by this page since it was opened; this gateway tells no history." : "The last ten minutes.");
  if (!history || history.until === null) return;
  for (const { plot, read } of figures) {
    plot.show({ until: history.until, step: history.step_ms, values: read(history) });
  }
}
