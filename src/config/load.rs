//! Layers to a checked [`Config`].

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{
    Config, ConfigErrors, Mistake, Origin, Sources, duration, given::Given, keys::keys,
    layer::Assignment,
};
use crate::exchange::CATALOGUE;

/// Settings in force, and where each came from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The checked settings.
    pub config: Config,
    origins: Origins,
}

impl Loaded {
    /// The layer that a setting's value comes from.
    pub fn origin(&self, path: &str) -> &Origin {
        self.origins.of(path)
    }
}

#[derive(Clone, Debug, Default)]
struct Origins(BTreeMap<String, Origin>);

impl Origins {
    fn of(&self, path: &str) -> &Origin {
        self.0.get(path).unwrap_or(&Origin::Default)
    }
}

/// Lays the sources over the defaults and checks the result.
///
/// # Errors
/// Every mistake of every layer: a value that a higher layer covers is checked all the same.
pub fn load(sources: &Sources) -> Result<Loaded, ConfigErrors> {
    let (assignments, mut mistakes) = sources.assignments();
    let mut config = Config::default();
    let mut origins = Origins::default();
    let mut wrong = BTreeSet::new();
    for Assignment { path, given, origin } in assignments {
        match assign(&mut config, &path, &given) {
            Ok(()) => {
                origins.0.insert(path, origin);
            }
            Err(what) => {
                wrong.insert(path.clone());
                mistakes.push(Mistake { path: Some(path), origin, what });
            }
        }
    }
    follow(&mut config, &origins);
    for clash in clashes(&config, &origins) {
        // A default that stands in for a mistake would only raise a second, false alarm.
        if !clash.between.iter().any(|path| wrong.contains(path)) {
            let [path, _] = clash.between;
            mistakes.push(Mistake {
                origin: origins.of(&path).clone(),
                path: Some(path),
                what: clash.what,
            });
        }
    }
    if mistakes.is_empty() { Ok(Loaded { config, origins }) } else { Err(ConfigErrors(mistakes)) }
}

/// Defaults that follow a setting: who shortens the deadline of a request need not know that a
/// request to the exchange has one too, and who asks another exchange is not to be told by the
/// first one's WebSocket.
fn follow(config: &mut Config, origins: &Origins) {
    let is_default = |path: String| origins.of(&path) == &Origin::Default;
    for (site, spec) in config.exchanges.sites.iter_mut().zip(CATALOGUE) {
        let section = format!("exchanges.{}", site.name);
        if is_default(format!("{section}.request_timeout")) {
            site.request_timeout = site.request_timeout.min(config.server.request_deadline);
        }
        if is_default(format!("{section}.ws_url")) && !is_default(format!("{section}.rest_url")) {
            // http to ws, https to wss.
            let root = site.rest_url.replacen("http", "ws", 1);
            site.ws_url = format!("{root}{}", spec.ws_path);
        }
    }
}

fn assign(config: &mut Config, path: &str, given: &Given) -> Result<(), String> {
    if let Some(key) = keys().iter().find(|key| key.path() == path) {
        return if key.set(config, given) {
            Ok(())
        } else {
            Err(format!("expected {}, found {given}", key.expected()))
        };
    }
    let within = format!("{path}.");
    if keys().iter().any(|key| key.path().starts_with(&within)) {
        return match given {
            Given::EmptyTable => Ok(()),
            _ => Err(format!("is a section, found {given}")),
        };
    }
    Err(match nearest(path) {
        Some(near) => format!("unknown key; did you mean {near}?"),
        None => "unknown key".to_owned(),
    })
}

/// The key that was probably meant.
fn nearest(path: &str) -> Option<&'static str> {
    /// Below this, two paths have little more in common than their section.
    const ALIKE: f64 = 0.7;
    let within = format!(".{path}");
    let depth = |path: &str| path.matches('.').count();
    let mut inside: Vec<_> =
        keys().iter().map(|key| key.path()).filter(|path| path.ends_with(&within)).collect();
    inside.sort_by_key(|path| depth(path));
    match *inside {
        [only] => return Some(only),
        [first, second, ..] if depth(first) < depth(second) => return Some(first),
        _ => {}
    }
    let last = |path: &'static str| path.rsplit('.').next();
    let mut misplaced = keys().iter().filter(|key| last(key.path()) == path.rsplit('.').next());
    if let (Some(only), None) = (misplaced.next(), misplaced.next()) {
        return Some(only.path());
    }
    keys()
        .iter()
        .map(|key| (strsim::normalized_damerau_levenshtein(path, key.path()), key.path()))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, near)| near)
}

/// Two settings that are fine alone and do not fit together.
struct Clash {
    between: [String; 2],
    what: String,
}

impl Clash {
    fn of(between: [&str; 2], what: String) -> Self {
        Self { between: between.map(str::to_owned), what }
    }
}

fn clashes(config: &Config, origins: &Origins) -> Vec<Clash> {
    let mut found = Vec::new();
    let mut at_most = |between: [&str; 2], left: Duration, right: Duration| {
        if left > right {
            let what = format!(
                "{} is longer than {} ({}, {})",
                duration::show(left),
                between[1],
                duration::show(right),
                origins.of(between[1])
            );
            found.push(Clash::of(between, what));
        }
    };
    for site in &config.exchanges.sites {
        at_most(
            [&format!("exchanges.{}.request_timeout", site.name), "server.request_deadline"],
            site.request_timeout,
            config.server.request_deadline,
        );
    }
    at_most(
        ["upstream.breaker_open", "upstream.breaker_open_max"],
        config.upstream.breaker_open,
        config.upstream.breaker_open_max,
    );
    let listeners = [
        ("server.listen", Some(config.server.listen)),
        ("server.admin.listen", config.server.admin.listen),
    ];
    for (path, listen) in listeners {
        let Some(listen) = listen.map(|address| address.ip().to_canonical()) else { continue };
        if config.access.is_missing_at(listen) {
            found.push(Clash::of(
                [path, "access.keys_file"],
                format!(
                    "whoever reaches {listen} could ask: set access.keys_file, or access.open = \
                     true if that is what is wanted"
                ),
            ));
        }
    }
    let limits = &config.server.limits;
    if limits.max_uri_bytes > limits.max_header_bytes {
        found.push(Clash::of(
            ["server.limits.max_uri_bytes", "server.limits.max_header_bytes"],
            format!(
                "{} bytes do not fit into server.limits.max_header_bytes ({}, {})",
                limits.max_uri_bytes,
                limits.max_header_bytes,
                origins.of("server.limits.max_header_bytes")
            ),
        ));
    }
    let tls = &config.server.tls;
    for (one, other, between) in [
        (&tls.cert, &tls.key, ["server.tls.cert", "server.tls.key"]),
        (&tls.key, &tls.cert, ["server.tls.key", "server.tls.cert"]),
    ] {
        if one.is_some() && other.is_none() {
            found.push(Clash::of(between, format!("is of no use without {}", between[1])));
        }
    }
    let listen = config.server.listen;
    if listen.port() != 0 && config.server.admin.listen == Some(listen) {
        found.push(Clash::of(
            ["server.admin.listen", "server.listen"],
            format!("is server.listen, too ({})", origins.of("server.listen")),
        ));
    }
    let default = &config.exchanges.default;
    if config.exchanges.get(default).is_some_and(|site| !site.enabled) {
        let path = format!("exchanges.{default}.enabled");
        let what = format!("{default:?} is not enabled ({path}: {})", origins.of(&path));
        found.push(Clash::of(["exchanges.default", &path], what));
    }
    found
}
