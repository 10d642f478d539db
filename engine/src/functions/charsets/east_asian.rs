//! Sets of several bytes a letter, as the Encoding Standard has them, less what it has beyond Java's.
//!
//! Rare letters may differ: those for private use, the second level of EUC-JP (JIS X 0212) when it
//! is written, the extensions of Big5.

use encoding_rs::{DecoderResult, EncoderResult, Encoding};

use super::REPLACEMENT;

/// A set of several bytes a letter.
#[derive(Debug, Clone, Copy)]
pub(super) struct EastAsian {
    encoding: &'static Encoding,
    /// Whether Java has these bytes of a letter.
    has: fn(&[u8]) -> bool,
    /// Letters and bytes that Java takes instead.
    instead: &'static [(char, &'static [u8])],
}

/// The sets by their names.
pub(super) static SETS: &[(&str, EastAsian)] = &[
    (
        "GBK cp936 windows-936 x-mswin-936 ms936 ms_936",
        EastAsian {
            encoding: encoding_rs::GBK,
            has: |bytes| !matches!(bytes, [0x80] | [0xFE, 0x50..=0xA0]),
            instead: &[('€', &[0xA2, 0xE3]), ('♁', &[0xA8, 0x92])],
        },
    ),
    (
        "GB2312 gb2312-80 gb2312-1980 euc-cn euccn EUC_CN x-EUC-CN",
        EastAsian {
            encoding: encoding_rs::GBK,
            has: |bytes| {
                matches!(bytes, [_] | [0xB0..=0xF7, 0xA1..=0xFF])
                    || matches!(bytes, [0xA1..=0xA9, 0xA1..=0xFF] if *bytes != [0xA2, 0xE3])
                        && !matches!(
                            bytes,
                            [0xA2, 0xA1..=0xB0] | [0xA6, 0xE0..=0xFF] | [0xA8, 0xBB..=0xC0]
                        )
            },
            instead: &[('・', &[0xA1, 0xA4]), ('―', &[0xA1, 0xAA])],
        },
    ),
    (
        "GB18030 gb18030-2022",
        EastAsian {
            encoding: encoding_rs::GB18030,
            has: |bytes| *bytes != [0x80],
            instead: &[],
        },
    ),
    (
        "Big5 csBig5",
        EastAsian {
            encoding: encoding_rs::BIG5,
            has: |bytes| matches!(bytes, [_] | [0xA1..=0xC5 | 0xC9..=0xF9, _] | [0xC6, 0x00..=0x7E]),
            instead: &[],
        },
    ),
    (
        "Shift_JIS shift-jis x-sjis sjis ms_kanji csShiftJIS",
        EastAsian {
            encoding: encoding_rs::SHIFT_JIS,
            // Without the rows of NEC and IBM.
            has: |bytes| !matches!(bytes, [0x80] | [0x85..=0x87 | 0xEB..=0xFF, _]),
            instead: &[
                ('〜', &[0x81, 0x60]),
                ('‖', &[0x81, 0x61]),
                ('—', &[0x81, 0x5C]),
                ('¢', &[0x81, 0x91]),
                ('£', &[0x81, 0x92]),
                ('¬', &[0x81, 0xCA]),
                ('\u{2212}', &[0x81, 0x7C]),
            ],
        },
    ),
    (
        "windows-31j MS932 windows-932 csWindows31J",
        EastAsian {
            encoding: encoding_rs::SHIFT_JIS,
            has: |bytes| *bytes != [0x80],
            instead: &[],
        },
    ),
    (
        "EUC-JP euc_jp eucjis eucjp x-euc-jp x-eucjp csEUCPkdFmtjapanese \
         Extended_UNIX_Code_Packed_Format_for_Japanese",
        EastAsian {
            encoding: encoding_rs::EUC_JP,
            has: |bytes| !matches!(bytes, [0xAD | 0xF9..=0xFF, _]),
            instead: &[
                ('〜', &[0xA1, 0xC1]),
                ('‖', &[0xA1, 0xC2]),
                ('—', &[0xA1, 0xBD]),
                ('¢', &[0xA1, 0xF1]),
                ('£', &[0xA1, 0xF2]),
                ('¬', &[0xA2, 0xCC]),
                ('\u{2212}', &[0xA1, 0xDD]),
            ],
        },
    ),
    (
        "EUC-KR euc_kr euckr ks_c_5601-1987 ksc_5601 ksc5601 ksc5601-1987 ksc5601_1987 5601 csEUCKR",
        EastAsian {
            encoding: encoding_rs::EUC_KR,
            // Without the extension of Windows.
            has: |bytes| matches!(bytes, [_] | [0xA1..=0xFF, 0xA1..=0xFF]),
            instead: &[('㉾', &[0xA2, 0xE8])],
        },
    ),
    (
        "x-windows-949 windows-949 windows949 ms949 ms_949",
        EastAsian {
            encoding: encoding_rs::EUC_KR,
            has: |_| true,
            instead: &[],
        },
    ),
];

/// The most bytes of a letter.
const MAX_BYTES: usize = 16;

impl EastAsian {
    pub(super) fn encode(self, text: &str) -> Vec<u8> {
        let mut encoded = Vec::with_capacity(text.len());
        for letter in text.chars() {
            let known = self.instead.iter().find(|(known, _)| *known == letter);
            match known {
                Some((_, bytes)) => encoded.extend_from_slice(bytes),
                None => self.encode_letter(letter, &mut encoded),
            }
        }
        encoded
    }

    fn encode_letter(self, letter: char, encoded: &mut Vec<u8>) {
        let (mut utf8, mut bytes) = ([0; 4], [0; MAX_BYTES]);
        let text = letter.encode_utf8(&mut utf8);
        let mut encoder = self.encoding.new_encoder();
        let (result, _, n_bytes) =
            encoder.encode_from_utf8_without_replacement(text, &mut bytes, true);
        match bytes.get(..n_bytes) {
            Some(bytes)
                if result == EncoderResult::InputEmpty
                    && (self.has)(bytes)
                    // Another letter has them in Java.
                    && !self.instead.iter().any(|(_, taken)| taken == &bytes) =>
            {
                encoded.extend_from_slice(bytes);
            }
            _ => encoded.push(b'?'),
        }
    }

    pub(super) fn decode(self, bytes: &[u8]) -> String {
        let mut decoded = String::with_capacity(bytes.len());
        let mut rest = bytes;
        while !rest.is_empty() {
            let n_bytes = self.decode_letter(rest, &mut decoded);
            rest = rest.get(n_bytes.max(1)..).unwrap_or_default();
        }
        decoded
    }

    /// Reads the first letter. Gives how many bytes it has.
    fn decode_letter(self, bytes: &[u8], decoded: &mut String) -> usize {
        let known = self
            .instead
            .iter()
            .find(|(_, known)| bytes.starts_with(known));
        if let Some((letter, known)) = known {
            decoded.push(*letter);
            return known.len();
        }
        for n_bytes in 1..=bytes.len().min(4) {
            let Some(letter) = bytes.get(..n_bytes) else {
                break;
            };
            let mut utf8 = [0; MAX_BYTES];
            let mut decoder = self.encoding.new_decoder_without_bom_handling();
            let (result, _, n_utf8) =
                decoder.decode_to_utf8_without_replacement(letter, &mut utf8, true);
            let text = utf8
                .get(..n_utf8)
                .and_then(|utf8| std::str::from_utf8(utf8).ok());
            if let (DecoderResult::InputEmpty, Some(text)) = (result, text)
                && text.chars().count() == 1
                && (self.has)(letter)
            {
                decoded.push_str(text);
                return n_bytes;
            }
        }
        decoded.push(REPLACEMENT);
        // What begins a letter takes with it what can be nothing else.
        match bytes {
            [first, second, ..] if self.is_lead(*first) && !self.is_letter_or_lead(*second) => 2,
            _ => 1,
        }
    }

    fn is_lead(self, byte: u8) -> bool {
        (0x81..=0xFE).contains(&byte) && !self.is_letter(byte)
    }

    fn is_letter_or_lead(self, byte: u8) -> bool {
        self.is_letter(byte) || self.is_lead(byte)
    }

    fn is_letter(self, byte: u8) -> bool {
        let letter = [byte];
        let decoded = self
            .encoding
            .decode_without_bom_handling_and_without_replacement(&letter);
        decoded.is_some() && (self.has)(&letter)
    }
}
