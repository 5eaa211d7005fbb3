use super::*;

fn page(rows: &[(&str, [&str; 5])], closed: bool) -> Page {
    let candles: Vec<_> = rows
        .iter()
        .enumerate()
        .map(|(at, (time, [open, high, low, close, volume]))| {
            let at_end = at == rows.len() - 1;
            let time = time.parse::<UnixMs>().unwrap().millis();
            format!(
                r#"{{"timestamp":{time},"open":{open},"high":{high},"low":{low},"close":{close},
                    "volume":{volume},"closed":{}}}"#,
                closed || !at_end
            )
        })
        .collect();
    let body = format!(
        r#"{{"symbol":"BTC/USD","exchange":"bitfinex","timeframe":"1h","candles":[{}],
            "derived":null,"next":null}}"#,
        candles.join(",")
    );
    let reply = Reply { status: 200, cache_status: String::new(), body: body.into() };
    Page::of(&reply).unwrap()
}

#[test]
fn a_table_keeps_every_digit_and_puts_points_below_each_other() {
    let page = page(
        &[
            ("2026-11-22T14:00:00Z", ["90142", "90191.5", "90142", "90191", "0.03325454"]),
            ("2026-11-22T16:00:00Z", ["7e-7", "90292", "0.0000011", "90292", "12"]),
        ],
        false,
    );
    assert_eq!(
        table::text(&page, Timeframe::H1),
        "\
time UTC              open     high            low  close       volume
2026-11-22 14:00  90142     90191.5  90142          90191   0.03325454
2026-11-22 16:00      7e-7  90292        0.0000011  90292  12          *
* is not closed yet
"
    );
    let day = opens(page.candles[0].at, Timeframe::D1);
    assert_eq!(day, "2026-11-22", "a day opens at midnight");
    let nothing = table::text(&self::page(&[], true), Timeframe::H1);
    assert_eq!(nothing.lines().last(), Some("nothing was traded then"));
}

/// Rises from 10 to 14 and falls to 12; nothing at 16:00.
fn three() -> Page {
    page(
        &[
            ("2026-11-22T14:00:00Z", ["10", "14", "10", "14", "1"]),
            ("2026-11-22T15:00:00Z", ["14", "17", "12", "12", "24"]),
            ("2026-11-22T17:00:00Z", ["12", "12", "12", "12", "0"]),
        ],
        false,
    )
}

#[test]
fn a_chart_has_a_body_a_wick_a_gap_and_the_volume() {
    let screen = Screen { width: 40, height: 12, colours: false };
    assert_eq!(
        chart::text(&three(), Timeframe::H1, &screen),
        "\
BTC/USD 1h  bitfinex  2026-11-22 14:00 to 2026-11-22 17:00 UTC   ┃ up █ down
  │     │
╻ ▄     ┤ 15
┃ █   ╻ │
┃       ┤ 10
  █     ┤ 24
  █     │
▁ █     │
┬───────┘
11-22 14:00
the last candle is not closed yet
"
    );
}

#[test]
fn colours_tell_rising_from_falling() {
    let screen = Screen { width: 40, height: 12, colours: true };
    let chart = chart::text(&three(), Timeframe::H1, &screen);
    assert!(!chart.contains('█') || chart.contains("\u{1b}[31m█\u{1b}[0m"), "{chart}");
    assert!(chart.contains("\u{1b}[32m┃\u{1b}[0m \u{1b}[31m┃\u{1b}[0m"), "{chart}");
    let plain = chart.replace("\u{1b}[31m", "").replace("\u{1b}[32m", "").replace("\u{1b}[0m", "");
    assert!(!plain.contains('\u{1b}'), "every colour is one of three");
}

#[test]
fn a_chart_fits_its_screen_whatever_it_shows() {
    let rows: Vec<String> = (0..500).map(|at| (at * 3_600_000_i64).to_string()).collect();
    for (price, factor) in [("7e-7", 1.0), ("0.1234567891", 1.0), ("123456789", 1.0), ("5", 1.01)] {
        let price: f64 = price.parse().unwrap();
        let text = |at: usize| format!("{}", price * f64::powi(factor, at as i32 % 50));
        let numbers: Vec<[String; 5]> = (0..rows.len())
            .map(|at| [text(at), text(at + 1), text(at), text(at + 1), "3".to_owned()])
            .collect();
        for (width, height) in [(40, 12), (80, 24), (237, 60)] {
            let screen = Screen { width, height, colours: false };
            for count in [1, 2, 60, 500] {
                let rows: Vec<_> = rows[..count]
                    .iter()
                    .zip(&numbers)
                    .map(|(time, row)| (time.as_str(), row.each_ref().map(String::as_str)))
                    .collect();
                let chart = chart::text(&page(&rows, true), Timeframe::H1, &screen);
                let lines: Vec<&str> = chart.lines().skip(1).collect();
                assert!(lines.len() + 2 <= height, "{chart}");
                let widest = lines.iter().map(|line| line.chars().count()).max();
                assert!(widest.is_some_and(|widest| widest <= width), "{width}: {chart}");
                assert!(chart.contains('┤'), "a price is told: {chart}");
            }
        }
    }
}
