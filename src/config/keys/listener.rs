//! The settings of `[server.tls]`, `[server.admin]` and `[server.cors]`.

use std::time::Duration;

use super::{List, hours, millis};
use crate::config::rule;

pub(super) fn listeners(list: &mut List) {
    list.add(
        "server.tls.cert",
        "The certificate with its chain, in PEM; TLS is spoken where it and its key are set.",
        rule::path(),
        |c| &mut c.server.tls.cert,
    );
    list.add("server.tls.key", "Its private key, in PEM.", rule::path(), |c| &mut c.server.tls.key);
    list.add(
        "server.tls.reload_interval",
        "How often it is looked whether the files are others.",
        rule::time(millis(10), hours(24)),
        |c| &mut c.server.tls.reload_interval,
    );
    list.add(
        "server.tls.hsts",
        "max-age of Strict-Transport-Security on pages; 0s leaves the header out.",
        rule::time(Duration::ZERO, hours(24 * 730)),
        |c| &mut c.server.tls.hsts,
    );
    list.add(
        "server.admin.listen",
        "Address for operators; metrics, status and admin actions are then served only there.",
        rule::address_or_none(),
        |c| &mut c.server.admin.listen,
    );
    list.add(
        "server.admin.tls",
        "Whether TLS is spoken there, too, where it is spoken at all.",
        rule::switch(),
        |c| &mut c.server.admin.tls,
    );
    list.add(
        "server.admin.max_connections",
        "Connections of operators at once; further ones are answered 503 and closed.",
        rule::count(1, 100_000_usize),
        |c| &mut c.server.admin.max_connections,
    );
    list.add(
        "server.cors.origins",
        "Whose pages may read answers in a browser: origins, separated by commas, or *.",
        rule::origins(),
        |c| &mut c.server.cors.origins,
    );
}
