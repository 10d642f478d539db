//! Plans as EXPLAIN shows them.

use expect_test::{Expect, expect};

use super::session;

fn check(sql: &str, expected: Expect) {
    let plan = session().explain(sql).unwrap();
    let (_, physical) = plan.split_once("== Optimized Physical Plan ==\n").unwrap();
    let (physical, _) = physical
        .split_once("\n== Optimized Execution Plan ==")
        .unwrap();
    expected.assert_eq(physical);
}

#[test]
fn all_sections() {
    let plan = session()
        .explain("SELECT region, COUNT(*) AS n FROM orders WHERE amount > 5 GROUP BY region")
        .unwrap();
    expect![[r#"
        == Abstract Syntax Tree ==
        LogicalAggregate(group=[{0}], n=[COUNT()])
        +- LogicalProject(region=[$1])
           +- LogicalFilter(condition=[>($2, 5)])
              +- LogicalTableScan(table=[[default_catalog, default_database, orders]])

        == Optimized Physical Plan ==
        GroupAggregate(groupBy=[region], select=[region, COUNT(*) AS n])
        +- Exchange(distribution=[hash[region]])
           +- Calc(select=[region], where=[>(amount, 5)])
              +- TableSourceScan(table=[[default_catalog, default_database, orders, project=[region, amount], metadata=[]]], fields=[region, amount])

        == Optimized Execution Plan ==
        GroupAggregate(groupBy=[region], select=[region, COUNT(*) AS n])
        +- Exchange(distribution=[hash[region]])
           +- Calc(select=[region], where=[(amount > 5)])
              +- TableSourceScan(table=[[default_catalog, default_database, orders, project=[region, amount], metadata=[]]], fields=[region, amount])
    "#]].assert_eq(&plan);
}

#[test]
fn only_read_columns_are_scanned() {
    check(
        "SELECT region FROM orders WHERE amount > 1",
        expect![[r#"
            Calc(select=[region], where=[>(amount, 1)])
            +- TableSourceScan(table=[[default_catalog, default_database, orders, project=[region, amount], metadata=[]]], fields=[region, amount])
        "#]],
    );
    check(
        "SELECT COUNT(*) FROM orders",
        expect![[r#"
            GroupAggregate(select=[COUNT(*) AS EXPR$0])
            +- Exchange(distribution=[single])
               +- TableSourceScan(table=[[default_catalog, default_database, orders, project=[id], metadata=[]]], fields=[id])
        "#]],
    );
}

#[test]
fn arguments_are_computed_before_the_exchange() {
    check(
        "SELECT UPPER(region), SUM(amount * 2), COUNT(DISTINCT id) FILTER (WHERE amount > 1)
         FROM orders GROUP BY UPPER(region)",
        expect![[r#"
            Calc(select=[UPPER(region) AS EXPR$0, EXPR$1, EXPR$2])
            +- GroupAggregate(groupBy=[$f0], select=[$f0, SUM($f1) AS EXPR$1, COUNT(DISTINCT id) FILTER $f3 AS EXPR$2])
               +- Exchange(distribution=[hash[$f0]])
                  +- Calc(select=[UPPER(region) AS $f0, *(amount, 2) AS $f1, id, >(amount, 1) AS $f3])
                     +- TableSourceScan(table=[[default_catalog, default_database, orders]], fields=[id, region, amount])
        "#]],
    );
}

#[test]
fn top_n_keeps_its_order() {
    check(
        "SELECT region, COUNT(*) AS n FROM orders GROUP BY region ORDER BY n DESC LIMIT 3",
        expect![[r#"
            SortLimit(orderBy=[n DESC], offset=[0], fetch=[3], strategy=[UpdateFastStrategy[0]])
            +- Exchange(distribution=[single])
               +- GroupAggregate(groupBy=[region], select=[region, COUNT(*) AS n])
                  +- Exchange(distribution=[hash[region]])
                     +- TableSourceScan(table=[[default_catalog, default_database, orders, project=[region], metadata=[]]], fields=[region])
        "#]],
    );
}

#[test]
fn changelog_modes() {
    check(
        "EXPLAIN CHANGELOG_MODE SELECT MAX(n) FROM (SELECT region, COUNT(*) AS n FROM orders GROUP BY region)",
        expect![[r#"
            GroupAggregate(select=[MAX(n) AS EXPR$0], changelogMode=[I,UA,D])
            +- Exchange(distribution=[single], changelogMode=[I,UB,UA])
               +- Calc(select=[n], changelogMode=[I,UB,UA])
                  +- GroupAggregate(groupBy=[region], select=[region, COUNT(*) AS n], changelogMode=[I,UB,UA])
                     +- Exchange(distribution=[hash[region]], changelogMode=[I])
                        +- TableSourceScan(table=[[default_catalog, default_database, orders, project=[region], metadata=[]]], fields=[region], changelogMode=[I])
        "#]],
    );
}

#[test]
fn what_is_shared_is_computed_once() {
    let session = session();
    session
        .execute("CREATE TABLE a (region STRING, n BIGINT) WITH ('connector' = 'blackhole')")
        .unwrap();
    session
        .execute("CREATE TABLE b (region STRING, n BIGINT) WITH ('connector' = 'blackhole')")
        .unwrap();
    let plan = session
        .explain(
            "EXPLAIN STATEMENT SET BEGIN
               INSERT INTO a SELECT region, amount FROM orders WHERE amount > 1;
               INSERT INTO b SELECT region, amount FROM orders WHERE amount > 1;
               INSERT INTO b SELECT region, id FROM orders;
             END",
        )
        .unwrap();
    let (_, execution) = plan.split_once("== Optimized Execution Plan ==\n").unwrap();
    expect![[r#"
        Sink(table=[default_catalog.default_database.a], fields=[region, n])
        +- Calc(select=[region, amount AS n])(reuse_id=[2])
           +- Calc(select=[region, amount], where=[(amount > 1)])
              +- Calc(select=[region, amount])
                 +- TableSourceScan(table=[[default_catalog, default_database, orders]], fields=[id, region, amount])(reuse_id=[1])
        Sink(table=[default_catalog.default_database.b], fields=[region, n])
        +- Reused(reference_id=[2])
        Sink(table=[default_catalog.default_database.b], fields=[region, n])
        +- Calc(select=[region, CAST(id AS BIGINT) AS n])
           +- Calc(select=[id, region])
              +- Reused(reference_id=[1])
    "#]].assert_eq(execution);
}

/// All three sections are those of Flink 2.3.0 over the same table.
#[test]
fn plans_are_those_of_flink() {
    let session = super::session();
    session
        .execute(
            "CREATE TABLE emp (id INT, name STRING, dept STRING, salary INT)
             WITH ('connector' = 'filesystem', 'path' = '/nowhere', 'format' = 'csv')",
        )
        .unwrap();
    let plan = |sql: &str| session.explain(sql).unwrap();
    expect![[r#"
        == Abstract Syntax Tree ==
        LogicalAggregate(group=[{0}], c=[COUNT()], EXPR$2=[SUM($1)])
        +- LogicalProject(dept=[$2], salary=[$3])
           +- LogicalTableScan(table=[[default_catalog, default_database, emp]])

        == Optimized Physical Plan ==
        GroupAggregate(groupBy=[dept], select=[dept, COUNT(*) AS c, SUM(salary) AS EXPR$2])
        +- Exchange(distribution=[hash[dept]])
           +- TableSourceScan(table=[[default_catalog, default_database, emp, project=[dept, salary], metadata=[]]], fields=[dept, salary])

        == Optimized Execution Plan ==
        GroupAggregate(groupBy=[dept], select=[dept, COUNT(*) AS c, SUM(salary) AS EXPR$2])
        +- Exchange(distribution=[hash[dept]])
           +- TableSourceScan(table=[[default_catalog, default_database, emp, project=[dept, salary], metadata=[]]], fields=[dept, salary])
    "#]].assert_eq(&plan(
        "SELECT dept, COUNT(*) AS c, SUM(salary) FROM emp GROUP BY dept",
    ));
    expect![[r#"
        == Abstract Syntax Tree ==
        LogicalProject(dept=[$0], c=[+($1, 1)])
        +- LogicalAggregate(group=[{0}], agg#0=[COUNT()])
           +- LogicalProject(dept=[$2])
              +- LogicalTableScan(table=[[default_catalog, default_database, emp]])

        == Optimized Physical Plan ==
        Calc(select=[dept, +($f1, 1) AS c])
        +- GroupAggregate(groupBy=[dept], select=[dept, COUNT(*) AS $f1])
           +- Exchange(distribution=[hash[dept]])
              +- TableSourceScan(table=[[default_catalog, default_database, emp, project=[dept], metadata=[]]], fields=[dept])

        == Optimized Execution Plan ==
        Calc(select=[dept, ($f1 + 1) AS c])
        +- GroupAggregate(groupBy=[dept], select=[dept, COUNT(*) AS $f1])
           +- Exchange(distribution=[hash[dept]])
              +- TableSourceScan(table=[[default_catalog, default_database, emp, project=[dept], metadata=[]]], fields=[dept])
    "#]].assert_eq(&plan(
        "SELECT dept, COUNT(*) + 1 AS c FROM emp GROUP BY dept",
    ));
    expect![[r#"
        == Abstract Syntax Tree ==
        LogicalProject(c=[$1], dept=[$0])
        +- LogicalAggregate(group=[{0}], c=[COUNT()])
           +- LogicalProject(dept=[$2])
              +- LogicalTableScan(table=[[default_catalog, default_database, emp]])

        == Optimized Physical Plan ==
        Calc(select=[c, dept])
        +- GroupAggregate(groupBy=[dept], select=[dept, COUNT(*) AS c])
           +- Exchange(distribution=[hash[dept]])
              +- TableSourceScan(table=[[default_catalog, default_database, emp, project=[dept], metadata=[]]], fields=[dept])

        == Optimized Execution Plan ==
        Calc(select=[c, dept])
        +- GroupAggregate(groupBy=[dept], select=[dept, COUNT(*) AS c])
           +- Exchange(distribution=[hash[dept]])
              +- TableSourceScan(table=[[default_catalog, default_database, emp, project=[dept], metadata=[]]], fields=[dept])
    "#]].assert_eq(&plan("SELECT COUNT(*) AS c, dept FROM emp GROUP BY dept"));
    expect![[r#"
        == Abstract Syntax Tree ==
        LogicalFilter(condition=[>($1, 1)])
        +- LogicalAggregate(group=[{0}], c=[COUNT()])
           +- LogicalProject(dept=[$2])
              +- LogicalTableScan(table=[[default_catalog, default_database, emp]])

        == Optimized Physical Plan ==
        Calc(select=[dept, c], where=[>(c, 1)])
        +- GroupAggregate(groupBy=[dept], select=[dept, COUNT(*) AS c])
           +- Exchange(distribution=[hash[dept]])
              +- TableSourceScan(table=[[default_catalog, default_database, emp, project=[dept], metadata=[]]], fields=[dept])

        == Optimized Execution Plan ==
        Calc(select=[dept, c], where=[(c > 1)])
        +- GroupAggregate(groupBy=[dept], select=[dept, COUNT(*) AS c])
           +- Exchange(distribution=[hash[dept]])
              +- TableSourceScan(table=[[default_catalog, default_database, emp, project=[dept], metadata=[]]], fields=[dept])
    "#]].assert_eq(&plan(
        "SELECT dept, COUNT(*) AS c FROM emp GROUP BY dept HAVING COUNT(*) > 1",
    ));
    expect![[r#"
        == Abstract Syntax Tree ==
        LogicalAggregate(group=[{0}])
        +- LogicalProject(dept=[$2])
           +- LogicalTableScan(table=[[default_catalog, default_database, emp]])

        == Optimized Physical Plan ==
        GroupAggregate(groupBy=[dept], select=[dept])
        +- Exchange(distribution=[hash[dept]])
           +- TableSourceScan(table=[[default_catalog, default_database, emp, project=[dept], metadata=[]]], fields=[dept])

        == Optimized Execution Plan ==
        GroupAggregate(groupBy=[dept], select=[dept])
        +- Exchange(distribution=[hash[dept]])
           +- TableSourceScan(table=[[default_catalog, default_database, emp, project=[dept], metadata=[]]], fields=[dept])
    "#]].assert_eq(&plan("SELECT DISTINCT dept FROM emp"));
    expect![[r#"
        == Abstract Syntax Tree ==
        LogicalProject(name=[$0])
        +- LogicalSort(sort0=[$1], dir0=[DESC-nulls-last], fetch=[3])
           +- LogicalProject(name=[$1], salary=[$3])
              +- LogicalTableScan(table=[[default_catalog, default_database, emp]])

        == Optimized Physical Plan ==
        Calc(select=[name])
        +- SortLimit(orderBy=[salary DESC], offset=[0], fetch=[3], strategy=[AppendFastStrategy])
           +- Exchange(distribution=[single])
              +- TableSourceScan(table=[[default_catalog, default_database, emp, project=[name, salary], metadata=[]]], fields=[name, salary])

        == Optimized Execution Plan ==
        Calc(select=[name])
        +- SortLimit(orderBy=[salary DESC], offset=[0], fetch=[3], strategy=[AppendFastStrategy])
           +- Exchange(distribution=[single])
              +- TableSourceScan(table=[[default_catalog, default_database, emp, project=[name, salary], metadata=[]]], fields=[name, salary])
    "#]].assert_eq(&plan("SELECT name FROM emp ORDER BY salary DESC LIMIT 3"));
}
