//! A candle chart of characters: a line has two halves, each of which shows a body, a wick or
//! nothing.

use super::{
    axis::{Scale, brief},
    notes, opens,
};
use crate::{
    cli::{
        page::{Bar, Page},
        screen::Screen,
    },
    market::{Number, Timeframe, UnixMs},
};

/// Lines that are no part of the picture: the title, the time and its labels, the notes, and the
/// prompt.
const AROUND: usize = 5;
/// A higher one only makes eyes wander.
const MOST_LINES: usize = 30;
/// Lines of the volume, where there is room.
const VOLUME_LINES: usize = 3;
/// From one label of the time to the next.
const LABEL_EVERY: usize = 16;

const RISING: &str = "\x1b[32m";
const FALLING: &str = "\x1b[31m";
const PLAIN: &str = "\x1b[0m";

/// A bucket, with or without trades.
struct Slot<'a> {
    at: UnixMs,
    bar: Option<&'a Bar>,
}

/// The chart, as wide as the screen and at most as high. Of more candles than it has room for, it
/// shows the newest; a bucket in which nothing was traded is a gap.
pub(super) fn text(page: &Page, timeframe: Timeframe, screen: &Screen) -> String {
    if page.candles.is_empty() {
        return notes(page, "");
    }
    let lines = screen.height.saturating_sub(AROUND + VOLUME_LINES).clamp(4, MOST_LINES);
    let all = slots(&page.candles, timeframe, screen.width);
    let mut chart = Chart::of(&all, lines, screen);
    // What is shown decides how wide the prices are, and that decides how much is shown.
    for _ in 0..3 {
        let room = screen.width - chart.axis_width();
        let gap = if all.len() * 2 <= room { 2 } else { 1 };
        let shown = &all[all.len() - all.len().min(room / gap)..];
        chart = Chart { gap, ..Chart::of(shown, lines, screen) };
    }
    chart.draw(page, timeframe)
}

/// The buckets from the first candle to the last, at most the newest `most`.
fn slots<'a>(bars: &'a [Bar], timeframe: Timeframe, most: usize) -> Vec<Slot<'a>> {
    let mut slots: Vec<Slot<'a>> = Vec::new();
    for bar in bars.iter().rev() {
        while let Some(later) = slots.last() {
            // Where buckets have no fixed width, or are not where they are thought to be, the
            // candles stand side by side.
            let before =
                timeframe.fixed().map(|width| later.at.millis() - width.as_millis() as i64);
            match before.map(UnixMs::from_millis).filter(|before| *before > bar.at) {
                Some(at) if slots.len() < most => slots.push(Slot { at, bar: None }),
                _ => break,
            }
        }
        if slots.len() >= most {
            break;
        }
        slots.push(Slot { at: bar.at, bar: Some(bar) });
    }
    slots.reverse();
    slots
}

struct Chart<'a> {
    slots: &'a [Slot<'a>],
    scale: Scale,
    labels: Vec<(usize, String)>,
    lines: usize,
    /// Columns from one candle to the next.
    gap: usize,
    screen: &'a Screen,
}

impl<'a> Chart<'a> {
    fn of(slots: &'a [Slot<'a>], lines: usize, screen: &'a Screen) -> Self {
        let bars = slots.iter().filter_map(|slot| slot.bar);
        let prices = bars.flat_map(|bar| [bar.low.f64(), bar.high.f64()]);
        let scale = Scale::over(prices, lines);
        Self { slots, scale, labels: scale.labels(), lines, gap: 1, screen }
    }

    fn axis_width(&self) -> usize {
        let widest = self.labels.iter().map(|(_, label)| label.len()).max().unwrap_or_default();
        // The line, a space, and room for a volume.
        2 + widest.max("99990000".len())
    }

    fn draw(&self, page: &Page, timeframe: Timeframe) -> String {
        let mut text = self.title(page, timeframe);
        for line in 0..self.lines {
            let label = self.labels.iter().find(|(at, _)| *at == line);
            let label = label.map_or("│".to_owned(), |(_, label)| format!("┤ {label}"));
            text += &self.row(&label, |bar| self.candle(bar, self.lines - 1 - line));
        }
        let volumes = self.slots.iter().filter_map(|slot| slot.bar).map(|bar| bar.volume.f64());
        let most = volumes.fold(0.0, f64::max);
        for line in (0..VOLUME_LINES).rev() {
            let top = line == VOLUME_LINES - 1;
            let label = if top { format!("┤ {}", brief(most)) } else { "│".to_owned() };
            text += &self.row(&label, |bar| volume(bar.volume.f64() / most, line));
        }
        text += &self.times(timeframe);
        text + &notes(page, "the last candle")
    }

    fn title(&self, page: &Page, timeframe: Timeframe) -> String {
        let at = |slot: Option<&Slot<'_>>| slot.map_or(String::new(), |it| opens(it.at, timeframe));
        let (from, to) = (at(self.slots.first()), at(self.slots.last()));
        let legend = if self.screen.colours { "" } else { "   ┃ up █ down" };
        format!("{} {timeframe}  {}  {from} to {to} UTC{legend}\n", page.symbol, page.exchange)
    }

    /// One line: a character for each candle, then the axis.
    fn row(&self, label: &str, character: impl Fn(&Bar) -> char) -> String {
        let mut row = String::new();
        for slot in self.slots {
            match slot.bar.map(|bar| (character(bar), rises(bar))) {
                None | Some((' ', _)) => row.push(' '),
                Some((character, _)) if !self.screen.colours => row.push(character),
                Some((character, rises)) => {
                    row.push_str(if rises { RISING } else { FALLING });
                    row.push(character);
                    row.push_str(PLAIN);
                }
            }
            row.extend(std::iter::repeat_n(' ', self.gap - 1));
        }
        format!("{row}{label}\n")
    }

    /// What of a candle lies in a line, counted from the lowest.
    fn candle(&self, bar: &Bar, line: usize) -> char {
        let half = |price: &Number| self.scale.half(price.f64());
        let (open, close) = (half(&bar.open), half(&bar.close));
        let body = open.min(close)..=open.max(close);
        let wick = half(&bar.low)..=half(&bar.high);
        let part = |half: usize| match (body.contains(&half), wick.contains(&half)) {
            (true, _) => Part::Body,
            (false, true) => Part::Wick,
            (false, false) => Part::Nothing,
        };
        // Without colours, thick and thin have to tell rising from falling.
        glyph(part(line * 2 + 1), part(line * 2), self.screen.colours || rises(bar))
    }

    /// The axis of time.
    fn times(&self, timeframe: Timeframe) -> String {
        let (mut axis, mut labels) = (String::new(), String::new());
        for (at, slot) in self.slots.iter().enumerate() {
            let column = at * self.gap;
            let label = opens(slot.at, timeframe);
            let has_label =
                column.is_multiple_of(LABEL_EVERY) && column + label.len() <= self.screen.width;
            axis.push(if has_label { '┬' } else { '─' });
            axis.extend(std::iter::repeat_n('─', self.gap - 1));
            if has_label {
                labels.extend(std::iter::repeat_n(' ', column.saturating_sub(labels.len())));
                // The year stands in the title.
                labels.push_str(if label.len() > 10 { &label[5..] } else { &label });
            }
        }
        format!("{axis}┘\n{labels}\n")
    }
}

fn rises(bar: &Bar) -> bool {
    bar.close.f64() >= bar.open.f64()
}

#[derive(Clone, Copy)]
enum Part {
    Nothing,
    Wick,
    Body,
}

fn glyph(upper: Part, lower: Part, is_thin: bool) -> char {
    use Part::{Body, Nothing, Wick};
    match (upper, lower) {
        (Nothing, Nothing) => ' ',
        (Wick, Wick) => '│',
        (Wick, Nothing) => '╵',
        (Nothing, Wick) => '╷',
        (Body, Body) if is_thin => '┃',
        (Body, Nothing) if is_thin => '╹',
        (Nothing, Body) if is_thin => '╻',
        (Wick, Body) if is_thin => '╽',
        (Body, Wick) if is_thin => '╿',
        (Body, Body) => '█',
        (Body, Nothing | Wick) => '▀',
        (Nothing | Wick, Body) => '▄',
    }
}

/// What of a volume (0 to 1, of the largest) lies in a line, counted from the lowest.
fn volume(share: f64, line: usize) -> char {
    const EIGHTHS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    // A volume that is not zero is seen; NaN, where every volume is zero, becomes zero.
    let eighths = (share * (VOLUME_LINES * 8) as f64).ceil() as usize;
    EIGHTHS[eighths.saturating_sub(line * 8).min(8)]
}
