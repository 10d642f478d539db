//! Functions of databases and temporary ones, as Flink 2.3 finds them. A function here gives the
//! class that its statement names, so that a row tells which one was called.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use arrow::datatypes::{DataType, Field};

use super::run;
use crate::error::{EngineError, Result};
use crate::functions::UserFunction;
use crate::functions::udf::{UdfRuntime, UdfSpec};
use crate::session::{FunctionResolver, Session};
use crate::sql::statement::CreateFunction;

#[derive(Debug)]
struct ItsClass(String);

impl UdfRuntime for ItsClass {
    fn call(&self, _arguments: &[ArrayRef], n_rows: usize) -> Result<ArrayRef> {
        Ok(Arc::new(StringArray::from(vec![self.0.as_str(); n_rows])))
    }
}

fn spec(name: &str, class: &str) -> UdfSpec {
    UdfSpec {
        name: name.to_owned(),
        arguments: None,
        result: Arc::new(Field::new("value", DataType::Utf8, true)),
        deterministic: true,
        runtime: Arc::new(ItsClass(class.to_owned())),
    }
}

struct Classes;

impl FunctionResolver for Classes {
    fn resolve(&self, statement: &CreateFunction) -> Result<UserFunction> {
        if statement.class == "m.missing" {
            return Err(EngineError::Options {
                message: "module 'm' has no 'missing'".to_owned(),
            });
        }
        Ok(spec(statement.name.object_name(), &statement.class).into())
    }
}

fn session() -> Session {
    let session = Session::new(BTreeMap::new());
    session.set_function_resolver(Arc::new(Classes));
    session
}

/// Each statement with what it gives: of a query the first row, of another `OK`; an error with a
/// part of its text.
fn check(session: &Session, statements: &[(&str, &str)]) {
    for (sql, expected) in statements {
        let given = run(session, sql);
        let row = given.lines().nth(1).and_then(|row| row.strip_prefix("+I "));
        match row {
            Some(row) => assert_eq!(row, *expected, "{sql}\n{given}"),
            None => assert!(given.contains(expected), "{sql}\n{given}"),
        }
    }
}

fn create(name: &str, class: &str) -> String {
    format!("CREATE {name} AS '{class}' LANGUAGE PYTHON")
}

#[test]
fn temporary_functions_come_before_those_of_databases() {
    let session = session();
    let sql = "SELECT f(1), default_database.f(1), default_catalog.default_database.F(1), db2.f(1)";
    check(
        &session,
        &[
            (&create("FUNCTION f", "m.one"), "OK"),
            ("CREATE DATABASE db2", "OK"),
            (&create("FUNCTION db2.f", "m.two"), "OK"),
            (&create("FUNCTION db2.g", "m.g"), "OK"),
            (sql, "m.one | m.one | m.one | m.two"),
            ("SELECT g(1)", "no function named 'g'"),
            ("SELECT g(1)", "did you mean 'db2.g'?"),
            ("SELECT db2.g(1)", "m.g"),
            (&create("TEMPORARY FUNCTION f", "m.temporary"), "OK"),
            (sql, "m.temporary | m.temporary | m.temporary | m.two"),
            (&create("TEMPORARY SYSTEM FUNCTION f", "m.system"), "OK"),
            (sql, "m.system | m.temporary | m.temporary | m.two"),
            ("SHOW USER FUNCTIONS LIKE 'f'", "f"),
            ("DROP TEMPORARY FUNCTION f", "OK"),
            (sql, "m.system | m.one | m.one | m.two"),
            (
                "DROP TEMPORARY FUNCTION f",
                "temporary catalog function 'f' does not exist",
            ),
            ("DROP FUNCTION f", "OK"),
            ("SELECT f(1)", "m.system"),
            ("DROP FUNCTION f", "write DROP TEMPORARY [SYSTEM] FUNCTION"),
            ("DROP TEMPORARY SYSTEM FUNCTION f", "OK"),
            ("SELECT f(1)", "no function named 'f'"),
            ("USE db2", "OK"),
            ("SELECT f(1), g(1)", "m.two | m.g"),
            (
                "SELECT nodb.f(1)",
                "no function named 'nodb.f' at line 1, column 8",
            ),
            ("SELECT a.b.c.f(1)", "one to three names"),
        ],
    );
}

#[test]
fn flinks_own_functions_come_before_those_of_databases() {
    let session = session();
    check(
        &session,
        &[
            (&create("TEMPORARY FUNCTION `concat`", "m.temporary"), "OK"),
            ("SELECT CONCAT('a', 'b')", "ab"),
            ("SELECT default_database.`concat`('a', 'b')", "m.temporary"),
            (
                &create("TEMPORARY SYSTEM FUNCTION `concat`", "m.system"),
                "OK",
            ),
            ("SELECT CONCAT('a', 'b')", "m.system"),
            ("DROP TEMPORARY SYSTEM FUNCTION `concat`", "OK"),
            ("SELECT CONCAT('a', 'b')", "ab"),
        ],
    );
}

#[test]
fn names_are_taken_place_by_place() {
    let session = session();
    check(
        &session,
        &[
            (
                &create("FUNCTION nodb.f", "m.f"),
                "database 'nodb' does not exist",
            ),
            (
                &create("FUNCTION nocat.db.f", "m.f"),
                "a catalog with name 'nocat' does not exist",
            ),
            (
                "DROP FUNCTION IF EXISTS nocat.db.f",
                "a catalog with name 'nocat' does not exist",
            ),
            ("DROP FUNCTION IF EXISTS nodb.f", "OK"),
            // A temporary function needs no database.
            (&create("TEMPORARY FUNCTION nocat.nodb.f", "m.f"), "OK"),
            ("SELECT nocat.nodb.f(1)", "m.f"),
            (
                &create("TEMPORARY SYSTEM FUNCTION a.f", "m.f"),
                "without catalog and database",
            ),
            (&create("FUNCTION h", "m.h"), "OK"),
            (
                &create("FUNCTION H", "m.other"),
                "already exists in catalog",
            ),
            (&create("FUNCTION IF NOT EXISTS h", "m.other"), "OK"),
            (&create("TEMPORARY FUNCTION h", "m.temporary"), "OK"),
            (&create("TEMPORARY FUNCTION h", "m.other"), "already exists"),
            (
                &create("TEMPORARY FUNCTION IF NOT EXISTS h", "m.other"),
                "OK",
            ),
            ("SELECT h(1)", "m.temporary"),
            // The function behind the temporary one changes unseen.
            ("ALTER FUNCTION h AS 'm.altered' LANGUAGE PYTHON", "OK"),
            ("SELECT h(1)", "m.temporary"),
            ("DROP TEMPORARY FUNCTION h", "OK"),
            ("SELECT h(1)", "m.altered"),
            (&create("FUNCTION lost", "m.missing"), "OK"),
            ("SELECT lost(1)", "module 'm' has no 'missing'"),
            ("DESCRIBE FUNCTION lost", "module 'm' has no 'missing'"),
            ("DROP DATABASE default_database", "currently in use"),
        ],
    );
}

#[test]
fn functions_are_described_with_their_place() {
    let session = session();
    check(&session, &[(&create("FUNCTION f", "m.one"), "OK")]);
    assert_eq!(
        run(&session, "DESCRIBE FUNCTION EXTENDED f"),
        "[info name STRING, info value STRING]\n\
         +I is system function | false\n+I is temporary | false\n+I class name | m.one\n\
         +I function language | PYTHON\n+I resource uris | []\n+I kind | SCALAR\n\
         +I requirements | []\n+I is deterministic | true\n+I supports constant folding | true\n\
         +I signature | default_catalog.default_database.f(*)\n"
    );
    check(
        &session,
        &[(&create("TEMPORARY SYSTEM FUNCTION f", "m.two"), "OK")],
    );
    assert_eq!(
        run(&session, "DESCRIBE FUNCTION f"),
        "[info name STRING, info value STRING]\n\
         +I is system function | true\n+I is temporary | true\n"
    );
    assert_eq!(
        run(&session, "SHOW USER FUNCTIONS"),
        "[function name STRING]\n+I f\n+I f\n"
    );
    check(
        &session,
        &[(
            "DESCRIBE FUNCTION db.f",
            "function with the identifier 'db.f' does not exist",
        )],
    );
}

#[test]
fn stored_definitions_keep_the_functions_of_their_database() {
    let session = session();
    let rows = "FROM (VALUES (1)) AS t(a)";
    check(
        &session,
        &[
            ("CREATE DATABASE db2", "OK"),
            (&create("FUNCTION f", "m.one"), "OK"),
            (&create("FUNCTION db2.f", "m.two"), "OK"),
            (&format!("CREATE VIEW v AS SELECT f(a) AS x {rows}"), "OK"),
            (
                "CREATE TABLE t (a INT, c AS f(a)) WITH ('connector' = 'datagen', 'number-of-rows' = '1')",
                "OK",
            ),
            ("USE db2", "OK"),
            (&format!("CREATE VIEW v AS SELECT f(a) AS x {rows}"), "OK"),
            (
                "SELECT v.x, w.x FROM v, default_database.v AS w",
                "m.two | m.one",
            ),
            ("SELECT c FROM default_database.t", "m.one"),
            ("USE default_database", "OK"),
            (&create("TEMPORARY SYSTEM FUNCTION f", "m.system"), "OK"),
            ("SELECT x FROM v", "m.one"),
            (&format!("CREATE VIEW w AS SELECT f(a) AS x {rows}"), "OK"),
            ("DROP TEMPORARY SYSTEM FUNCTION f", "OK"),
            // Its function had no database, and is looked up anew.
            ("SELECT x FROM w", "m.one"),
            ("DROP FUNCTION f", "OK"),
            (
                "SELECT x FROM v",
                "no function named 'default_catalog.default_database.f'",
            ),
            ("SELECT x FROM db2.v", "m.two"),
        ],
    );
    let ddl = run(&session, "SHOW CREATE TABLE t");
    assert!(
        ddl.contains("`c` AS `default_catalog`.`default_database`.`f`(`a`)"),
        "{ddl}"
    );
}

#[test]
fn functions_of_programs_have_places_too() {
    let session = session();
    session
        .register_temporary_function("db9.q", spec("q", "m.db9"))
        .unwrap();
    session
        .register_temporary_function("q", spec("q", "m.here"))
        .unwrap();
    session
        .register_function(spec("q", "m.system"), true)
        .unwrap();
    check(
        &session,
        &[
            (
                "SELECT q(1), default_database.q(1), db9.q(1)",
                "m.system | m.here | m.db9",
            ),
            ("DESCRIBE FUNCTION q", "is system function | true"),
        ],
    );
    assert_eq!(session.list_user_functions(), ["q", "q"]);
    assert!(session.callable_functions().contains(&"db9.q".to_owned()));
    assert!(session.drop_function("q"));
    assert!(!session.drop_function("q"));
    check(&session, &[("SELECT q(1)", "m.here")]);
    assert!(session.drop_temporary_function("q"));
    assert!(!session.drop_temporary_function("q"));
    check(&session, &[("SELECT q(1)", "no function named 'q'")]);
}
