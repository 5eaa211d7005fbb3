//! `tidegate demo` as a newcomer runs it: the built binary, over real sockets.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    net::TcpListener,
    process::{Child, Command, Output, Stdio},
};

fn demo(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command.arg("demo").args(args);
    // Settings of whoever runs the tests are not to reach it.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TIDEGATE__") {
            command.env_remove(name);
        }
    }
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(args: &[&str]) -> (Output, String) {
    let output = demo(args).output().unwrap();
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    (output, text)
}

/// Ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _already_over = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// A row of the table.
struct Row {
    seconds: u64,
    asked: u64,
    from_streams: String,
}

impl Row {
    fn read(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [time, asked, _, from_streams, ..] = words[..] else { return None };
        let (minutes, seconds) = time.split_once(':')?;
        let number = |text: &str| text.replace(',', "").parse::<u64>().ok();
        Some(Self {
            seconds: number(minutes)? * 60 + number(seconds)?,
            asked: number(asked)?,
            from_streams: from_streams.to_owned(),
        })
    }
}

/// A demo on a free port that is interrupted as soon as it has done enough, which its rows tell,
/// however fast the machine is. The rows, and all that was printed.
fn run_until(args: &[&str], is_enough: impl Fn(&[Row]) -> bool) -> (Vec<Row>, String) {
    // What does not come until then does not come.
    let args = [&["--listen", "127.0.0.1:0", "--seconds", "180"], args].concat();
    let mut running = Running(demo(&args).spawn().unwrap());
    let mut out = BufReader::new(running.0.stdout.take().unwrap());
    let (mut rows, mut text) = (Vec::new(), String::new());
    let mut is_in_table = false;
    while !is_enough(&rows) {
        let before = text.len();
        assert_ne!(out.read_line(&mut text).unwrap(), 0, "it ended by itself: {text}");
        let line = &text[before..];
        rows.extend(Row::read(line).filter(|_| is_in_table));
        is_in_table |= line.contains("budget left");
    }
    let pid = running.0.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    out.read_to_string(&mut text).unwrap();
    assert!(running.0.wait().unwrap().success());
    let mut errors = String::new();
    running.0.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    assert_eq!(errors, "", "a demo without trouble logs nothing");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    (rows, text)
}

fn asked(rows: &[Row]) -> u64 {
    rows.last().map_or(0, |row| row.asked)
}

/// The number in `text` that follows `label` at the start of a line.
fn figure(text: &str, label: &str) -> u64 {
    let rest = text.lines().find_map(|line| line.trim_start().strip_prefix(label));
    let rest = rest.unwrap_or_else(|| panic!("{label:?} is not in {text}"));
    let word = rest.split_whitespace().next().unwrap();
    word.replace(',', "").parse().unwrap_or_else(|_| panic!("{label:?} has no figure in {text}"))
}

/// The table of what the exchange saw: family, calls, most in a minute, allowed in a minute.
fn families(text: &str) -> Vec<(String, u64, u64, u64)> {
    let from = text.find("the exchange saw").unwrap();
    let rows = text[from..].lines().skip(1).take_while(|line| !line.contains("in all"));
    rows.map(|row| {
        let words: Vec<&str> = row.split_whitespace().collect();
        let number = |at: usize| words[at].replace(',', "").parse().unwrap();
        (words[0].to_owned(), number(1), number(2), number(3))
    })
    .collect()
}

#[test]
fn many_requests_become_few_calls_within_every_limit() {
    let (rows, text) = run_until(&["--clients", "20"], |rows| asked(rows) > 600);

    let asked = figure(&text, "asked by 20    clients");
    let from_cache = figure(&text, "answered from the cache");
    let waited = figure(&text, "waited for the exchange");
    assert!(asked >= rows[rows.len() - 1].asked, "{text}");
    assert!(from_cache * 10 > asked * 8, "{text}");
    assert_eq!(figure(&text, "refused with a reason"), 0, "{text}");
    assert_eq!(figure(&text, "not answered"), 0, "{text}");
    assert_eq!(from_cache + waited, asked, "{text}");

    let families = families(&text);
    let names: Vec<&str> = families.iter().map(|row| row.0.as_str()).collect();
    for family in ["ticker", "tickers", "candles", "trades", "book", "conf"] {
        assert!(names.contains(&family), "{family} is not in {text}");
    }
    for (family, calls, most, allowed) in &families {
        assert!(most <= calls && most <= allowed, "{family}: {text}");
    }
    // Twelve tickers are fetched once each; from then on one call refreshes all of them, not more
    // often than they grow half as old as they may.
    let calls_of = |name: &str| families.iter().find(|row| row.0 == name).unwrap().1;
    assert!(
        calls_of("ticker") <= 18 && calls_of("tickers") <= figure(&text, "Summary of"),
        "{text}"
    );

    let calls: u64 = families.iter().map(|row| row.1).sum();
    assert_eq!(figure(&text, "in all"), calls, "{text}");
    assert_eq!(figure(&text, "answered 429"), 0, "{text}");
    assert!(calls * 3 < asked, "{text}");
    assert!(text.contains("Without the gateway the exchange would have been sent"), "{text}");

    // A row after five seconds each, under its head.
    let times: Vec<u64> = rows.iter().map(|row| row.seconds).collect();
    assert!(times[0] >= 5 && times.windows(2).all(|pair| pair[1] - pair[0] >= 4), "{text}");
}

#[test]
fn without_clients_nothing_but_the_market_list_is_asked_for() {
    let (output, text) = run(&["--listen", "127.0.0.1:0", "--clients", "0", "--seconds", "1"]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(families(&text), [("conf".to_owned(), 1, 1, 90)], "{text}");
    assert_eq!(figure(&text, "the gateway was asked"), 0, "{text}");
    assert!(!text.contains("Without the gateway"), "{text}");
}

/// The rows of one exchange's table: family and calls.
fn calls_of(text: &str, exchange: &str) -> Vec<(String, u64)> {
    let from = text.find(&format!("{exchange} saw ")).unwrap_or_else(|| panic!("{text}"));
    let rows = text[from..].lines().skip(1).take_while(|line| !line.contains("in all"));
    rows.map(|row| {
        let words: Vec<&str> = row.split_whitespace().collect();
        (words[0].to_owned(), words[1].replace(',', "").parse().unwrap())
    })
    .collect()
}

#[test]
fn several_exchanges_are_served_side_by_side_each_within_its_limits() {
    let names = ["bitfinex", "kraken", "coinbase", "binance"];
    let exchanges = names.join(",");
    // Each client has asked for everything that it watches, and some of it has come from streams.
    let (_, text) = run_until(&["--clients", "24", "--exchanges", &exchanges], |rows| {
        rows.len() >= 3 && asked(rows) > 600 && rows[rows.len() - 1].from_streams != "0%"
    });
    let mut sum = 0;
    for name in names {
        let calls = calls_of(&text, name);
        let of = |family: &str| calls.iter().any(|(other, count)| other == family && *count > 0);
        assert!(of("candles") && of("book"), "{name}: {text}");
        sum += calls.iter().map(|(_, count)| count).sum::<u64>();
    }
    assert_eq!(figure(&text, "all together"), sum, "{text}");
    assert_eq!(text.matches("\n  answered 429            0\n").count(), names.len(), "{text}");
    assert_eq!(figure(&text, "not answered"), 0, "{text}");
    let asked = figure(&text, "asked by 24    clients");
    assert!(figure(&text, "answered from the cache") * 10 > asked * 8, "{text}");
    assert!(figure(&text, "all of it from streams") > 0, "{text}");
}

#[test]
fn an_interrupt_ends_it_with_a_summary() {
    let (rows, text) = run_until(&["--clients", "5"], |rows| asked(rows) > 20);
    let (_, rest) = text.split_once("\nSummary of ").unwrap_or_else(|| panic!("{text}"));
    assert!(figure(rest, "asked by 5     clients") >= asked(&rows), "{text}");
    assert_eq!(figure(rest, "answered 429"), 0, "{text}");
}

#[test]
fn a_reader_who_has_seen_enough_is_no_error() {
    let args = ["--listen", "127.0.0.1:0", "--clients", "1", "--seconds", "1"];
    let mut running = Running(demo(&args).spawn().unwrap());
    drop(running.0.stdout.take());
    assert!(running.0.wait().unwrap().success());
    let mut said = String::new();
    running.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said, "");
}

#[test]
fn an_address_that_is_taken_is_an_error_that_says_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (output, text) = run(&["--listen", &address]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text, "");
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        format!(
            "tidegate: {address} is taken. Choose another address, or port 0 for any free one:\n  \
             tidegate demo --listen 127.0.0.1:0\n"
        )
    );
}
