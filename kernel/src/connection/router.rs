//! A ROUTER socket as two ends of channels: multiparts come to a callback, go out by [`Router`].

use bytes::Bytes;
use tokio::sync::mpsc;
use zeromq::{
    RouterRecvHalf, RouterSendHalf, SocketRecv as _, SocketSend as _, ZmqError, ZmqMessage,
};

/// The sending end; cheap to clone, never blocks. Replies are few and small, so nothing bounds
/// them but the requests that cause them.
#[derive(Clone, Debug)]
pub(crate) struct Router(mpsc::UnboundedSender<Vec<Bytes>>);

impl Router {
    /// A sender and the queue that a task writes to the socket.
    pub(crate) fn channel() -> (Self, mpsc::UnboundedReceiver<Vec<Bytes>>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), receiver)
    }

    /// Queues a multipart whose first frame is the identity of a peer.
    pub(crate) fn send(&self, frames: Vec<Bytes>) {
        if self.0.send(frames).is_err() {
            crate::log::warn(format_args!("a reply came after the sockets were closed"));
        }
    }
}

/// Writes the queue to the socket until all senders are gone. A peer that left loses its reply.
pub(crate) async fn write(
    mut queue: mpsc::UnboundedReceiver<Vec<Bytes>>,
    mut socket: RouterSendHalf,
    name: &'static str,
) {
    while let Some(frames) = queue.recv().await {
        let Ok(message) = ZmqMessage::try_from(frames) else {
            continue; // No frames: nothing to send.
        };
        if let Err(error) = socket.send(message).await {
            crate::log::warn(format_args!("no reply on {name}: {error}"));
        }
    }
}

/// Hands every multipart to the callback, which must not block.
pub(crate) async fn read(mut socket: RouterRecvHalf, mut on_message: impl FnMut(Vec<Bytes>)) {
    loop {
        match socket.recv().await {
            Ok(message) => on_message(message.into_vec()),
            // The socket's own queue is closed: the kernel ends.
            Err(ZmqError::NoMessage) => return,
            Err(error) => crate::log::warn(format_args!("ignored a bad message: {error}")),
        }
    }
}
