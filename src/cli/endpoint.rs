//! Where a gateway is reached.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use crate::config;

/// Host and port of a gateway, and whether it speaks TLS there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// As they stand in a `Host` header.
    authority: String,
    tls: bool,
}

/// A text that is no URL of a gateway.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a URL such as http://127.0.0.1:8087, found {0:?}")]
pub struct BadUrl(String);

impl Endpoint {
    /// The one that a URL names; a path behind it does not count.
    ///
    /// # Errors
    /// It has no host, or another scheme than `http` and `https`.
    pub fn of_url(url: &str) -> Result<Self, BadUrl> {
        let refused = || BadUrl(url.chars().take(200).collect());
        let parsed: http::Uri = url.parse().map_err(|_| refused())?;
        let (tls, usual) = match parsed.scheme_str() {
            Some("http") => (false, 80),
            Some("https") => (true, 443),
            _ => return Err(refused()),
        };
        let host = parsed.host().ok_or_else(refused)?;
        let authority = format!("{host}:{}", parsed.port_u16().unwrap_or(usual));
        Ok(Self { authority, tls })
    }

    /// Where a gateway with these settings serves its clients.
    pub fn of_clients(server: &config::Server) -> Self {
        Self { tls: server.tls.pair().is_some(), ..Self::of_listener(server.listen) }
    }

    /// Where it serves its operators, who may ask everything.
    pub fn of_operators(server: &config::Server) -> Self {
        match server.admin.listen {
            None => Self::of_clients(server),
            Some(listen) => {
                let tls = server.admin.tls && server.tls.pair().is_some();
                Self { tls, ..Self::of_listener(listen) }
            }
        }
    }

    /// The one of a gateway that listens there without TLS; who listens on every address is asked on the
    /// loopback.
    pub fn of_listener(listen: SocketAddr) -> Self {
        let ip = match listen.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        Self { authority: SocketAddr::new(ip, listen.port()).to_string(), tls: false }
    }

    /// Host and port.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The host, without the brackets of an IPv6 address.
    pub(super) fn host(&self) -> &str {
        let host = self.authority.rsplit_once(':').map_or(&*self.authority, |(host, _)| host);
        host.trim_start_matches('[').trim_end_matches(']')
    }

    /// Whether TLS is spoken there.
    pub fn speaks_tls(&self) -> bool {
        self.tls
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https://" } else { "" };
        write!(f, "{scheme}{}", self.authority)
    }
}
