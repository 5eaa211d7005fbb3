use super::*;
use crate::market::Precision;

fn rows(json: &str) -> Vec<&RawValue> {
    serde_json::from_str(json).unwrap()
}

fn row(json: &str) -> &RawValue {
    serde_json::from_str(json).unwrap()
}

fn levels(depth: u32) -> BookState {
    BookState::new(Aggregation::Levels(Precision::P0), false, depth)
}

fn invalid_book<T: std::fmt::Debug>(result: Result<T, Broken>) -> String {
    match result {
        Err(Broken::Invalid(why)) => why,
        other => panic!("{other:?}"),
    }
}

/// The sum of `7e-7:10.50:0.0000011:-3:1e-7:2`, computed with zlib.
const SUM: i32 = 1_432_365_434;

#[test]
fn the_checksum_covers_the_exchanges_own_text() {
    let mut book = levels(25);
    // In any order, with a column too many.
    book.replace(&rows("[[1e-7,1,2],[0.0000011,1,-3],[7e-7,2,10.50,null]]")).unwrap();
    assert_eq!(book.check(SUM.into()), Ok(Some(SUM)));
    assert_eq!(book.check(i64::from(SUM) + 1), Err(Broken::Checksum));
    assert_eq!(book.check(i64::from(SUM) + (1 << 32)), Err(Broken::Checksum));
    // An empty book has the sum of an empty text.
    assert_eq!(levels(25).check(0), Ok(Some(0)));
    assert_eq!(levels(1).check(1), Ok(None));
}

#[test]
fn the_checksum_covers_25_levels() {
    let mut book = levels(100);
    let bids = (0..40).map(|n| format!("[{},1,1]", 100 - n));
    let all = format!("[{}]", bids.collect::<Vec<_>>().join(","));
    book.replace(&rows(&all)).unwrap();
    let text = (0..25).map(|n| format!("{}:1", 100 - n)).collect::<Vec<_>>().join(":");
    let sum = crc32fast::hash(text.as_bytes()).cast_signed();
    assert_eq!(book.check(sum.into()), Ok(Some(sum)));
}

#[test]
fn the_checksum_of_orders_goes_by_their_ids() {
    let mut book = BookState::new(Aggregation::Orders, false, 25);
    book.replace(&rows("[[150000000012,10,1],[150000000011,10,2],[5,11,-1]]")).unwrap();
    let sum = crc32fast::hash(b"150000000011:2:5:-1:150000000012:1").cast_signed();
    assert_eq!(book.check(sum.into()), Ok(Some(sum)));
    // The order moves to another price, then goes.
    book.update(row("[150000000011,9.5,2]")).unwrap();
    let sum = crc32fast::hash(b"150000000012:1:5:-1:150000000011:2").cast_signed();
    assert_eq!(book.check(sum.into()), Ok(Some(sum)));
    book.update(row("[150000000012,0,1]")).unwrap();
    let sum = crc32fast::hash(b"150000000011:2:5:-1").cast_signed();
    assert_eq!(book.check(sum.into()), Ok(Some(sum)));
    let why = invalid_book(book.update(row("[150000000012,0,1]")));
    assert_eq!(why, "book: a level was removed that is not there");
}

#[test]
fn offers_of_loans_are_asks_and_may_cross() {
    let mut book = BookState::new(Aggregation::Levels(Precision::P0), true, 25);
    let data = book.replace(&rows("[[0.0002,2,1,100],[0.0003,30,2,-250.5]]")).unwrap();
    let Data::Book(levels) = data else { panic!() };
    assert_eq!((levels[0].side, levels[0].number), (BookSide::Ask, 2));
    assert_eq!((levels[1].side, levels[1].number), (BookSide::Bid, 30));
    assert_eq!(levels[1].amount.as_ref().unwrap().as_str(), "250.5");
    // Two loans of one rate differ in their days.
    book.update(row("[0.0002,30,1,5]")).unwrap();
    assert_eq!(book.ladder.levels(BookSide::Ask).len(), 2);
    book.update(row("[0.0002,2,0,1]")).unwrap();
    assert_eq!(book.ladder.levels(BookSide::Ask).next().unwrap().0, 30);
    assert_eq!(book.check(12345), Ok(None));
    let mut raw = BookState::new(Aggregation::Orders, true, 25);
    raw.replace(&rows("[[649139359,2,0.0003,-50]]")).unwrap();
    raw.update(row("[649139359,2,0,-1]")).unwrap();
    assert_eq!(raw.ladder.depth(), 0);
}

#[test]
fn impossible_states_between_two_changes_are_held_back() {
    let mut book = levels(1);
    book.replace(&rows("[[10,1,1],[11,1,-1]]")).unwrap();
    // The new best bid comes before the ask that it took goes.
    assert_eq!(book.update(row("[11,1,2]")), Ok(None));
    assert_eq!(book.update(row("[11,0,-1]")), Ok(None));
    let Ok(Some(Data::Levels(changes))) = book.update(row("[10,0,1]")) else { panic!() };
    assert_eq!(changes.len(), 3);
    assert_eq!(changes[0].raw.as_str(), "[11,1,2]");
    assert!(changes[1].amount.is_none());
}

#[test]
fn what_stays_impossible_is_broken() {
    let crossed = || {
        let mut book = levels(25);
        book.replace(&rows("[[10,1,1],[11,1,-1]]")).unwrap();
        assert_eq!(book.update(row("[11,1,2]")), Ok(None));
        book
    };
    let mut book = crossed();
    for _ in 2..MOST_HELD_BACK {
        assert_eq!(book.update(row("[9,1,1]")), Ok(None));
    }
    assert_eq!(invalid_book(book.update(row("[9,1,1]"))), "book: crossed");
    assert_eq!(invalid_book(crossed().check(0)), "book: crossed");
    assert_eq!(invalid_book(crossed().rest()), "book: crossed");
    let mut deep = levels(1);
    let why = invalid_book(deep.replace(&rows("[[10,1,1],[9,1,1]]")));
    assert_eq!(why, "book: more levels than asked for");
    assert_eq!(invalid_book(levels(25).replace(&rows("[[10,1,1],[10,1,-1]]"))), "book: crossed");
}

#[test]
fn rows_that_cannot_be_true_are_broken() {
    for bad in [
        "[10,0,1]",
        "[10,-1,1]",
        "[10,1,0]",
        "[0,1,1]",
        "[-10,1,1]",
        "[10,1]",
        "[\"10\",1,1]",
        "[10,1.5,1]",
        "[null,1,1]",
        "[1e40,1,1]",
        "{}",
        "7",
    ] {
        invalid_book(levels(25).update(row(bad)));
    }
    invalid_book(levels(25).replace(&rows("[[10,0,1]]")));
}
