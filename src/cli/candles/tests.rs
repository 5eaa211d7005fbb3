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

fn screen(width: usize, height: usize) -> Screen {
    Screen { width, height, colours: false }
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
time UTC           open     high            low  close       volume
2026-11-22 14:00  90142  90191.5  90142          90191   0.03325454
2026-11-22 16:00      7e-7  90292        0.0000011  90292  12          *
* is not closed yet
"
    );
}
