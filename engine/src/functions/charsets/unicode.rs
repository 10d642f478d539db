//! The forms of Unicode, and the two sets that are its beginning.

use super::REPLACEMENT;

/// A form of Unicode.
#[derive(Debug, Clone, Copy)]
pub(super) enum Unicode {
    /// One byte for the letters below this number.
    Narrow(u32),
    /// One to four bytes.
    Utf8,
    /// Words of 16 bits.
    Utf16(Order),
    /// Words of 32 bits.
    Utf32(Order),
}

/// Which byte of a word comes first.
#[derive(Debug, Clone, Copy)]
pub(super) enum Order {
    /// The high one.
    Big,
    /// The low one.
    Little,
    /// As a mark in front says, the high one without one. Written as [`Self::Big`], under UTF-16 with
    /// the mark.
    Marked,
    /// The low one, with a mark.
    MarkedLittle,
}

/// The forms by their names.
pub(super) static SETS: &[(&str, Unicode)] = &[
    ("UTF-8 UTF8 unicode-1-1-utf-8", Unicode::Utf8),
    (
        "UTF-16 UTF16 UTF_16 unicode UnicodeBig",
        Unicode::Utf16(Order::Marked),
    ),
    (
        "UTF-16BE UTF_16BE ISO-10646-UCS-2 X-UTF-16BE UnicodeBigUnmarked",
        Unicode::Utf16(Order::Big),
    ),
    (
        "UTF-16LE UTF_16LE X-UTF-16LE UnicodeLittleUnmarked",
        Unicode::Utf16(Order::Little),
    ),
    (
        "x-UTF-16LE-BOM UnicodeLittle",
        Unicode::Utf16(Order::MarkedLittle),
    ),
    ("UTF-32 UTF32 UTF_32", Unicode::Utf32(Order::Marked)),
    ("UTF-32BE UTF_32BE X-UTF-32BE", Unicode::Utf32(Order::Big)),
    (
        "UTF-32LE UTF_32LE X-UTF-32LE",
        Unicode::Utf32(Order::Little),
    ),
    (
        "ISO-8859-1 latin1 l1 ISO8859_1 ISO8859-1 ISO_8859-1 ISO_8859_1 ISO_8859-1:1987 8859_1 819 \
         cp819 IBM819 IBM-819 csISOLatin1 ISO-IR-100",
        Unicode::Narrow(0x100),
    ),
    (
        "US-ASCII ASCII ASCII7 ISO646-US 646 ISO_646.irv:1983 ISO_646.irv:1991 ANSI_X3.4-1968 \
         ANSI_X3.4-1986 US IBM367 cp367 default csASCII ISO-IR-6",
        Unicode::Narrow(0x80),
    ),
];

impl Unicode {
    pub(super) fn encode(self, text: &str) -> Vec<u8> {
        match self {
            Self::Narrow(end) => text
                .chars()
                .map(|letter| match u8::try_from(u32::from(letter)) {
                    Ok(byte) if u32::from(byte) < end => byte,
                    _ => b'?',
                })
                .collect(),
            Self::Utf8 => text.as_bytes().to_vec(),
            Self::Utf16(order) => {
                // Java writes the mark in front of the first letter only.
                let has_mark = matches!(order, Order::Marked | Order::MarkedLittle);
                let mark = (has_mark && !text.is_empty()).then_some(0xFEFF);
                let words = mark.into_iter().chain(text.encode_utf16());
                let is_little = matches!(order, Order::Little | Order::MarkedLittle);
                words
                    .flat_map(|word: u16| match is_little {
                        true => word.to_le_bytes(),
                        false => word.to_be_bytes(),
                    })
                    .collect()
            }
            Self::Utf32(order) => {
                let is_little = matches!(order, Order::Little | Order::MarkedLittle);
                text.chars()
                    .flat_map(|letter| match is_little {
                        true => u32::from(letter).to_le_bytes(),
                        false => u32::from(letter).to_be_bytes(),
                    })
                    .collect()
            }
        }
    }

    pub(super) fn decode(self, bytes: &[u8]) -> String {
        match self {
            Self::Narrow(end) => bytes
                .iter()
                .map(|&byte| match u32::from(byte) < end {
                    true => char::from(byte),
                    false => REPLACEMENT,
                })
                .collect(),
            Self::Utf8 => String::from_utf8_lossy(bytes).into_owned(),
            Self::Utf16(order) => {
                let (is_little, bytes) = match (order, bytes) {
                    (Order::Marked | Order::MarkedLittle, [0xFF, 0xFE, rest @ ..]) => (true, rest),
                    (Order::Marked | Order::MarkedLittle, [0xFE, 0xFF, rest @ ..]) => (false, rest),
                    (Order::Little | Order::MarkedLittle, all) => (true, all),
                    (Order::Big | Order::Marked, all) => (false, all),
                };
                let (words, rest) = bytes.as_chunks::<2>();
                let words = words.iter().map(|&word| match is_little {
                    true => u16::from_le_bytes(word),
                    false => u16::from_be_bytes(word),
                });
                let letters = char::decode_utf16(words).map(|it| it.unwrap_or(REPLACEMENT));
                letters
                    .chain((!rest.is_empty()).then_some(REPLACEMENT))
                    .collect()
            }
            Self::Utf32(order) => {
                let (is_little, bytes) = match (order, bytes) {
                    (Order::Marked, [0xFF, 0xFE, 0, 0, rest @ ..]) => (true, rest),
                    (Order::Marked, [0, 0, 0xFE, 0xFF, rest @ ..]) => (false, rest),
                    (Order::Little | Order::MarkedLittle, all) => (true, all),
                    (Order::Big | Order::Marked, all) => (false, all),
                };
                let (words, rest) = bytes.as_chunks::<4>();
                let letters = words.iter().map(|&word| {
                    let number = match is_little {
                        true => u32::from_le_bytes(word),
                        false => u32::from_be_bytes(word),
                    };
                    char::from_u32(number).unwrap_or(REPLACEMENT)
                });
                letters
                    .chain((!rest.is_empty()).then_some(REPLACEMENT))
                    .collect()
            }
        }
    }
}
