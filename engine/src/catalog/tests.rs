//! The catalog by statements: what it keeps, shows and refuses.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::util::pretty::pretty_format_batches;
use expect_test::{Expect, expect};

use super::alter::alter_table;
use super::define::{ExpressionTypes, define_table};
use super::show;
use super::{CatalogManager, CatalogObject, CatalogTable, CatalogView, Column, IfExists, at_path};
use crate::data::types::FlinkType;
use crate::error::Result;
use crate::sql::script::parse_statement;
use crate::sql::statement::{Describe, ExprText, ObjectKind, Statement, UseTarget};

/// Types by the look of the expression: the planner is not here.
struct FakeTypes;

impl ExpressionTypes for FakeTypes {
    fn type_of(&self, expr: &ExprText, columns: &[Column]) -> Result<FlinkType> {
        if let Some(column) = columns
            .iter()
            .find(|column| expr.text.starts_with(&column.name))
        {
            return Ok(column.flink_type.clone());
        }
        FlinkType::parse("TIMESTAMP_LTZ(3) NOT NULL")
    }
}

/// Runs one statement; gives the rows of a SHOW as text.
fn run(manager: &mut CatalogManager, text: &str) -> Result<String> {
    let parsed = parse_statement(text)?;
    let rows = match &parsed.statement {
        Statement::CreateTable(create) => {
            let base = match &create.like {
                None => None,
                Some(like) => {
                    let identifier = manager.qualify(&like.source.names());
                    let resolved = manager.get(&identifier);
                    let resolved = resolved.map_err(|error| at_path(error, text, &like.source))?;
                    resolved.object.as_table().cloned()
                }
            };
            let table = define_table(create, base.as_deref(), text, &FakeTypes)?;
            let identifier = manager.qualify(&create.name.names());
            let if_exists = match create.if_not_exists {
                true => IfExists::Keep,
                false => IfExists::Fail,
            };
            if create.temporary {
                manager.create_temporary(&identifier, table.into(), if_exists)?;
            } else {
                manager.create(&identifier, table.into(), if_exists)?;
            }
            return Ok(String::new());
        }
        Statement::CreateView(create) => {
            let schema = CatalogTable::of_schema(&arrow::datatypes::Schema::new(vec![
                FlinkType::parse("INT NOT NULL")?.to_arrow_field("x"),
            ]));
            let view = CatalogView {
                query: create.query.clone(),
                schema: schema.schema(),
                query_columns: vec!["x".to_owned()],
                column_comments: vec![None],
                comment: create.comment.clone(),
                namespace: (
                    manager.current_catalog().to_owned(),
                    manager.current_database().to_owned(),
                ),
            };
            let identifier = manager.qualify(&create.name.names());
            manager.create(&identifier, view.into(), IfExists::Fail)?;
            return Ok(String::new());
        }
        Statement::AlterTable(alter) => {
            let identifier = manager.qualify(&alter.name.names());
            let resolved = manager.get(&identifier)?;
            let table = resolved.object.as_table().unwrap();
            let altered = alter_table(table, &alter.change, text, &FakeTypes)?;
            manager.replace(&identifier, altered.into())?;
            return Ok(String::new());
        }
        Statement::Drop(drop) => {
            let identifier = manager.qualify(&drop.name.names());
            let names = drop.name.names();
            match drop.kind {
                ObjectKind::Table => {
                    manager.drop_table(&identifier, drop.temporary, drop.if_exists)?
                }
                ObjectKind::View => {
                    manager.drop_view(&identifier, drop.temporary, drop.if_exists)?
                }
                ObjectKind::Database => {
                    manager.drop_database(&names, drop.if_exists, drop.cascade)?
                }
                ObjectKind::Catalog => manager.drop_catalog(names[0], drop.if_exists)?,
                ObjectKind::MaterializedTable => {
                    manager.drop_materialized_table(&identifier, drop.if_exists)?
                }
                ObjectKind::Model => {
                    manager.drop_model(&identifier, drop.temporary, drop.if_exists)?
                }
                ObjectKind::Function => unreachable!("not here"),
            };
            return Ok(String::new());
        }
        Statement::CreateDatabase(create) => {
            let names = create.name.names();
            manager.create_database(&names, BTreeMap::new(), None, create.if_not_exists)?;
            return Ok(String::new());
        }
        Statement::CreateCatalog(create) => {
            let options = create.options.iter();
            let options = options.map(|o| (o.key.clone(), o.value.clone())).collect();
            manager.create_catalog(&create.name.value, options, None, false)?;
            return Ok(String::new());
        }
        Statement::Use(UseTarget::Catalog(name)) => {
            manager.use_catalog(&name.value)?;
            return Ok(String::new());
        }
        Statement::Use(UseTarget::Database(path)) => {
            manager.use_database(&path.names())?;
            return Ok(String::new());
        }
        Statement::Show(statement) => show::show(manager, statement, false).unwrap()?,
        Statement::ShowCreate(statement) => show::show_create(manager, statement)?,
        Statement::Describe(Describe::Table(path)) => show::describe(manager, path, false)?,
        other => panic!("not here: {other:?}"),
    };
    Ok(pretty_format_batches(&[rows])?.to_string())
}

fn manager_with(statements: &[&str]) -> CatalogManager {
    let mut manager = CatalogManager::default();
    for statement in statements {
        if let Err(error) = run(&mut manager, statement) {
            panic!("{statement}\n{error}");
        }
    }
    manager
}

/// What the last statement shows, or says if it fails.
fn check(statements: &[&str], expected: &Expect) {
    let (last, before) = statements.split_last().unwrap();
    let mut manager = manager_with(before);
    let text = run(&mut manager, last).unwrap_or_else(|error| error.to_string());
    expected.assert_eq(&text);
}

const ACCESS_LOG: &str = "CREATE TABLE access_log (id BIGINT, ts TIMESTAMP(3), size INT, twice AS size * 2 COMMENT 'two', \
     p AS PROCTIME(), file STRING METADATA FROM 'file.path' VIRTUAL, \
     WATERMARK FOR ts AS ts - INTERVAL '5' SECOND, PRIMARY KEY (id) NOT ENFORCED) \
     COMMENT 'it''s a log' PARTITIONED BY (size) WITH ('connector' = 'filesystem', 'a' = 'b')";

#[test]
fn describe_shows_all_about_columns() {
    check(
        &[ACCESS_LOG, "DESCRIBE access_log"],
        &expect![[r#"
        +-------+-----------------------------+-------+---------+-----------------------------------+----------------------------+---------+
        | name  | type                        | null  | key     | extras                            | watermark                  | comment |
        +-------+-----------------------------+-------+---------+-----------------------------------+----------------------------+---------+
        | id    | BIGINT                      | false | PRI(id) |                                   |                            |         |
        | ts    | TIMESTAMP(3) *ROWTIME*      | true  |         |                                   | `ts` - INTERVAL '5' SECOND |         |
        | size  | INT                         | true  |         |                                   |                            |         |
        | twice | INT                         | true  |         | AS `size` * 2                     |                            | two     |
        | p     | TIMESTAMP_LTZ(3) *PROCTIME* | false |         | AS PROCTIME()                     |                            |         |
        | file  | STRING                      | true  |         | METADATA FROM 'file.path' VIRTUAL |                            |         |
        +-------+-----------------------------+-------+---------+-----------------------------------+----------------------------+---------+"#]],
    );
}

#[test]
fn show_create_table_can_be_run_again() {
    check(
        &[ACCESS_LOG, "SHOW CREATE TABLE access_log"],
        &expect![[r#"
            +------------------------------------------------------------------+
            | result                                                           |
            +------------------------------------------------------------------+
            | CREATE TABLE `default_catalog`.`default_database`.`access_log` ( |
            |   `id` BIGINT NOT NULL,                                          |
            |   `ts` TIMESTAMP(3),                                             |
            |   `size` INT,                                                    |
            |   `twice` AS `size` * 2 COMMENT 'two',                           |
            |   `p` AS PROCTIME(),                                             |
            |   `file` VARCHAR(2147483647) METADATA FROM 'file.path' VIRTUAL,  |
            |   WATERMARK FOR `ts` AS `ts` - INTERVAL '5' SECOND,              |
            |   CONSTRAINT `PK_id` PRIMARY KEY (`id`) NOT ENFORCED             |
            | )                                                                |
            | COMMENT 'it''s a log'                                            |
            | PARTITIONED BY (`size`)                                          |
            | WITH (                                                           |
            |   'a' = 'b',                                                     |
            |   'connector' = 'filesystem'                                     |
            | )                                                                |
            |                                                                  |
            +------------------------------------------------------------------+"#]],
    );
    let manager = manager_with(&[ACCESS_LOG]);
    let identifier = manager.qualify(&["access_log"]);
    let resolved = manager.get(&identifier).unwrap();
    assert_eq!(
        resolved
            .object
            .as_table()
            .unwrap()
            .physical_schema()
            .fields()
            .len(),
        3
    );
    let shown = show::show_create(
        &manager,
        &crate::sql::statement::ShowCreate {
            kind: ObjectKind::Table,
            name: crate::sql::statement::ObjectPath {
                parts: vec![crate::sql::statement::Ident::new("access_log")],
            },
        },
    )
    .unwrap();
    let text = arrow::util::display::array_value_to_string(shown.column(0), 0).unwrap();
    run(&mut CatalogManager::default(), &text).unwrap();
}

#[test]
fn temporary_tables_hide_permanent_ones() {
    let statements = [
        "CREATE TABLE t (a INT)",
        "CREATE TEMPORARY TABLE t (b INT)",
        "DESC t",
    ];
    check(
        &statements,
        &expect![[r#"
        +------+------+------+-----+--------+-----------+
        | name | type | null | key | extras | watermark |
        +------+------+------+-----+--------+-----------+
        | b    | INT  | true |     |        |           |
        +------+------+------+-----+--------+-----------+"#]],
    );
    check(
        &[statements[0], statements[1], "DROP TABLE t"],
        &expect![[r#"
            temporary table with identifier '`default_catalog`.`default_database`.`t`' exists. Drop it first before removing the permanent table
              hint: write DROP TEMPORARY TABLE"#]],
    );
    check(
        &[
            statements[0],
            statements[1],
            "DROP TEMPORARY TABLE t",
            "SHOW COLUMNS FROM t",
        ],
        &expect![[r#"
            +------+------+------+-----+--------+-----------+
            | name | type | null | key | extras | watermark |
            +------+------+------+-----+--------+-----------+
            | a    | INT  | true |     |        |           |
            +------+------+------+-----+--------+-----------+"#]],
    );
}

#[test]
fn lists_are_sorted_and_filtered() {
    let statements = [
        "CREATE TABLE xyz (a INT)",
        "CREATE TEMPORARY TABLE abc (a INT)",
        "CREATE VIEW ab AS SELECT 1 AS x",
    ];
    let with = |last| [statements[0], statements[1], statements[2], last];
    check(
        &with("SHOW TABLES"),
        &expect![[r#"
        +------------+
        | table name |
        +------------+
        | ab         |
        | abc        |
        | xyz        |
        +------------+"#]],
    );
    check(
        &with("SHOW TABLES NOT LIKE 'ab%'"),
        &expect![[r#"
        +------------+
        | table name |
        +------------+
        | xyz        |
        +------------+"#]],
    );
    check(
        &with("SHOW VIEWS"),
        &expect![[r#"
        +-----------+
        | view name |
        +-----------+
        | ab        |
        +-----------+"#]],
    );
}

#[test]
fn names_that_do_not_exist() {
    check(
        &["CREATE TABLE access_log (a INT)", "DROP TABLE acces_log"],
        &expect![[r#"
            table with identifier 'default_catalog.default_database.acces_log' does not exist
              hint: did you mean 'access_log'?"#]],
    );
    check(
        &["CREATE VIEW v AS SELECT 1 AS x", "DROP TABLE v"],
        &expect![[r#"
            table with identifier 'default_catalog.default_database.v' does not exist
              hint: it is a view: write DROP VIEW"#]],
    );
    check(
        &[
            "CREATE TABLE orders (a INT)",
            "CREATE TABLE t (b INT) LIKE ordres",
        ],
        &expect![[r#"
            cannot find table '`default_catalog`.`default_database`.`ordres`' in any of the catalogs [default_catalog], nor as a temporary table at line 1, column 29
              1 | CREATE TABLE t (b INT) LIKE ordres
                |                             ^^^^^^
              hint: did you mean 'orders'?"#]],
    );
    check(
        &["USE nope"],
        &expect!["a database with name 'nope' does not exist in the catalog 'default_catalog'"],
    );
    check(
        &["SHOW CREATE TABLE nope"],
        &expect![
            "could not execute SHOW CREATE TABLE: table with identifier '`default_catalog`.`default_database`.`nope`' does not exist"
        ],
    );
}

#[test]
fn names_that_exist_already() {
    check(
        &["CREATE TABLE t (a INT)", "CREATE TABLE t (a INT)"],
        &expect![[r#"
            table (or view) 'default_database.t' already exists in catalog 'default_catalog'
              hint: drop it first, or write IF NOT EXISTS"#]],
    );
    check(
        &[
            "CREATE TABLE t (a INT)",
            "CREATE TABLE IF NOT EXISTS t (b INT)",
            "DESC t",
        ],
        &expect![[r#"
            +------+------+------+-----+--------+-----------+
            | name | type | null | key | extras | watermark |
            +------+------+------+-----+--------+-----------+
            | a    | INT  | true |     |        |           |
            +------+------+------+-----+--------+-----------+"#]],
    );
    check(
        &["CREATE TABLE t (a INT, b INT, a STRING)"],
        &expect![[r#"
            a column named 'a' already exists in the table at line 1, column 31
              1 | CREATE TABLE t (a INT, b INT, a STRING)
                |                               ^"#]],
    );
}

#[test]
fn keys_and_watermarks_need_fitting_columns() {
    check(
        &["CREATE TABLE t (amount INT, PRIMARY KEY (amunt) NOT ENFORCED)"],
        &expect![[r#"
            primary key column 'amunt' is not defined in the schema at line 1, column 42
              1 | CREATE TABLE t (amount INT, PRIMARY KEY (amunt) NOT ENFORCED)
                |                                          ^^^^^
              hint: did you mean 'amount'?"#]],
    );
    check(
        &["CREATE TABLE t (ts STRING, WATERMARK FOR ts AS ts)"],
        &expect![[r#"
            invalid data type of time field 'ts' for watermark definition: it must be TIMESTAMP(p) or TIMESTAMP_LTZ(p) with p from 0 to 3, but it is STRING at line 1, column 42
              1 | CREATE TABLE t (ts STRING, WATERMARK FOR ts AS ts)
                |                                          ^^
              hint: compute one, e.g. `event_time` AS CAST(`ts` AS TIMESTAMP(3))"#]],
    );
    check(
        &["CREATE TABLE t (a INT) PARTITIONED BY (b)"],
        &expect![[r#"
            partition column 'b' is not defined in the schema at line 1, column 40
              1 | CREATE TABLE t (a INT) PARTITIONED BY (b)
                |                                        ^"#]],
    );
}

#[test]
fn like_takes_and_leaves() {
    check(
        &[
            ACCESS_LOG,
            "CREATE TABLE t (more STRING) WITH ('connector' = 'print') LIKE access_log (EXCLUDING GENERATED EXCLUDING WATERMARKS EXCLUDING CONSTRAINTS)",
            "SHOW CREATE TABLE t",
        ],
        &expect![[r#"
            +-----------------------------------------------------------------+
            | result                                                          |
            +-----------------------------------------------------------------+
            | CREATE TABLE `default_catalog`.`default_database`.`t` (         |
            |   `id` BIGINT NOT NULL,                                         |
            |   `ts` TIMESTAMP(3),                                            |
            |   `size` INT,                                                   |
            |   `file` VARCHAR(2147483647) METADATA FROM 'file.path' VIRTUAL, |
            |   `more` VARCHAR(2147483647)                                    |
            | )                                                               |
            | PARTITIONED BY (`size`)                                         |
            | WITH (                                                          |
            |   'a' = 'b',                                                    |
            |   'connector' = 'print'                                         |
            | )                                                               |
            |                                                                 |
            +-----------------------------------------------------------------+"#]],
    );
    check(
        &[ACCESS_LOG, "CREATE TABLE t (size INT) LIKE access_log"],
        &expect![[r#"
            a column named 'size' already exists in the base table at line 1, column 17
              1 | CREATE TABLE t (size INT) LIKE access_log
                |                 ^^^^"#]],
    );
}

#[test]
fn alter_table_changes_columns() {
    check(
        &[
            "CREATE TABLE t (a INT, b STRING)",
            "ALTER TABLE t ADD (d INT FIRST, e INT AFTER a)",
            "ALTER TABLE t MODIFY b BIGINT COMMENT 'x'",
            "ALTER TABLE t RENAME a TO aa",
            "ALTER TABLE t DROP e",
            "ALTER TABLE t ADD PRIMARY KEY (aa) NOT ENFORCED",
            "DESC t",
        ],
        &expect![[r#"
            +------+--------+-------+---------+--------+-----------+---------+
            | name | type   | null  | key     | extras | watermark | comment |
            +------+--------+-------+---------+--------+-----------+---------+
            | d    | INT    | true  |         |        |           |         |
            | aa   | INT    | false | PRI(aa) |        |           |         |
            | b    | BIGINT | true  |         |        |           | x       |
            +------+--------+-------+---------+--------+-----------+---------+"#]],
    );
    check(
        &[ACCESS_LOG, "ALTER TABLE access_log DROP size"],
        &expect![[r#"
            column 'size' is used by the computed column 'twice' at line 1, column 29
              1 | ALTER TABLE access_log DROP size
                |                             ^^^^"#]],
    );
    check(
        &[ACCESS_LOG, "ALTER TABLE access_log DROP sise"],
        &expect![[r#"
            column 'sise' is not defined in the schema at line 1, column 29
              1 | ALTER TABLE access_log DROP sise
                |                             ^^^^
              hint: did you mean 'size'?"#]],
    );
}

#[test]
fn databases_and_catalogs() {
    check(
        &[
            "CREATE DATABASE db1",
            "CREATE TABLE db1.t (a INT)",
            "DROP DATABASE db1",
        ],
        &expect![[r#"
            database 'db1' in catalog 'default_catalog' is not empty
              hint: DROP DATABASE … CASCADE drops its tables too"#]],
    );
    check(
        &[
            "CREATE DATABASE db1",
            "CREATE TABLE db1.t (a INT)",
            "DROP DATABASE db1 CASCADE",
            "SHOW DATABASES",
        ],
        &expect![[r#"
            +------------------+
            | database name    |
            +------------------+
            | default_database |
            +------------------+"#]],
    );
    check(
        &[
            "CREATE CATALOG c1 WITH ('type' = 'generic_in_memory', 'default-database' = 'd0')",
            "USE CATALOG c1",
            "CREATE TABLE t (a INT)",
            "USE default_catalog.default_database",
            "DESC t",
        ],
        &expect![
            "tables or views with the identifier 'default_catalog.default_database.t' don't exist"
        ],
    );
    check(
        &["DROP CATALOG default_catalog"],
        &expect!["cannot drop catalog 'default_catalog', which is currently in use"],
    );
    check(
        &["CREATE CATALOG c WITH ('type' = 'hive')"],
        &expect![
            "unable to create catalog 'c': option 'type' is 'hive', but the types are: generic_in_memory"
        ],
    );
}

#[test]
fn objects_are_shared_not_copied() {
    let manager = manager_with(&["CREATE TABLE t (a INT)"]);
    let identifier = manager.qualify(&["t"]);
    let first = manager.get(&identifier).unwrap().object;
    let second = manager.get(&identifier).unwrap().object;
    let (CatalogObject::Table(first), CatalogObject::Table(second)) = (first, second) else {
        panic!("no tables");
    };
    assert!(Arc::ptr_eq(&first, &second));
}
