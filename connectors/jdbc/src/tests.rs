//! Tables of SQLite in sessions: statements in, rows out.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::AsArray as _;
use arrow::datatypes::{DataType, Int32Type, SchemaRef};
use tempfile::TempDir;
use tidemill_engine::connectors::collect::ChangeEvent;
use tidemill_engine::connectors::{
    ConnectorFactory as _, ConnectorTable, SourcePoll, SourceReader,
};
use tidemill_engine::data::Delta;
use tidemill_engine::data::text::{parse_delta, print_deltas, schema};
use tidemill_engine::session::{ResultContent, Session, TableResult};

/// A session and a database that both the session and the test open.
struct Scene {
    session: Session,
    database: rusqlite::Connection,
    folder: TempDir,
}

impl Scene {
    fn new(statements: &str) -> Self {
        crate::register();
        let folder = TempDir::new().unwrap();
        let database = rusqlite::Connection::open(folder.path().join("test.db")).unwrap();
        database.execute_batch(statements).unwrap();
        let session = Session::new(BTreeMap::from([
            ("parallelism.default".to_owned(), "2".to_owned()),
            ("table.dml-sync".to_owned(), "true".to_owned()),
            ("table.local-time-zone".to_owned(), "UTC".to_owned()),
        ]));
        Self {
            session,
            database,
            folder,
        }
    }

    fn url(&self) -> String {
        format!("jdbc:sqlite:{}/test.db", self.folder.path().display())
    }

    /// `CREATE TABLE <name> (<columns>)` over the database's table `relation`.
    fn table(&self, name: &str, columns: &str, relation: &str, options: &str) {
        let url = self.url();
        let sql = format!(
            "CREATE TABLE {name} ({columns}) WITH ('connector' = 'jdbc', 'url' = '{url}', \
             'table-name' = '{relation}'{options})"
        );
        self.session.execute(&sql).unwrap();
    }

    /// The database's table `t` as the catalog gives it to the connector.
    fn connector_table(&self, schema: SchemaRef, options: &[(&str, &str)]) -> ConnectorTable {
        let url = self.url();
        let common = [("connector", "jdbc"), ("url", &url), ("table-name", "t")];
        let options = common.iter().chain(options);
        ConnectorTable {
            name: "t".to_owned(),
            schema,
            metadata: Vec::new(),
            primary_key: Vec::new(),
            partition_keys: Vec::new(),
            options: options
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
            time_zone: "UTC".to_owned(),
        }
    }

    /// The rows of a query, or its error.
    fn rows(&self, sql: &str) -> String {
        let deltas = |result: TableResult| -> Result<Vec<Delta>, String> {
            let mut deltas = Vec::new();
            match result.content {
                ResultContent::Rows(batches) => {
                    deltas.extend(batches.into_iter().map(Delta::insert_only));
                }
                ResultContent::Changes(stream) => loop {
                    match stream.next(Duration::from_secs(30)) {
                        Ok(ChangeEvent::Delta(delta)) => deltas.push(delta),
                        Ok(ChangeEvent::End) => break,
                        Ok(ChangeEvent::Timeout) => return Err("nothing came".to_owned()),
                        Err(error) => return Err(error.to_string()),
                    }
                },
            }
            Ok(deltas)
        };
        let result = self.session.execute(sql).map_err(|error| error.to_string());
        match result.and_then(deltas) {
            Ok(deltas) => print_deltas(&deltas).unwrap(),
            Err(error) => error.replace(&self.folder.path().display().to_string(), "…"),
        }
    }

    /// What stands in the database.
    fn stored(&self, sql: &str) -> Vec<String> {
        let mut statement = self.database.prepare(sql).unwrap();
        let n_columns = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        let mut lines = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            let cell = |idx: usize| -> String {
                match row.get_ref(idx).unwrap() {
                    rusqlite::types::ValueRef::Null => "NULL".to_owned(),
                    rusqlite::types::ValueRef::Integer(value) => value.to_string(),
                    rusqlite::types::ValueRef::Real(value) => format!("{value:?}"),
                    rusqlite::types::ValueRef::Text(text) => String::from_utf8_lossy(text).into(),
                    rusqlite::types::ValueRef::Blob(bytes) => format!("{bytes:?}"),
                }
            };
            let cells: Vec<String> = (0..n_columns).map(cell).collect();
            lines.push(cells.join(" | "));
        }
        lines
    }
}

const TYPES: &str = "b BOOLEAN, t TINYINT, s SMALLINT, i INT, l BIGINT, f FLOAT, d DOUBLE, \
                     n DECIMAL(10, 2), v STRING, y BYTES, da DATE, ti TIME, ts TIMESTAMP(6)";

#[test]
fn every_type_is_written_and_read_again() {
    let scene = Scene::new(
        "CREATE TABLE x (b INT, t INT, s INT, i INT, l INT, f REAL, d REAL, n TEXT, v TEXT, \
         y BLOB, da TEXT, ti TEXT, ts TEXT)",
    );
    scene.table("x", TYPES, "x", "");
    let values = "INSERT INTO x VALUES (TRUE, CAST(-1 AS TINYINT), CAST(2 AS SMALLINT), 3, \
                  9223372036854775807, CAST(1.5 AS FLOAT), CAST(0.1 AS DOUBLE), 12.50, 'ä''', \
                  X'00ff', DATE '1969-12-31', TIME '01:02:03', \
                  TIMESTAMP '2020-01-02 03:04:05.678901')";
    assert_eq!(scene.rows(values), "+I | -1\n");
    scene.rows("INSERT INTO x (l) VALUES (CAST(NULL AS BIGINT))");
    assert_eq!(
        scene.stored("SELECT * FROM x ORDER BY i"),
        [
            "NULL | NULL | NULL | NULL | NULL | NULL | NULL | NULL | NULL | NULL | NULL | NULL | \
             NULL",
            "1 | -1 | 2 | 3 | 9223372036854775807 | 1.5 | 0.1 | 12.50 | ä' | [0, 255] | \
             1969-12-31 | 01:02:03 | 2020-01-02 03:04:05.678901",
        ]
    );
    assert_eq!(
        scene.rows("SELECT * FROM x WHERE i = 3"),
        "+I | true | -1 | 2 | 3 | 9223372036854775807 | 1.5 | 0.1 | 12.50 | ä' | 00ff | \
         1969-12-31 | 01:02:03 | 2020-01-02T03:04:05.678901\n"
    );
    // Not a single column is asked for.
    assert_eq!(
        scene.rows("SELECT COUNT(*) FROM x").lines().last(),
        Some("+U | 2")
    );
}

#[test]
fn rows_are_put_and_taken_by_key() {
    let scene = Scene::new(
        "CREATE TABLE o (id INT, k TEXT, n INT);
         INSERT INTO o VALUES (1, 'a', 5), (2, 'b', 7), (3, 'a', 1), (4, 'c', 2);
         CREATE TABLE counts (k TEXT PRIMARY KEY, n INT, extra TEXT);
         INSERT INTO counts VALUES ('a', 100, 'kept'), ('z', 1, 'kept');",
    );
    scene.table("o", "id INT, k STRING, n INT", "o", "");
    let columns = "k STRING PRIMARY KEY NOT ENFORCED, n BIGINT";
    scene.table("counts", columns, "counts", "");
    scene.rows("INSERT INTO counts SELECT k, COUNT(*) FROM o GROUP BY k");
    assert_eq!(
        scene.stored("SELECT * FROM counts ORDER BY k"),
        [
            "a | 2 | kept",
            "b | 1 | NULL",
            "c | 1 | NULL",
            "z | 1 | kept"
        ]
    );
    // The sums of a and b leave the result again: a row of the database goes with them.
    scene.rows(
        "INSERT INTO counts SELECT k, total FROM (SELECT k, SUM(n) AS total FROM o GROUP BY k) \
         WHERE total < 6",
    );
    assert_eq!(
        scene.stored("SELECT k, n FROM counts ORDER BY k"),
        ["a | 2", "b | 1", "c | 2", "z | 1"]
    );
}

#[test]
fn without_a_key_rows_are_appended_and_updates_refused() {
    let scene = Scene::new(
        "CREATE TABLE o (k TEXT); INSERT INTO o VALUES ('a'), ('a');
         CREATE TABLE sums (k TEXT, n INT);",
    );
    scene.table("o", "k STRING", "o", "");
    scene.table("sums", "k STRING, n BIGINT", "sums", "");
    scene.rows("INSERT INTO sums SELECT k, 1 FROM o");
    assert_eq!(scene.stored("SELECT * FROM sums"), ["a | 1", "a | 1"]);
    let grouped = "INSERT INTO sums SELECT k, COUNT(*) FROM o GROUP BY k";
    assert_eq!(
        scene.rows(grouped).lines().next(),
        Some("please declare primary key for sink table when query contains update/delete record.")
    );
}

#[test]
fn a_table_of_old_takes_the_key_of_the_query() {
    let scene = Scene::new(
        "CREATE TABLE o (k TEXT); INSERT INTO o VALUES ('a'), ('a'), ('b');
         CREATE TABLE sums (k TEXT PRIMARY KEY, n INT);",
    );
    scene.table("o", "k STRING", "o", "");
    let url = scene.url();
    let table = format!(
        "CREATE TABLE sums (name STRING, n BIGINT) WITH ('connector.type' = 'jdbc', \
         'connector.url' = '{url}', 'connector.table' = 'sums')"
    );
    scene.session.execute(&table).unwrap();
    // The columns are those of the database, by their names: `name` is none.
    assert_eq!(
        scene.rows("INSERT INTO sums SELECT k, COUNT(*) FROM o GROUP BY k"),
        "connector 'jdbc': table 'default_catalog.default_database.sums' ('sums' in \
         jdbc:sqlite:…/test.db): table sums has no column named name"
    );
    let table = table.replace("TABLE sums (name", "TABLE legacy (k");
    scene.session.execute(&table).unwrap();
    scene.rows("INSERT INTO legacy SELECT k, COUNT(*) FROM o GROUP BY k");
    assert_eq!(
        scene.stored("SELECT * FROM sums ORDER BY k"),
        ["a | 2", "b | 1"]
    );
    let plan = scene
        .session
        .explain("INSERT INTO legacy SELECT k, COUNT(*) FROM o GROUP BY k");
    assert!(
        plan.unwrap()
            .contains("Sink(table=[default_catalog.default_database.legacy]")
    );
}

#[test]
fn ranges_of_a_column_are_read_once() {
    let scene = Scene::new("CREATE TABLE t (id INT)");
    let numbers = "INSERT INTO t WITH RECURSIVE n(id) AS (SELECT 0 UNION ALL SELECT id + 1 FROM n \
                   WHERE id < 999) SELECT id FROM n UNION ALL SELECT NULL";
    scene.database.execute(numbers, []).unwrap();
    let options = ", 'scan.partition.column' = 'id', 'scan.partition.num' = '7', \
                   'scan.partition.lower-bound' = '0', 'scan.partition.upper-bound' = '899'";
    scene.table("t", "id INT", "t", options);
    let counted = scene.rows("SELECT COUNT(*), COUNT(DISTINCT id), SUM(id) FROM t");
    assert_eq!(counted.lines().last(), Some("+U | 900 | 900 | 404550"));
}

#[test]
fn rows_are_looked_up_by_key() {
    let scene = Scene::new(
        "CREATE TABLE o (id INT, k TEXT); INSERT INTO o VALUES (1, 'a'), (2, 'B'), (3, 'x'), (4, NULL);
         CREATE TABLE dim (k TEXT COLLATE NOCASE, n INT); \
         INSERT INTO dim VALUES ('a', 1), ('b', 2), ('a', 3);",
    );
    scene.table("o", "id INT, k STRING, pt AS PROCTIME()", "o", "");
    let cache = ", 'lookup.cache' = 'PARTIAL', 'lookup.partial-cache.max-rows' = '10'";
    for (name, options) in [("dim", ""), ("cached", cache)] {
        scene.table(name, "k STRING, n INT", "dim", options);
        let rows = scene.rows(&format!(
            "SELECT o.id, d.k, d.n FROM o LEFT JOIN {name} FOR SYSTEM_TIME AS OF o.pt AS d \
             ON o.k = d.k"
        ));
        let mut rows: Vec<&str> = rows.lines().collect();
        rows.sort_unstable();
        // The database's collation decides what is equal.
        assert_eq!(
            rows,
            [
                "+I | 1 | a | 1",
                "+I | 1 | a | 3",
                "+I | 2 | b | 2",
                "+I | 3 | NULL | NULL",
                "+I | 4 | NULL | NULL"
            ]
        );
    }
}

#[test]
fn failures_are_one_sentence_with_the_tables_name() {
    let scene = Scene::new("CREATE TABLE t (id TEXT); INSERT INTO t VALUES ('one')");
    scene.table("gone", "id INT", "gone", "");
    scene.table("t", "id INT", "t", "");
    let begin = "connector 'jdbc': table 'default_catalog.default_database";
    assert_eq!(
        scene.rows("SELECT * FROM t"),
        format!(
            "{begin}.t' ('t' in jdbc:sqlite:…/test.db): column 'id' of type INT cannot take the \
             database's text 'one'"
        )
    );
    for sql in ["SELECT * FROM gone", "INSERT INTO gone VALUES (1)"] {
        let error = scene.rows(sql);
        let expected =
            format!("{begin}.gone' ('gone' in jdbc:sqlite:…/test.db): no such table: gone");
        assert!(error.starts_with(&expected), "{error}");
    }
}

#[test]
fn options_that_do_not_fit_are_named() {
    let scene = Scene::new("");
    let with = |columns: &str, options: &str| {
        let sql =
            format!("CREATE TEMPORARY TABLE t ({columns}) WITH ('connector' = 'jdbc', {options})");
        scene.session.execute(&sql).unwrap();
        let error = scene.rows("SELECT * FROM t");
        scene.session.execute("DROP TEMPORARY TABLE t").unwrap();
        error
    };
    let table = "table 'default_catalog.default_database.t'";
    let mysql = "'url' = 'jdbc:mysql://db/x', 'table-name' = 't'";
    for (columns, options, expected) in [
        (
            "id INT",
            format!("{mysql}, 'username' = 'me'"),
            format!(
                "{table}: Either all or none of the following options should be provided:\n\
                 username\npassword"
            ),
        ),
        (
            "id INT",
            "'url' = 'jdbc:h2:mem', 'table-name' = 't'".to_owned(),
            format!(
                "{table}: databases of the kind 'jdbc:h2:' are not supported; URLs begin with \
                 jdbc:mysql:, jdbc:mariadb:, jdbc:postgresql: or jdbc:sqlite:"
            ),
        ),
        (
            "id INT",
            format!("{mysql}, 'driver' = 'org.postgresql.Driver'"),
            format!(
                "{table}: invalid value 'org.postgresql.Driver' for option 'driver': expected a \
                 driver of MySQL: com.mysql.cj.jdbc.Driver, com.mysql.jdbc.Driver, \
                 org.mariadb.jdbc.Driver"
            ),
        ),
        (
            "id INT",
            format!(
                "{mysql}, 'scan.partition.column' = 'id', 'scan.partition.num' = '2', \
                 'scan.partition.lower-bound' = '5', 'scan.partition.upper-bound' = '4'"
            ),
            format!(
                "{table}: 'scan.partition.lower-bound'='5' must not be larger than \
                 'scan.partition.upper-bound'='4'."
            ),
        ),
        (
            "id INT",
            format!("{mysql}, 'sink.max-retries' = '-1'"),
            format!(
                "{table}: The value of 'sink.max-retries' option shouldn't be negative, but is -1."
            ),
        ),
        (
            "id INT",
            format!("{mysql}, 'connection.max-retry-timeout' = '100ms'"),
            format!(
                "{table}: The value of 'connection.max-retry-timeout' option must be in second \
                 granularity and shouldn't be smaller than 1 second, but is 100ms."
            ),
        ),
        (
            "m MAP<INT, INT>",
            mysql.to_owned(),
            "The MySQL dialect doesn't support type: MAP<INT, INT>.".to_owned(),
        ),
    ] {
        // A place in the statement may follow.
        let error = with(columns, &options);
        assert!(error.starts_with(&expected), "{error}");
    }
}

#[test]
fn a_scan_goes_on_from_a_position() {
    let scene = Scene::new(
        "CREATE TABLE t (id INT); INSERT INTO t WITH RECURSIVE n(id) AS (SELECT 0 UNION ALL \
         SELECT id + 1 FROM n WHERE id < 99) SELECT id FROM n",
    );
    let table = scene.connector_table(
        schema(&[("id", DataType::Int32)]),
        &[
            ("scan.partition.column", "id"),
            ("scan.partition.num", "3"),
            ("scan.partition.lower-bound", "0"),
            ("scan.partition.upper-bound", "99"),
        ],
    );
    let source = crate::JdbcFactory.source(&table).unwrap();
    let mut before = source.open(&[0], 2).unwrap();
    let mut ids = Vec::new();
    // One reader stops within its second range, the other one before its first row.
    while ids.len() < 50 {
        ids.extend(polled(before[0].as_mut(), 7).unwrap());
    }
    let positions: Vec<_> = before.iter().map(|reader| reader.position()).collect();
    for (reader, position) in source
        .open(&[0], 3)
        .unwrap()
        .iter_mut()
        .zip(source.reassign(&positions, 3).unwrap())
    {
        reader.seek(&position).unwrap();
        while let Some(more) = polled(reader.as_mut(), 1000) {
            ids.extend(more);
        }
    }
    ids.sort_unstable();
    assert_eq!(ids, (0..100).collect::<Vec<i32>>());
}

/// The rows of one poll; none at the end.
fn polled(reader: &mut dyn SourceReader, max_rows: usize) -> Option<Vec<i32>> {
    match reader.poll(max_rows).unwrap() {
        SourcePoll::Rows(delta) => {
            assert!(delta.num_rows() <= max_rows);
            let ids = delta.batch().column(0).as_primitive::<Int32Type>();
            Some(ids.values().to_vec())
        }
        SourcePoll::Idle(_) => Some(Vec::new()),
        SourcePoll::End => None,
    }
}

#[test]
fn a_lock_is_waited_for_and_then_tried_again() {
    let scene = Scene::new("CREATE TABLE t (id INT PRIMARY KEY)");
    let url = format!("{}?busy_timeout=1", scene.url());
    let sql = format!(
        "CREATE TABLE t (id INT PRIMARY KEY NOT ENFORCED) WITH ('connector' = 'jdbc', \
         'url' = '{url}', 'table-name' = 't', 'sink.max-retries' = '2')"
    );
    scene.session.execute(&sql).unwrap();
    let insert = "INSERT INTO t VALUES (1) ON CONFLICT DO DEDUPLICATE";
    // Somebody else writes: attempts without a pause, and after a second.
    scene.database.execute_batch("BEGIN IMMEDIATE").unwrap();
    let started = std::time::Instant::now();
    assert_eq!(
        scene.rows(insert),
        "connector 'jdbc': table 'default_catalog.default_database.t' ('t' in \
         jdbc:sqlite:…/test.db): database is locked"
    );
    assert!(started.elapsed() >= Duration::from_secs(1));
    scene.database.execute_batch("ROLLBACK").unwrap();
    assert_eq!(scene.rows(insert), "+I | -1\n");
    assert_eq!(scene.stored("SELECT * FROM t"), ["1"]);
}

#[test]
fn changes_are_written_when_they_are_old_enough() {
    let scene = Scene::new("CREATE TABLE t (n INT)");
    scene.table(
        "t",
        "n BIGINT",
        "t",
        ", 'sink.buffer-flush.interval' = '100 ms'",
    );
    scene.session.set_config("table.dml-sync", "false").unwrap();
    let source = "CREATE TABLE s (n BIGINT) WITH ('connector' = 'datagen', 'fields.n.kind' = \
                  'sequence', 'fields.n.start' = '1', 'fields.n.end' = '1000000', \
                  'rows-per-second' = '10')";
    scene.session.execute(source).unwrap();
    let job = scene
        .session
        .execute("INSERT INTO t SELECT n FROM s")
        .unwrap();
    let until = std::time::Instant::now() + Duration::from_secs(20);
    while scene.stored("SELECT * FROM t LIMIT 1").is_empty() {
        assert!(std::time::Instant::now() < until, "nothing was written");
        std::thread::sleep(Duration::from_millis(20));
    }
    job.job.unwrap().stop();
}

#[test]
fn what_waits_is_written_with_a_checkpoint_and_when_it_is_much() {
    let scene = Scene::new("CREATE TABLE t (id INT, n INT)");
    let columns = schema(&[("id", DataType::Int32), ("n", DataType::Int32)]);
    let table = scene.connector_table(
        Arc::clone(&columns),
        &[
            ("sink.buffer-flush.max-rows", "3"),
            ("sink.buffer-flush.interval", "0"),
        ],
    );
    let mut sink = crate::JdbcFactory.sink(&table).unwrap().create().unwrap();
    let rows = parse_delta(&columns, "+I | 1 | 10\n+I | 2 | 20").unwrap();
    let stored = || scene.stored("SELECT COUNT(*) FROM t");
    sink.write(&rows).unwrap();
    sink.on_step_end().unwrap();
    assert_eq!(stored(), ["0"]);
    assert_eq!(sink.next_timer_ms(), None);
    assert!(sink.state_bytes() > 0);
    sink.prepare(1).unwrap();
    assert_eq!(stored(), ["2"]);
    sink.write(&rows).unwrap();
    assert_eq!(stored(), ["2"]);
    sink.write(&rows).unwrap();
    assert_eq!(stored(), ["6"]);
    sink.write(&rows.slice(0, 1)).unwrap();
    sink.finish().unwrap();
    assert_eq!(stored(), ["7"]);
    assert_eq!(sink.state_bytes(), 0);
}
