//! The iopub socket: a publishing ZMTP server of our own.
//!
//! The zeromq crate's PUB keeps 100,000 messages per sleeping subscriber, its XPUB stops all output at the
//! first one, and neither can be flushed before the process ends; so this side is ours. Every
//! subscriber has a task that writes its queue of the [`Hub`] and reads its subscriptions, and
//! each subscription is answered by an `iopub_welcome` (JEP 65), so that a client knows from
//! when on it misses nothing.

use std::future::poll_fn;
use std::io::IoSlice;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use serde_json::value::RawValue;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};

use super::hub::{Conflation, Hub, Outgoing, Signals, SubscriberId};
use super::zmtp::{self, PeerMessage};
use crate::wire::Codec;

/// Who has not finished the handshake by then is no subscriber.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How many chunks go into one system call.
const MAX_SLICES: usize = 64;
/// Pause after a failed accept (too many open files), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Where the iopub socket listens.
#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(TcpListener),
    Ipc(UnixListener),
}

/// Accepts subscribers until the runtime ends.
pub(crate) async fn serve(listener: Listener, hub: Arc<Hub>, codec: Arc<Codec>) {
    loop {
        let accepted = match &listener {
            Listener::Tcp(listener) => listener.accept().await.map(|(stream, _)| {
                // Without this, small messages would wait for the acknowledgement of the last.
                if let Err(error) = stream.set_nodelay(true) {
                    crate::log::warn(format_args!("cannot set nodelay on iopub: {error}"));
                }
                tokio::spawn(subscriber(stream, Arc::clone(&hub), Arc::clone(&codec)));
            }),
            Listener::Ipc(listener) => listener.accept().await.map(|(stream, _)| {
                tokio::spawn(subscriber(stream, Arc::clone(&hub), Arc::clone(&codec)));
            }),
        };
        if let Err(error) = accepted {
            crate::log::warn(format_args!("cannot accept a subscriber: {error}"));
            tokio::time::sleep(ACCEPT_PAUSE).await;
        }
    }
}

/// Serves one subscriber until it leaves, misbehaves, or is cut off.
async fn subscriber<S>(mut stream: S, hub: Arc<Hub>, codec: Arc<Codec>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let handshake = tokio::time::timeout(HANDSHAKE_TIMEOUT, zmtp::handshake(&mut stream));
    if !matches!(handshake.await, Ok(Ok(()))) {
        return; // Port scanners, other protocols: not worth a line.
    }
    let (mut read_half, mut write_half) = tokio::io::split(stream);
    let (id, signals) = hub.join();
    let reading = read_subscriptions(&mut read_half, &hub, &codec, id);
    let writing = write_queue(&mut write_half, &hub, id, &signals);
    // Each future is safe to drop: with the first that ends the whole connection is over.
    tokio::select! {
        _ = reading => {}
        _ = writing => {}
        () = signals.cut_off.notified() => {
            crate::log::warn(format_args!("cut off an iopub subscriber that reads nothing"));
        }
    }
    hub.leave(id);
}

async fn read_subscriptions<R: AsyncRead + Unpin>(
    stream: &mut R,
    hub: &Hub,
    codec: &Codec,
    id: SubscriberId,
) -> std::io::Result<()> {
    loop {
        match zmtp::read_message(stream).await? {
            PeerMessage::Subscribe(topic) => {
                hub.send_to(id, welcome(codec, &topic));
                hub.subscribe(id, topic);
            }
            PeerMessage::Cancel(topic) => hub.cancel(id, &topic),
            PeerMessage::Ping(context) => hub.send_to(id, command(zmtp::pong(&context))),
            PeerMessage::Other => {}
        }
    }
}

async fn write_queue<W: AsyncWrite + Unpin>(
    stream: &mut W,
    hub: &Hub,
    id: SubscriberId,
    signals: &Signals,
) -> std::io::Result<()> {
    loop {
        let batch = hub.take_batch(id);
        if batch.is_empty() {
            signals.wake.notified().await;
            continue;
        }
        let mut chunks: Vec<Bytes> = batch.iter().flat_map(|it| it.chunks.clone()).collect();
        let mut first = 0;
        while first < chunks.len() {
            let last = chunks.len().min(first + MAX_SLICES);
            let slices: Vec<IoSlice<'_>> = chunks[first..last]
                .iter()
                .map(|it| IoSlice::new(it))
                .collect();
            let write = poll_fn(|cx| {
                let polled = Pin::new(&mut *stream).poll_write_vectored(cx, &slices);
                if polled.is_pending() {
                    hub.socket_is_full(id);
                }
                polled
            });
            // Unconstrained: a pending write shall mean a full socket, not a task to be fair with.
            let mut n_written = tokio::task::unconstrained(write).await?;
            if n_written == 0 {
                return Err(std::io::ErrorKind::WriteZero.into());
            }
            while first < last && n_written >= chunks[first].len() {
                n_written -= chunks[first].len();
                first += 1;
            }
            if n_written > 0 {
                chunks[first].advance(n_written);
            }
            hub.made_progress(id);
        }
        hub.batch_written(id);
    }
}

fn welcome(codec: &Codec, topic: &Bytes) -> Outgoing {
    let none = RawValue::from_string("{}".to_owned()).expect("{} is JSON");
    let content = serde_json::json!({"subscription": String::from_utf8_lossy(topic)});
    let encoded = codec
        .encode("iopub_welcome", &none, &serde_json::Map::new(), &content)
        .expect("a text is serializable");
    let mut frames = vec![topic.clone()];
    frames.extend(encoded.frames);
    Outgoing {
        topic: topic.clone(),
        chunks: zmtp::encode(&frames),
        conflation: Conflation::Never,
    }
}

fn command(frame: Bytes) -> Outgoing {
    Outgoing {
        topic: Bytes::new(),
        chunks: vec![frame],
        conflation: Conflation::Never,
    }
}
