//! Where a gateway is reached.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

/// Host and port of a gateway, as they stand in a `Host` header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint(String);

/// A text that is no URL of a gateway.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a URL such as http://127.0.0.1:8087, found {0:?}")]
pub struct BadUrl(String);

impl Endpoint {
    /// The one that a URL names; a path behind it does not count.
    ///
    /// # Errors
    /// It has no host, or another scheme than `http`.
    pub fn of_url(url: &str) -> Result<Self, BadUrl> {
        let refused = || BadUrl(url.chars().take(200).collect());
        let parsed: http::Uri = url.parse().map_err(|_| refused())?;
        let host = parsed.host().filter(|_| parsed.scheme_str() == Some("http"));
        let host = host.ok_or_else(refused)?;
        Ok(Self(format!("{host}:{}", parsed.port_u16().unwrap_or(80))))
    }

    /// The one of a gateway that listens there; who listens on every address is asked on the
    /// loopback.
    pub fn of_listener(listen: SocketAddr) -> Self {
        let ip = match listen.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        Self(SocketAddr::new(ip, listen.port()).to_string())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
