//! What an exchange answers, held back until a test lets it through.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tidegate::tasks::Tasks;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// Stands before an exchange: questions pass at once, answers while it is open.
pub(crate) struct Valve {
    address: SocketAddr,
    way: Way,
    is_open: watch::Sender<bool>,
    _tasks: Tasks,
}

#[derive(Clone)]
struct Way {
    exchange: String,
    asked: Arc<Mutex<Vec<u8>>>,
    turned: watch::Receiver<bool>,
}

impl Valve {
    /// An open one before the exchange at `rest_url`.
    pub(crate) async fn before(rest_url: &str) -> Self {
        let exchange = rest_url.strip_prefix("http://").expect("a plain URL").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (is_open, turned) = watch::channel(true);
        let tasks = Tasks::new(|name| panic!("{name} panicked"));
        let way = Way { exchange, asked: Arc::default(), turned };
        tasks.spawn_until_stop("valve", accept(listener, way.clone(), tasks.clone()));
        Self { address, way, is_open, _tasks: tasks }
    }

    /// Everything that was asked so far, as it was sent.
    pub(crate) fn asked(&self) -> String {
        String::from_utf8_lossy(&self.way.asked.lock().unwrap()).into_owned()
    }

    pub(crate) fn rest_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Holds back what is answered from now on.
    pub(crate) fn close(&self) {
        self.is_open.send_replace(false);
    }

    pub(crate) fn open(&self) {
        self.is_open.send_replace(true);
    }
}

async fn accept(listener: TcpListener, way: Way, tasks: Tasks) {
    while let Ok((gateway, _)) = listener.accept().await {
        let way = way.clone();
        tasks.spawn_until_stop("pipe", async move {
            // Whichever side hangs up first, the other is hung up on.
            let _ended = way.pass_on(gateway).await;
        });
    }
}

impl Way {
    async fn pass_on(mut self, mut gateway: TcpStream) -> io::Result<()> {
        let mut exchange = TcpStream::connect(&self.exchange).await?;
        let (mut questions, mut to_gateway) = gateway.split();
        let (mut answers, mut to_exchange) = exchange.split();
        let ask = async {
            let mut bytes = [0; 4096];
            loop {
                let read = questions.read(&mut bytes).await?;
                if read == 0 {
                    return Ok(());
                }
                self.asked.lock().unwrap().extend_from_slice(&bytes[..read]);
                to_exchange.write_all(&bytes[..read]).await?;
            }
        };
        let answer = async {
            let mut bytes = [0; 4096];
            loop {
                let read = answers.read(&mut bytes).await?;
                if read == 0 || self.turned.wait_for(|is_open| *is_open).await.is_err() {
                    return Ok(());
                }
                to_gateway.write_all(&bytes[..read]).await?;
            }
        };
        tokio::select! {
            asked = ask => asked,
            answered = answer => answered,
        }
    }
}
