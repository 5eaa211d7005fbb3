//! True answers, spoilt.

use serde_json::{Value, value::RawValue};

use super::faults::Fault;

/// The body that a fault of content makes of the true one; `None` if the fault is of another kind.
pub(super) fn mangle(fault: &Fault, body: &str) -> Option<String> {
    match fault {
        Fault::Strings => Some(each_number(body, |_, number| format!("\"{number}\""))),
        Fault::Nulls => {
            Some(each_number(
                body,
                |place, number| {
                    if place == 0 { number.to_owned() } else { "null".to_owned() }
                },
            ))
        }
        Fault::NotANumber => Some(last_number_as_nan(body)),
        Fault::TruncatedRows => Some(truncate_rows(body)),
        Fault::Crossed => Some(cross(body).unwrap_or_else(|| body.to_owned())),
        _ => None,
    }
}

/// Replaces each number outside strings; `replace` is told how many numbers the row had before it.
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
        match first {
            '-' | '0'..='9' => {
                out.push_str(&replace(place, token));
                place += 1;
            }
            _ => {
                if first == '[' {
                    place = 0;
                }
                out.push_str(token);
            }
        }
        rest = after;
    }
    out
}

fn last_number_as_nan(body: &str) -> String {
    let mut numbers = 0;
    each_number(body, |_, number| {
        numbers += 1;
        number.to_owned()
    });
    let mut number = 0;
    each_number(body, |_, text| {
        number += 1;
        if number == numbers { "NaN".to_owned() } else { text.to_owned() }
    })
}

fn truncate_rows(body: &str) -> String {
    fn shorten(value: &mut Value) {
        let Value::Array(items) = value else { return };
        if items.iter().any(Value::is_array) {
            items.iter_mut().for_each(shorten);
        } else {
            items.truncate(2);
        }
    }
    let mut value = serde_json::from_str(body).unwrap_or(Value::Null);
    shorten(&mut value);
    value.to_string()
}

/// Exchanges the prices of the first bid and the first ask of a book; `None` if it is none.
fn cross(body: &str) -> Option<String> {
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
            (Fault::TruncatedRows, r#"[["tB1",7e-7],["x",4]]"#),
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
}
