//! A connection to a gateway, in TLS where its URL says so.

use std::{io, path::PathBuf, sync::Arc};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject as _},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use super::endpoint::Endpoint;

/// Whose certificates are accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// Those of the system's authorities, or of the ones in `SSL_CERT_FILE` and `SSL_CERT_DIR`.
    #[default]
    System,
    /// The very one in this file, as well: the gateway's own, whoever signed it, whatever it is
    /// named for.
    Own(PathBuf),
    /// Any. For questions whose answer nobody would forge, and that carry no secret.
    Anyone,
}

/// Bytes in and out.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Speaks TLS over `stream` where the endpoint wants it.
///
/// # Errors
/// The peer speaks no TLS, or its certificate is not accepted.
pub(super) async fn secure(
    stream: TcpStream,
    endpoint: &Endpoint,
    trust: &Trust,
) -> io::Result<Box<dyn Stream>> {
    if !endpoint.speaks_tls() {
        return Ok(Box::new(stream));
    }
    let name = ServerName::try_from(endpoint.host().to_owned());
    let name = name.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    let connector = TlsConnector::from(Arc::new(config(trust)?));
    Ok(Box::new(connector.connect(name, stream).await?))
}

fn config(trust: &Trust) -> io::Result<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let verifier = Verifier::new(trust, provider.clone())?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(config)
}

#[derive(Debug)]
struct Verifier {
    is_lenient: bool,
    own: Option<CertificateDer<'static>>,
    /// `None` where the system has no authorities.
    authorities: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    fn new(trust: &Trust, provider: Arc<CryptoProvider>) -> io::Result<Self> {
        let own = match trust {
            Trust::Own(path) => {
                let read = CertificateDer::from_pem_file(path);
                let told = |error| io::Error::other(format!("{}: {error}", path.display()));
                Some(read.map_err(told)?)
            }
            Trust::System | Trust::Anyone => None,
        };
        let is_lenient = *trust == Trust::Anyone;
        let mut roots = RootCertStore::empty();
        if !is_lenient {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        let builder =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone());
        Ok(Self { is_lenient, own, authorities: builder.build().ok(), provider })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.is_lenient || self.own.as_ref() == Some(end_entity) {
            return Ok(ServerCertVerified::assertion());
        }
        let unknown = Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let authorities = self.authorities.as_ref().ok_or(unknown)?;
        authorities.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
