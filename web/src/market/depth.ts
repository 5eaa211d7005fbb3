import uPlot from "uplot";
import { el, mark, place, write } from "../dom";
import { axis, fit } from "../plot";
import { ink } from "../theme";
import { count, exact, figure, UNKNOWN } from "../words";
import type { Book, Level } from "./shapes";

const HEIGHT = 200;
const ROWS = 12;

/** Amounts added up from the best level on. */
function summed(levels: readonly Level[]): Level[] {
  let sum = 0;
  return levels.map(([price, amount]) => [price, (sum += Math.abs(amount))]);
}

/** What waits to be bought and sold: summed up as a chart, the best levels as a table. */
export class Depth {
  readonly #room = place("depth");
  readonly #chart: uPlot;
  readonly #rows = Array.from({ length: ROWS }, () => {
    const cells = ["bid amount", "bid price", "ask price", "ask amount"].map((name) => el("td", { class: name }, UNKNOWN));
    return { row: el("tr", {}, cells), cells };
  });

  constructor() {
    const stepped = uPlot.paths.stepped;
    const side = (name: string, align: 1 | -1): uPlot.Series => ({
      stroke: () => ink(name),
      fill: () => ink(name, 0.16),
      width: 1.5,
      points: { show: false },
      ...(stepped ? { paths: stepped({ align }) } : {}),
    });
    this.#chart = new uPlot(
      {
        width: 300,
        height: HEIGHT,
        padding: [8, 8, 0, 0],
        legend: { show: false },
        cursor: { drag: { x: false, y: false }, points: { show: false }, y: false },
        scales: { x: { time: false }, y: { range: (_, __, high) => [0, (high ?? 1) * 1.1 || 1] } },
        axes: [
          axis({ size: 20, space: 70, values: (_, splits) => splits.map((value) => String(Number(value.toPrecision(8)))) }),
          axis({ size: 38, space: 30, values: (_, splits) => splits.map((value) => count(value)) }),
        ],
        series: [{}, side("rise", -1), side("fall", 1)],
      },
      [[], [], []],
      this.#room,
    );
    fit(this.#chart, this.#room, () => HEIGHT);
    place("book-rows").append(...this.#rows.map(({ row }) => row));
  }

  /** Shows this book. */
  show(book: Book | null): void {
    const bids = book?.bids ?? [];
    const asks = book?.asks ?? [];
    const [below, above] = [summed(bids).reverse(), summed(asks)];
    this.#chart.setData([
      [...below, ...above].map(([price]) => price),
      [...below.map(([, sum]) => sum), ...above.map(() => null)],
      [...below.map(() => null), ...above.map(([, sum]) => sum)],
    ]);
    this.#table(bids, asks);
    const [bid, ask] = [bids[0]?.[0], asks[0]?.[0]];
    const isTwoSided = bid !== undefined && ask !== undefined;
    // In the digits of the prices: a difference of floats has others.
    const spread = isTwoSided ? Number((ask - bid).toPrecision(8)) : null;
    const part = isTwoSided ? ((ask - bid) / ask) * 100 : null;
    write(place("spread"), spread === null ? `Spread ${UNKNOWN}` : `Spread ${exact(spread)} (${figure(part, " %")})`);
    mark(
      this.#room,
      "aria-label",
      isTwoSided
        ? `Depth: ${figure(below[0]?.[1])} wanted down to ${exact(below[0]?.[0])}, ${figure(above.at(-1)?.[1])} offered up to ${exact(above.at(-1)?.[0])}`
        : "Depth: not known",
    );
  }

  #table(bids: readonly Level[], asks: readonly Level[]): void {
    const amounts = [...bids.slice(0, ROWS), ...asks.slice(0, ROWS)].map(([, amount]) => Math.abs(amount));
    const greatest = Math.max(...amounts, Number.MIN_VALUE);
    this.#rows.forEach(({ cells }, at) => {
      const [bid, ask] = [bids[at], asks[at]];
      [bid?.[1], bid?.[0], ask?.[0], ask?.[1]].forEach((value, column) => {
        const cell = cells[column];
        if (cell) write(cell, exact(value));
      });
      for (const [column, level] of [[0, bid], [3, ask]] as const) {
        const part = level ? Math.abs(level[1]) / greatest : 0;
        cells[column]?.style.setProperty("--part", `${(part * 100).toFixed(1)}%`);
      }
    });
  }
}
