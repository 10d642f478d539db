//! ENCODE and DECODE: texts as bytes of Java's character sets.
//!
//! ```text
//!   UTF-8, UTF-16, UTF-32, US-ASCII, ISO-8859-1     here
//!   one byte a letter                               tables (`standard`, `code_pages`)
//!   GBK, Big5, Shift_JIS, EUC …                     the crate encoding_rs (`east_asian`)
//! ```
//!
//! What a set cannot say is written as `?`; what no letter is reads as U+FFFD.
//!
//! Source: `java.nio.charset`, Java 17.

mod code_pages;

mod east_asian;

mod standard;

mod unicode;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, StringArray};

use crate::error::{EngineError, Result};
use crate::functions::define::Call;
use east_asian::EastAsian;
use unicode::Unicode;

/// The letter for what is none.
const REPLACEMENT: char = '\u{FFFD}';

/// A set of one byte a letter, as it is written down.
struct SingleByte {
    name: &'static str,
    /// In lower case, divided by blanks.
    aliases: &'static str,
    /// Where bytes are not the letters of their own number.
    letters: &'static str,
}

/// A character set.
#[derive(Debug)]
enum Charset {
    Unicode(Unicode),
    Table(Table),
    EastAsian(EastAsian),
}

/// A set of one byte a letter, ready for use.
#[derive(Debug)]
struct Table {
    letters: Vec<char>,
    bytes: HashMap<char, u8>,
}

impl Charset {
    fn encode(&self, text: &str) -> Vec<u8> {
        match self {
            Self::Unicode(set) => set.encode(text),
            Self::Table(table) => table.encode(text),
            Self::EastAsian(set) => set.encode(text),
        }
    }

    fn decode(&self, bytes: &[u8]) -> String {
        match self {
            Self::Unicode(set) => set.decode(bytes),
            Self::Table(table) => table.decode(bytes),
            Self::EastAsian(set) => set.decode(bytes),
        }
    }
}

impl Table {
    fn of(letters: &str) -> Self {
        let mut table: Vec<char> = (0..=u8::MAX).map(char::from).collect();
        for entry in letters.split_whitespace() {
            let Some((bytes, first)) = entry.split_once(':') else {
                continue;
            };
            let (start, end) = bytes.split_once('-').unwrap_or((bytes, bytes));
            let byte = |text| usize::from_str_radix(text, 16).unwrap_or(0);
            let places = table.get_mut(byte(start)..=byte(end)).unwrap_or_default();
            let first = u32::from_str_radix(first, 16).ok();
            for (place, letter) in (0..).zip(places) {
                let known = first.and_then(|first| char::from_u32(first + place));
                *letter = known.unwrap_or(REPLACEMENT);
            }
        }
        let mut bytes = HashMap::new();
        for (&letter, byte) in table.iter().zip(0..=u8::MAX) {
            if letter != REPLACEMENT {
                bytes.entry(letter).or_insert(byte);
            }
        }
        // EBCDIC has two ends of a line, which are one when they are read.
        if bytes.get(&'A') == Some(&0xC1) {
            bytes.entry('\u{85}').or_insert(0x15);
        }
        Self {
            letters: table,
            bytes,
        }
    }

    /// Java writes `?` in ASCII, whatever that is in EBCDIC.
    fn encode(&self, text: &str) -> Vec<u8> {
        let bytes = text.chars().map(|letter| self.bytes.get(&letter));
        bytes.map(|byte| byte.copied().unwrap_or(b'?')).collect()
    }

    fn decode(&self, bytes: &[u8]) -> String {
        let letters = bytes.iter().map(|&byte| self.letters.get(byte as usize));
        letters
            .map(|letter| letter.copied().unwrap_or(REPLACEMENT))
            .collect()
    }
}

/// All sets by their names in lower case.
static CHARSETS: LazyLock<HashMap<String, Arc<Charset>>> = LazyLock::new(|| {
    let mut known = HashMap::new();
    let mut add = |names: &str, charset: Charset| {
        let charset = Arc::new(charset);
        for name in names.split_whitespace() {
            known.insert(name.to_lowercase(), Arc::clone(&charset));
        }
    };
    for (names, set) in unicode::SETS {
        add(names, Charset::Unicode(*set));
    }
    for set in standard::SETS.iter().chain(code_pages::SETS) {
        let names = format!("{} {}", set.name, set.aliases);
        add(&names, Charset::Table(Table::of(set.letters)));
    }
    for (names, set) in east_asian::SETS {
        add(names, Charset::EastAsian(*set));
    }
    known
});

/// The set of a name, which does not tell cases apart.
fn find(name: &str) -> Result<&'static Charset> {
    let found = CHARSETS.get(&name.to_lowercase());
    found.map(AsRef::as_ref).ok_or_else(|| EngineError::Data {
        message: format!(
            "'{name}' is no character set, or none that is known here; use UTF-8, UTF-16, UTF-32, \
             US-ASCII, ISO-8859-1 to 16, windows-1250 to 1258, KOI8-R, IBM437 and other code pages, \
             GBK, GB18030, Big5, Shift_JIS, EUC-JP or EUC-KR"
        ),
    })
}

/// `ENCODE(text, charset)`.
pub(super) fn encode(call: &Call) -> Result<ArrayRef> {
    let mut values = Vec::with_capacity(call.n_rows);
    for row in 0..call.n_rows {
        values.push(match (call.text(0, row), call.text(1, row)) {
            (Some(text), Some(charset)) => Some(find(charset)?.encode(text)),
            _ => None,
        });
    }
    Ok(Arc::new(values.into_iter().collect::<BinaryArray>()))
}

/// `DECODE(bytes, charset)`.
pub(super) fn decode(call: &Call) -> Result<ArrayRef> {
    let bytes = call.argument(0)?.as_binary::<i32>();
    let mut values = Vec::with_capacity(call.n_rows);
    for row in 0..call.n_rows {
        values.push(match call.text(1, row) {
            Some(charset) if bytes.is_valid(row) => Some(find(charset)?.decode(bytes.value(row))),
            _ => None,
        });
    }
    Ok(Arc::new(StringArray::from(values)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn texts_as_java_writes_and_reads_them() {
        for (charset, text, bytes, read) in [
            ("windows-1252", "aé€😀b", "61e9803f62", "aé€?b"),
            ("cp1252", "\u{81}", "3f", "?"),
            ("latin9", "€ž¤", "a4b83f", "€ž?"),
            ("ISO-8859-7", "αβγ", "e1e2e3", "αβγ"),
            ("KOI8-R", "Мир", "edc9d2", "Мир"),
            ("IBM437", "é▓", "82b2", "é▓"),
            ("IBM037", "Ab1€", "c182f13f", "Ab1\u{1a}"),
            ("GBK", "汉字€😀", "babad7d6a2e33f", "汉字€?"),
            ("GB2312", "汉字鑫丏", "babad7d6f6ce3f", "汉字鑫?"),
            ("GB18030", "汉😀", "baba9439fc36", "汉😀"),
            ("Big5", "漢字", "ba7ea672", "漢字"),
            ("Shift_JIS", "日本ｱ〜①", "93fa967bb181603f", "日本ｱ〜?"),
            ("MS932", "日本～①", "93fa967b81608740", "日本～①"),
            ("EUC-JP", "日本", "c6fccbdc", "日本"),
            ("EUC-KR", "한국똠", "c7d1b1b93f", "한국?"),
            ("ms949", "똠", "8c63", "똠"),
            ("UTF-16", "a😀", "feff0061d83dde00", "a😀"),
            ("UTF-16LE", "a", "6100", "a"),
            ("UnicodeLittle", "a", "fffe6100", "a"),
            ("utf-32", "a😀", "000000610001f600", "a😀"),
            ("us-ascii", "é", "3f", "?"),
        ] {
            let set = find(charset).unwrap();
            let encoded = set.encode(text);
            assert_eq!(hex(&encoded), bytes, "{charset}");
            assert_eq!(set.decode(&encoded), read, "{charset}");
        }
        assert!(find("nope").is_err());
    }

    #[test]
    fn bytes_that_are_no_letters() {
        let bytes = [0x81, 0xff, 0x41, 0xe2, 0x80, 0x41, 0xfc, 0x41, 0x81];
        for (charset, read) in [
            ("windows-1252", "\u{fffd}ÿAâ€AüA\u{fffd}"),
            ("GBK", "\u{fffd}A鈥A麬\u{fffd}"),
            ("GB18030", "\u{fffd}A鈥A麬\u{fffd}"),
            ("Shift_JIS", "\u{fffd}A窶A\u{fffd}A\u{fffd}"),
            ("UTF-16", "臿䇢聁ﱁ\u{fffd}"),
        ] {
            assert_eq!(find(charset).unwrap().decode(&bytes), read, "{charset}");
        }
    }
}
