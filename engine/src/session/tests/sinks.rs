//! What tables get of queries. The changes are those that Flink 2.3.0 hands to a sink of the same
//! changelog mode, for the same rows in the same order.

use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use expect_test::{Expect, expect};
use parking_lot::Mutex;

use super::super::{Session, insert};
use crate::connectors::values::ValuesSource;
use crate::connectors::{Sink, SinkFactory};
use crate::data::{ChangelogMode, Delta, text};
use crate::error::Result;
use crate::sql::script;
use crate::sql::statement::Statement;

/// A sink that writes down what it gets.
#[derive(Debug, Clone)]
pub(super) struct Recorder {
    pub(super) mode: ChangelogMode,
    pub(super) rows: Arc<Mutex<String>>,
}

impl SinkFactory for Recorder {
    fn changelog_mode(&self, _requested: ChangelogMode) -> ChangelogMode {
        self.mode
    }

    fn create(&self) -> Result<Box<dyn Sink>> {
        Ok(Box::new(self.clone()))
    }
}

impl Sink for Recorder {
    fn write(&mut self, delta: &Delta) -> Result<()> {
        super::rows(delta, &mut self.rows.lock());
        Ok(())
    }
}

/// Tables with rows: `src` with a watermark, `bare` without, `pk` with a key, `cdc` with a key and
/// changes; and tables to write to, by their keys.
fn session() -> Session {
    let session = super::session();
    let tables = [
        "src (a INT, b STRING, c BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)",
        "bare (a INT, b STRING, c BIGINT)",
        "pk (a INT, b STRING, c BIGINT, PRIMARY KEY (a) NOT ENFORCED)",
        "cdc (a INT, b STRING, c BIGINT, PRIMARY KEY (a) NOT ENFORCED)",
        "cdc2 (x INT, y INT, v BIGINT, PRIMARY KEY (x, y) NOT ENFORCED)",
        "by_a (a INT, n BIGINT, PRIMARY KEY (a) NOT ENFORCED)",
        "by_ab (a INT, b STRING, n BIGINT, PRIMARY KEY (a, b) NOT ENFORCED)",
        "by_text (a STRING, n BIGINT, PRIMARY KEY (a) NOT ENFORCED)",
        "by_an (a INT, n BIGINT, PRIMARY KEY (a, n) NOT ENFORCED)",
        "by_window (s TIMESTAMP(3), e TIMESTAMP(3), a INT, n BIGINT, PRIMARY KEY (s, e, a) NOT ENFORCED)",
        "keyless (a INT, n BIGINT)",
    ];
    for table in tables {
        let sql = format!("CREATE TABLE {table} WITH ('connector' = 'blackhole')");
        session.execute(&sql).unwrap();
    }
    let columns = [
        ("a", DataType::Int32),
        ("b", DataType::Utf8),
        ("c", DataType::Int64),
    ];
    let timed = [
        columns.as_slice(),
        &[("ts", DataType::Timestamp(TimeUnit::Millisecond, None))],
    ]
    .concat();
    let pairs = [
        ("x", DataType::Int32),
        ("y", DataType::Int32),
        ("v", DataType::Int64),
    ];
    let rows = [
        (
            "src",
            timed.as_slice(),
            "+I|1|x|10|2020-01-01T00:00:01\n+I|1|y|20|2020-01-01T00:00:02\n\
             +I|2|x|30|2020-01-01T00:00:03\n+I|2|x|5|2020-01-01T00:00:04",
        ),
        (
            "bare",
            columns.as_slice(),
            "+I|1|x|10\n+I|1|y|20\n+I|2|x|30\n+I|2|x|5",
        ),
        ("pk", columns.as_slice(), "+I|1|x|10\n+I|2|y|20"),
        (
            "cdc",
            columns.as_slice(),
            "+I|1|x|10\n+I|2|y|20\n-U|1|x|10\n+U|1|z|11\n-D|2|y|20\n+I|3|x|1",
        ),
        (
            "cdc2",
            pairs.as_slice(),
            "+I|1|1|10\n+I|1|2|20\n-U|1|1|10\n+U|1|1|11\n-D|1|2|20\n+I|3|1|1",
        ),
    ];
    for (table, columns, rows) in rows {
        let delta = text::parse_delta(&text::schema(columns), rows).unwrap();
        let source = ValuesSource::try_new(delta.schema(), vec![delta]).unwrap();
        session.attach_source(table, Arc::new(source)).unwrap();
    }
    session
}

/// What a sink of this mode gets of an INSERT, or the error.
fn written(session: &Session, mode: ChangelogMode, sql: &str) -> String {
    let statement = script::parse_statement(sql).unwrap();
    let Statement::Insert(insert) = &statement.statement else {
        panic!("not an INSERT");
    };
    let rows = Arc::default();
    let sink = Recorder {
        mode,
        rows: Arc::clone(&rows),
    };
    let job = insert::plan(session, insert)
        .and_then(|planned| insert::run(session, &[planned.with_sink(Arc::new(sink))], sql));
    let outcome = job.map(|result| result.job.unwrap().wait(None));
    match outcome {
        Ok(crate::runtime::JobStatus::Failed(error)) => format!("{}{error}\n", rows.lock()),
        Ok(_) => rows.lock().clone(),
        Err(error) => format!("{error}\n"),
    }
}

fn check(sql: &str, expected: Expect) {
    expected.assert_eq(&written(&session(), ChangelogMode::UPSERT, sql));
}

#[test]
fn an_aggregate_by_the_key_sends_no_update_before() {
    check(
        "INSERT INTO by_a SELECT a, COUNT(*) FROM src GROUP BY a",
        expect![[r#"
            +I 1 | 1
            +U 1 | 2
            +I 2 | 1
            +U 2 | 2
        "#]],
    );
    check(
        "INSERT INTO by_text SELECT CAST(a AS STRING), COUNT(*) FROM src GROUP BY a",
        expect![[r#"
            +I 1 | 1
            +U 1 | 2
            +I 2 | 1
            +U 2 | 2
        "#]],
    );
    check(
        "INSERT INTO by_a SELECT a, c FROM cdc",
        expect![[r#"
        +I 1 | 10
        +I 2 | 20
        +U 1 | 11
        -D 2 | 20
        +I 3 | 1
    "#]],
    );
    check(
        "INSERT INTO keyless SELECT a, COUNT(*) FROM src GROUP BY a",
        expect![[r#"
            +I 1 | 1
            +U 1 | 2
            +I 2 | 1
            +U 2 | 2
        "#]],
    );
}

#[test]
fn the_first_row_is_known_by_its_partition() {
    check(
        "INSERT INTO by_a SELECT a, c FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY a ORDER BY c DESC) rn
         FROM src) WHERE rn = 1",
        expect![[r#"
            +I 1 | 10
            +U 1 | 20
            +I 2 | 30
        "#]],
    );
    check(
        "INSERT INTO by_a SELECT a, c FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY a ORDER BY ts DESC) rn
         FROM src) WHERE rn = 1",
        expect![[r#"
            +I 1 | 10
            +U 1 | 20
            +I 2 | 30
            +U 2 | 5
        "#]],
    );
    check(
        "INSERT INTO by_an SELECT a, rn FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY a ORDER BY c DESC) rn
         FROM src) WHERE rn <= 2",
        expect![[r#"
            +I 1 | 1
            +U 1 | 1
            +I 1 | 2
            +I 2 | 1
            +I 2 | 2
        "#]],
    );
}

#[test]
fn a_part_of_the_key_wants_both_halves_of_an_update() {
    check(
        "INSERT INTO by_ab SELECT a, b, c FROM cdc",
        expect![[r#"
        +I 1 | x | 10
        +I 2 | y | 20
        -U 1 | x | 10
        +U 1 | z | 11
        -D 2 | y | 20
        +I 3 | x | 1
    "#]],
    );
    check(
        "INSERT INTO by_a SELECT a, c FROM cdc WHERE c > 10",
        expect![[r#"
            +I 2 | 20
            +U 1 | 11
            -D 2 | 20
        "#]],
    );
    check(
        "INSERT INTO by_a SELECT a, c FROM cdc WHERE a > 1",
        expect![[r#"
            +I 2 | 20
            -D 2 | 20
            +I 3 | 1
        "#]],
    );
}

#[test]
fn other_keys_need_a_rule() {
    check(
        "INSERT INTO by_a SELECT a + 1, COUNT(*) FROM src GROUP BY a",
        expect![[r#"
            The query has an upsert key that differs from the primary key of the sink table 'default_catalog.default_database.by_a'. Primary key: [a], upsert key: . This can lead to non-deterministic results when multiple records with different upsert keys map to the same primary key. Please specify an ON CONFLICT clause to define how conflicts should be handled: ON CONFLICT DO DEDUPLICATE (update to the latest record, state intensive, since we need to keep the entire history), or ON CONFLICT DO ERROR (fail on conflict), or ON CONFLICT DO NOTHING (keep first record).
        "#]],
    );
    for sql in [
        "INSERT INTO by_a SELECT a, c FROM src",
        "INSERT INTO by_a SELECT a, COUNT(*) FROM src GROUP BY a, b",
        "INSERT INTO by_a SELECT x.a, n FROM (SELECT a, COUNT(*) n FROM src GROUP BY a) x
         JOIN pk ON x.n = pk.c",
        "INSERT INTO by_a SELECT pk.a, cdc.c FROM cdc LEFT JOIN pk ON cdc.a = pk.a",
        "INSERT INTO by_a SELECT a, c FROM cdc WHERE b IN (SELECT b FROM pk)",
        "INSERT INTO by_a SELECT a, c FROM cdc UNION ALL SELECT a, c FROM cdc",
        "INSERT INTO by_window SELECT window_start, window_end, a, COUNT(*) FROM
         TABLE(TUMBLE(TABLE src, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, a",
    ] {
        let error = written(&session(), ChangelogMode::UPSERT, sql);
        assert!(error.contains("has an upsert key that differs"), "{sql}: {error}");
    }
    for sql in [
        "INSERT INTO by_a SELECT a, c FROM pk",
        "INSERT INTO by_a SELECT cdc.a, pk.c FROM cdc LEFT JOIN pk ON cdc.a = pk.a",
        "INSERT INTO by_a SELECT pk.a, cdc.c FROM cdc JOIN pk ON cdc.a = pk.a",
        "INSERT INTO by_a SELECT a, c FROM cdc WHERE a IN (SELECT a FROM pk)",
        "INSERT INTO by_a SELECT a, c FROM cdc LIMIT 3",
        "INSERT INTO by_a SELECT CAST(1 AS INT), COUNT(*) FROM src",
        "INSERT INTO by_window SELECT TUMBLE_START(ts, INTERVAL '1' MINUTE), TUMBLE_END(ts, INTERVAL '1' MINUTE),
         a, COUNT(*) FROM src GROUP BY TUMBLE(ts, INTERVAL '1' MINUTE), a",
    ] {
        let rows = written(&session(), ChangelogMode::UPSERT, sql);
        assert!(rows.starts_with("+I"), "{sql}: {rows}");
    }
}

#[test]
fn the_last_of_several_rows_is_shown() {
    check(
        "INSERT INTO by_a SELECT a + 1, COUNT(*) FROM src GROUP BY a ON CONFLICT DO DEDUPLICATE",
        expect![[r#"
            +I 2 | 1
            -D 2 | 1
            +I 2 | 2
            +I 3 | 1
            -D 3 | 1
            +I 3 | 2
        "#]],
    );
    check(
        "INSERT INTO by_a SELECT MOD(a, 2), SUM(c) FROM cdc GROUP BY a ON CONFLICT DO DEDUPLICATE",
        expect![[r#"
            +I 1 | 10
            +I 0 | 20
            -D 1 | 10
            +I 1 | 11
            -D 0 | 20
            +U 1 | 1
        "#]],
    );
    check(
        "INSERT INTO by_a SELECT a, COUNT(*) FROM src GROUP BY a, b ON CONFLICT DO DEDUPLICATE",
        expect![[r#"
            +I 1 | 1
            +U 1 | 1
            +I 2 | 1
            -D 2 | 1
            +I 2 | 2
        "#]],
    );
    check(
        "INSERT INTO by_a SELECT x, v FROM cdc2 ON CONFLICT DO DEDUPLICATE",
        expect![[r#"
            +I 1 | 10
            +U 1 | 20
            +U 1 | 11
            +I 3 | 1
        "#]],
    );
    // Rows that only come overwrite each other.
    check(
        "INSERT INTO by_a SELECT a, c FROM src ON CONFLICT DO DEDUPLICATE",
        expect![[r#"
            +I 1 | 10
            +I 1 | 20
            +I 2 | 30
            +I 2 | 5
        "#]],
    );
}

#[test]
fn the_first_of_several_rows_stays() {
    check(
        "INSERT INTO by_a SELECT a, c FROM src ON CONFLICT DO NOTHING",
        expect![[r#"
            +I 1 | 10
            +I 2 | 30
        "#]],
    );
    check(
        "INSERT INTO by_a SELECT a, c FROM src ON CONFLICT DO ERROR",
        expect![[r#"
            primary key constraint violation: multiple distinct records with the same primary key detected; use ON CONFLICT DO NOTHING to keep the first record
        "#]],
    );
    check(
        "INSERT INTO by_a SELECT a, COUNT(*) FROM src GROUP BY a ON CONFLICT DO NOTHING",
        expect![[r#"
            +I 1 | 1
            +U 1 | 2
            +I 2 | 1
            +U 2 | 2
        "#]],
    );
    check(
        "INSERT INTO by_a SELECT a, c FROM bare ON CONFLICT DO NOTHING",
        expect![[r#"
            ON CONFLICT DO NOTHING requires all source tables to define watermarks, but the following source(s) do not: default_catalog.default_database.bare. Please add a WATERMARK declaration to these tables.
        "#]],
    );
}

#[test]
fn only_upsert_sinks_have_conflicts() {
    let session = session();
    let sql = "INSERT INTO by_a SELECT a, c FROM src ON CONFLICT DO NOTHING";
    expect![[r#"
        ON CONFLICT clause is only allowed for upsert sinks. The sink 'default_catalog.default_database.by_a' is not an upsert sink because it requires UPDATE_BEFORE (retract mode).
    "#]].assert_eq(&written(&session, ChangelogMode::ALL, sql));
    expect![[r#"
        ON CONFLICT clause is only allowed for upsert sinks. The sink 'default_catalog.default_database.by_a' is not an upsert sink because it only accepts INSERT (append-only) changes.
    "#]].assert_eq(&written(&session, ChangelogMode::INSERT_ONLY, sql));
    let sql = "INSERT INTO by_a SELECT a + 1, COUNT(*) FROM src GROUP BY a";
    expect![[r#"
        +I 2 | 1
        -U 2 | 1
        +U 2 | 2
        +I 3 | 1
        -U 3 | 1
        +U 3 | 2
    "#]]
    .assert_eq(&written(&session, ChangelogMode::ALL, sql));
    expect![[r#"
        Table sink 'default_catalog.default_database.by_a' doesn't support consuming update changes which is produced by node GroupAggregate(groupBy=[a], select=[a, COUNT(*) AS n])
    "#]].assert_eq(&written(&session, ChangelogMode::INSERT_ONLY, sql));
    let sql = "INSERT INTO keyless SELECT DISTINCT a, c FROM src";
    expect![[r#"
        Table sink 'default_catalog.default_database.keyless' doesn't support consuming update changes which is produced by node GroupAggregate(groupBy=[a, c], select=[a, c])
    "#]].assert_eq(&written(&session, ChangelogMode::INSERT_ONLY, sql));
}

/// `print` takes what it is asked for: with a key it is an upsert sink.
#[test]
fn a_printed_table_with_a_key_keeps_rows_by_it() {
    let session = session();
    for (table, key) in [("keyed", ", PRIMARY KEY (a) NOT ENFORCED"), ("loose", "")] {
        let columns = format!("a BIGINT, b STRING{key}");
        let sql = format!("CREATE TABLE {table} ({columns}) WITH ('connector' = 'print')");
        session.execute(&sql).unwrap();
    }
    let sink = |rest: &str| {
        let sql = format!("EXPLAIN INSERT INTO {rest}");
        let plan = super::run(&session, &sql);
        let line = plan.lines().find(|line| line.contains(" Sink("));
        let line = line.or_else(|| plan.lines().find(|line| line.starts_with("Sink(")));
        let start = line.map(|line| line.find("fields=").unwrap_or_default());
        match (line, start) {
            (Some(line), Some(start)) => line[start..].to_owned(),
            _ => plan.chars().take(70).collect(),
        }
    };
    let query = "SELECT COUNT(*) AS n, b FROM src GROUP BY b";
    assert_eq!(
        sink(&format!("keyed {query} ON CONFLICT DO NOTHING")),
        "fields=[a, b], upsertMaterialize=[true], conflictStrategy=[NOTHING])"
    );
    assert_eq!(
        sink(&format!("loose {query} ON CONFLICT DO NOTHING")),
        "fields=[a, b], conflictStrategy=[NOTHING])"
    );
    let refused = sink(&format!("keyed {query}"));
    assert!(
        refused.contains("has an upsert key that differs"),
        "{refused}"
    );
    let refused = sink("keyed SELECT c, b FROM src ON CONFLICT DO NOTHING");
    assert!(
        refused.contains("ON CONFLICT clause is only allowed"),
        "{refused}"
    );
}

#[test]
fn the_configuration_decides_who_materializes() {
    let session = session();
    let sql = "INSERT INTO by_a SELECT a + 1, COUNT(*) FROM src GROUP BY a";
    session
        .execute("SET 'table.exec.sink.upsert-materialize' = 'NONE'")
        .unwrap();
    expect![[r#"
        +I 2 | 1
        -U 2 | 1
        +U 2 | 2
        +I 3 | 1
        -U 3 | 1
        +U 3 | 2
    "#]]
    .assert_eq(&written(&session, ChangelogMode::UPSERT, sql));
    session
        .execute("SET 'table.exec.sink.upsert-materialize' = 'AUTO'")
        .unwrap();
    session
        .execute("SET 'table.exec.sink.require-on-conflict' = 'false'")
        .unwrap();
    expect![[r#"
        +I 2 | 1
        -D 2 | 1
        +I 2 | 2
        +I 3 | 1
        -D 3 | 1
        +I 3 | 2
    "#]]
    .assert_eq(&written(&session, ChangelogMode::UPSERT, sql));
    let sql = "INSERT INTO by_a SELECT a, c FROM src";
    expect![[r#"
        +I 1 | 10
        +U 1 | 20
        +I 2 | 30
        +U 2 | 5
    "#]]
    .assert_eq(&written(&session, ChangelogMode::UPSERT, sql));
    session
        .execute("SET 'table.exec.sink.upsert-materialize' = 'FORCE'")
        .unwrap();
    let sql = "INSERT INTO by_a SELECT a, COUNT(*) FROM src GROUP BY a";
    expect![[r#"
        +I 1 | 1
        +U 1 | 2
        +I 2 | 1
        +U 2 | 2
    "#]]
    .assert_eq(&written(&session, ChangelogMode::UPSERT, sql));
}

/// Changes of a sink's queries as EXPLAIN shows them.
#[test]
fn plans_of_sinks() {
    let session = session();
    let plan = |sql: &str| {
        let plan = session
            .explain(&format!("EXPLAIN CHANGELOG_MODE {sql}"))
            .unwrap();
        let (_, plan) = plan.split_once("== Optimized Physical Plan ==\n").unwrap();
        let (plan, _) = plan.split_once("\n== Optimized Execution Plan ==").unwrap();
        plan.to_owned()
    };
    expect![[r#"
        Sink(table=[default_catalog.default_database.by_a], fields=[a, n], changelogMode=[NONE])
        +- Calc(select=[a, n], changelogMode=[I,UA])
           +- GroupAggregate(groupBy=[a], select=[a, COUNT(*) AS n], changelogMode=[I,UA])
              +- Exchange(distribution=[hash[a]], changelogMode=[I])
                 +- TableSourceScan(table=[[default_catalog, default_database, bare, project=[a], metadata=[]]], fields=[a], changelogMode=[I])
    "#]].assert_eq(&plan(
        "INSERT INTO by_a SELECT a, COUNT(*) FROM bare GROUP BY a",
    ));
    expect![[r#"
        Sink(table=[default_catalog.default_database.by_a], fields=[a, n], upsertMaterialize=[true], conflictStrategy=[DEDUPLICATE], changelogMode=[NONE])
        +- Calc(select=[+(a, 1) AS a, n], changelogMode=[I,UB,UA])
           +- GroupAggregate(groupBy=[a], select=[a, COUNT(*) AS n], changelogMode=[I,UB,UA])
              +- Exchange(distribution=[hash[a]], changelogMode=[I])
                 +- TableSourceScan(table=[[default_catalog, default_database, bare, project=[a], metadata=[]]], fields=[a], changelogMode=[I])
    "#]].assert_eq(&plan(
        "INSERT INTO by_a SELECT a + 1, COUNT(*) FROM bare GROUP BY a ON CONFLICT DO DEDUPLICATE",
    ));
    expect![[r#"
        Sink(table=[default_catalog.default_database.by_a], fields=[a, n], changelogMode=[NONE])
        +- Calc(select=[a, c AS n], changelogMode=[I,UA,D])
           +- Join(joinType=[LeftOuterJoin], where=[=(a, a0)], select=[a, a0, c], leftInputSpec=[JoinKeyContainsUniqueKey], rightInputSpec=[JoinKeyContainsUniqueKey], changelogMode=[I,UA,D])
              :- Exchange(distribution=[hash[a]], changelogMode=[I,UA,D])
              :  +- DropUpdateBefore(changelogMode=[I,UA,D])
              :     +- TableSourceScan(table=[[default_catalog, default_database, cdc, project=[a], metadata=[]]], fields=[a], changelogMode=[I,UB,UA,D])
              +- Exchange(distribution=[hash[a]], changelogMode=[I])
                 +- Calc(select=[a, c], where=[IS NOT NULL(a)], changelogMode=[I])
                    +- TableSourceScan(table=[[default_catalog, default_database, pk, project=[a, c], metadata=[]]], fields=[a, c], changelogMode=[I])
    "#]].assert_eq(&plan(
        "INSERT INTO by_a SELECT cdc.a, pk.c FROM cdc LEFT JOIN pk ON cdc.a = pk.a",
    ));
    expect![[r#"
        Join(joinType=[FullOuterJoin], where=[=(n, m)], select=[a, n, b, m], leftInputSpec=[HasUniqueKey], rightInputSpec=[HasUniqueKey], changelogMode=[I,UB,UA,D])
        :- Exchange(distribution=[hash[n]], changelogMode=[I,UB,UA])
        :  +- GroupAggregate(groupBy=[a], select=[a, COUNT(*) AS n], changelogMode=[I,UB,UA])
        :     +- Exchange(distribution=[hash[a]], changelogMode=[I])
        :        +- Calc(select=[a], changelogMode=[I])
        :           +- TableSourceScan(table=[[default_catalog, default_database, bare, project=[a, b], metadata=[]]], fields=[a, b], changelogMode=[I])
        +- Exchange(distribution=[hash[m]], changelogMode=[I,UB,UA])
           +- GroupAggregate(groupBy=[b], select=[b, COUNT(*) AS m], changelogMode=[I,UB,UA])
              +- Exchange(distribution=[hash[b]], changelogMode=[I])
                 +- Calc(select=[b], changelogMode=[I])
                    +- TableSourceScan(table=[[default_catalog, default_database, bare, project=[a, b], metadata=[]]], fields=[a, b], changelogMode=[I])
    "#]].assert_eq(&plan(
        "SELECT * FROM (SELECT a, COUNT(*) n FROM bare GROUP BY a) x
         FULL JOIN (SELECT b, COUNT(*) m FROM bare GROUP BY b) y ON x.n = y.m",
    ));
}

/// Which values a column takes without an explicit cast.
#[test]
fn columns_take_what_flink_casts() {
    let session = session();
    let outcome = |from: &str, to: &str| {
        session.execute("DROP TABLE IF EXISTS column_of").unwrap();
        let table = format!("CREATE TABLE column_of (x {to}) WITH ('connector' = 'blackhole')");
        session.execute(&table).unwrap();
        let sql = format!("EXPLAIN INSERT INTO column_of SELECT CAST(NULL AS {from})");
        session.explain(&sql).map_err(|error| error.to_string())
    };
    for (from, to) in [
        ("DOUBLE", "DECIMAL(5, 2)"),
        ("DECIMAL(5, 2)", "FLOAT"),
        ("BIGINT", "DOUBLE"),
        ("CHAR(3)", "VARCHAR(2)"),
        ("CHAR(3)", "CHAR(5)"),
        ("TIMESTAMP(3)", "DATE"),
        ("TIMESTAMP_LTZ(3)", "TIMESTAMP(3)"),
    ] {
        assert!(outcome(from, to).is_ok(), "{from} into {to}");
    }
    for (from, to) in [
        ("DOUBLE", "FLOAT"),
        ("BIGINT", "INT"),
        ("STRING", "CHAR(3)"),
        ("BYTES", "BINARY(3)"),
        ("DATE", "TIMESTAMP(3)"),
        ("TIMESTAMP_LTZ(3)", "DATE"),
        ("INT", "STRING"),
    ] {
        let error = outcome(from, to).unwrap_err();
        assert!(
            error.contains("Incompatible types"),
            "{from} into {to}: {error}"
        );
    }
}
