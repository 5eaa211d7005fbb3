//! `[exchanges]`

use super::{List, millis, secs};
use crate::{
    config::rule,
    exchange::{CATALOGUE, Pool, Spec, Unit},
};

pub(super) fn exchanges(list: &mut List) {
    list.add(
        "exchanges.default",
        "The exchange that answers where a request names none.",
        rule::name(&CATALOGUE.map(Spec::name)),
        |c| &mut c.exchanges.default,
    );
    for (at, spec) in CATALOGUE.into_iter().enumerate() {
        exchange(list, at, spec);
    }
}

fn exchange(list: &mut List, at: usize, spec: &'static Spec) {
    let section = format!("exchanges.{}", spec.name());
    list.add(
        format!("{section}.enabled"),
        format!("Whether {} is served.", spec.title),
        rule::switch(),
        move |c| &mut c.exchanges.sites[at].enabled,
    );
    list.add(
        format!("{section}.rest_url"),
        format!("Root of the public REST interface, without {}.", spec.rest_suffix),
        // The adapter adds it, and clients of the exchange often carry it in their base URL.
        rule::url(&["http", "https"], Some(spec.rest_suffix)),
        move |c| &mut c.exchanges.sites[at].rest_url,
    );
    list.add(
        format!("{section}.ws_url"),
        format!(
            "The public WebSocket; where it is not set and rest_url is, {} below that one.",
            spec.ws_path
        ),
        rule::url(&["ws", "wss"], None),
        move |c| &mut c.exchanges.sites[at].ws_url,
    );
    list.add(
        format!("{section}.request_timeout"),
        "The longest one request to the exchange may take; where it is not set, never longer than \
         server.request_deadline.",
        rule::time(millis(10), secs(300)),
        move |c| &mut c.exchanges.sites[at].request_timeout,
    );
    for pool in spec.profile.pools {
        budget(list, &section, at, pool);
    }
}

fn budget(list: &mut List, section: &str, at: usize, pool: &'static Pool) {
    let unit = match pool.unit {
        Unit::Requests => "Requests",
        Unit::Weight => "Weight",
    };
    let burst = pool.burst.map(|burst| format!(", at most {burst} at once")).unwrap_or_default();
    list.add(
        format!("{section}.budget.{}", pool.name),
        format!("{unit} a minute for {}{burst}.", pool.about),
        rule::count(1, 100_000),
        move |c| &mut c.exchanges.sites[at].budget[pool.name],
    );
}
