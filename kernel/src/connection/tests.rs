//! The sockets against clients of the zeromq crate, and against clients that misbehave.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value};
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;
use zeromq::{DealerSocket, Socket, SocketRecv as _, SocketSend as _, SubSocket, ZmqMessage};

use super::hub::Hub;
use super::router::Router;
use super::{Callbacks, ConnectionInfo, Outgoing, bind, zmtp};
use crate::mime::{DisplayId, MimeBundle};
use crate::parent::Parent;
use crate::publisher::Publisher;
use crate::streams::StreamName;
use crate::wire::Codec;

const KEY: &[u8] = b"key";
const PATIENCE: Duration = Duration::from_secs(20);

/// Sockets in a folder of their own; shell echoes.
struct Sockets {
    info: ConnectionInfo,
    publisher: Publisher,
    _folder: tempfile::TempDir,
}

impl Sockets {
    async fn bound() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let info: ConnectionInfo = serde_json::from_value(serde_json::json!({
            "transport": "ipc", "ip": folder.path().join("k"), "key": "key",
            "shell_port": 1, "control_port": 2, "stdin_port": 3, "iopub_port": 4, "hb_port": 5,
        }))
        .unwrap();
        let (shell, shell_out) = Router::channel();
        let (_, control) = Router::channel();
        let (_, stdin) = Router::channel();
        let callbacks = Callbacks {
            shell: Box::new(move |frames| shell.send(frames)),
            control: Box::new(drop),
            stdin: Box::new(drop),
        };
        let outgoing = Outgoing {
            shell: shell_out,
            control,
            stdin,
        };
        let (codec, hub) = (Arc::new(Codec::new(KEY)), Arc::new(Hub::default()));
        let publisher = Publisher::start(Arc::clone(&codec), Arc::clone(&hub)).unwrap();
        bind(&info, callbacks, outgoing, (hub, codec))
            .await
            .unwrap();
        Self {
            info,
            publisher,
            _folder: folder,
        }
    }

    fn path(&self, port: u16) -> String {
        format!("{}-{port}", self.info.ip)
    }

    async fn subscriber(&self) -> Subscriber {
        let mut socket = SubSocket::new();
        socket
            .connect(&self.info.endpoint(self.info.iopub_port))
            .await
            .unwrap();
        socket.subscribe("").await.unwrap();
        let mut subscriber = Subscriber {
            socket,
            codec: Codec::new(KEY),
        };
        let (msg_type, content) = subscriber.next().await;
        assert_eq!(msg_type, "iopub_welcome");
        assert_eq!(content, serde_json::json!({"subscription": ""}));
        subscriber
    }
}

struct Subscriber {
    socket: SubSocket,
    codec: Codec,
}

impl Subscriber {
    async fn next(&mut self) -> (String, Value) {
        let message = tokio::time::timeout(PATIENCE, self.socket.recv())
            .await
            .unwrap()
            .unwrap();
        let message = self.codec.decode(message.into_vec()).unwrap();
        let content = serde_json::from_str(message.content.get()).unwrap();
        (message.header.msg_type, content)
    }
}

async fn echoed(sockets: &Sockets, port: u16, frames: &[&'static [u8]]) -> Vec<Bytes> {
    let mut socket = DealerSocket::new();
    socket.connect(&sockets.info.endpoint(port)).await.unwrap();
    let frames: Vec<Bytes> = frames
        .iter()
        .map(|frame| Bytes::from_static(frame))
        .collect();
    socket
        .send(ZmqMessage::try_from(frames).unwrap())
        .await
        .unwrap();
    tokio::time::timeout(PATIENCE, socket.recv())
        .await
        .unwrap()
        .unwrap()
        .into_vec()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heartbeat_and_shell_answer_the_client_that_asked() {
    let sockets = Sockets::bound().await;
    for port in [sockets.info.hb_port, sockets.info.shell_port] {
        let frames = echoed(&sockets, port, &[b"", b"\0ping\xff"]).await;
        assert_eq!(frames, [Bytes::new(), Bytes::from_static(b"\0ping\xff")]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_subscriber_is_welcomed_and_gets_what_follows() {
    let sockets = Sockets::bound().await;
    let mut early = sockets.subscriber().await;
    let mut late = sockets.subscriber().await;
    sockets
        .publisher
        .stream(&Parent::none(), StreamName::Stderr, "seen by both");
    for subscriber in [&mut early, &mut late] {
        let (msg_type, content) = subscriber.next().await;
        assert_eq!(msg_type, "stream"); // sent by the clock: nothing else was published
        assert_eq!(
            content,
            serde_json::json!({"name": "stderr", "text": "seen by both"})
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn buffers_and_long_parts_arrive_whole() {
    let sockets = Sockets::bound().await;
    let mut subscriber = sockets.subscriber().await;
    let long = "x".repeat(10_000_000);
    let buffer = Bytes::from(vec![7_u8; 1 << 20]);
    let content = serde_json::json!({"data": long});
    let sent = vec![buffer.clone(), Bytes::new()];
    let publisher = sockets.publisher.clone();
    tokio::task::spawn_blocking(move || {
        publisher
            .send("comm_msg", &Parent::none(), &content, &Map::new(), sent)
            .unwrap();
    });
    let received = tokio::time::timeout(PATIENCE, subscriber.socket.recv())
        .await
        .unwrap();
    let message = subscriber
        .codec
        .decode(received.unwrap().into_vec())
        .unwrap();
    assert_eq!(
        message.content.get().len(),
        long.len() + r#"{"data":""}"#.len()
    );
    assert_eq!(message.buffers, [buffer, Bytes::new()]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_reads_nothing_neither_stops_nor_slows_the_others() {
    let sockets = Sockets::bound().await;
    let mut sleeper = UnixStream::connect(sockets.path(4)).await.unwrap();
    zmtp::handshake(&mut sleeper).await.unwrap();
    sleeper.write_all(b"\x00\x01\x01").await.unwrap(); // subscribes to all, then sleeps
    let mut subscriber = sockets.subscriber().await;

    let (publisher, n_updates) = (sockets.publisher.clone(), 3000_u32);
    tokio::task::spawn_blocking(move || {
        let (parent, id) = (Parent::none(), DisplayId::from("d"));
        for n in 1..=n_updates {
            let text = format!("{n} {}", "x".repeat(10_000));
            publisher.update_display(&parent, &id, &MimeBundle::plain(text));
        }
        assert!(
            !publisher.flush(Duration::from_millis(10)),
            "the sleeper took everything"
        );
    });
    let last = format!("{n_updates} ");
    loop {
        let (_, content) = subscriber.next().await;
        if content["data"]["text/plain"]
            .as_str()
            .unwrap()
            .starts_with(&last)
        {
            break; // conflated or not, the last state comes
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_protocols_do_no_harm() {
    let sockets = Sockets::bound().await;
    for port in 1..=5 {
        for noise in [
            &b"GET / HTTP/1.0\r\n\r\n"[..],
            &[0; 100],
            b"\xff\0\0\0\0\0\0\0\x01\x7f\x03",
        ] {
            let mut stream = UnixStream::connect(sockets.path(port)).await.unwrap();
            stream.write_all(noise).await.unwrap();
        }
    }
    let frames = echoed(&sockets, sockets.info.shell_port, &[b"", b"alive"]).await;
    assert_eq!(frames[1], "alive");
    let mut subscriber = sockets.subscriber().await;
    sockets.publisher.status(&Parent::none(), "idle");
    assert_eq!(subscriber.next().await.0, "status");
}

#[test]
fn a_connection_file_that_we_cannot_serve_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kernel.json");
    let refused = |text: &str| {
        std::fs::write(&path, text).unwrap();
        ConnectionInfo::read(&path).unwrap_err().to_string()
    };
    let file = |transport: &str, scheme: &str| {
        format!(
            r#"{{"transport": "{transport}", "ip": "127.0.0.1", "shell_port": 1, "control_port": 2,
            "stdin_port": 3, "iopub_port": 4, "hb_port": 5, "signature_scheme": "{scheme}"}}"#
        )
    };
    assert!(refused("{").starts_with("the connection file"));
    assert_eq!(
        refused(&file("udp", "")),
        "unknown transport \"udp\"; known are tcp and ipc"
    );
    let expected = "unknown signature scheme \"hmac-md5\"; known is hmac-sha256";
    assert_eq!(refused(&file("tcp", "hmac-md5")), expected);
    assert!(ConnectionInfo::read(&folder.path().join("none")).is_err());
}
