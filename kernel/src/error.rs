//! What can go wrong in the kernel crate.
//!
//! A variant says whose fault it is: the connection file, the operating system, a peer that sent
//! something which is not the protocol, or a cell that asked for input where nobody can answer.
//! Errors of user code never appear here: they travel as error replies.

use std::path::PathBuf;

/// The error type of this crate.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// The connection file cannot be read.
    #[error("cannot read the connection file \"{}\"", path.display())]
    ConnectionFileUnreadable {
        /// The file that was asked for.
        path: PathBuf,
        /// Why it cannot be read.
        #[source]
        source: std::io::Error,
    },
    /// The connection file is not what the protocol describes.
    #[error("the connection file \"{}\" is not valid", path.display())]
    ConnectionFileInvalid {
        /// The file that was asked for.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// The connection file names a transport that is neither tcp nor ipc.
    #[error("unknown transport \"{transport}\"; known are tcp and ipc")]
    UnknownTransport {
        /// The name in the connection file.
        transport: String,
    },
    /// The connection file names another signature scheme than the one we have.
    #[error("unknown signature scheme \"{scheme}\"; known is hmac-sha256")]
    UnknownSignatureScheme {
        /// The name in the connection file.
        scheme: String,
    },
    /// A socket of the connection file cannot be bound.
    #[error("cannot bind the {socket} socket to \"{endpoint}\": {reason}")]
    Bind {
        /// Which of the five sockets.
        socket: &'static str,
        /// Where it should listen.
        endpoint: String,
        /// What the transport said.
        reason: String,
    },
    /// The operating system refused something that the kernel cannot do without.
    #[error("cannot {what}")]
    System {
        /// What was tried, as a verb phrase.
        what: &'static str,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// A content that should be published cannot be written as JSON.
    #[error("the content of a \"{msg_type}\" message cannot be written as JSON")]
    Unserializable {
        /// The message type.
        msg_type: String,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// A cell asked for input, but its request said that nobody can answer.
    #[error("the frontend of this cell does not support input requests")]
    InputNotAllowed,
    /// A kernel was started in a process that already has one.
    #[error("this process already has a kernel")]
    AlreadyStarted,
    /// The kernel is on its way out and takes no more work.
    #[error("the kernel is shutting down")]
    ShuttingDown,
}
