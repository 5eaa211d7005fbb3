use super::*;
use crate::market::Number;

/// The example of docs.kraken.com, Book checksum (WebSocket v2), 2026-09.
pub(in crate::exchange::kraken::session) const DOCUMENTED: &str = r#"{"symbol":"BTC/USD","bids":[{"price":45283.5,"qty":0.10000000},{"price":45283.4,"qty":1.54582015},{"price":45282.1,"qty":0.10000000},{"price":45281.0,"qty":0.10000000},{"price":45280.3,"qty":1.54592586},{"price":45279.0,"qty":0.07990000},{"price":45277.6,"qty":0.03310103},{"price":45277.5,"qty":0.30000000},{"price":45277.3,"qty":1.54602737},{"price":45276.6,"qty":0.15445238}],"asks":[{"price":45285.2,"qty":0.00100000},{"price":45286.4,"qty":1.54571953},{"price":45286.6,"qty":1.54571109},{"price":45289.6,"qty":1.54560911},{"price":45290.2,"qty":0.15890660},{"price":45291.8,"qty":1.54553491},{"price":45294.7,"qty":0.04454749},{"price":45296.1,"qty":0.35380000},{"price":45297.5,"qty":0.09945542},{"price":45299.5,"qty":0.18772827}],"checksum":3310070434}"#;

fn replace(book: &mut BookState, row: &str) -> Result<(Data, i64), Broken> {
    book.replace(&serde_json::from_str(row).unwrap())
}

/// What a message with the right checksum makes of the book, by the reference of the test.
fn update(book: &mut BookState, bids: &str, asks: &str) -> Result<(Option<Data>, i64), Broken> {
    let row =
        |sum: u32| format!(r#"{{"symbol":"X","bids":{bids},"asks":{asks},"checksum":{sum}}}"#);
    let mut after =
        BookState { depth: book.depth, ladder: book.ladder.clone(), sum: String::new() };
    let wrong = after.update(&serde_json::from_str(&row(0)).unwrap());
    assert_eq!(wrong, Err(Broken::Checksum));
    book.update(&serde_json::from_str(&row(reference(&after.ladder))).unwrap())
}

/// The sum as the page has it, word by word.
fn reference(ladder: &Ladder) -> u32 {
    let text =
        |number: &Number| number.as_str().replace('.', "").trim_start_matches('0').to_owned();
    let side = |side| -> String {
        let levels = ladder.levels(side).take(10);
        levels.map(|(_, level)| text(&level.price) + &text(&level.amount)).collect()
    };
    crc32fast::hash((side(BookSide::Ask) + &side(BookSide::Bid)).as_bytes())
}

fn shown(data: Option<Data>) -> Vec<String> {
    let Some(Data::Levels(changes)) = data else { return Vec::new() };
    let text = |change: &Change| {
        let amount = change.amount.as_ref().map_or("gone", Number::as_str);
        format!("{:?} {} {amount}", change.side, change.price)
    };
    changes.iter().map(text).collect()
}

#[test]
fn the_documented_checksum_holds_with_every_zero() {
    let mut book = BookState::new(25);
    let (Data::Book(levels), sum) = replace(&mut book, DOCUMENTED).unwrap() else { panic!() };
    assert_eq!((levels.len(), sum), (20, 3_310_070_434));
    assert_eq!(levels[3].raw.as_str(), r#"{"price":45281.0,"qty":0.10000000}"#);
    // Levels in strings have the same digits.
    let quoted =
        DOCUMENTED.replace("45285.2,", "\"45285.2\",").replace(":0.00100000", ":\"0.00100000\"");
    assert!(replace(&mut book, &quoted).is_ok());
    for changed in ["45281", "45281.00"] {
        let row = DOCUMENTED.replace("45281.0,", &format!("{changed},"));
        assert_eq!(replace(&mut book, &row), Err(Broken::Checksum), "{changed}");
    }
}

#[test]
fn each_side_is_cut_to_the_depth_and_what_falls_out_is_told() {
    let mut book = BookState::new(2);
    let row = r#"{"bids":[{"price":10.0,"qty":1.0},{"price":9.0,"qty":2.0}],"asks":[{"price":11.0,"qty":3.0}],"checksum":SUM}"#;
    let mut after = BookState::new(2);
    assert_eq!(replace(&mut after, &row.replace("SUM", "1")), Err(Broken::Checksum));
    let sum = reference(&after.ladder).to_string();
    replace(&mut book, &row.replace("SUM", &sum)).unwrap();

    let (data, _) = update(&mut book, r#"[{"price":9.5,"qty":5.0}]"#, "[]").unwrap();
    assert_eq!(shown(data), ["Bid 9.5 5.0", "Bid 9.0 gone"]);
    // A level that has fallen out is removed without a word; the state stays sound.
    let (data, _) = update(&mut book, r#"[{"price":9.0,"qty":0}]"#, "[]").unwrap();
    assert_eq!(data, None);
    // All levels of one message come before the cut and the sum.
    let moved = r#"[{"price":10.0,"qty":0.00000000},{"price":11.5,"qty":1.0}]"#;
    let (data, _) =
        update(&mut book, moved, r#"[{"price":11.0,"qty":0},{"price":12.0,"qty":1.0}]"#).unwrap();
    assert_eq!(shown(data), ["Bid 10.0 gone", "Bid 11.5 1.0", "Ask 11.0 gone", "Ask 12.0 1.0"]);
}

#[test]
fn what_cannot_be_true_is_no_book() {
    let invalid = |result: Result<(Data, i64), Broken>| matches!(result, Err(Broken::Invalid(_)));
    let mut book = BookState::new(1);
    for row in [
        r#"{"bids":[{"price":0,"qty":1}],"asks":[],"checksum":0}"#,
        r#"{"bids":[{"price":1,"qty":-1}],"asks":[],"checksum":0}"#,
        r#"{"bids":[{"price":1,"qty":0}],"asks":[],"checksum":0}"#,
        r#"{"bids":[{"price":1}],"asks":[],"checksum":0}"#,
        r#"{"bids":[{"price":1,"qty":1},{"price":2,"qty":1}],"asks":[],"checksum":0}"#,
        r#"{"bids":[{"price":1e40,"qty":1}],"asks":[],"checksum":0}"#,
    ] {
        assert!(invalid(replace(&mut book, row)), "{row}");
    }
    // Right by its sum, but crossed.
    let crossed = r#"{"bids":[{"price":2,"qty":1}],"asks":[{"price":1,"qty":1}],"checksum":SUM}"#;
    let sum = crc32fast::hash(b"1121").to_string();
    assert!(invalid(replace(&mut book, &crossed.replace("SUM", &sum))));
    // Without levels there is nothing to sum.
    let empty = r#"{"bids":[],"asks":[],"checksum":0}"#;
    assert_eq!(replace(&mut book, empty), Ok((Data::Book(Vec::new()), 0)));
}
