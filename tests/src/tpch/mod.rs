//! A small shop: eight tables, and changes that lead to them. Numbers are whole or have halves, so
//! that sums of doubles are exact in any order.

mod queries;

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::{DataType, Field, Schema};
use tidemill_engine::Result;
use tidemill_engine::data::{Delta, RowKind};

pub use queries::{QUESTIONS, Question};

/// A table: the changes that lead to it, and its rows in the end.
#[derive(Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// All changes, in order.
    pub delta: Delta,
    /// The rows at the end.
    pub rows: RecordBatch,
}

/// A generator of numbers: the same for the same seed.
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    /// A number below `n`.
    ///
    /// Source: Knuth's multiplier for a linear congruential generator, as in MMIX.
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

/// A column of a table.
enum Column {
    /// 0, 1, 2, …
    Key(&'static str),
    /// A whole number below.
    Number(&'static str, u64),
    /// A double: a whole number below, divided.
    Amount(&'static str, u64, f64),
    /// One of some words.
    Word(&'static str, &'static [&'static str]),
    /// A letter and the row's number.
    Name(&'static str, &'static str),
}

const N_NATIONS: u64 = 5;
const N_CUSTOMERS: u64 = 12;
const N_SUPPLIERS: u64 = 6;
const N_PARTS: u64 = 8;
const N_ORDERS: u64 = 24;

/// The tables for a seed.
///
/// # Errors
/// Never in practice: Arrow's constructors may fail.
pub fn shop(seed: u64) -> Result<Vec<Table>> {
    use Column::{Amount, Key, Name, Number, Word};
    let mut dice = Dice(seed);
    let tables: [(&'static str, u64, Vec<Column>); 8] = [
        (
            "region",
            2,
            vec![Key("r_key"), Word("r_name", &["NORTH", "SOUTH"])],
        ),
        (
            "nation",
            N_NATIONS,
            vec![Key("n_key"), Name("n_name", "N"), Number("n_region", 2)],
        ),
        (
            "supplier",
            N_SUPPLIERS,
            vec![
                Key("s_key"),
                Name("s_name", "S"),
                Number("s_nation", N_NATIONS),
            ],
        ),
        (
            "customer",
            N_CUSTOMERS,
            vec![
                Key("c_key"),
                Name("c_name", "C"),
                Number("c_nation", N_NATIONS),
                Amount("c_balance", 40, 1.0),
                Word("c_segment", &["HOME", "WORK", "CITY"]),
            ],
        ),
        (
            "part",
            N_PARTS,
            vec![
                Key("p_key"),
                Word("p_name", &["beam", "nail", "bolt", "saw", "crate"]),
                Word("p_brand", &["B1", "B2", "B3"]),
                Number("p_size", 6),
            ],
        ),
        (
            "partsupp",
            24,
            vec![
                Number("ps_part", N_PARTS),
                Number("ps_supp", N_SUPPLIERS),
                Amount("ps_cost", 30, 1.0),
                Amount("ps_avail", 50, 1.0),
            ],
        ),
        (
            "orders",
            N_ORDERS,
            vec![
                Key("o_key"),
                Number("o_cust", N_CUSTOMERS),
                Number("o_day", 90),
                Word("o_priority", &["HIGH", "LOW", "MIDDLE"]),
            ],
        ),
        (
            "lineitem",
            90,
            vec![
                Number("l_order", N_ORDERS),
                Number("l_part", N_PARTS),
                Number("l_supp", N_SUPPLIERS),
                Amount("l_quantity", 50, 1.0),
                Amount("l_price", 900, 1.0),
                Amount("l_discount", 2, 2.0),
                Number("l_day", 100),
                Number("l_commit", 50),
                Number("l_receipt", 50),
                Word("l_flag", &["A", "N", "R"]),
                Word("l_status", &["F", "O"]),
                Word("l_mode", &["RAIL", "ROAD", "AIR"]),
            ],
        ),
    ];
    tables
        .into_iter()
        .map(|(name, n_rows, columns)| table(name, n_rows, &columns, &mut dice))
        .collect()
}

/// A table of `n_rows` rows, and half as many that come and go.
fn table(name: &'static str, n_rows: u64, columns: &[Column], dice: &mut Dice) -> Result<Table> {
    let n_all = n_rows + n_rows / 2;
    let mut fields = Vec::new();
    let mut arrays: Vec<ArrayRef> = Vec::new();
    for column in columns {
        let mut draw = |n: u64| (0..n_all).map(|_| dice.below(n)).collect::<Vec<u64>>();
        let (name, array): (&str, ArrayRef) = match column {
            // Rows that come and go have the keys of others: two rows with one key for a while.
            Column::Key(name) => (
                name,
                Arc::new(
                    (0..n_all)
                        .map(|key| (key % n_rows) as i64)
                        .collect::<Int64Array>(),
                ),
            ),
            Column::Number(name, n) => (
                name,
                Arc::new(
                    draw(*n)
                        .into_iter()
                        .map(|it| it as i64)
                        .collect::<Int64Array>(),
                ),
            ),
            Column::Amount(name, n, divisor) => (
                name,
                Arc::new(
                    draw(*n)
                        .into_iter()
                        .map(|it| it as f64 / divisor)
                        .collect::<Float64Array>(),
                ),
            ),
            Column::Word(name, words) => {
                let places = draw(words.len() as u64);
                let words = places.into_iter().filter_map(|it| words.get(it as usize));
                (name, Arc::new(words.map(Some).collect::<StringArray>()))
            }
            Column::Name(name, letter) => (
                name,
                Arc::new(
                    (0..n_all)
                        .map(|key| Some(format!("{letter}{}", key % n_rows)))
                        .collect::<StringArray>(),
                ),
            ),
        };
        fields.push(Field::new(name, array.data_type().clone(), true));
        arrays.push(array);
    }
    debug_assert!(
        fields
            .iter()
            .all(|field| *field.data_type() != DataType::Null)
    );
    let all = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?;
    // Each row comes at some time; the surplus ones go at some later time.
    let mut events: Vec<(u64, u32, RowKind)> = Vec::new();
    for row in 0..n_all as u32 {
        let comes = dice.below(1_000);
        events.push((comes, row, RowKind::Insert));
        if u64::from(row) >= n_rows {
            events.push((comes + 1 + dice.below(1_000), row, RowKind::Delete));
        }
    }
    events.sort_by_key(|&(time, row, _)| (time, row));
    let places: UInt32Array = events.iter().map(|&(_, row, _)| row).collect();
    let kinds = events.iter().map(|&(_, _, kind)| kind).collect();
    Ok(Table {
        name,
        delta: Delta::try_new(take_record_batch(&all, &places)?, kinds)?,
        rows: all.slice(0, n_rows as usize),
    })
}
