//! Upsert keys of random tables: rows are known by them, and a sink that knows rows by them ends
//! with the same table as one that is told of every `-U`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::Mutex;

use super::super::{Query, Session};
use super::sinks::Recorder;
use crate::connectors::values::ValuesSource;
use crate::data::{ChangelogMode, text};
use crate::operators::Emission;
use crate::plan::build::{BuildOptions, Materialize, SinkTable};

/// A sequence of numbers that look random: xorshift, 64 bits.
///
/// Source: G. Marsaglia, "Xorshift RNGs", 2003.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// Changes of a table `(a, b, c)` with the key `a`: rows come, are updated, go and come back.
fn changes(random: &mut Random, n_changes: usize) -> String {
    let mut rows: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
    let mut changes = String::new();
    for _ in 0..n_changes {
        let key = random.below(6);
        let new = (random.below(3), random.below(5));
        let show = |kind: &str, (b, c): (u64, u64)| format!("{kind}|{key}|{b}|{c}\n");
        match rows.get(&key).copied() {
            None => changes.push_str(&show("+I", new)),
            Some(old) if random.below(3) == 0 => {
                changes.push_str(&show("-D", old));
                rows.remove(&key);
                continue;
            }
            Some(old) => {
                changes.push_str(&show("-U", old));
                changes.push_str(&show("+U", new));
            }
        }
        rows.insert(key, new);
    }
    changes
}

fn session(seed: u64, n_workers: usize) -> Session {
    let session = Session::new(BTreeMap::from([
        ("parallelism.default".to_owned(), n_workers.to_string()),
        ("table.local-time-zone".to_owned(), "UTC".to_owned()),
    ]));
    let mut random = Random(seed * 7919 + 1);
    for table in ["t", "u"] {
        let columns = ["a", "b", "c"].map(|name| (name, arrow::datatypes::DataType::Int64));
        let text = changes(&mut random, 25);
        let delta = text::parse_delta(&text::schema(&columns), &text).unwrap();
        let source = ValuesSource::try_new(delta.schema(), vec![delta]).unwrap();
        session
            .execute(&format!(
                "CREATE TABLE {table} (a BIGINT, b BIGINT, c BIGINT, PRIMARY KEY (a) NOT ENFORCED)
                 WITH ('connector' = 'blackhole')"
            ))
            .unwrap();
        session.attach_source(table, Arc::new(source)).unwrap();
    }
    session
}

/// Queries, and whether Flink finds an upsert key for them.
const QUERIES: [(&str, bool); 27] = [
    ("SELECT * FROM t", true),
    ("SELECT c, a AS x, a AS y FROM t", true),
    ("SELECT CAST(a AS STRING) AS a, b FROM t", true),
    ("SELECT b, c FROM t", false),
    ("SELECT a + 1 AS a, b FROM t", false),
    ("SELECT a, c FROM t WHERE c > 1", true),
    ("SELECT a, c FROM t WHERE a > 1", true),
    ("SELECT b, COUNT(*), MAX(c) FROM t GROUP BY b", true),
    ("SELECT COUNT(*), MAX(c) FROM t WHERE c > 1", true),
    ("SELECT b, COUNT(*) FROM t GROUP BY b HAVING COUNT(*) > 1", true),
    ("SELECT DISTINCT b, c FROM t", true),
    ("SELECT b FROM t UNION SELECT b FROM u", true),
    ("SELECT a, b FROM t UNION ALL SELECT a, b FROM u", false),
    ("SELECT t.a, t.c, u.a, u.c FROM t JOIN u ON t.a = u.a", true),
    ("SELECT t.a, u.c FROM t JOIN u ON t.a = u.a AND t.c > u.c", true),
    ("SELECT t.a, t.c, u.c FROM t LEFT JOIN u ON t.a = u.a", true),
    ("SELECT t.a, t.c, u.c FROM t LEFT JOIN u ON t.a = u.a AND t.c > u.c", true),
    ("SELECT t.c, u.a, u.c FROM t RIGHT JOIN u ON t.a = u.a", true),
    ("SELECT t.a, t.c, u.a, u.c FROM t FULL JOIN u ON t.a = u.a", false),
    ("SELECT t.a, u.a, u.c FROM t JOIN u ON t.b = u.b", false),
    ("SELECT t.a, u.a, u.c FROM t CROSS JOIN u", true),
    ("SELECT a, c FROM t WHERE a IN (SELECT a FROM u)", true),
    ("SELECT a, c FROM t WHERE NOT EXISTS (SELECT 1 FROM u WHERE u.a = t.a)", true),
    (
        "SELECT b, a, c FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY b ORDER BY c DESC, a) rn FROM t)
         WHERE rn = 1",
        true,
    ),
    (
        "SELECT b, rn, a, c FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY b ORDER BY c, a) rn FROM t)
         WHERE rn <= 2",
        true,
    ),
    (
        "SELECT x.b, x.n, y.m FROM (SELECT b, COUNT(*) n FROM t GROUP BY b) x
         LEFT JOIN (SELECT b, SUM(c) m FROM u GROUP BY b) y ON x.b = y.b",
        true,
    ),
    (
        "SELECT n, COUNT(*) FROM (SELECT b, COUNT(*) n FROM t GROUP BY b) GROUP BY n",
        true,
    ),
];

/// The changes that a sink of this mode gets, a row a line.
fn written(query: &Query, mode: ChangelogMode, key: &[usize], emission: Emission) -> String {
    let recorder = Recorder {
        mode,
        rows: Arc::default(),
    };
    let rows: Arc<Mutex<String>> = Arc::clone(&recorder.rows);
    let table = SinkTable {
        name: "s".to_owned(),
        sink: Arc::new(recorder),
        primary_key: key.to_vec(),
        on_conflict: None,
        materialize: Materialize::Auto,
        requires_on_conflict: true,
    };
    let options = BuildOptions {
        emission,
        ..BuildOptions::CHANGELOG
    };
    let job = query.write(options, table).unwrap();
    let status = job.wait(None);
    assert!(
        !matches!(status, crate::runtime::JobStatus::Failed(_)),
        "{status:?}"
    );
    rows.lock().clone()
}

/// The rows that are left of a changelog, each with its number.
fn integrated(changes: &str) -> BTreeMap<Vec<String>, i64> {
    let mut rows: BTreeMap<Vec<String>, i64> = BTreeMap::new();
    for line in changes.lines() {
        let (kind, row) = line.split_once(' ').unwrap();
        let row = row.split(" | ").map(ToOwned::to_owned).collect();
        let n_rows = rows.entry(row).or_default();
        *n_rows += if matches!(kind, "+I" | "+U") { 1 } else { -1 };
    }
    rows.retain(|_, n_rows| *n_rows != 0);
    rows
}

/// The rows of a table that knows them by `key`.
fn upserted(changes: &str, key: &[usize]) -> BTreeMap<Vec<String>, i64> {
    let mut rows: BTreeMap<Vec<String>, Vec<String>> = BTreeMap::new();
    for line in changes.lines() {
        let (kind, row) = line.split_once(' ').unwrap();
        let row: Vec<String> = row.split(" | ").map(ToOwned::to_owned).collect();
        let key = key.iter().map(|&column| row[column].clone()).collect();
        match kind {
            "+I" | "+U" => rows.insert(key, row),
            _ => rows.remove(&key),
        };
    }
    rows.into_values().map(|row| (row, 1)).collect()
}

#[test]
fn rows_are_known_by_their_upsert_keys() {
    for (sql, has_key) in QUERIES {
        let mut is_updated = false;
        for seed in 0..6 {
            let session = session(seed, if seed % 2 == 0 { 1 } else { 3 });
            let query = session.query(sql).unwrap();
            let keys = query.upsert_keys().unwrap();
            assert_eq!(!keys.is_empty(), has_key, "{sql}: {keys:?}");
            let emissions = [Emission::RowByRow, Emission::NetPerStep];
            for emission in emissions {
                let all = written(&query, ChangelogMode::ALL, &[], emission);
                is_updated |= all.contains("+U") || all.contains("-D");
                let rows = integrated(&all);
                for key in &keys {
                    let known: BTreeSet<Vec<&String>> = rows
                        .keys()
                        .map(|row| key.iter().map(|&column| &row[column]).collect())
                        .collect();
                    assert_eq!(known.len(), rows.len(), "{sql} by {key:?}: {rows:?}");
                    if key.is_empty() {
                        continue;
                    }
                    let upserts = written(&query, ChangelogMode::UPSERT, key, emission);
                    let context = format!("{sql} by {key:?}, {emission:?}:\n{all}\n{upserts}");
                    assert_eq!(upserted(&upserts, key), rows, "{context}");
                }
            }
        }
        assert!(is_updated, "{sql}");
    }
}

#[test]
fn what_has_no_key_is_materialized() {
    // By the partition only: the rows of several keys fall together.
    let sql = "SELECT b, a, c FROM t";
    for seed in 0..6 {
        let session = session(seed, 3);
        let query = session.query(sql).unwrap();
        let recorder = Recorder {
            mode: ChangelogMode::UPSERT,
            rows: Arc::default(),
        };
        let rows = Arc::clone(&recorder.rows);
        let table = SinkTable {
            name: "s".to_owned(),
            sink: Arc::new(recorder),
            primary_key: vec![0],
            on_conflict: Some(crate::sql::statement::ConflictStrategy::Deduplicate),
            materialize: Materialize::Auto,
            requires_on_conflict: true,
        };
        let job = query.write(BuildOptions::CHANGELOG, table).unwrap();
        job.wait(None);
        let shown = upserted(&rows.lock(), &[0]);
        let all = integrated(&written(
            &query,
            ChangelogMode::ALL,
            &[],
            Emission::RowByRow,
        ));
        let keys = |rows: &BTreeMap<Vec<String>, i64>| -> BTreeSet<String> {
            rows.keys().map(|row| row[0].clone()).collect()
        };
        assert_eq!(keys(&shown), keys(&all));
        assert!(
            shown.keys().all(|row| all.contains_key(row)),
            "{shown:?} of {all:?}"
        );
    }
}
