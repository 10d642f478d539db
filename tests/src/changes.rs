//! Random changes to a table, and the table that they leave.
//!
//! A table has few keys, small numbers and many NULLs, so that groups meet, rows repeat and groups
//! become empty again. Doubles are whole numbers: their sums are exact in any order.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringArray,
};
use arrow::datatypes::{DataType, SchemaRef};
use proptest::option::weighted;
use proptest::prelude::*;
use tidemill_engine::Result;
use tidemill_engine::data::{Delta, RowKind, text};

/// A row of the test table.
#[derive(Debug, Clone)]
pub struct Row {
    /// A key of few values.
    pub k: Option<i64>,
    /// A text of few values.
    pub s: Option<&'static str>,
    /// A number.
    pub n: Option<i64>,
    /// A double that is a whole number.
    pub d: Option<i32>,
    /// Hundredths.
    pub m: Option<i32>,
    /// A truth value.
    pub b: Option<bool>,
}

/// A change as it is drawn: the place of the row is taken modulo the rows that are there.
#[derive(Debug, Clone)]
pub enum Change {
    /// `+I`
    Insert(Row),
    /// `-D`
    Delete(usize),
    /// `-U`, `+U`
    Update(usize, Row),
}

/// Columns of the test table.
#[must_use]
pub fn schema() -> SchemaRef {
    text::schema(&[
        ("k", DataType::Int64),
        ("s", DataType::Utf8),
        ("n", DataType::Int64),
        ("d", DataType::Float64),
        ("m", DataType::Decimal128(10, 2)),
        ("b", DataType::Boolean),
    ])
}

/// Any row.
pub fn row() -> impl Strategy<Value = Row> {
    let texts = prop_oneof![Just(""), Just("a"), Just("b"), Just("Z"), Just("河北省"),];
    (
        weighted(0.9, -2_i64..4),
        weighted(0.8, texts),
        weighted(0.8, -5_i64..20),
        weighted(0.8, -9_i32..9),
        weighted(0.8, -300_i32..300),
        weighted(0.8, any::<bool>()),
    )
        .prop_map(|(k, s, n, d, m, b)| Row { k, s, n, d, m, b })
}

/// Any changes, more insertions than others at first.
pub fn changes(max: usize) -> impl Strategy<Value = Vec<Change>> {
    let change = prop_oneof![
        4 => row().prop_map(Change::Insert),
        2 => any::<usize>().prop_map(Change::Delete),
        2 => (any::<usize>(), row()).prop_map(|(place, row)| Change::Update(place, row)),
    ];
    prop::collection::vec(change, 0..max)
}

/// A changelog and the rows that it leaves.
#[derive(Debug)]
pub struct History {
    /// All changes, in order.
    pub delta: Delta,
    /// The table at the end.
    pub table: RecordBatch,
}

/// Carries the changes out.
///
/// # Errors
/// Never for rows of this schema; Arrow's constructors may fail.
pub fn history(changes: &[Change]) -> Result<History> {
    let (mut rows, mut kinds, mut live) = (Vec::new(), Vec::new(), Vec::<Row>::new());
    let mut log = |kind: RowKind, row: &Row| {
        kinds.push(kind);
        rows.push(row.clone());
    };
    for change in changes {
        match change {
            Change::Insert(row) => {
                log(RowKind::Insert, row);
                live.push(row.clone());
            }
            Change::Delete(_) | Change::Update(..) if live.is_empty() => {}
            Change::Delete(place) => {
                let row = live.swap_remove(place % live.len());
                log(RowKind::Delete, &row);
            }
            Change::Update(place, row) => {
                let place = place % live.len();
                if let Some(old) = live.get_mut(place) {
                    log(RowKind::UpdateBefore, old);
                    log(RowKind::UpdateAfter, row);
                    *old = row.clone();
                }
            }
        }
    }
    Ok(History {
        delta: Delta::try_new(batch(&rows)?, kinds)?,
        table: batch(&live)?,
    })
}

/// `delta` in parts of at most `n_rows` rows.
#[must_use]
pub fn split(delta: &Delta, n_rows: usize) -> Arc<[Delta]> {
    (0..delta.num_rows())
        .step_by(n_rows)
        .map(|start| delta.slice(start, n_rows.min(delta.num_rows() - start)))
        .collect()
}

fn batch(rows: &[Row]) -> Result<RecordBatch> {
    let decimals: Decimal128Array = rows.iter().map(|row| row.m.map(i128::from)).collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(rows.iter().map(|row| row.k).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|row| row.s).collect::<StringArray>()),
        Arc::new(rows.iter().map(|row| row.n).collect::<Int64Array>()),
        Arc::new(
            rows.iter()
                .map(|row| row.d.map(f64::from))
                .collect::<Float64Array>(),
        ),
        Arc::new(decimals.with_precision_and_scale(10, 2)?),
        Arc::new(rows.iter().map(|row| row.b).collect::<BooleanArray>()),
    ];
    Ok(RecordBatch::try_new(schema(), columns)?)
}
