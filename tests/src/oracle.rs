//! The second opinion: DataFusion's batch result, and tables as sorted lines of text.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use datafusion::prelude::SessionContext;
use tidemill_engine::data::{Delta, text};

/// Rows and how often each is there.
pub type Bag = BTreeMap<String, i64>;

/// The error of a test.
pub type TestResult<T> = Result<T, Box<dyn std::error::Error>>;

/// What DataFusion answers to `sql` over these tables. Views are made in order.
///
/// # Errors
/// If DataFusion refuses the query.
pub fn batch_result(
    tables: &[(&str, &RecordBatch)],
    views: &[(&str, &str)],
    sql: &str,
) -> TestResult<Bag> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(async {
        let context = SessionContext::new();
        for (name, table) in tables {
            context.register_batch(*name, (*table).clone())?;
        }
        for (name, sql) in views {
            context
                .sql(&format!("CREATE VIEW {name} AS {sql}"))
                .await?
                .collect()
                .await?;
        }
        let batches = context.sql(sql).await?.collect().await?;
        bag_of(batches.iter())
    })
}

/// Batches as a bag of lines.
///
/// # Errors
/// If a column's type has no text.
pub fn bag_of<'a>(batches: impl IntoIterator<Item = &'a RecordBatch>) -> TestResult<Bag> {
    let mut bag = Bag::new();
    for batch in batches {
        for row in text::print_rows(batch)? {
            *bag.entry(row).or_default() += 1;
        }
    }
    Ok(bag)
}

/// Applies a changelog to a bag. Nothing may be taken out that is not there.
///
/// # Errors
/// With the row that was taken back without having been there.
pub fn fold(bag: &mut Bag, delta: &Delta) -> TestResult<()> {
    for (row_idx, row) in text::print_rows(delta.batch())?.into_iter().enumerate() {
        let count = bag.entry(row.clone()).or_default();
        *count += delta.kind(row_idx).sign();
        if *count < 0 {
            return Err(format!("took back{row}, which was not there").into());
        }
        if *count == 0 {
            bag.remove(&row);
        }
    }
    Ok(())
}
