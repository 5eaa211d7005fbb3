//! True answers, spoilt.

use serde_json::{Value, value::RawValue};

use super::faults::Fault;

/// The body that a fault of content makes of the true one; `None` if the fault is of another kind.
pub(super) fn mangle(fault: &Fault, body: &str) -> Option<String> {
    match fault {
        Fault::Strings => Some(each_number(body, |_, number| match number.starts_with('"') {
            true => number.to_owned(),
            false => format!("\"{number}\""),
        })),
        Fault::Nulls => {
            Some(each_number(
                body,
                |place, number| {
                    if place == 0 { number.to_owned() } else { "null".to_owned() }
                },
            ))
        }
        Fault::NotANumber => Some(as_nan(body)),
        Fault::TruncatedRows => Some(truncate_rows(body)),
        Fault::Crossed => Some(cross(body).unwrap_or_else(|| body.to_owned())),
        _ => None,
    }
}

/// Replaces each number, and each string that is one; `replace` is told how many numbers the row, or
/// the object, had before it.
fn each_number(body: &str, mut replace: impl FnMut(usize, &str) -> String) -> String {
    let mut out = String::with_capacity(body.len() * 2);
    let (mut rest, mut place) = (body, 0);
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => rest[1..].find('"').map_or(rest.len(), |end| end + 2),
            '-' | '0'..='9' => {
                let ends = |c: char| !matches!(c, '-' | '+' | '.' | 'e' | 'E' | '0'..='9');
                rest.find(ends).unwrap_or(rest.len())
            }
            other => other.len_utf8(),
        };
        let (token, after) = rest.split_at(length);
        let digits = token.trim_matches('"');
        let numeric = digits.parse::<f64>().is_ok_and(f64::is_finite);
        match first {
            '-' | '0'..='9' | '"' if numeric => {
                out.push_str(&replace(place, token));
                place += 1;
            }
            _ => {
                if matches!(first, '[' | '{') {
                    place = 0;
                }
                out.push_str(token);
            }
        }
        rest = after;
    }
    out
}

fn as_nan(body: &str) -> String {
    let is_fraction = |text: &str| text.starts_with('"') && text.contains('.');
    let (mut numbers, mut has_fractions) = (0, false);
    each_number(body, |_, text| {
        numbers += 1;
        has_fractions |= is_fraction(text);
        text.to_owned()
    });
    let mut number = 0;
    each_number(body, |_, text| {
        number += 1;
        match has_fractions {
            true if is_fraction(text) => "\"NaN\"".to_owned(),
            false if number == numbers => "NaN".to_owned(),
            _ => text.to_owned(),
        }
    })
}

fn truncate_rows(body: &str) -> String {
    let kept = |fields: usize| 2.min(fields.saturating_sub(1));
    let is_row = |value: &Value| match value {
        Value::Array(items) => !items.iter().any(|item| item.is_array() || item.is_object()),
        Value::Object(fields) => !fields.values().any(|item| item.is_array() || item.is_object()),
        _ => false,
    };
    fn shorten(value: &mut Value, is_row: &dyn Fn(&Value) -> bool, kept: &dyn Fn(usize) -> usize) {
        let row = is_row(value);
        match value {
            Value::Array(items) if row => items.truncate(kept(items.len())),
            Value::Array(items) => items.iter_mut().for_each(|item| shorten(item, is_row, kept)),
            Value::Object(fields) if row => {
                let gone: Vec<String> = fields.keys().skip(kept(fields.len())).cloned().collect();
                gone.iter().for_each(|name| drop(fields.remove(name)));
            }
            Value::Object(fields) => {
                fields.values_mut().for_each(|field| shorten(field, is_row, kept));
            }
            _ => {}
        }
    }
    let mut value = serde_json::from_str(body).unwrap_or(Value::Null);
    shorten(&mut value, &is_row, &kept);
    value.to_string()
}

/// Exchanges the prices of the first bid and the first ask of a book; `None` if it is none.
fn cross(body: &str) -> Option<String> {
    if body.starts_with('{') {
        let mut value = serde_json::from_str(body).ok()?;
        return cross_sides(&mut value).then(|| value.to_string());
    }
    let mut rows: Vec<Vec<&RawValue>> = serde_json::from_str(body).ok()?;
    let positive = |row: &[&RawValue]| Some(!row.last()?.get().starts_with('-'));
    let first = positive(rows.first()?)?;
    let other = rows.iter().position(|row| positive(row) == Some(!first))?;
    // An order's id comes before its price and is far above any price.
    let id = rows[0].first()?.get().parse::<f64>().is_ok_and(|id| id > 1e11);
    let price = usize::from(id);
    let (bid, ask) = (*rows[0].get(price)?, *rows[other].get(price)?);
    rows[0][price] = ask;
    rows[other][price] = bid;
    serde_json::to_string(&rows).ok()
}

/// The same for a book whose sides have names; false if there is none.
fn cross_sides(value: &mut Value) -> bool {
    fn price(side: &mut Value) -> Option<&mut Value> {
        match side.get_mut(0)? {
            Value::Array(row) => row.first_mut(),
            row => row.get_mut("price"),
        }
    }
    let Value::Object(fields) = value else { return false };
    let (bid, ask) = match fields.get_mut("bids").and_then(price).cloned() {
        Some(bid) => (bid, fields.get_mut("asks").and_then(price).cloned()),
        None => return fields.values_mut().any(cross_sides),
    };
    let Some(ask) = ask else { return false };
    for (side, other) in [("bids", ask), ("asks", bid)] {
        if let Some(price) = fields.get_mut(side).and_then(price) {
            *price = other;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_spoilt_as_named() {
        let body = r#"[["tB1",7e-7,2,-3.5],["x",4]]"#;
        for (fault, spoilt) in [
            (Fault::Strings, r#"[["tB1","7e-7","2","-3.5"],["x","4"]]"#),
            (Fault::Nulls, r#"[["tB1",7e-7,null,null],["x",4]]"#),
            (Fault::NotANumber, r#"[["tB1",7e-7,2,-3.5],["x",NaN]]"#),
            (Fault::TruncatedRows, r#"[["tB1",7e-7],["x"]]"#),
        ] {
            assert_eq!(mangle(&fault, body).as_deref(), Some(spoilt));
        }
        let book = "[[100,1,2.5],[99,1,1],[101,3,-0.5],[102,1,-1]]";
        let crossed = "[[101,1,2.5],[99,1,1],[100,3,-0.5],[102,1,-1]]";
        assert_eq!(mangle(&Fault::Crossed, book).as_deref(), Some(crossed));
        let raw = "[[150000000001,7e-7,2],[150000000002,8e-7,-2]]";
        let crossed = "[[150000000001,8e-7,2],[150000000002,7e-7,-2]]";
        assert_eq!(mangle(&Fault::Crossed, raw).as_deref(), Some(crossed));
        assert_eq!(mangle(&Fault::Hang, book), None);
    }

    #[test]
    fn bodies_of_objects_and_strings_are_spoilt_too() {
        let rows = r#"{"result":{"XXBTZUSD":[[5,"7.5","x","2"]],"last":9}}"#;
        for (fault, spoilt) in [
            (Fault::Strings, r#"{"result":{"XXBTZUSD":[["5","7.5","x","2"]],"last":"9"}}"#),
            (Fault::Nulls, r#"{"result":{"XXBTZUSD":[[5,null,"x",null]],"last":null}}"#),
            (Fault::NotANumber, r#"{"result":{"XXBTZUSD":[[5,"NaN","x","2"]],"last":9}}"#),
            (Fault::TruncatedRows, r#"{"result":{"XXBTZUSD":[[5,"7.5"]],"last":9}}"#),
        ] {
            let spoilt: String = spoilt.to_owned();
            let made = mangle(&fault, rows).unwrap();
            let same = |a: &str, b: &str| {
                let read = |text: &str| serde_json::from_str::<Value>(text).ok();
                read(a).map_or(a == b, |value| Some(value) == read(b))
            };
            assert!(same(&made, &spoilt), "{fault:?}: {made}");
        }
        let objects = r#"{"candles":[{"a":"1","b":"2","c":"3"}]}"#;
        let made = mangle(&Fault::TruncatedRows, objects).unwrap();
        assert_eq!(made, r#"{"candles":[{"a":"1","b":"2"}]}"#);
        for (whole, left) in [
            (r#"{"bids":[["1","2"]],"at":3}"#, r#"{"bids":[["1"]],"at":3}"#),
            (r#"{"bids":[{"a":"1","b":"2"}]}"#, r#"{"bids":[{"a":"1"}]}"#),
            (r#"{"a":"1","b":"2","c":"3"}"#, r#"{"a":"1","b":"2"}"#),
        ] {
            let made = mangle(&Fault::TruncatedRows, whole).unwrap();
            let read = |text: &str| serde_json::from_str::<Value>(text).unwrap();
            assert_eq!(read(&made), read(left));
        }
        let book = r#"{"result":{"X":{"asks":[["11",1],["12",1]],"bids":[["10",2]]}}}"#;
        let crossed = r#"{"result":{"X":{"asks":[["10",1],["12",1]],"bids":[["11",2]]}}}"#;
        assert_eq!(mangle(&Fault::Crossed, book).as_deref(), Some(crossed));
        let book = r#"{"pricebook":{"asks":[{"price":"11"}],"bids":[{"price":"10"}]}}"#;
        let crossed = r#"{"pricebook":{"asks":[{"price":"10"}],"bids":[{"price":"11"}]}}"#;
        assert_eq!(mangle(&Fault::Crossed, book).as_deref(), Some(crossed));
    }
}
