//! The house's rules as a test: who may name whom, how long a file may be, what lives only where.
//!
//! Reads the text of `src/`. Comments and string literals do not count as naming, and neither do
//! unit tests (`tests.rs`, or `mod tests` at a file's end), which are no part of the house.

use std::{collections::BTreeSet, fmt, fs, path::Path};

/// What any room may name: values, wall time, metrics, its own section of the settings.
const COMMON: &[&str] = &["market", "clock", "telemetry", "config"];

/// Room, and what it may name beside itself. Directions lead downwards: a room may name those
/// below it, never one above or beside it unless it is written here.
const ROOMS: &[(&str, &[&[&str]])] = &[
    ("market", &[]),
    ("clock", &[&["market"]]),
    ("tasks", &[]),
    ("telemetry", &[&["market", "clock", "config"]]),
    ("config", &[&["exchange"], COMMON]),
    ("exchange", &[COMMON]),
    ("upstream", &[&["exchange", "tasks"], COMMON]),
    ("cache", &[&["tasks"], COMMON]),
    ("store", &[&["exchange", "tasks"], COMMON]),
    ("registry", &[&["upstream", "exchange", "tasks"], COMMON]),
    ("feed", &[&["registry", "upstream", "exchange", "tasks"], COMMON]),
    ("fleet", &[&["cache", "upstream", "tasks"], COMMON]),
    ("service", &[BELOW_SERVICE, COMMON]),
    ("access", &[COMMON]),
    ("api", &[&["access", "service"], BELOW_SERVICE, COMMON]),
    // Written from the exchange's documentation, so that it cannot share an error with the adapter.
    ("sim", &[&["tasks"], COMMON]),
    // Arithmetic: no runtime, no network.
    ("plan", &[&["exchange"], COMMON]),
    ("cli", &[&["access", "plan", "exchange"], COMMON]),
    ("main", &[&["app", "cli"], COMMON]),
    ("lib", &[]),
];

const BELOW_SERVICE: &[&str] =
    &["feed", "cache", "store", "registry", "upstream", "exchange", "tasks"];

/// The composition root names every room.
const ROOT: &str = "app";

/// A path that only some places may name, although the room it is in may be named.
const INNER: &[(&str, &[&str])] = &[
    ("exchange::bitfinex", &["exchange/", "api/bitfinex", "app"]),
    ("exchange::binance", &["exchange/"]),
    ("exchange::coinbase", &["exchange/"]),
    ("exchange::kraken", &["exchange/"]),
];

/// Text in code that belongs to one place.
const CONFINED: &[(&str, &[&str])] = &[
    ("reqwest", &["exchange/transport.rs"]),
    ("tokio_tungstenite", &["feed/wire.rs", "api/", "sim/"]),
    ("redis", &["fleet/"]),
    ("rusqlite", &["store/"]),
    ("opentelemetry", &["telemetry/traces.rs"]),
    ("arrow_array", &["api/frames/"]),
    ("arrow_ipc", &["api/frames/"]),
    ("arrow_schema", &["api/frames/"]),
    ("parquet", &["api/frames/"]),
    ("tokio::spawn", &["tasks.rs"]),
    ("task::spawn", &["tasks.rs"]),
    ("metrics_exporter_prometheus", &["telemetry/"]),
    ("counter!", &["telemetry/"]),
    ("gauge!", &["telemetry/"]),
    ("histogram!", &["telemetry/"]),
    ("describe_counter!", &["telemetry/"]),
    ("describe_gauge!", &["telemetry/"]),
    ("describe_histogram!", &["telemetry/"]),
];

/// Text in code that some places never contain.
const FOREIGN: &[(&str, &[&str])] = &[
    ("market/", &["tokio", "http", "axum"]),
    ("cache/", &["axum", "bitfinex"]),
    ("upstream/", &["axum", "bitfinex"]),
    ("plan/", &["tokio", "axum"]),
];

/// Words that promise work, in comments too.
const PROMISES: &[&str] = &["TODO", "FIXME"];

const LONGEST: usize = 500;

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Offence {
    file: String,
    line: usize,
    what: String,
}

impl fmt::Display for Offence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "src/{}:{}: {}", self.file, self.line, self.what)
    }
}

#[test]
fn the_house_keeps_its_rules() {
    let mut files = Vec::new();
    collect(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), "", &mut files);
    assert!(files.iter().any(|(name, _)| name == "lib.rs"), "the sources were found");
    let offences: Vec<String> = check(&files).iter().map(ToString::to_string).collect();
    assert!(offences.is_empty(), "{} offences:\n{}", offences.len(), offences.join("\n"));
}

fn collect(dir: &Path, above: &str, files: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = format!("{above}{}", path.file_name().unwrap().to_str().unwrap());
        if path.is_dir() {
            collect(&path, &format!("{name}/"), files);
        } else if name.ends_with(".rs") {
            files.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
}

/// Everything that is against the rules in files given as path below `src/` and text.
fn check(files: &[(String, String)]) -> Vec<Offence> {
    let mut offences = Vec::new();
    for (file, text) in files {
        let mut add = |line: usize, what: String| {
            offences.push(Offence { file: file.clone(), line, what });
        };
        let length = text.lines().count();
        if length > LONGEST {
            add(length, format!("{length} lines, more than {LONGEST}"));
        }
        for (index, line) in text.lines().enumerate() {
            for promise in PROMISES.iter().filter(|promise| words(line, promise).next().is_some()) {
                add(index + 1, format!("{promise} in a finished file"));
            }
        }
        let code = production(file, &code(text));
        for (line, path) in crate_paths(&code) {
            direction(file, &path).into_iter().for_each(|what| add(line, what));
        }
        for (index, line) in code.lines().enumerate() {
            belongings(file, line).into_iter().for_each(|what| add(index + 1, what));
        }
    }
    offences.sort();
    offences
}

fn direction(file: &str, path: &str) -> Option<String> {
    let room = file.split(['/', '.']).next().unwrap_or(file);
    let named = path.split("::").next().unwrap_or(path);
    if room == ROOT {
        return None;
    }
    let Some((_, allowed)) = ROOMS.iter().find(|(name, _)| *name == room) else {
        return Some(format!("the room {room} has no entry in tests/architecture.rs"));
    };
    let is_room = named == ROOT || ROOMS.iter().any(|(name, _)| *name == named);
    // A name that is no room is a re-export or a macro at the crate's root, and there are none.
    if named != room && !(is_room && allowed.iter().any(|group| group.contains(&named))) {
        return Some(format!("{room} may not name crate::{named}"));
    }
    INNER.iter().find_map(|(inner, places)| {
        let inside = path == *inner || path.starts_with(&format!("{inner}::"));
        (inside && !places.iter().any(|place| file.starts_with(place)))
            .then(|| format!("crate::{inner} may only be named in {}", places.join(", ")))
    })
}

fn belongings(file: &str, line: &str) -> Vec<String> {
    let contains = |word: &str| words(line, word).next().is_some();
    let confined = CONFINED
        .iter()
        .filter(|(word, places)| {
            contains(word) && !places.iter().any(|place| file.starts_with(place))
        })
        .map(|(word, places)| format!("{word} belongs in {}", places.join(", ")));
    let foreign = FOREIGN
        .iter()
        .filter(|(place, _)| file.starts_with(place))
        .flat_map(|(place, words)| words.iter().map(move |word| (place, word)))
        .filter(|(_, word)| contains(word))
        .map(|(place, word)| format!("{word} is foreign to {place}"));
    confined.chain(foreign).collect()
}

/// Where `word` stands in `line` as a whole word.
fn words<'a>(line: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let before = line[..*at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(part) && !after.is_some_and(part)
    })
}

/// The text with comments and the insides of string literals blanked; lines stay where they are.
fn code(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let (taken, keep) = if rest.starts_with("//") {
            (rest.find('\n').unwrap_or(rest.len()), false)
        } else if rest.starts_with("/*") {
            (block_comment(rest), false)
        } else if let Some(length) = string(rest, &out) {
            (length, false)
        } else if let Some(length) = character(rest) {
            (length, false)
        } else {
            (next.len_utf8(), true)
        };
        let (piece, left) = rest.split_at(taken);
        if keep {
            out.push_str(piece);
        } else {
            out.extend(piece.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        }
        rest = left;
    }
    out
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        let step = match &rest.as_bytes()[at..] {
            [b'/', b'*', ..] => {
                depth += 1;
                2
            }
            [b'*', b'/', ..] => {
                depth -= 1;
                2
            }
            _ => 1,
        };
        at += step;
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

/// Length of the string literal that starts here, raw or not.
fn string(rest: &str, before: &str) -> Option<usize> {
    let in_word = before.ends_with(|c: char| c.is_alphanumeric() || c == '_');
    let after_r = rest.strip_prefix('r').filter(|_| !in_word || before.ends_with('b'));
    if let Some(raw) = after_r {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if let Some(body) = raw[hashes..].strip_prefix('"') {
            let end = format!("\"{}", "#".repeat(hashes));
            let length = body.find(&end).map_or(body.len(), |at| at + end.len());
            return Some(1 + hashes + 1 + length);
        }
    }
    let body = rest.strip_prefix('"')?;
    let mut escaped = false;
    let end = body.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    Some(1 + end.map_or(body.len(), |at| at + 1))
}

/// Length of the character literal that starts here; a lifetime is none.
fn character(rest: &str) -> Option<usize> {
    let body = rest.strip_prefix('\'')?;
    let inside = match body.strip_prefix('\\') {
        Some(escape) => 1 + escape.chars().next()?.len_utf8(),
        None => body.chars().next()?.len_utf8(),
    };
    let end = inside + body[inside..].find('\'')?;
    let whole = body.starts_with('\\') || end == inside;
    whole.then_some(1 + end + 1)
}

/// The code that is part of the house: nothing of a test file, nothing of `mod tests`.
fn production(file: &str, code: &str) -> String {
    if file.split('/').any(|part| part == "tests" || part == "tests.rs") {
        return String::new();
    }
    // A file ends with its unit tests.
    match code.find("\nmod tests {") {
        Some(at) => code[..at].to_owned(),
        None => code.to_owned(),
    }
}

/// Every path that starts with `crate::`, as line and the path behind it; groups are spread out.
fn crate_paths(code: &str) -> BTreeSet<(usize, String)> {
    const START: &str = "crate::";
    let mut found = BTreeSet::new();
    for at in words(code, "crate") {
        if let Some(rest) = code[at..].strip_prefix(START)
            && !code[..at].ends_with('$')
        {
            let line = 1 + code[..at].matches('\n').count();
            spread(rest, line, "", &mut found);
        }
    }
    found
}

/// Reads one tree of a `use`, or one path of an expression; returns what is left behind it.
fn spread<'a>(
    text: &'a str,
    mut line: usize,
    above: &str,
    found: &mut BTreeSet<(usize, String)>,
) -> (&'a str, usize) {
    if let Some(mut rest) = text.strip_prefix('{') {
        loop {
            let trimmed = rest.trim_start_matches([' ', '\n', ',']);
            line += rest[..rest.len() - trimmed.len()].matches('\n').count();
            if trimmed.is_empty() {
                return (trimmed, line);
            }
            if let Some(left) = trimmed.strip_prefix('}') {
                return (left, line);
            }
            let (left, at) = spread(trimmed, line, above, found);
            // `X as Y` and whatever else is no path: on to the next item.
            let skipped = left.find([',', '}']).unwrap_or(left.len());
            line = at + left[..skipped].matches('\n').count();
            rest = &left[skipped..];
        }
    }
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len());
    let path = if above.is_empty() {
        text[..end].to_owned()
    } else {
        format!("{above}::{}", &text[..end])
    };
    match text[end..].strip_prefix("::") {
        Some(rest) if end > 0 => spread(rest, line, &path, found),
        _ => {
            found.insert((line, path));
            (&text[end..], line)
        }
    }
}

fn offences(files: &[(&str, &str)]) -> Vec<String> {
    let owned: Vec<_> =
        files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    check(&owned).iter().map(ToString::to_string).collect()
}

#[test]
fn a_forbidden_direction_is_found_in_every_form() {
    let upstream = "\
use crate::market::Symbol;
use crate::{
    clock::Clock,
    exchange::{Family, bitfinex::Names},
    service::{
        Candles,
    },
};
fn f(x: crate::api::Problem) -> crate::upstream::Call { g::<crate::cache::Entry>() }
pub(crate) fn ok() {}
";
    assert_eq!(
        offences(&[("upstream/call.rs", upstream)]),
        [
            "src/upstream/call.rs:4: bitfinex is foreign to upstream/",
            "src/upstream/call.rs:4: crate::exchange::bitfinex may only be named in exchange/, \
             api/bitfinex, app",
            "src/upstream/call.rs:6: upstream may not name crate::service",
            "src/upstream/call.rs:9: upstream may not name crate::api",
            "src/upstream/call.rs:9: upstream may not name crate::cache",
        ]
    );
}

#[test]
fn allowed_directions_comments_texts_and_tests_are_no_offence() {
    let service = r##"
//! See [`crate::api::Problem`] and crate::app.
/* crate::sim /* nested */ crate::api */
use crate::{cache::Entry, feed::Hub, registry::Markets, upstream::Call, exchange::UpstreamError};
const TEXT: &str = "crate::api tokio::spawn \" reqwest";
const RAW: &str = r#"crate::api " redis"#;
const QUOTE: char = '"'; // crate::api
fn lifetime<'a>(x: &'a str) -> &'a str { x }

#[cfg(test)]
mod tests {
    use crate::sim::Sim;
    fn f() { tokio::spawn(async {}); }
}
"##;
    let files = [
        ("service/mod.rs", service),
        ("service/tests.rs", "use crate::sim::Sim;"),
        ("app.rs", "use crate::{sim, api, exchange::bitfinex::Bitfinex};"),
        ("api/bitfinex/mod.rs", "use crate::exchange::bitfinex::native;"),
        ("main.rs", "fn main() { tidegate::app::run() }"),
    ];
    assert_eq!(offences(&files), [""; 0]);
}

#[test]
fn code_after_a_text_is_still_read() {
    let market = "const A: &str = \"a\\\\\"; use crate::api::X;\nconst B: &[u8] = br\"\\\"; \
                  use crate::cache::X;\nconst C: char = '\\''; use tokio::net;\n";
    assert_eq!(
        offences(&[("market/a.rs", market)]),
        [
            "src/market/a.rs:1: market may not name crate::api",
            "src/market/a.rs:2: market may not name crate::cache",
            "src/market/a.rs:3: tokio is foreign to market/",
        ]
    );
}

#[test]
fn what_lives_in_one_place_is_found_elsewhere() {
    let text = "fn f() { tokio::spawn(x); }\nuse reqwest::Client;\nmetrics::counter!(\"a\");\n";
    assert_eq!(
        offences(&[
            ("registry/mod.rs", text),
            ("tasks.rs", "tokio::spawn(x)"),
            ("exchange/transport.rs", "use reqwest::Client;"),
            ("telemetry/metrics.rs", "metrics::counter!(\"a\");"),
        ]),
        [
            "src/registry/mod.rs:1: tokio::spawn belongs in tasks.rs",
            "src/registry/mod.rs:2: reqwest belongs in exchange/transport.rs",
            "src/registry/mod.rs:3: counter! belongs in telemetry/",
        ]
    );
}

#[test]
fn promises_long_files_and_unknown_rooms_are_found() {
    let long = "\n".repeat(LONGEST + 1);
    let files = [
        ("api/a.rs", "fn f() {} // TODO later\n/// FIXME: soon\nconst TODOS: u8 = 0;\n"),
        ("api/b.rs", long.as_str()),
        ("attic/mod.rs", "use crate::market::Symbol;"),
        ("api/c.rs", "use crate::attic::Box;"),
    ];
    assert_eq!(
        offences(&files),
        [
            "src/api/a.rs:1: TODO in a finished file",
            "src/api/a.rs:2: FIXME in a finished file",
            "src/api/b.rs:501: 501 lines, more than 500",
            "src/api/c.rs:1: api may not name crate::attic",
            "src/attic/mod.rs:1: the room attic has no entry in tests/architecture.rs",
        ]
    );
}
