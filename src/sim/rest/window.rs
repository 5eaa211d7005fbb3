//! Parameters of a history.

use crate::sim::{engine::Window, query::Query};

use super::Invalid;

/// Unknown parameters are ignored, as the exchange does.
impl Query {
    /// A whole number; zero and an empty value count as absent (recorded 2025-08).
    fn int(&self, name: &'static str) -> Result<Option<i64>, Invalid> {
        match self.text(name) {
            None | Some("") => Ok(None),
            Some(text) => match text.parse::<i64>() {
                Ok(0) => Ok(None),
                Ok(value) => Ok(Some(value)),
                Err(_) => Err(Invalid(name)),
            },
        }
    }

    /// `limit`, `start`, `end` and `sort` of a history.
    pub(super) fn window(&self, default: usize, most: usize) -> Result<Window, Invalid> {
        let limit = match self.int("limit")? {
            None => default,
            Some(limit) => {
                let limit = usize::try_from(limit).map_err(|_| Invalid("limit"))?;
                if limit > most {
                    return Err(Invalid("limit"));
                }
                limit
            }
        };
        let ascending = match self.int("sort")? {
            None | Some(-1) => false,
            Some(1) => true,
            Some(_) => return Err(Invalid("sort")),
        };
        Ok(Window {
            start: self.int("start")?.unwrap_or(i64::MIN),
            end: self.int("end")?.unwrap_or(i64::MAX),
            limit,
            ascending,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_read_and_refused() {
        let window = |query| Query::parse(query).window(100, 10_000);
        assert_eq!(window("limit=0&start=0&end=0&sort=0&_=5"), Ok(Window::newest(100)));
        let some = Window { start: 5, end: 9, limit: 3, ascending: true };
        assert_eq!(window("sort=1&end=9&limit=3&start=5"), Ok(some));
        for (query, field) in [
            ("limit=10001", "limit"),
            ("limit=-1", "limit"),
            ("start=x", "start"),
            ("sort=2", "sort"),
        ] {
            assert_eq!(window(query), Err(Invalid(field)), "{query}");
        }
        assert_eq!(
            Query::parse("symbols=tDOGE%3AUSD%2CfUSD").text("symbols"),
            Some("tDOGE:USD,fUSD")
        );
    }
}
