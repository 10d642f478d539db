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

fn failure_of_collect(session: &Session, sql: &str) -> String {
    let result = session.query(sql).unwrap().collect().unwrap();
    let ResultContent::Changes(stream) = result.content else {
        panic!("a query gives changes");
    };
    loop {
        match stream.next(LONG) {
            Ok(ChangeEvent::Delta(_)) => {}
            Ok(other) => panic!("{other:?}"),
            Err(error) => return error.to_string(),
        }
    }
}

#[test]
fn state_above_the_limit_names_the_operator() {
    let session = session();
    session.set_config("tidemill.memory.limit", "3 mb").unwrap();
    many(&session, 200_000, 200_000);
    let message = failure_of_view(&session, "SELECT n, COUNT(*) AS c FROM many GROUP BY n");
    assert!(message.starts_with("out of memory: "), "{message}");
    assert!(message.contains("3.1 MB are allowed; "), "{message}");
    assert!(
        message.ends_with(
            "are in GroupAggregate(groupBy=[n], select=[n, COUNT(*)]); keep less, for instance \
             with 'table.exec.state.ttl', or raise the limit with SET 'tidemill.memory.limit' = '…'"
        ),
        "{message}"
    );
    // The next one works.
    let query = session.query("SELECT k, COUNT(*) AS c FROM many GROUP BY k");
    drop(query.unwrap());
}

/// Forty million pairs of a few thousand rows: the step is stopped on the way.
#[test]
fn a_join_that_explodes_is_stopped() {
    let session = session();
    session
        .set_config("tidemill.memory.limit", "40 mb")
        .unwrap();
    many(&session, 20_000, 1);
    let sql = "SELECT a.n, b.n AS m FROM many AS a JOIN many AS b ON a.k = b.k";
    for message in [
        failure_of_view(&session, sql),
        failure_of_collect(&session, sql),
    ] {
        assert!(
            message.starts_with("out of memory: Join(") && message.contains(" of rows in one step"),
            "{message}"
        );
    }
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
