//! A gateway of a few lines: a bar each minute, small pages, a store, and faults by script.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread,
};

/// Rows of a page, fewer than asked for, so that a few hours make several.
pub(crate) const ROWS: i64 = 100;
const MINUTE: i64 = 60_000;

/// What the next page request gets instead of its page.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// This status and body.
    Says(u16, String),
    /// A cut connection.
    Cut,
    /// Nothing for as long as the client waits.
    Holds,
}

/// One request for candles.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) headers: BTreeMap<String, String>,
}

impl Asked {
    /// It was only to find out whether it may be asked.
    pub(crate) fn is_trial(&self) -> bool {
        self.headers.get("cache-control").is_some_and(|it| it == "only-if-cached")
    }
}

#[derive(Default)]
struct State {
    asked: Vec<Asked>,
    stored: BTreeSet<(String, i64)>,
    faults: VecDeque<(usize, Fault)>,
    pages: usize,
    store: &'static str,
    /// Answers name no next page at all.
    is_old: bool,
    /// The next page is always the first one.
    turns_in_circles: bool,
}

#[derive(Clone)]
pub(crate) struct Fake {
    address: SocketAddr,
    state: Arc<(Mutex<State>, Condvar)>,
}

impl Fake {
    /// A gateway with a store. It ends with the test's process.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = State { store: "on", ..State::default() };
        let fake = Self { address, state: Arc::new((Mutex::new(state), Condvar::new())) };
        let server = fake.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, server) = (stream.unwrap(), server.clone());
                thread::spawn(move || server.serve(stream));
            }
        });
        fake
    }

    pub(crate) fn listen(&self) -> String {
        self.address.to_string()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.0.lock().unwrap()
    }

    /// What happens instead of the page of this number (from 0), counted over all tries.
    pub(crate) fn fault(&self, page: usize, fault: Fault) {
        self.state().faults.push_back((page, fault));
    }

    pub(crate) fn store(&self, state: &'static str) {
        self.state().store = state;
    }

    pub(crate) fn is_of_another_version(&self) {
        self.state().is_old = true;
    }

    pub(crate) fn turns_in_circles(&self) {
        self.state().turns_in_circles = true;
    }

    /// Pages that were asked for, without trials.
    pub(crate) fn pages(&self) -> Vec<Asked> {
        self.state().asked.iter().filter(|asked| !asked.is_trial()).cloned().collect()
    }

    pub(crate) fn trials(&self) -> Vec<Asked> {
        self.state().asked.iter().filter(|asked| asked.is_trial()).cloned().collect()
    }

    /// Waits until so many pages have been asked for.
    pub(crate) fn wait_for_pages(&self, count: usize) {
        let (state, changed) = &*self.state;
        let state = state.lock().unwrap();
        drop(changed.wait_while(state, |state| state.pages < count).unwrap());
    }

    fn serve(&self, mut stream: TcpStream) {
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
        let Some(Ok(first)) = lines.next() else { return };
        let target = first.split(' ').nth(1).unwrap().to_owned();
        let headers = lines.map_while(Result::ok).take_while(|line| !line.is_empty());
        let header = |line: String| {
            let (name, value) = line.split_once(':').unwrap();
            (name.to_ascii_lowercase(), value.trim().to_owned())
        };
        let headers: BTreeMap<_, _> = headers.map(header).collect();
        let answer = if target == "/api/status" {
            Some((200, "", self.status()))
        } else {
            self.candles(&target, headers)
        };
        let Some((status, cache_status, body)) = answer else { return };
        let head = format!(
            "HTTP/1.1 {status} Whatever\r\ncache-status: {cache_status}\r\nconnection: close\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        let _gone = stream.write_all((head + &body).as_bytes());
    }

    fn status(&self) -> String {
        let store = self.state().store;
        format!(
            r#"{{"name":"tidegate","state":"ready","store":{{"state":"{store}"}},"exchanges":[
                {{"exchange":"bitfinex","default":true,"budgets":[{{"family":"candles","limit":30,
                "learned":30,"left":0,"waiting":0,"next_slot_ms":1500,"banned_ms":0}}]}}]}}"#
        )
    }

    fn candles(
        &self,
        target: &str,
        headers: BTreeMap<String, String>,
    ) -> Option<(u16, &'static str, String)> {
        let (path, query) = target.split_once('?').unwrap();
        let query: BTreeMap<_, _> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let asked = Asked { path: path.to_owned(), query: query.clone(), headers };
        let mut state = self.state();
        let is_trial = asked.is_trial();
        state.asked.push(asked);
        if path.ends_with("BTC%2FUSX") {
            let body = problem(
                r#""code":"unknown_symbol","retryable":false,
                "detail":"no market \"BTC/USX\" on bitfinex",
                "suggestions":["BTC/USD","BTC/USDT"]"#,
            );
            return Some((404, "", body));
        }
        if is_trial {
            let body = problem(r#""code":"deadline_exceeded","retryable":true,"detail":"no copy""#);
            return Some((504, "", body));
        }
        let page = state.pages;
        state.pages += 1;
        self.state.1.notify_all();
        if state.faults.front().is_some_and(|(at, _)| *at == page) {
            match state.faults.pop_front().unwrap().1 {
                Fault::Says(status, body) => return Some((status, "", body)),
                Fault::Cut => return None,
                Fault::Holds => {
                    drop(state);
                    // The process that asks is ended; this thread ends with the tests.
                    loop {
                        thread::park();
                    }
                }
            }
        }
        let time = |name: &str| query[name].parse::<i64>().unwrap();
        let (since, until) = (time("since"), time("until"));
        let rows: Vec<i64> = (0..ROWS)
            .map(|at| since + at * MINUTE)
            .take_while(|open_time| *open_time <= until)
            .collect();
        let next = rows.last().map(|last| last + MINUTE).filter(|next| *next <= until);
        let next = if state.turns_in_circles { Some(since) } else { next };
        let is_stored = !state.stored.insert((path.to_owned(), since));
        let cache_status = if is_stored {
            "tidegate; hit; detail=store"
        } else {
            "tidegate; fwd=miss; detail=rest"
        };
        let rows: Vec<String> = rows.iter().map(|at| row(*at)).collect();
        let next = next.map_or("null".to_owned(), |next| {
            format!("\"{path}?timeframe=1m&limit=10000&since={next}&until={until}\"")
        });
        let next = if state.is_old { String::new() } else { format!(",\"next\":{next}") };
        let body = format!(
            r#"{{"symbol":"BTC/USD","exchange":"bitfinex","timeframe":"1m","candles":[{}]{next}}}"#,
            rows.join(",")
        );
        Some((200, cache_status, body))
    }
}

fn row(at: i64) -> String {
    format!(
        r#"{{"timestamp":{at},"open":1,"high":2,"low":0.5,"close":1.5,"volume":3,"closed":true}}"#
    )
}

pub(crate) fn problem(members: &str) -> String {
    format!("{{{members}}}")
}
