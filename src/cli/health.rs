//! `tidegate health`: asks a gateway's `/livez`, without an HTTP client's weight.

use std::{io, path::PathBuf, time::Duration};

use clap::Args;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    time::timeout,
};

use super::{
    LoadError, Settings,
    connection::{Trust, secure},
    endpoint::{BadUrl, Endpoint},
};

/// Longer than a healthy gateway ever takes, shorter than the usual interval of health checks.
const PATIENCE: Duration = Duration::from_secs(2);

/// `tidegate health`
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Health {
    /// Gateway to ask, such as http://127.0.0.1:8087; without one, where the settings listen
    #[arg(long, value_name = "URL", conflicts_with = "config")]
    pub url: Option<String>,
    /// Settings file that the gateway was started with
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Why a gateway counts as dead.
#[derive(Debug, thiserror::Error)]
pub enum HealthError {
    /// The settings that tell its address are wrong.
    #[error(transparent)]
    Settings(#[from] LoadError),
    /// The URL is none that can be asked.
    #[error(transparent)]
    Url(#[from] BadUrl),
    /// No connection, or it was cut.
    #[error("{address}: {error}")]
    Io {
        /// What was asked.
        address: String,
        /// What the system says.
        error: io::Error,
    },
    /// It took too long.
    #[error("{0}: no answer in {PATIENCE:?}")]
    Late(String),
    /// It answered something else than 200.
    #[error("{address}: {status_line}")]
    Status {
        /// What was asked.
        address: String,
        /// The answer's first line.
        status_line: String,
    },
}

impl Health {
    /// Asks `/livez` once; `env` as in [`Settings::load`]. Dropping it hangs up.
    ///
    /// # Errors
    /// Anything but a 200 in time.
    pub async fn run(&self, env: Vec<(String, String)>) -> Result<(), HealthError> {
        let endpoint = self.endpoint(env)?;
        let address = endpoint.to_string();
        match timeout(PATIENCE, status_line(&endpoint)).await {
            Ok(Ok(line)) if line.split(' ').nth(1) == Some("200") => Ok(()),
            Ok(Ok(status_line)) => Err(HealthError::Status { address, status_line }),
            Ok(Err(error)) => Err(HealthError::Io { address, error }),
            Err(_) => Err(HealthError::Late(address)),
        }
    }

    /// Whom to ask.
    fn endpoint(&self, env: Vec<(String, String)>) -> Result<Endpoint, HealthError> {
        Ok(match &self.url {
            Some(url) => Endpoint::of_url(url)?,
            None => {
                let settings = Settings { config: self.config.clone(), ..Settings::default() };
                Endpoint::of_clients(&settings.load(env)?.config.server)
            }
        })
    }
}

async fn status_line(endpoint: &Endpoint) -> io::Result<String> {
    /// No status line is longer.
    const MOST: u64 = 256;
    let address = endpoint.authority();
    let stream = TcpStream::connect(address).await?;
    // Whether a gateway lives is no secret, and a certificate that has just been renewed is no
    // reason to restart it; the probes of Kubernetes accept any, too.
    let mut stream = secure(stream, endpoint, &Trust::Anyone).await?;
    let request = format!("GET /livez HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut line = Vec::new();
    BufReader::new(stream.take(MOST)).read_until(b'\n', &mut line).await?;
    let line = String::from_utf8_lossy(&line);
    match line.strip_suffix("\r\n") {
        Some(line) if line.starts_with("HTTP/1.") => Ok(line.to_owned()),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP")),
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;
    use crate::clock;

    /// A server that answers one request with these bytes and keeps what it was asked.
    async fn asked(answer: &'static [u8]) -> (Result<(), HealthError>, String) {
        let _time = clock::stopped();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let health = Health { url: None, config: None };
        let env = vec![("TIDEGATE__SERVER__LISTEN".to_owned(), address.to_string())];
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 512];
            let read = stream.read(&mut request).await.unwrap();
            stream.write_all(answer).await.unwrap();
            String::from_utf8(request[..read].to_vec()).unwrap()
        };
        tokio::join!(health.run(env), serve)
    }

    #[tokio::test(start_paused = true)]
    async fn alive_is_a_200_from_livez() {
        let (result, request) = asked(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        result.unwrap();
        assert!(request.starts_with("GET /livez HTTP/1.1\r\nhost: 127.0.0.1:"), "{request}");
    }

    #[tokio::test(start_paused = true)]
    async fn anything_else_is_dead() {
        let (result, _) = asked(b"HTTP/1.1 503 Service Unavailable\r\n\r\n").await;
        let told = result.unwrap_err().to_string();
        assert!(told.ends_with(": HTTP/1.1 503 Service Unavailable"), "{told}");
        let (result, _) = asked(b"SSH-2.0-OpenSSH_9.2\r\n").await;
        let told = result.unwrap_err().to_string();
        assert!(told.ends_with(": the answer is not HTTP"), "{told}");
    }

    #[test]
    fn the_address_follows_the_url_or_the_settings() {
        let at = |url: Option<&str>, listen: &str| {
            let set = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
            let env = [("TIDEGATE__SERVER__LISTEN", listen), ("TIDEGATE__ACCESS__OPEN", "true")];
            let health = Health { url: url.map(str::to_owned), config: None };
            health.endpoint(env.map(set).to_vec()).map(|endpoint| endpoint.to_string())
        };
        assert_eq!(at(None, "0.0.0.0:9000").unwrap(), "127.0.0.1:9000");
        assert_eq!(at(None, "[::]:9000").unwrap(), "[::1]:9000");
        assert_eq!(at(Some("http://gateway"), "0.0.0.0:9000").unwrap(), "gateway:80");
        assert_eq!(at(Some("http://[::1]:8087/"), "0.0.0.0:9000").unwrap(), "[::1]:8087");
        let secure = at(Some("https://gateway"), "0.0.0.0:9000").unwrap();
        assert_eq!(secure, "https://gateway:443");
        for wrong in ["wss://gateway", "gateway:8087", ""] {
            assert!(matches!(at(Some(wrong), "0.0.0.0:1"), Err(HealthError::Url(_))), "{wrong}");
        }
    }
}
