//! The part of ZMTP 3.1 that a publishing socket with the NULL mechanism needs.
//!
//! ```text
//!  greeting (64 bytes) ⇄  READY command ⇄  then  → message frames
//!                                                ← SUBSCRIBE / CANCEL / PING commands (3.1)
//!                                                ← messages 0x01topic / 0x00topic      (3.0)
//! ```
//!
//! A frame is `flags size body`; flags are MORE = 1, LONG = 2 (size has eight bytes instead of
//! one), COMMAND = 4. Everything a peer sends is bounded by [`MAX_PEER_FRAME_BYTES`]; a peer that
//! does not speak this is an error and loses its connection, nothing else.
//!
//! Source: <https://rfc.zeromq.org/spec/37/>

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// A subscription or ping is short; whoever sends more is no subscriber.
const MAX_PEER_FRAME_BYTES: u64 = 64 * 1024;
/// Frames up to this size are copied behind each other, longer ones are shared.
const COPY_BELOW_BYTES: usize = 4096;
const GREETING_BYTES: usize = 64;
const MORE: u8 = 1;
const LONG: u8 = 2;
const COMMAND: u8 = 4;

/// Something a subscriber tells the publishing side.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PeerMessage {
    Subscribe(Bytes),
    Cancel(Bytes),
    /// To be answered by [`pong`] with the same context.
    Ping(Bytes),
    /// A message or command without meaning here.
    Other,
}

/// Exchanges greetings and READY commands.
///
/// # Errors
/// When the connection ends, or the peer speaks something else.
pub(crate) async fn handshake<S>(stream: &mut S) -> std::io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut greeting = [0_u8; GREETING_BYTES];
    greeting[0] = 0xff;
    greeting[9] = 0x7f;
    greeting[10..12].copy_from_slice(&[3, 1]);
    greeting[12..16].copy_from_slice(b"NULL");
    stream.write_all(&greeting).await?;
    stream.write_all(&ready()).await?;

    let mut theirs = [0_u8; GREETING_BYTES];
    stream.read_exact(&mut theirs).await?;
    if theirs[0] != 0xff || theirs[9] & 1 == 0 || theirs[10] < 3 {
        return Err(not_zmtp("no greeting of version 3"));
    }
    if &theirs[12..17] != b"NULL\0" {
        return Err(not_zmtp("another mechanism than NULL"));
    }
    let (flags, body) = read_frame(stream).await?;
    if flags & COMMAND == 0 || !body.starts_with(b"\x05READY") {
        return Err(not_zmtp("no READY command"));
    }
    Ok(())
}

/// Reads the next frame that a subscriber sends.
///
/// # Errors
/// When the connection ends, or the frame is too long.
pub(crate) async fn read_message<S: AsyncRead + Unpin>(
    stream: &mut S,
) -> std::io::Result<PeerMessage> {
    let (flags, body) = read_frame(stream).await?;
    let message = if flags & COMMAND != 0 {
        if body.starts_with(b"\x09SUBSCRIBE") {
            PeerMessage::Subscribe(body.slice(10..))
        } else if body.starts_with(b"\x06CANCEL") {
            PeerMessage::Cancel(body.slice(7..))
        } else if body.starts_with(b"\x04PING") && body.len() >= 7 {
            PeerMessage::Ping(body.slice(7..)) // behind the name stands a time-to-live of two bytes
        } else {
            PeerMessage::Other
        }
    } else {
        match body.first() {
            Some(1) => PeerMessage::Subscribe(body.slice(1..)),
            Some(0) => PeerMessage::Cancel(body.slice(1..)),
            _ => PeerMessage::Other,
        }
    };
    Ok(message)
}

/// The answer to a ping.
pub(crate) fn pong(context: &[u8]) -> Bytes {
    let mut body = BytesMut::from(&b"\x04PONG"[..]);
    body.extend_from_slice(context);
    let mut frame = BytesMut::new();
    put_frame_header(&mut frame, COMMAND, body.len());
    frame.extend_from_slice(&body);
    frame.freeze()
}

/// Writes one multipart message as chunks: short frames are copied together, long ones shared.
pub(crate) fn encode(frames: &[Bytes]) -> Vec<Bytes> {
    let mut chunks = Vec::with_capacity(1);
    let mut copied = BytesMut::new();
    for (idx, frame) in frames.iter().enumerate() {
        let more = if idx + 1 < frames.len() { MORE } else { 0 };
        put_frame_header(&mut copied, more, frame.len());
        if frame.len() <= COPY_BELOW_BYTES {
            copied.extend_from_slice(frame);
        } else {
            chunks.push(copied.split().freeze());
            chunks.push(frame.clone());
        }
    }
    if !copied.is_empty() {
        chunks.push(copied.freeze());
    }
    chunks
}

fn ready() -> Bytes {
    let mut body = BytesMut::from(&b"\x05READY\x0bSocket-Type"[..]);
    body.put_u32(4);
    body.extend_from_slice(b"XPUB");
    let mut frame = BytesMut::new();
    put_frame_header(&mut frame, COMMAND, body.len());
    frame.extend_from_slice(&body);
    frame.freeze()
}

fn put_frame_header(out: &mut BytesMut, flags: u8, len: usize) {
    match u8::try_from(len) {
        Ok(len) => out.extend_from_slice(&[flags, len]),
        Err(_) => {
            out.put_u8(flags | LONG);
            out.put_u64(len as u64);
        }
    }
}

async fn read_frame<S: AsyncRead + Unpin>(stream: &mut S) -> std::io::Result<(u8, Bytes)> {
    let flags = stream.read_u8().await?;
    let len = if flags & LONG == 0 {
        u64::from(stream.read_u8().await?)
    } else {
        stream.read_u64().await?
    };
    if len > MAX_PEER_FRAME_BYTES {
        return Err(not_zmtp("a frame too long for a subscription"));
    }
    let mut body = BytesMut::zeroed(usize::try_from(len).map_err(|_| not_zmtp("frame length"))?);
    stream.read_exact(&mut body).await?;
    Ok((flags, body.freeze()))
}

fn not_zmtp(what: &str) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, what.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn long_frames_are_shared_and_short_ones_copied() {
        let long = Bytes::from(vec![7_u8; 5000]);
        let chunks = encode(&[Bytes::from_static(b"ab"), long.clone(), Bytes::new()]);
        let flat: Vec<u8> = chunks.iter().flatten().copied().collect();
        let mut expected = vec![MORE, 2, b'a', b'b', MORE | LONG];
        expected.extend_from_slice(&5000_u64.to_be_bytes());
        expected.extend_from_slice(&long);
        expected.extend_from_slice(&[0, 0]);
        assert_eq!(flat, expected);
        assert_eq!(chunks[1].as_ptr(), long.as_ptr());
    }

    #[tokio::test]
    async fn both_ways_to_subscribe_are_understood() {
        let mut wire: &[u8] =
            b"\x00\x02\x01t\x04\x0b\x09SUBSCRIBEt\x04\x08\x04PING\x00\x10c\x00\x01\x00";
        assert_eq!(
            read_message(&mut wire).await.unwrap(),
            PeerMessage::Subscribe("t".into())
        );
        assert_eq!(
            read_message(&mut wire).await.unwrap(),
            PeerMessage::Subscribe("t".into())
        );
        assert_eq!(
            read_message(&mut wire).await.unwrap(),
            PeerMessage::Ping("c".into())
        );
        assert_eq!(
            read_message(&mut wire).await.unwrap(),
            PeerMessage::Cancel("".into())
        );
    }

    #[tokio::test]
    async fn a_frame_beyond_the_bound_is_refused() {
        let mut wire: &[u8] = b"\x02\x7f\xff\xff\xff\xff\xff\xff\xff";
        let error = read_message(&mut wire).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
    }
}
