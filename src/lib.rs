//! Tidegate: a caching market-data gateway. Many services share one rate-limited connection to each
//! exchange; every answer tells its age.
//!
//! Everything here follows from one scarce thing, **calls to an exchange**: Bitfinex allows 30
//! candle requests a minute, and clients ask thousands of times a second.
//!
//! # The rooms
//!
//! | room | what lives there |
//! |---|---|
//! | [`cli`] | arguments to typed commands; what those do that are clients of a gateway |
//! | [`app`] | the composition root: starts, drains, `demo`; the only room that names every other |
//! | [`api`] | HTTP: routes, middleware, encoded answers, problems, streams, the drop-in `/v2` and `/ws/2`, operations |
//! | [`access`] | who may ask: clients, their keys, rights and quotas |
//! | [`service`] | the products: tickers, books, candles, trades, market context, validation; what of them is live |
//! | [`cache`] | entries that know their age, one flight per key; generic, the loader is passed in |
//! | [`feed`] | the exchange's WebSocket: what is followed there, sockets, topics and their followers |
//! | [`store`] | what outlives the process, in SQLite: final bars and their coverage, the market list, calls and bans |
//! | [`registry`] | which markets an exchange lists, every spelling of them, near names |
//! | [`upstream`] | one call: breaker, budget, queue, deadline, retry, merging |
//! | [`exchange`] | what an exchange can be asked, one method one request; the adapters of Bitfinex, Kraken, Coinbase and Binance |
//! | [`plan`] | whether a workload fits the budgets: the gateway's rules played through in small |
//! | [`sim`] | the same exchanges simulated over real sockets, for `demo`, tests and benches |
//! | [`market`] | values and their arithmetic: symbols, candles, tickers, books, trades, numbers |
//! | [`config`] | layers of settings to one checked [`Config`](config::Config) |
//! | [`telemetry`] | every metric in one struct; logs, traces, explanations, what happened lately |
//! | [`tasks`] | every task of the process is started and ended here |
//! | [`clock`] | wall time; nothing else reads the system's clock |
//!
//! # Who may name whom
//!
//! ```text
//! api ─► service ─► feed, cache, store, registry, upstream ─► exchange
//!                   feed, cache, store ─► tasks
//! api, cli ─► access
//! sim ─► tasks                   (named by app, tests and benches only)
//! cli ─► plan ─► exchange        (what exchanges allow, as data)
//! everyone ─► market, clock, telemetry, its section of config
//! app ─► everyone
//! ```
//!
//! Beyond the rooms: `reqwest` is named in `exchange/transport.rs` only, the exporter of metrics in
//! and of traces in [`telemetry`] only, SQL in [`store`] only, Arrow and Parquet in `api/frames` only, `tokio::spawn`
//! in [`tasks`] only, WebSockets in `feed/wire.rs`, [`api`] and [`sim`] only, the text `bitfinex`
//! neither in [`cache`] nor in [`upstream`], and an adapter by nobody but [`exchange`] (the drop-in
//! for Bitfinex's clients excepted). `tests/architecture.rs` reads the sources and fails where they
//! do not keep to this.
//!
//! # Several exchanges
//!
//! Each that is enabled has a [`service::Desk`] of its own: market list, budgets, breakers, feed. They
//! share the cache, the store and nothing that could fail. What they do otherwise is data
//! ([`exchange::Profile`]) or lives in the adapter; [`exchange::CATALOGUE`] lists them, and settings,
//! routes, metrics and the page take their names from there. `src/exchange/README.md` is the recipe for
//! the next one, and `tests/exchanges` the contract that it has to pass.
//!
//! # One read
//!
//! `GET /api/market-data/ticker/BTC/USD`:
//!
//! 1. [`api::Server`] holds the connection and, where there are keys, looks whose the request is
//!    ([`access::Access`]); that client pays for what it costs. If an answer to this very request was encoded before
//!    and each of its parts is the newest and fresh, or already being fetched anew
//!    ([`api::Answers`]), its bytes are given with the headers of the moment, and that is all.
//! 2. Else the router names the request, opens its span and bounds its time; the handler reads the
//!    symbol and what the client demands of the answer's age ([`cache::Demand`]).
//! 3. [`service::Markets`] finds the market ([`registry::Registry`]); a name that is none ends here
//!    and costs no call.
//! 4. [`service::Tickers`] reads its key through [`cache::Cache`]. Fresh: given. Stale: given, and a
//!    flight starts that nobody waits for. Neither: the flight of this key is boarded, or started.
//! 5. The flight is a task of its own. Tickers that are asked for within a few milliseconds share
//!    one request ([`upstream::Merge`]), and a refresh brings along those that are due as well.
//! 6. [`upstream::Upstream`] lets the breaker, the queue and the budget decide when, and whether
//!    before the deadline, the call is sent; then [`exchange::Exchange::ticker`] sends exactly one
//!    request and turns bytes into [`market`] values.
//! 7. The value becomes an entry with a [`cache::Stamp`], everyone aboard gets it, and the answer
//!    is encoded once for all who ask the same until it is superseded.
//!
//! Candles are one series for each market and width ([`service::Track`]), of which every request is a
//! view: the newest ones are read as above, with a fetch of just those that have come since; of the
//! past only what is missing is fetched, once for all requests that overlap, from the [`store`]
//! where it is there. What is final goes into the store, and stays as it is.
//!
//! # One push
//!
//! A book of BTC/USD changes, and somebody asks for it often:
//!
//! 1. [`service::Live`] has told the [`feed`] how often each key is read; the feed's plan gave this
//!    one a channel of a socket, whose one owner drives an [`exchange::Session`]: texts in, events
//!    out, no I/O inside.
//! 2. The session checks the message's number, makes the change in a book of its own, and tells it.
//!    Where the exchange sends checksums it compares; where the snapshot comes over REST it joins. What is missing, wrong or impossible ends
//!    the channel's being live until its next snapshot.
//! 3. The [`feed::Sink`] publishes the change in the topic's [`feed::Line`], made once for all who
//!    follow it, and, once its checksum has held, puts the book into the cache as the very entry
//!    that reads find. From here on it is *one read*, without a call.
//! 4. A follower has no queue, only a place in the line. When its socket has taken what was before,
//!    it takes what is new ([`feed::Follower::take`]): every update, or the latest state in place of
//!    more updates than it could follow.
//!
//! # What always holds
//!
//! - **No window holds more than the budget.** Endpoints that an exchange counts together are one pool
//!   ([`exchange::Pool`]) of requests or weight a minute; a call's slots are held from its sending until
//!   one window after its end. What an answer says of the exchange's own count goes first. The proof stands in [`upstream`]; a property test in
//!   `upstream/tests/budget.rs` holds it against random schedules, and `tests/demo.rs` against what
//!   the simulated exchange counted.
//! - **An answer is never older than it says.** Age is counted from the moment of receipt, which is
//!   part of the entry ([`cache::Stamp::age`]); whether it may be served is decided at each read
//!   ([`cache::Demand::judge`]), not by a timer. An answer of several parts has the age of its oldest.
//! - **What is live is true at the age it states.** An entry that a channel keeps is confirmed by
//!   that channel only: by data, by checksums, by heartbeats where nothing has changed. Books are
//!   entries only in states whose checksum held or, where an exchange has none, whose chain of
//!   messages is unbroken. `tests/chaos` lets everything go wrong at random
//!   and compares every answer with the simulated exchange's truth.
//! - **A client that hangs up cancels nothing and repeats nothing.** Loads run in tasks of their own
//!   ([`cache::Flights`]); a read that is dropped only stops waiting.
//! - **One flight per key.** Requests that mean the same have the same [`service::Key`], whatever
//!   they look like; a failure is shared too, and remembered for a moment.
//! - **Nothing is invented.** What the exchange does not say is `null` or an error; numbers keep its
//!   decimal text ([`market::Number`]).
//! - **Every wait has an end and every store a bound**: requests and calls have deadlines, queues,
//!   connections, headers, paths and memory have limits ([`config::Config`]).
//! - **A task that panics ends alone.** It is counted, and those who wait for it are told
//!   ([`tasks::Tasks`], [`cache::Landed`]).
//!
//! # Time
//!
//! Ages, deadlines and windows are [`tokio::time::Instant`]s, so that tests in process run on a
//! paused clock; tests over sockets do not pause it. Dates come from [`clock::Clock`].

pub mod access;
pub mod api;
pub mod app;
pub mod cache;
pub mod cli;
pub mod clock;
pub mod config;
pub mod exchange;
pub mod feed;
pub mod market;
pub mod plan;
pub mod registry;
pub mod service;
pub mod sim;
pub mod store;
pub mod tasks;
pub mod telemetry;
pub mod upstream;
