import uPlot from "uplot";
import { mark, place, write } from "../dom";
import { axis, fit } from "../plot";
import { ink } from "../theme";
import { clock, exact, UNKNOWN } from "../words";
import type { Candle } from "./shapes";

/** Candles that are shown before anybody zooms. */
const SHOWN = 120;
/** The part of the height that volume may take. */
const VOLUME = 0.2;

const enum Row {
  Time,
  Open,
  High,
  Low,
  Close,
  Volume,
}

const height = (): number => (innerWidth < 640 ? 280 : 470);

/** Candles with their volume; a selection with the pointer zooms, a double click goes back. */
export class CandleChart {
  readonly #room = place("candles");
  readonly #chart: uPlot;
  #candles: readonly Candle[] = [];
  #isZoomed = false;
  /** What is shown unless somebody zooms, in seconds: the scale of prices is made before that of time is in force. */
  #window = { min: 0, max: 0 };

  constructor() {
    this.#chart = new uPlot(this.#options(), [[], [], [], [], [], []], this.#room);
    fit(this.#chart, this.#room, height);
  }

  #options(): uPlot.Options {
    const bare: uPlot.Series = { paths: () => null, points: { show: false } };
    return {
      width: 600,
      height: height(),
      padding: [8, 0, 0, 20],
      tzDate: (time) => uPlot.tzDate(new Date(time * 1000), "Etc/UTC"),
      legend: { show: false },
      cursor: { drag: { x: true, y: false, uni: 8 }, points: { show: false } },
      scales: {
        y: { range: () => this.#range() },
        volume: { range: (_, __, high) => [0, Math.max(high ?? 0, Number.MIN_VALUE) / VOLUME] },
      },
      axes: [
        axis({ size: 32, space: 60, values: [
          [86_400, "{MM}-{DD}", null, null, null, null, null, null, 1],
          [60, "{HH}:{mm}", "\n{MM}-{DD}", null, null, null, null, null, 1],
        ] }),
        axis({ side: 1, size: 62, space: 36, values: (_, splits) => splits.map((value) => String(Number(value.toPrecision(8)))) }),
      ],
      series: [{}, bare, bare, bare, bare, { ...bare, scale: "volume" }],
      hooks: {
        draw: [(chart) => this.#draw(chart)],
        setCursor: [() => this.#read()],
        setSelect: [() => void (this.#isZoomed = true)],
      },
    };
  }

  /** Between the lowest and the highest of what is shown, with room for the volume below. */
  #range(): [number, number] {
    const { min = 0, max = 0 } = (this.#isZoomed && this.#chart?.scales["x"]) || this.#window;
    const shown = this.#candles.filter(({ timestamp }) => timestamp / 1000 >= (min ?? 0) && timestamp / 1000 <= (max ?? 0));
    if (shown.length === 0) return [0, 1];
    const low = Math.min(...shown.map((candle) => candle.low));
    const high = Math.max(...shown.map((candle) => candle.high));
    const room = high - low || high * 0.001 || 1;
    return [low - room * (VOLUME + 0.05), high + room * 0.05];
  }

  /** Shows these, oldest first. */
  show(candles: readonly Candle[], name: string): void {
    const isOther = this.#candles[0]?.timestamp !== candles[0]?.timestamp && this.#room.dataset["name"] !== name;
    this.#room.dataset["name"] = name;
    this.#candles = candles;
    if (isOther) this.#isZoomed = false;
    const line = (read: (candle: Candle) => number): number[] => candles.map(read);
    const times = line((candle) => candle.timestamp / 1000);
    this.#chart.setData(
      [times, line((it) => it.open), line((it) => it.high), line((it) => it.low), line((it) => it.close), line((it) => it.volume)],
      false,
    );
    const step = (times.at(-1) ?? 0) - (times.at(-2) ?? 0);
    const last = times.at(-1) ?? 0;
    this.#window = { min: times.at(-SHOWN) ?? times[0] ?? 0, max: last + step };
    if (!this.#isZoomed) this.#chart.setScale("x", this.#window);
    else this.#chart.redraw(true, true);
    this.#read();
    this.#describe(name);
  }

  /** Shows everything that is known. */
  reset(): void {
    this.#isZoomed = false;
  }

  #describe(name: string): void {
    const last = this.#candles.at(-1);
    const shown = this.#candles.slice(-SHOWN);
    const text = last
      ? `Candles of ${name}, ${this.#candles.length} of them: the last closes at ${exact(last.close)}; of the last ${shown.length} the lowest is ${exact(Math.min(...shown.map((it) => it.low)))}, the highest ${exact(Math.max(...shown.map((it) => it.high)))}`
      : `Candles of ${name}: none known`;
    mark(this.#room, "aria-label", text);
  }

  #read(): void {
    const at = this.#chart?.cursor.idx ?? this.#candles.length - 1;
    const candle = this.#candles[at ?? -1];
    write(
      place("candle-reading"),
      candle
        ? `${clock(candle.timestamp)} UTC · open ${exact(candle.open)} · high ${exact(candle.high)} · low ${exact(candle.low)} · close ${exact(candle.close)} · volume ${exact(candle.volume)}${candle.closed ? "" : " · still open"}`
        : UNKNOWN,
    );
  }

  #draw(chart: uPlot): void {
    const { ctx, data, bbox } = chart;
    const times = data[Row.Time];
    const value = (row: Row, at: number): number => data[row]?.[at] ?? 0;
    const y = (price: number): number => Math.round(chart.valToPos(price, "y", true));
    const x = (time: number): number => chart.valToPos(time, "x", true);
    const step = times.length > 1 ? Math.min(...times.slice(1, 20).map((time, at) => time - (times[at] ?? 0))) : 1;
    const room = Math.abs(x(step) - x(0));
    const width = Math.max(1, Math.floor(room * 0.7) | 1);
    const pixel = Math.max(1, Math.round(devicePixelRatio));
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    times.forEach((time, at) => {
      const middle = Math.round(x(time));
      if (middle < bbox.left - width || middle > bbox.left + bbox.width + width) return;
      const [open, high, low, close] = [value(Row.Open, at), value(Row.High, at), value(Row.Low, at), value(Row.Close, at)];
      const name = close >= open ? "rise" : "fall";
      const left = middle - Math.floor(width / 2);
      const floor = bbox.top + bbox.height;
      const top = Math.round(chart.valToPos(value(Row.Volume, at), "volume", true));
      ctx.fillStyle = ink(name, 0.3);
      ctx.fillRect(left, top, width, floor - top);
      ctx.fillStyle = ink(name);
      ctx.fillRect(middle - Math.floor(pixel / 2), y(high), pixel, Math.max(y(low) - y(high), 1));
      const [upper, lower] = [y(Math.max(open, close)), y(Math.min(open, close))];
      const body = Math.max(lower - upper, pixel);
      ctx.fillRect(left, upper, width, body);
      // Hollow rises: the direction is not told by colour alone.
      if (close > open && width > 4 * pixel && body > 3 * pixel) {
        ctx.fillStyle = ink("panel");
        ctx.fillRect(left + pixel, upper + pixel, width - 2 * pixel, body - 2 * pixel);
      }
    });
    this.#last(chart, pixel);
    ctx.restore();
  }

  #last(chart: uPlot, pixel: number): void {
    const last = this.#candles.at(-1);
    if (!last) return;
    const { ctx, bbox } = chart;
    const level = Math.round(chart.valToPos(last.close, "y", true)) + 0.5;
    ctx.strokeStyle = ink("accent");
    ctx.lineWidth = pixel;
    ctx.setLineDash([4 * pixel, 3 * pixel]);
    ctx.beginPath();
    ctx.moveTo(bbox.left, level);
    ctx.lineTo(bbox.left + bbox.width, level);
    ctx.stroke();
  }
}
