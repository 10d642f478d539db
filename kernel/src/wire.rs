//! Messages as they lie on the wire: frames, signature, four JSON parts, buffers.
//!
//! ```text
//!  identity…  <IDS|MSG>  signature  header  parent_header  metadata  content  buffer…
//!                        └ hex hmac-sha256 over ───────────────────────────┘
//! ```
//!
//! The header of a request is kept as the bytes that came and is echoed as the parent header of
//! everything that answers it: a typed header would lose the fields that we do not know (subshell
//! ids, extensions). Content stays lenient JSON for the same reason: a request with a field of an
//! unexpected type gets a reply that says so instead of silence. Buffers are never copied.
//!
//! A message whose signature is wrong, or was seen before, is not a message; [`Codec::decode`]
//! says which, so that the caller can drop it and live on.
//!
//! Source: <https://jupyter-client.readthedocs.io/en/stable/messaging.html#the-wire-protocol>

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::Sha256;

use crate::error::KernelError;

/// The version of the message protocol that this kernel speaks.
pub(crate) const PROTOCOL_VERSION: &str = "5.5";

const DELIMITER: &[u8] = b"<IDS|MSG>";
/// How many signatures are remembered to refuse replays, as in Jupyter's own session.
const REPLAY_MEMORY: usize = 1 << 16;

/// The fields of a request header that the kernel looks at; all others are only echoed.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Header {
    /// Unique id of the message.
    pub(crate) msg_id: String,
    /// What is asked for, for example `execute_request`.
    pub(crate) msg_type: String,
    /// The thread of this kernel that should answer (JEP 91), if not the main one.
    #[serde(default)]
    pub(crate) subshell_id: Option<String>,
}

/// One verified message from a client.
#[derive(Clone, Debug)]
pub(crate) struct Incoming {
    /// Routing frames, to be sent back in front of the reply.
    pub(crate) identities: Vec<Bytes>,
    /// The parsed header.
    pub(crate) header: Header,
    /// The header as it came, echoed as `parent_header`.
    pub(crate) raw_header: Arc<RawValue>,
    /// The message that this one answers (an `input_reply` answers an `input_request`).
    pub(crate) parent_id: Option<String>,
    /// Metadata, an empty object if the client sent something else.
    pub(crate) metadata: serde_json::Map<String, serde_json::Value>,
    /// Content as it came; always one valid JSON value.
    pub(crate) content: Box<RawValue>,
    /// Binary buffers behind the JSON parts.
    pub(crate) buffers: Vec<Bytes>,
}

/// Why a multipart is not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DecodeError {
    /// No `<IDS|MSG>` frame.
    #[error("no delimiter frame")]
    NoDelimiter,
    /// Fewer than the signature and four JSON parts after the delimiter.
    #[error("too few frames")]
    TooShort,
    /// Missing or wrong signature.
    #[error("wrong signature")]
    BadSignature,
    /// The same signed message came before.
    #[error("replayed message")]
    Replay,
    /// A part is not JSON, or the header lacks `msg_id` or `msg_type`.
    #[error("a part is not the JSON that it should be")]
    BadJson,
}

/// Signs, encodes, verifies and decodes; shared by all sockets of one kernel.
#[derive(Debug)]
pub(crate) struct Codec {
    /// Absent when the connection file has an empty key: then nothing is signed or checked.
    mac: Option<Hmac<Sha256>>,
    session_id: String,
    /// One counter for all sockets, so that no two messages of this kernel share an id.
    n_sent: AtomicU64,
    seen: Mutex<ReplayMemory>,
}

impl Codec {
    /// A codec for the key of the connection file; an empty key turns signing off.
    #[must_use]
    pub(crate) fn new(key: &[u8]) -> Self {
        let mac = (!key.is_empty())
            .then(|| Hmac::<Sha256>::new_from_slice(key).expect("hmac takes a key of any length"));
        Self {
            mac,
            session_id: uuid::Uuid::new_v4().simple().to_string(),
            n_sent: AtomicU64::new(0),
            seen: Mutex::new(ReplayMemory::default()),
        }
    }

    /// The session id that stands in every header of this kernel.
    #[must_use]
    pub(crate) fn session_id(&self) -> &str {
        &self.session_id
    }

    /// Checks and takes apart one multipart message. Costs one hmac over the JSON parts.
    ///
    /// # Errors
    /// A [`DecodeError`]; the multipart is then to be dropped.
    pub(crate) fn decode(&self, frames: Vec<Bytes>) -> Result<Incoming, DecodeError> {
        let delimiter_idx = frames
            .iter()
            .position(|frame| frame.as_ref() == DELIMITER)
            .ok_or(DecodeError::NoDelimiter)?;
        let mut frames = frames.into_iter();
        let identities: Vec<Bytes> = frames.by_ref().take(delimiter_idx).collect();
        let mut parts = frames.skip(1);
        let mut part = || parts.next().ok_or(DecodeError::TooShort);
        let signature = part()?;
        let json = [part()?, part()?, part()?, part()?];
        self.verify(&signature, &json)?;

        let [header, parent, metadata, content] = json;
        let raw_header: Box<RawValue> = parse(&header)?;
        Ok(Incoming {
            identities,
            header: parse(&header)?,
            raw_header: Arc::from(raw_header),
            parent_id: parent_id(&parent)?,
            metadata: match parse(&metadata)? {
                serde_json::Value::Object(map) => map,
                _ => serde_json::Map::new(),
            },
            content: parse(&content)?,
            buffers: parts.collect(),
        })
    }

    /// Writes a message: the frames that follow the routing frames.
    ///
    /// `parent_header` is a header as it came from a client, or `{}`.
    ///
    /// # Errors
    /// [`KernelError::Unserializable`] when the content has no JSON form.
    pub(crate) fn encode<C: serde::Serialize>(
        &self,
        msg_type: &str,
        parent_header: &RawValue,
        metadata: &serde_json::Map<String, serde_json::Value>,
        content: &C,
    ) -> Result<Encoded, KernelError> {
        let unserializable = |source| KernelError::Unserializable {
            msg_type: msg_type.to_owned(),
            source,
        };
        let (msg_id, header) = self.new_header(msg_type);
        let metadata = if metadata.is_empty() {
            Bytes::from_static(b"{}")
        } else {
            serde_json::to_vec(metadata).map_err(unserializable)?.into()
        };
        let parts = [
            Bytes::from(header),
            Bytes::copy_from_slice(parent_header.get().as_bytes()),
            metadata,
            serde_json::to_vec(content).map_err(unserializable)?.into(),
        ];
        let signature = self.sign(&parts);
        let [header, parent_header, metadata, content] = parts;
        Ok(Encoded {
            msg_id,
            frames: vec![
                Bytes::from_static(DELIMITER),
                signature,
                header,
                parent_header,
                metadata,
                content,
            ],
        })
    }

    fn new_header(&self, msg_type: &str) -> (String, String) {
        let n_sent = self.n_sent.fetch_add(1, Ordering::Relaxed);
        let session = &self.session_id;
        let msg_id = format!("{session}_{n_sent}");
        let date = now();
        // Neither a msg_type of ours nor an id contains a character that JSON escapes.
        let header = format!(
            r#"{{"msg_id":"{msg_id}","msg_type":"{msg_type}","username":"kernel","session":"{session}","date":"{date}","version":"{PROTOCOL_VERSION}"}}"#
        );
        (msg_id, header)
    }

    fn sign(&self, parts: &[Bytes; 4]) -> Bytes {
        let Some(mac) = &self.mac else {
            return Bytes::new();
        };
        let mut mac = mac.clone();
        for part in parts {
            mac.update(part);
        }
        to_hex(&mac.finalize().into_bytes()).into()
    }

    fn verify(&self, signature: &[u8], parts: &[Bytes; 4]) -> Result<(), DecodeError> {
        let Some(mac) = &self.mac else {
            return Ok(());
        };
        let signature = from_hex(signature).ok_or(DecodeError::BadSignature)?;
        let mut mac = mac.clone();
        for part in parts {
            mac.update(part);
        }
        // Takes the same time wherever the first difference is.
        mac.verify_slice(&signature)
            .map_err(|_| DecodeError::BadSignature)?;
        if self.seen.lock().insert(signature) {
            Ok(())
        } else {
            Err(DecodeError::Replay)
        }
    }
}

/// A signed message without routing frames and buffers.
#[derive(Clone, Debug)]
pub(crate) struct Encoded {
    /// The id in its header.
    pub(crate) msg_id: String,
    /// Delimiter, signature and the four JSON parts.
    pub(crate) frames: Vec<Bytes>,
}

/// The time as the protocol wants it: ISO 8601 in UTC.
#[must_use]
pub(crate) fn now() -> String {
    chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Micros, true)
}

#[derive(Debug, Default)]
struct ReplayMemory {
    signatures: HashSet<[u8; 32]>,
    order: VecDeque<[u8; 32]>,
}

impl ReplayMemory {
    /// False when the signature is known; forgets the oldest one beyond the bound.
    fn insert(&mut self, signature: [u8; 32]) -> bool {
        if !self.signatures.insert(signature) {
            return false;
        }
        self.order.push_back(signature);
        if self.order.len() > REPLAY_MEMORY
            && let Some(oldest) = self.order.pop_front()
        {
            self.signatures.remove(&oldest);
        }
        true
    }
}

fn parse<'a, T: Deserialize<'a>>(part: &'a [u8]) -> Result<T, DecodeError> {
    serde_json::from_slice(part).map_err(|_| DecodeError::BadJson)
}

fn parent_id(parent_header: &[u8]) -> Result<Option<String>, DecodeError> {
    #[derive(Deserialize)]
    struct ParentId {
        #[serde(default)]
        msg_id: Option<String>,
    }
    // Clients send `{}`, and some send `null`, where there is no parent.
    let parent: Option<ParentId> = parse(parent_header)?;
    Ok(parent.and_then(|parent| parent.msg_id))
}

fn to_hex(bytes: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| {
            [
                DIGITS[usize::from(byte >> 4)],
                DIGITS[usize::from(byte & 15)],
            ]
        })
        .collect()
}

fn from_hex(hex: &[u8]) -> Option<[u8; 32]> {
    let digit = |byte: u8| (byte as char).to_digit(16);
    let mut bytes = [0; 32];
    if hex.len() != 2 * bytes.len() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(hex.chunks_exact(2)) {
        *byte = u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const HEADER: &str =
        r#"{"msg_id":"a1","msg_type":"execute_request","subshell_id":"s","extra":[1, 2]}"#;

    fn signed(codec: &Codec, json: [&str; 4], buffers: &[&[u8]]) -> Vec<Bytes> {
        let parts = json.map(|part| Bytes::copy_from_slice(part.as_bytes()));
        let mut frames = vec![Bytes::from_static(b"peer"), Bytes::from_static(DELIMITER)];
        frames.push(codec.sign(&parts));
        frames.extend(parts);
        frames.extend(buffers.iter().map(|buffer| Bytes::copy_from_slice(buffer)));
        frames
    }

    #[test]
    fn a_message_comes_apart_and_its_header_stays_byte_for_byte() {
        let codec = Codec::new(b"key");
        let frames = signed(
            &codec,
            [HEADER, "{}", "{}", r#"{"code":"1"}"#],
            &[b"\0\xff", b""],
        );
        let message = codec.decode(frames).unwrap();
        assert_eq!(message.identities, vec![Bytes::from_static(b"peer")]);
        assert_eq!(message.header.msg_id, "a1");
        assert_eq!(message.header.subshell_id.as_deref(), Some("s"));
        assert_eq!(message.raw_header.get(), HEADER);
        assert_eq!(message.content.get(), r#"{"code":"1"}"#);
        assert_eq!(
            message.buffers,
            vec![Bytes::from_static(b"\0\xff"), Bytes::new()]
        );
    }

    #[test]
    fn what_is_not_a_message_is_named() {
        let codec = Codec::new(b"key");
        let good = || signed(&codec, [HEADER, "{}", "{}", "{}"], &[]);
        let decode = |frames: Vec<Bytes>| codec.decode(frames).unwrap_err();

        assert_eq!(decode(vec![]), DecodeError::NoDelimiter);
        assert_eq!(decode(good()[..5].to_vec()), DecodeError::TooShort);
        let mut forged = good();
        forged[2] = Bytes::from_static(&[b'0'; 64]);
        assert_eq!(decode(forged.clone()), DecodeError::BadSignature);
        forged[2] = Bytes::new();
        assert_eq!(decode(forged), DecodeError::BadSignature);
        let garbage = signed(&codec, ["{nope", "{}", "{}", "{}"], &[]);
        assert_eq!(decode(garbage), DecodeError::BadJson);

        assert!(codec.decode(good()).is_ok());
        assert_eq!(decode(good()), DecodeError::Replay);
    }

    #[test]
    fn what_we_encode_another_codec_with_the_key_accepts() {
        let (ours, theirs) = (Codec::new(b"key"), Codec::new(b"key"));
        let parent = RawValue::from_string(HEADER.to_owned()).unwrap();
        let content = serde_json::json!({"name": "stdout", "text": "naïve 😀"});
        let encoded = ours
            .encode("stream", &parent, &serde_json::Map::new(), &content)
            .unwrap();
        let message = theirs.decode(encoded.frames.clone()).unwrap();
        assert_eq!(message.header.msg_type, "stream");
        assert_eq!(message.header.msg_id, encoded.msg_id);
        assert_eq!(message.parent_id.as_deref(), Some("a1"));
        assert_eq!(encoded.frames[3], HEADER.as_bytes());
        let read: serde_json::Value = serde_json::from_str(message.content.get()).unwrap();
        assert_eq!(read, content);
    }

    #[test]
    fn an_empty_key_turns_signing_off() {
        let codec = Codec::new(b"");
        let frames = signed(&codec, [HEADER, "null", "[]", "{}"], &[]);
        assert!(frames[2].is_empty());
        assert!(codec.decode(frames.clone()).is_ok());
        assert!(codec.decode(frames).is_ok());
    }
}
