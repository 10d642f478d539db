//! Aggregate functions of the user.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array};
use arrow::datatypes::{DataType, Field, Int64Type};
use expect_test::expect;

use super::{accounts, run, session};
use crate::error::Result;
use crate::functions::udf::{AggregateRuntime, AggregateUdfSpec, GroupStates, GroupedRows};

/// The sum of products; NULL arguments count as one.
#[derive(Debug)]
struct SumOfProducts;

#[derive(Default)]
struct Totals(Vec<i64>);

impl AggregateRuntime for SumOfProducts {
    fn create(&self) -> Result<Box<dyn GroupStates>> {
        Ok(Box::new(Totals::default()))
    }
}

impl Totals {
    fn change(&mut self, rows: &GroupedRows<'_>, mut after: impl FnMut(i64)) {
        for (row_idx, &group) in rows.groups.iter().enumerate() {
            let group = group as usize;
            self.0.resize(self.0.len().max(group + 1), 0);
            let factors = rows.arguments.iter().map(|column| {
                let column = column.as_primitive::<Int64Type>();
                (!column.is_null(row_idx)).then(|| column.value(row_idx))
            });
            let product: i64 = factors.map(|factor| factor.unwrap_or(1)).product();
            let sign = rows.signs.map_or(1, |signs| i64::from(signs[row_idx]));
            if rows.counted.is_none_or(|counted| counted.value(row_idx)) {
                self.0[group] += sign * product;
            }
            after(self.0[group]);
        }
    }
}

impl GroupStates for Totals {
    fn update(&mut self, rows: &GroupedRows<'_>) -> Result<()> {
        self.change(rows, |_| {});
        Ok(())
    }

    fn update_each(&mut self, rows: &GroupedRows<'_>) -> Result<ArrayRef> {
        let mut values = Vec::new();
        self.change(rows, |value| values.push(value));
        Ok(Arc::new(Int64Array::from(values)))
    }

    fn read(&self, groups: &[u32]) -> Result<ArrayRef> {
        let values = groups.iter().map(|&group| self.0.get(group as usize));
        Ok(Arc::new(
            values.map(|it| it.copied()).collect::<Int64Array>(),
        ))
    }

    fn clear(&mut self, group: u32) {
        self.0[group as usize] = 0;
    }

    fn save(&self, groups: &[u32]) -> Result<ArrayRef> {
        self.read(groups)
    }

    fn restore(&mut self, groups: &[u32], states: &ArrayRef) -> Result<()> {
        for (&group, state) in groups.iter().zip(states.as_primitive::<Int64Type>().iter()) {
            self.0.resize(self.0.len().max(group as usize + 1), 0);
            self.0[group as usize] += state.unwrap_or(0);
        }
        Ok(())
    }

    fn state_bytes(&self) -> usize {
        self.0.capacity() * 8
    }
}

fn check(mode: &str, sql: &str, expected: &expect_test::Expect) {
    let session = session();
    let field = || Arc::new(Field::new("value", DataType::Int64, true));
    let spec = AggregateUdfSpec {
        name: "Products".to_owned(),
        arguments: Some(vec![field(), field()]),
        result: field(),
        runtime: Arc::new(SumOfProducts),
    };
    session.register_function(spec, false).unwrap();
    session
        .register_source("accounts", Arc::new(accounts()))
        .unwrap();
    session.set_config("execution.runtime-mode", mode).unwrap();
    expected.assert_eq(&run(&session, sql));
}

#[test]
fn row_by_row_with_filter_and_cast() {
    check(
        "streaming",
        "SELECT region, products(id, amount) FILTER (WHERE id < 4) AS p FROM orders GROUP BY region",
        &expect![[r#"
            [region STRING, p BIGINT]
            +I north | 100
            +I south | 40
            +I NULL | 0
        "#]],
    );
}

#[test]
fn rows_are_taken_back() {
    check(
        "streaming",
        "SELECT owner, PRODUCTS(balance, 2) AS p FROM accounts GROUP BY owner",
        &expect![[r#"
            [owner STRING, p BIGINT]
            +I ann | 140
        "#]],
    );
}

#[test]
fn batch_mode() {
    check(
        "batch",
        "SELECT products(id, amount) AS p, products(DISTINCT 1, id / id) AS d FROM orders",
        &expect![[r#"
            [p BIGINT, d BIGINT]
            +I 144 | 1
        "#]],
    );
}

#[test]
fn wrong_arguments_are_named() {
    check(
        "streaming",
        "SELECT products(region) FROM orders",
        &expect!["invalid call of function 'Products(STRING)'; it takes (BIGINT, BIGINT)"],
    );
}

#[test]
fn a_connector_brings_its_functions() {
    let session = session();
    let ddl = "CREATE FUNCTION counted AS 'com.github.nexmark.flink.udf.CountChar'";
    assert_eq!(run(&session, ddl), "[result STRING]\n+I OK\n");
    expect![[r#"
        [region STRING, n BIGINT NOT NULL]
        +I north | 1
        +I south | 0
        +I north | 1
        +I NULL | 0
    "#]]
    .assert_eq(&run(
        &session,
        "SELECT region, counted(region, 'n') AS n FROM orders",
    ));
    // As in Flink, the code of a function is looked for when it is called.
    let ddl = "CREATE FUNCTION other AS 'com.example.Other'";
    assert_eq!(run(&session, ddl), "[result STRING]\n+I OK\n");
    let error = run(&session, "SELECT other(region) FROM orders");
    assert!(error.contains("class 'com.example.Other'"), "{error}");
    assert!(error.contains("LANGUAGE PYTHON"), "{error}");
}
