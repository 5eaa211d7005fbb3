use super::*;

fn row(side: &str, price: u32) -> String {
    format!(r#"{{"side":"{side}","price_level":"{price}","new_quantity":"1"}}"#)
}

fn raw(rows: &[String]) -> Box<RawValue> {
    RawValue::from_string(format!("[{}]", rows.join(","))).unwrap()
}

#[test]
fn a_side_has_a_bound() {
    let most = u32::try_from(MOST_LEVELS).unwrap();
    let rows: Vec<String> = (1..=most).map(|price| row("bid", price)).collect();
    let mut book = Book::of(&raw(&rows)).unwrap();
    let (beyond, mut out) = (raw(&[row("bid", most + 1)]), Vec::new());
    let refused = book.update(&beyond, &mut out).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the exchange's answer is invalid: book: more levels than can be true"
    );
    assert!(out.is_empty());
}

#[test]
fn a_book_that_stays_crossed_is_broken() {
    let mut book = Book::of(&raw(&[row("bid", 10), row("offer", 11)])).unwrap();
    let (crossing, mut out) = (raw(&[row("bid", 11)]), Vec::new());
    for _ in 0..MOST_HELD_BACK {
        book.update(&crossing, &mut out).unwrap();
        assert!(book.rest().is_err());
    }
    assert!(book.update(&crossing, &mut out).is_err());
    assert!(Book::of(&raw(&[row("bid", 11), row("offer", 11)])).is_err());
    assert!(Book::of(&raw(&[])).unwrap().rest().is_ok());
}
