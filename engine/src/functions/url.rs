//! URL_ENCODE, URL_DECODE and PARSE_URL.
//!
//! Source: `java.net.URL`, `URLEncoder` and `URLDecoder`, Java 17; `ParseUrlUtils` of Flink 2.3.

use std::fmt::Write as _;

use crate::data::types::{MAX_LENGTH, TypeRoot};
use crate::functions::define::{Definition, Kind, ResultType};
use crate::functions::java_regex::JavaRegex;
use crate::functions::string::{text, texts};

const STRING: TypeRoot = TypeRoot::Varchar(MAX_LENGTH);

/// The functions of this family.
pub static FUNCTIONS: &[Definition] = &[
    text(
        "url_encode",
        1..=1,
        &[Kind::Text],
        ResultType::Nullable(STRING),
        |call| texts(call, |row| Some(url_encode(call.text(0, row)?))),
    ),
    text(
        "url_decode",
        1..=1,
        &[Kind::Text],
        ResultType::Nullable(STRING),
        |call| texts(call, |row| url_decode(call.text(0, row)?)),
    ),
    text(
        "parse_url",
        2..=3,
        &[Kind::Text],
        ResultType::Nullable(STRING),
        |call| {
            texts(call, |row| {
                let url = Url::parse(call.text(0, row)?)?;
                let part = call.text(1, row)?;
                match call.arguments.get(2) {
                    Some(_) => url.parameter(part, call.text(2, row)?),
                    None => url.part(part),
                }
            })
        },
    ),
];

/// `application/x-www-form-urlencoded`, as Java's `URLEncoder`.
fn url_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'*' | b'_' => {
                out.push(char::from(byte));
            }
            b' ' => out.push('+'),
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

fn url_decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?];
                let digits = std::str::from_utf8(&digits).ok()?;
                out.push(u8::from_str_radix(digits, 16).ok()?);
            }
            other => out.push(other),
        }
    }
    Some(String::from_utf8_lossy(&out).into_owned())
}

/// The protocols that Java's URLs know.
const PROTOCOLS: &[&str] = &["http", "https", "ftp", "file", "jar", "jrt", "mailto"];

/// A URL in the parts of `java.net.URL`.
#[derive(Debug, Default, PartialEq, Eq)]
struct Url {
    protocol: String,
    user_info: Option<String>,
    host: String,
    authority: Option<String>,
    path: String,
    query: Option<String>,
    reference: Option<String>,
}

impl Url {
    /// `None` where Java throws.
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim_matches(|letter: char| letter <= ' ');
        let (protocol, rest) = text.split_once(':')?;
        let protocol = protocol.to_lowercase();
        if !PROTOCOLS.contains(&protocol.as_str()) {
            return None;
        }
        let mut url = Self {
            protocol,
            ..Self::default()
        };
        if url.protocol == "mailto" {
            url.path = rest.to_owned();
            return Some(url);
        }
        let (rest, reference) = match rest.split_once('#') {
            Some((rest, reference)) => (rest, Some(reference.to_owned())),
            None => (rest, None),
        };
        url.reference = reference;
        let (rest, query) = match rest.split_once('?') {
            Some((rest, query)) => (rest, Some(query.to_owned())),
            None => (rest, None),
        };
        url.query = query;
        match rest.strip_prefix("//") {
            Some(rest) => {
                let end = rest.find('/').unwrap_or(rest.len());
                let (authority, path) = rest.split_at(end);
                url.set_authority(authority)?;
                url.path = path.to_owned();
            }
            None => url.path = rest.to_owned(),
        }
        Some(url)
    }

    fn set_authority(&mut self, authority: &str) -> Option<()> {
        self.authority = (!authority.is_empty()).then(|| authority.to_owned());
        let host = match authority.split_once('@') {
            Some((_, host)) if host.contains('@') => "",
            Some((user_info, host)) => {
                self.user_info = Some(user_info.to_owned());
                host
            }
            None => authority,
        };
        let (host, port) = if host.starts_with('[') {
            let end = host.find(']')? + 1;
            let (host, rest) = host.split_at(end);
            (host, rest.strip_prefix(':').unwrap_or_default())
        } else {
            host.split_once(':').unwrap_or((host, ""))
        };
        if !port.is_empty() && port.parse::<i32>().ok()? < -1 {
            return None;
        }
        self.host = host.to_owned();
        Some(())
    }

    fn part(&self, name: &str) -> Option<String> {
        match name {
            "HOST" => Some(self.host.clone()),
            "PATH" => Some(self.path.clone()),
            "QUERY" => self.query.clone(),
            "REF" => self.reference.clone(),
            "PROTOCOL" => Some(self.protocol.clone()),
            "FILE" => Some(match &self.query {
                Some(query) => format!("{}?{query}", self.path),
                None => self.path.clone(),
            }),
            "AUTHORITY" => self.authority.clone(),
            "USERINFO" => self.user_info.clone(),
            _ => None,
        }
    }

    fn parameter(&self, part: &str, key: &str) -> Option<String> {
        if part != "QUERY" {
            return None;
        }
        let pattern = JavaRegex::parse(&format!("(&|^){key}=([^&]*)"))?;
        let captures = pattern.captures(self.query.as_deref()?)?;
        captures.get(2).map(|value| value.as_str().to_owned())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn parts_of_urls() {
        const FULL: &str = "http://user:pw@example.com:8080/p/a.html?q=1&r=x%20y#frag";
        let cases = [
            (FULL, "HOST", Some("example.com")),
            (FULL, "PATH", Some("/p/a.html")),
            (FULL, "FILE", Some("/p/a.html?q=1&r=x%20y")),
            (FULL, "REF", Some("frag")),
            (FULL, "USERINFO", Some("user:pw")),
            (FULL, "AUTHORITY", Some("user:pw@example.com:8080")),
            ("http://h", "PATH", Some("")),
            ("http://h", "QUERY", None),
            ("http://h?q=1", "FILE", Some("?q=1")),
            ("http://h/p?", "QUERY", Some("")),
            ("file:///a/b", "HOST", Some("")),
            ("http://[::1]:80/p", "HOST", Some("[::1]")),
            ("http://h:x/p", "AUTHORITY", None),
            ("mailto:a@b.c", "PATH", Some("a@b.c")),
            ("foo://h/p", "HOST", None),
            ("garbage", "HOST", None),
            ("http://h", "host", None),
        ];
        for (url, part, expected) in cases {
            let found = Url::parse(url).and_then(|url| url.part(part));
            assert_eq!(found.as_deref(), expected, "{part} of {url}");
        }
    }
}
