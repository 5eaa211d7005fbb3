//! The listeners' certificate: read, served, and read again when its files are others.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::ArcSwap;
use rustls::{
    ServerConfig,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject as _},
    },
};
use tokio_rustls::TlsAcceptor;
use x509_cert::{Certificate, der::Decode as _};

use crate::{config, market::UnixMs, telemetry::TlsMetrics};

/// What is spoken inside of TLS (RFC 7301).
const ALPN: &[u8] = b"http/1.1";

/// Why a certificate cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The settings name no files.
    #[error("server.tls.cert and server.tls.key are not set")]
    NoFiles,
    /// A file cannot be read.
    #[error("{}: {error}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A file is no PEM, or has not in it what it should.
    #[error("{}: {error}", path.display())]
    Pem {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        error: pem::Error,
    },
    /// The certificate is none.
    #[error("{}: not a certificate: {error}", path.display())]
    Certificate {
        /// Its file.
        path: PathBuf,
        /// What is wrong with it.
        error: x509_cert::der::Error,
    },
    /// They do not belong together, or nobody would accept them.
    #[error("{} and {}: {error}", cert.display(), key.display())]
    Pair {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What is wrong with them.
        error: rustls::Error,
    },
}

/// A certificate in force, and when it ends.
#[derive(Debug)]
struct Pair {
    config: Arc<ServerConfig>,
    expires: UnixMs,
}

/// By what a file that was replaced or written to differs.
type Look = Option<(u64, u64, i64, i64)>;

/// The certificate that listeners show. Clones show the same.
#[derive(Clone, Debug)]
pub struct Tls(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    pair: ArcSwap<Pair>,
    /// How the files looked when they were read last, whatever came of it.
    seen: Mutex<[Look; 2]>,
    metrics: TlsMetrics,
}

impl Tls {
    /// The certificate that the settings name.
    ///
    /// # Errors
    /// Everything in [`TlsError`].
    pub fn load(settings: &config::Tls, metrics: &TlsMetrics) -> Result<Self, TlsError> {
        let (cert, key) = settings.pair().ok_or(TlsError::NoFiles)?;
        let seen = [look(cert), look(key)];
        let pair = read(cert, key)?;
        metrics.expires(pair.expires);
        let pair = ArcSwap::from_pointee(pair);
        Ok(Self(Arc::new(Inner { pair, seen: Mutex::new(seen), metrics: metrics.clone() })))
    }

    /// When the certificate in force ends.
    pub fn expires(&self) -> UnixMs {
        self.0.pair.load().expires
    }

    /// Agrees upon TLS with the certificate that is in force now.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        self.0.pair.load().config.clone().into()
    }

    /// Reads the files again. Connections that are open stay as they are.
    ///
    /// # Errors
    /// Everything in [`TlsError`]; the certificate before then stays in force.
    pub fn renew(&self, settings: &config::Tls) -> Result<(), TlsError> {
        let renewed = self.renew_from(settings);
        self.0.metrics.reloaded(renewed.is_ok());
        renewed
    }

    /// The same, if the files are others than when they were read last; `None` if they are not.
    pub fn renew_if_changed(&self, settings: &config::Tls) -> Option<Result<(), TlsError>> {
        let (cert, key) = settings.pair()?;
        let seen = *self.0.seen.lock().unwrap_or_else(PoisonError::into_inner);
        ([look(cert), look(key)] != seen).then(|| self.renew(settings))
    }

    fn renew_from(&self, settings: &config::Tls) -> Result<(), TlsError> {
        let (cert, key) = settings.pair().ok_or(TlsError::NoFiles)?;
        // Before they are read: what is written meanwhile makes a difference the next time.
        let seen = [look(cert), look(key)];
        *self.0.seen.lock().unwrap_or_else(PoisonError::into_inner) = seen;
        let pair = read(cert, key)?;
        self.0.metrics.expires(pair.expires);
        self.0.pair.store(Arc::new(pair));
        Ok(())
    }
}

fn look(path: &Path) -> Look {
    let seen = fs::metadata(path).ok()?;
    Some((seen.ino(), seen.len(), seen.mtime(), seen.mtime_nsec()))
}

fn read(cert: &Path, key: &Path) -> Result<Pair, TlsError> {
    let text = |path: &Path| {
        let path = path.to_owned();
        fs::read(&path).map_err(|error| TlsError::Unreadable { path, error })
    };
    let no_pem = |path: &Path, error| TlsError::Pem { path: path.to_owned(), error };
    let chain: Result<Vec<CertificateDer<'static>>, _> =
        CertificateDer::pem_slice_iter(&text(cert)?).collect();
    let chain = chain.map_err(|error| no_pem(cert, error))?;
    let first = chain.first().ok_or_else(|| no_pem(cert, pem::Error::NoItemsFound))?;
    let leaf = Certificate::from_der(first)
        .map_err(|error| TlsError::Certificate { path: cert.to_owned(), error })?;
    let until = leaf.tbs_certificate().validity().not_after.to_unix_duration();
    let expires = UnixMs::from_millis(i64::try_from(until.as_millis()).unwrap_or(i64::MAX));
    let secret = PrivateKeyDer::from_pem_slice(&text(key)?).map_err(|error| no_pem(key, error))?;
    let no_pair = |error| TlsError::Pair { cert: cert.to_owned(), key: key.to_owned(), error };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(no_pair)?
        .with_no_client_auth()
        .with_single_cert(chain, secret)
        .map_err(no_pair)?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(Pair { config: Arc::new(config), expires })
}
