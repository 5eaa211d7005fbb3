//! What listeners speak and to whom: TLS, the one for operators, other origins.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

/// `[server.tls]`
#[derive(Clone, Debug, PartialEq)]
pub struct Tls {
    /// The certificate with its chain, in PEM; `None`, as the key then is, too: no TLS.
    pub cert: Option<PathBuf>,
    /// Its private key, in PEM.
    pub key: Option<PathBuf>,
    /// How often it is looked whether the files are others.
    pub reload_interval: Duration,
    /// `max-age` of `Strict-Transport-Security` on pages; zero: no such header.
    pub hsts: Duration,
}

impl Tls {
    /// Both files, where TLS is spoken.
    pub fn pair(&self) -> Option<(&PathBuf, &PathBuf)> {
        self.cert.as_ref().zip(self.key.as_ref())
    }
}

/// `[server.admin]`
#[derive(Clone, Debug, PartialEq)]
pub struct Admin {
    /// The address for operators; `None`: they share the one for clients.
    pub listen: Option<SocketAddr>,
    /// Whether TLS is spoken there, too, where it is spoken at all.
    pub tls: bool,
    /// Connections at once.
    pub max_connections: usize,
}

/// `[server.cors]`
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cors {
    /// Whose pages may read answers; `*` is everybody's, empty nobody's.
    pub origins: Vec<String>,
}

impl Default for Tls {
    fn default() -> Self {
        let (cert, key) = (None, None);
        Self { cert, key, reload_interval: Duration::from_secs(60), hsts: Duration::ZERO }
    }
}

impl Default for Admin {
    fn default() -> Self {
        Self { listen: None, tls: true, max_connections: 128 }
    }
}
