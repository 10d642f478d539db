//! Where random numbers and texts come from: a generator that is seeded with the number of the
//! event, and the words that events are made of.

use std::sync::LazyLock;

pub(super) const STATES: [&str; 6] = ["AZ", "CA", "ID", "OR", "WA", "WY"];

pub(super) const CITIES: [&str; 10] = [
    "Phoenix",
    "Los Angeles",
    "San Francisco",
    "Boise",
    "Portland",
    "Bend",
    "Redmond",
    "Seattle",
    "Kent",
    "Cheyenne",
];

pub(super) const FIRST_NAMES: [&str; 11] = [
    "Peter", "Paul", "Luke", "John", "Saul", "Vicky", "Kate", "Julie", "Sarah", "Deiter", "Walter",
];

pub(super) const LAST_NAMES: [&str; 9] = [
    "Shultz", "Abrams", "Spencer", "White", "Bartels", "Walton", "Smith", "Jones", "Noris",
];

const HOT_CHANNELS: [&str; 4] = ["Google", "Facebook", "Baidu", "Apple"];

/// Channels besides the hot ones.
const N_CHANNELS: u64 = 10_000;

const MIN_TEXT_LENGTH: u64 = 3;

/// SplitMix64: every seed is as good as any other, so each event can have one of its own.
///
/// Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014.
#[derive(Debug, Clone, Copy)]
pub(super) struct Random(u64);

impl Random {
    /// For the event with this id.
    #[inline]
    pub(super) fn of_event(event_id: u64) -> Self {
        // One step between seed and first number, so that neighbors have nothing in common.
        let mut random = Self(event_id.wrapping_mul(0xd134_2543_de82_ef95));
        random.next();
        random
    }

    #[inline]
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// A number below `end`, which is above zero.
    #[inline]
    pub(super) fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(end)) >> 64) as u64
    }

    /// A number in 0 … 1.
    #[inline]
    pub(super) fn part(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A price: 100 to 100 million, small ones as often as large ones.
    #[inline]
    pub(super) fn price(&mut self) -> i64 {
        (10_f64.powf(self.part() * 6.0) * 100.0).round() as i64
    }

    #[inline]
    pub(super) fn one_of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        let place = self.below(words.len() as u64) as usize;
        words.get(place).copied().unwrap_or_default()
    }

    /// Appends up to `max_length` letters with some `gap`s between them.
    pub(super) fn push_text(&mut self, text: &mut String, max_length: u64, gap: char) {
        let start = text.len();
        for _ in 0..MIN_TEXT_LENGTH + self.below(max_length - MIN_TEXT_LENGTH) {
            let letter = match self.below(13) {
                0 => gap,
                _ => char::from(b'a' + self.below(26) as u8),
            };
            text.push(letter);
        }
        if gap == ' ' {
            let own = text.split_off(start);
            text.push_str(own.trim());
        }
    }

    /// Appends letters, so many that `n_bytes` and they have `average_bytes` on average.
    #[inline]
    pub(super) fn push_extra(&mut self, text: &mut String, n_bytes: usize, average_bytes: usize) {
        let Some(wanted) = average_bytes.checked_sub(n_bytes) else {
            return;
        };
        let delta = (wanted as f64 * 0.2).round() as usize;
        let more = match delta {
            0 => 0,
            _ => self.below(2 * delta as u64) as usize,
        };
        let mut n_left = wanted - delta + more;
        while n_left > 0 {
            // Eight letters of a number: a byte is a fraction of 26.
            let letters = self
                .next()
                .to_le_bytes()
                .map(|byte| b'a' + ((u16::from(byte) * 26) >> 8) as u8);
            let n_letters = n_left.min(letters.len());
            let letters = letters.get(..n_letters).unwrap_or_default();
            text.push_str(std::str::from_utf8(letters).unwrap_or_default());
            n_left -= n_letters;
        }
    }

    /// A channel and its address.
    pub(super) fn channel(&mut self) -> &'static (String, String) {
        static NO_CHANNEL: (String, String) = (String::new(), String::new());
        let place = if self.below(2) > 0 {
            N_CHANNELS + self.below(HOT_CHANNELS.len() as u64)
        } else {
            self.below(N_CHANNELS)
        };
        CHANNELS.get(place as usize).unwrap_or(&NO_CHANNEL)
    }
}

/// All channels, then the hot ones: name and address. Nine of ten addresses name their channel.
static CHANNELS: LazyLock<Vec<(String, String)>> = LazyLock::new(|| {
    let numbered = (0..N_CHANNELS).map(|number| {
        let mut random = Random::of_event(u64::MAX - number);
        let mut url = base_url(&mut random);
        if random.below(10) > 0 {
            let reversed = (number as i32).reverse_bits();
            url.push_str(&format!("&channel_id={}", reversed.unsigned_abs()));
        }
        (format!("channel-{number}"), url)
    });
    let hot = HOT_CHANNELS.iter().zip(N_CHANNELS..).map(|(name, number)| {
        let mut random = Random::of_event(u64::MAX - number);
        ((*name).to_owned(), base_url(&mut random))
    });
    numbered.chain(hot).collect()
});

fn base_url(random: &mut Random) -> String {
    let mut url = "https://www.nexmark.com/".to_owned();
    for _ in 0..3 {
        random.push_text(&mut url, 5, '_');
        url.push('/');
    }
    url.push_str("item.htm?query=1");
    url
}
