//! Queries that want more memory than they may have: they fail, and the process goes on.

use std::time::Duration;

use super::*;
use crate::connectors::view::ViewOptions;
use crate::runtime::JobStatus;

const LONG: Duration = Duration::from_secs(60);

fn many(session: &Session, n_rows: i64, n_keys: i64) {
    let keys = Int64Array::from_iter_values((0..n_rows).map(|n| n % n_keys));
    let numbers = Int64Array::from_iter_values(0..n_rows);
    let schema = Arc::new(Schema::new(vec![
        Field::new("k", DataType::Int64, false),
        Field::new("n", DataType::Int64, false),
    ]));
    let columns = vec![Arc::new(keys) as _, Arc::new(numbers) as _];
    let rows = RecordBatch::try_new(Arc::clone(&schema), columns).unwrap();
    let source = ValuesSource::try_new(schema, vec![Delta::insert_only(rows)]).unwrap();
    session.register_source("many", Arc::new(source)).unwrap();
}

fn failure_of_view(session: &Session, sql: &str) -> String {
    let query = session.query(sql).unwrap();
    let (job, _view) = query.materialize(ViewOptions::default()).unwrap();
    match job.wait(Some(LONG)) {
        JobStatus::Failed(error) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn state_above_the_limit_names_the_operator() {
    let session = session();
    session.set_config("tidemill.memory.limit", "3 mb").unwrap();
    many(&session, 200_000, 200_000);
    let message = failure_of_view(&session, "SELECT n, COUNT(*) AS c FROM many GROUP BY n");
    assert!(message.starts_with("out of memory: "), "{message}");
    // Both hold every group; which of them holds more bytes hangs on where the steps end.
    let holders = [
        "GroupAggregate(groupBy=[n], select=[n, COUNT(*) AS c])",
        "Sink(table=[view], fields=[n, c])",
    ];
    let names_one = holders.iter().any(|holder| message.contains(holder));
    assert!(names_one, "{message}");
    assert!(message.contains("3.1 MB are allowed"), "{message}");
    assert!(message.contains("SET 'tidemill.memory.limit'"), "{message}");
    // The next one works.
    let query = session.query("SELECT k, COUNT(*) AS c FROM many GROUP BY k");
    drop(query.unwrap());
}

#[test]
fn a_limit_that_is_no_size_is_refused() {
    let session = session();
    let refused = session
        .set_config("tidemill.memory.limit", "plenty")
        .unwrap_err();
    assert_eq!(
        refused.to_string(),
        "'plenty' is no value of 'tidemill.memory.limit'; expected a size such as '2 gb'"
    );
}
