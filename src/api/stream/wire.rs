//! A client's WebSocket: writing that ends where he takes nothing, and the closing handshake.

use std::{future::Future, time::Duration};

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_tungstenite::tungstenite::{
    self, Message,
    protocol::{
        CloseFrame,
        frame::{
            Frame,
            coding::{CloseCode, Data, OpCode},
        },
    },
};
use tokio_util::sync::CancellationToken;

use super::FAREWELL;
use crate::api::upgrade::Socket;

/// Why a conversation ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::api) enum End {
    /// The client is gone, or takes nothing.
    Gone,
    /// He closes it.
    Closed,
    /// It is closed, for this reason.
    Close(CloseCode, &'static str),
}

/// The socket.
pub(in crate::api) struct Wire {
    socket: Socket,
    patience: Duration,
    stopping: CancellationToken,
}

impl Wire {
    /// A client who takes nothing for `patience` is given up, and at once when `stopping` is.
    pub(in crate::api) fn new(
        socket: Socket,
        patience: Duration,
        stopping: CancellationToken,
    ) -> Self {
        Self { socket, patience, stopping }
    }

    /// The next message. Cancel-safe.
    pub(in crate::api) async fn read(&mut self) -> Result<Message, End> {
        use tungstenite::Error;
        match self.socket.next().await {
            Some(Ok(message)) => Ok(message),
            Some(Err(Error::Capacity(_))) => {
                Err(End::Close(CloseCode::Size, "longer than stream.max_message_bytes"))
            }
            Some(Err(Error::Utf8(_))) => Err(End::Close(CloseCode::Invalid, "not UTF-8")),
            Some(Err(Error::Protocol(
                tungstenite::error::ProtocolError::ResetWithoutClosingHandshake,
            ))) => Err(End::Gone),
            Some(Err(Error::Protocol(_))) => Err(End::Close(CloseCode::Protocol, "not RFC 6455")),
            Some(Err(_)) | None => Err(End::Gone),
        }
    }

    /// Queues a text, and writes where much waits already.
    pub(in crate::api) async fn feed(&mut self, text: Bytes) -> Result<(), End> {
        // Made by us, so that it need not be proved UTF-8 for each client.
        let frame = Frame::message(text, OpCode::Data(Data::Text), true);
        let (patience, stopping) = (self.patience, self.stopping.clone());
        patient(patience, &stopping, self.socket.feed(Message::Frame(frame))).await
    }

    /// Writes all that waits.
    pub(in crate::api) async fn flush(&mut self) -> Result<(), End> {
        let (patience, stopping) = (self.patience, self.stopping.clone());
        patient(patience, &stopping, self.socket.flush()).await
    }

    /// Asks whether the client is still there.
    pub(in crate::api) async fn ping(&mut self) -> Result<(), End> {
        let (patience, stopping) = (self.patience, self.stopping.clone());
        patient(patience, &stopping, self.socket.send(Message::Ping(Bytes::new()))).await
    }

    /// Ends it in order, where the client still listens.
    pub(in crate::api) async fn end(mut self, end: End) {
        if end == End::Gone {
            return;
        }
        let farewell = async {
            if let End::Close(code, reason) = end {
                let frame = CloseFrame { code, reason: reason.into() };
                // An error here is that the client has said farewell meanwhile.
                let _ = self.socket.close(Some(frame)).await;
            }
            // What answers his farewell waits to be written.
            let _ = self.socket.flush().await;
            let stream = self.socket.get_mut();
            stream.shutdown().await?;
            // Closed with bytes unread, the connection would be reset, which may cost the client
            // the reason.
            let mut unread = [0; 1024];
            while stream.read(&mut unread).await? > 0 {}
            Ok::<_, std::io::Error>(())
        };
        let _ = tokio::time::timeout(FAREWELL, farewell).await;
    }
}

/// Waits for a write, but not for ever.
async fn patient(
    patience: Duration,
    stopping: &CancellationToken,
    write: impl Future<Output = Result<(), tungstenite::Error>>,
) -> Result<(), End> {
    tokio::select! {
        biased;
        written = write => written.map_err(|_| End::Gone),
        () = stopping.cancelled() => Err(AWAY),
        () = tokio::time::sleep(patience) => Err(End::Gone),
    }
}

/// The gateway stops.
pub(super) const AWAY: End = End::Close(CloseCode::Away, "the gateway stops");
