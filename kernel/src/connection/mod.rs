//! The five sockets of a kernel. Only this folder knows ZeroMQ.
//!
//! Shell, control, stdin and heartbeat are ROUTER sockets of the zeromq crate; the heartbeat is a
//! ROUTER that sends back what came, so that several clients can ask at once. Iopub is our own
//! server ([`iopub`]).

pub(crate) mod hub;
pub(crate) mod iopub;
pub(crate) mod router;
#[cfg(test)]
mod tests;
pub(crate) mod zmtp;

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;
use tokio::net::{TcpListener, UnixListener};
use zeromq::{RouterSocket, Socket as _};

use crate::error::KernelError;
use crate::wire::Codec;
use hub::Hub;

/// The connection file that the client writes before it starts a kernel.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct ConnectionInfo {
    /// `tcp` or `ipc`.
    pub(crate) transport: String,
    /// Address to listen on; for ipc the path prefix of the sockets.
    pub(crate) ip: String,
    /// Port, or suffix of the path, of each socket.
    pub(crate) shell_port: u16,
    /// See `shell_port`.
    pub(crate) control_port: u16,
    /// See `shell_port`.
    pub(crate) stdin_port: u16,
    /// See `shell_port`.
    pub(crate) iopub_port: u16,
    /// See `shell_port`.
    pub(crate) hb_port: u16,
    /// Key of the signatures; empty for none.
    #[serde(default)]
    pub(crate) key: String,
    /// Only `hmac-sha256`.
    #[serde(default)]
    pub(crate) signature_scheme: Option<String>,
}

impl ConnectionInfo {
    /// Reads and checks a connection file.
    ///
    /// # Errors
    /// When it cannot be read, is not valid, or asks for something that we do not have.
    pub(crate) fn read(path: &Path) -> Result<Self, KernelError> {
        let text = std::fs::read(path).map_err(|source| KernelError::ConnectionFileUnreadable {
            path: path.to_owned(),
            source,
        })?;
        let info: Self =
            serde_json::from_slice(&text).map_err(|source| KernelError::ConnectionFileInvalid {
                path: path.to_owned(),
                source,
            })?;
        if !matches!(info.transport.as_str(), "tcp" | "ipc") {
            return Err(KernelError::UnknownTransport {
                transport: info.transport,
            });
        }
        match info.signature_scheme.as_deref() {
            None | Some("" | "hmac-sha256") => Ok(info),
            Some(scheme) => Err(KernelError::UnknownSignatureScheme {
                scheme: scheme.to_owned(),
            }),
        }
    }

    fn endpoint(&self, port: u16) -> String {
        match self.transport.as_str() {
            "ipc" => format!("ipc://{}-{port}", self.ip),
            _ => format!("tcp://{}:{port}", self.tcp_host()),
        }
    }

    fn tcp_host(&self) -> &str {
        if self.ip == "*" { "0.0.0.0" } else { &self.ip }
    }
}

/// Multiparts from a client, by socket. Called on the threads of the sockets: must not block.
pub(crate) struct Callbacks {
    pub(crate) shell: Box<dyn FnMut(Vec<Bytes>) + Send>,
    pub(crate) control: Box<dyn FnMut(Vec<Bytes>) + Send>,
    pub(crate) stdin: Box<dyn FnMut(Vec<Bytes>) + Send>,
}

/// What goes out on each ROUTER socket.
pub(crate) struct Outgoing {
    pub(crate) shell: tokio::sync::mpsc::UnboundedReceiver<Vec<Bytes>>,
    pub(crate) control: tokio::sync::mpsc::UnboundedReceiver<Vec<Bytes>>,
    pub(crate) stdin: tokio::sync::mpsc::UnboundedReceiver<Vec<Bytes>>,
}

/// Binds all sockets and starts their tasks on the current runtime.
///
/// # Errors
/// [`KernelError::Bind`] for the first socket that cannot be bound.
pub(crate) async fn bind(
    info: &ConnectionInfo,
    callbacks: Callbacks,
    outgoing: Outgoing,
    (hub, codec): (Arc<Hub>, Arc<Codec>),
) -> Result<(), KernelError> {
    let heartbeat = bind_router("heartbeat", &info.endpoint(info.hb_port)).await?;
    let shell = bind_router("shell", &info.endpoint(info.shell_port)).await?;
    let control = bind_router("control", &info.endpoint(info.control_port)).await?;
    let stdin = bind_router("stdin", &info.endpoint(info.stdin_port)).await?;
    let listener = bind_iopub(info).await?;

    tokio::spawn(iopub::serve(listener, hub, codec));
    let (send, recv) = heartbeat.split();
    let (echo, queue) = router::Router::channel();
    tokio::spawn(router::write(queue, send, "heartbeat"));
    tokio::spawn(router::read(recv, move |frames| echo.send(frames)));
    for (socket, queue, callback, name) in [
        (shell, outgoing.shell, callbacks.shell, "shell"),
        (control, outgoing.control, callbacks.control, "control"),
        (stdin, outgoing.stdin, callbacks.stdin, "stdin"),
    ] {
        let (send, recv) = socket.split();
        tokio::spawn(router::write(queue, send, name));
        tokio::spawn(router::read(recv, callback));
    }
    Ok(())
}

async fn bind_router(socket: &'static str, endpoint: &str) -> Result<RouterSocket, KernelError> {
    let mut router = RouterSocket::new();
    router
        .bind(endpoint)
        .await
        .map_err(|error| KernelError::Bind {
            socket,
            endpoint: endpoint.to_owned(),
            reason: error.to_string(),
        })?;
    Ok(router)
}

async fn bind_iopub(info: &ConnectionInfo) -> Result<iopub::Listener, KernelError> {
    let port = info.iopub_port;
    let listener = match info.transport.as_str() {
        "ipc" => UnixListener::bind(format!("{}-{port}", info.ip)).map(iopub::Listener::Ipc),
        _ => TcpListener::bind((info.tcp_host(), port))
            .await
            .map(iopub::Listener::Tcp),
    };
    listener.map_err(|error| KernelError::Bind {
        socket: "iopub",
        endpoint: info.endpoint(port),
        reason: error.to_string(),
    })
}
