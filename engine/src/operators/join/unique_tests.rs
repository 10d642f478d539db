//! Joins of inputs with a unique key: the same changes as without one, as long as rows keep to it.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::fmt::Write as _;

use expect_test::expect;

use super::tests::{check, join, push};
use super::{JoinKind, JoinSpec, UniqueKey};
use crate::operators::{Emission, OperatorFactory, Output, StepContext};

const KINDS: [JoinKind; 7] = [
    JoinKind::Inner,
    JoinKind::Left,
    JoinKind::Right,
    JoinKind::Full,
    JoinKind::Semi,
    JoinKind::Anti,
    JoinKind::Mark,
];

/// Numbers without much of a pattern.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        let Self(state) = self;
        *state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (*state >> 33) % end
    }
}

/// Changes of a table whose rows are known by the join's key, or else by their number.
fn changes(numbers: &mut Numbers, table: &mut BTreeMap<u64, u64>, is_key: bool) -> String {
    let text = |unique: u64, other: u64| match is_key {
        true => format!("{} | {other}", ["a", "b", "c", "d"][unique as usize]),
        false => format!("{} | {unique}", ["a", "b", "c", "d"][other as usize]),
    };
    let mut rows = String::new();
    for _ in 0..=numbers.below(4) {
        let (unique, other) = (numbers.below(4), numbers.below(4));
        let old = table.remove(&unique);
        let stays = old.is_none() || numbers.below(3) > 0;
        match (old, stays) {
            (Some(old), true) => {
                writeln!(rows, "-U | {}", text(unique, old)).unwrap();
                writeln!(rows, "+U | {}", text(unique, other)).unwrap();
            }
            (Some(old), false) => writeln!(rows, "-D | {}", text(unique, old)).unwrap(),
            (None, _) => writeln!(rows, "+I | {}", text(unique, other)).unwrap(),
        }
        if stays {
            table.insert(unique, other);
        }
    }
    rows
}

fn key(is_key: bool) -> Option<UniqueKey> {
    Some(match is_key {
        true => UniqueKey::InJoinKey,
        false => UniqueKey::Columns(vec![1]),
    })
}

/// What comes out; the join is saved and made anew in the middle.
fn run(spec: &JoinSpec, are_keys: [bool; 2]) -> Vec<String> {
    let mut numbers = Numbers(7);
    let mut tables = [BTreeMap::new(), BTreeMap::new()];
    let mut operator = spec.create(0, 1).unwrap();
    let mut texts = Vec::new();
    for number in 0..40 {
        let port = numbers.below(2) as usize;
        let rows = changes(&mut numbers, &mut tables[port], are_keys[port]);
        let mut text = push(operator.as_mut(), port, rows.trim_end());
        let mut out = Output::default();
        let ctx = StepContext::default();
        operator.on_step_end(&ctx, &mut out).unwrap();
        text.push_str(&crate::data::text::print_deltas(&out.drain()).unwrap());
        texts.push(text);
        if number == 20 {
            let tables = operator.save().unwrap();
            operator = spec.create(0, 1).unwrap();
            operator.restore(tables).unwrap();
        }
    }
    texts
}

#[test]
fn unique_keys_change_nothing() {
    for kind in KINDS {
        for has_residual in [false, true] {
            for emission in [Emission::RowByRow, Emission::NetPerStep] {
                for are_keys in [[true, true], [true, false], [false, true], [false, false]] {
                    let plain = join(kind, has_residual, emission);
                    let known = JoinSpec {
                        unique: are_keys.map(key),
                        ..plain.clone()
                    };
                    let setting = (kind, has_residual, emission, are_keys);
                    assert_eq!(run(&known, are_keys), run(&plain, are_keys), "{setting:?}");
                }
            }
        }
    }
}

#[test]
fn a_row_takes_the_place_of_the_one_with_its_key() {
    let spec = |unique| JoinSpec {
        unique: [unique, None],
        ..join(JoinKind::Inner, false, Emission::RowByRow)
    };
    let pushes = [
        // Twice the same key: the tables say that there is one row of it.
        (0, "+I | a | 1\n+I | a | 2\n+I | b | 2"),
        (1, "+I | a | 5\n+I | b | 6"),
        (0, "-D | a | 2"),
        (1, "+I | a | 7"),
    ];
    check(
        &spec(key(true)),
        &pushes,
        &expect![[r#"
            L
            R
            +I | a | 2 | 5
            +I | b | 2 | 6
            L
            -D | a | 2 | 5
            R
        "#]],
    );
    check(
        &spec(key(false)),
        &pushes,
        &expect![[r#"
            L
            R
            +I | a | 1 | 5
            +I | a | 2 | 5
            +I | b | 2 | 6
            L
            -D | a | 2 | 5
            R
            +I | a | 1 | 7
        "#]],
    );
}

#[test]
fn a_retraction_of_a_row_that_is_not_there_takes_no_later_one() {
    let spec = JoinSpec {
        unique: [key(true), None],
        ..join(JoinKind::Inner, false, Emission::RowByRow)
    };
    check(
        &spec,
        &[(0, "-U | a | 1\n+U | a | 2"), (1, "+I | a | 5")],
        &expect![[r#"
            L
            R
            +I | a | 2 | 5
        "#]],
    );
}
