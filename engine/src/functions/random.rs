//! RAND and RAND_INTEGER.
//!
//! With a seed they give the numbers of Java's `Random` of that seed, row by row, as one task of
//! Flink does; every batch of rows begins anew.
//!
//! Source: `java.util.Random`, Java 17.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int32Array};
use rand::Rng;

use crate::data::types::TypeRoot;
use crate::error::Result;
use crate::functions::define::{Call, Definition, Kind, ResultType};
use crate::functions::math::random;

/// The functions of this family.
pub static FUNCTIONS: &[Definition] = &[
    random(
        "rand",
        0..=1,
        &[Kind::Integer],
        ResultType::Strict(TypeRoot::Double),
        |call| {
            let mut generator = Generator::of(call, 1);
            let values: Float64Array = call.strict(|row| {
                generator.reseed(call, 1, row);
                Some(generator.double())
            });
            Ok(Arc::new(values))
        },
    ),
    random(
        "rand_integer",
        1..=2,
        &[Kind::Integer],
        ResultType::Strict(TypeRoot::Int),
        rand_integer,
    ),
];

fn rand_integer(call: &Call) -> Result<ArrayRef> {
    let mut generator = Generator::of(call, 2);
    let bound_at = call.arguments.len() - 1;
    Ok(Arc::new(call.strict::<i32, Int32Array>(|row| {
        let bound = i32::try_from(call.integer(bound_at, row)?).ok()?;
        generator.reseed(call, 2, row);
        (bound > 0).then(|| generator.integer(bound))
    })))
}

enum Generator {
    Java(JavaRandom),
    Own(rand::rngs::ThreadRng),
}

impl Generator {
    /// A call of `n_seeded` arguments begins with the seed.
    fn of(call: &Call, n_seeded: usize) -> Self {
        if call.arguments.len() < n_seeded {
            return Self::Own(rand::rng());
        }
        Self::Java(JavaRandom::new(call.integer(0, 0).unwrap_or(0)))
    }

    /// A seed that is no constant makes a new generator for its row.
    fn reseed(&mut self, call: &Call, n_seeded: usize, row: usize) {
        if call.arguments.len() < n_seeded || row == 0 {
            return;
        }
        if call.integer(0, row) != call.integer(0, row - 1) {
            *self = Self::Java(JavaRandom::new(call.integer(0, row).unwrap_or(0)));
        }
    }

    fn double(&mut self) -> f64 {
        match self {
            Self::Java(random) => random.double(),
            Self::Own(random) => random.random(),
        }
    }

    fn integer(&mut self, bound: i32) -> i32 {
        match self {
            Self::Java(random) => random.integer(bound),
            Self::Own(random) => random.random_range(0..bound),
        }
    }
}

/// The linear congruential generator of Java.
#[derive(Debug, Clone, Copy)]
struct JavaRandom {
    state: u64,
}

const MULTIPLIER: u64 = 0x5_DEEC_E66D;
const MASK: u64 = (1 << 48) - 1;

impl JavaRandom {
    fn new(seed: i64) -> Self {
        Self {
            state: (seed.cast_unsigned() ^ MULTIPLIER) & MASK,
        }
    }

    /// The next `n_bits` bits, at most 32.
    fn next(&mut self, n_bits: u32) -> u32 {
        self.state = self.state.wrapping_mul(MULTIPLIER).wrapping_add(0xB) & MASK;
        u32::try_from(self.state >> (48 - n_bits)).unwrap_or(u32::MAX)
    }

    fn double(&mut self) -> f64 {
        const UNIT: f64 = 1.0 / 9_007_199_254_740_992.0;
        let high = u64::from(self.next(26)) << 27;
        let bits = high + u64::from(self.next(27));
        #[allow(clippy::cast_precision_loss, reason = "53 bits fit")]
        let value = bits as f64;
        value * UNIT
    }

    fn integer(&mut self, bound: i32) -> i32 {
        let wide = u64::from(bound.cast_unsigned());
        if bound & (bound - 1) == 0 {
            let bits = u64::from(self.next(31));
            return i32::try_from((wide * bits) >> 31).unwrap_or_default();
        }
        loop {
            let bits = self.next(31).cast_signed();
            let value = bits % bound;
            // The last, incomplete run of `bound` numbers would favor the small ones.
            if bits.wrapping_sub(value).wrapping_add(bound - 1) >= 0 {
                return value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_java() {
        let mut random = JavaRandom::new(1);
        assert_eq!(random.double(), 0.730_878_190_703_290_9);
        assert_eq!(JavaRandom::new(1).integer(10), 5);
    }
}
