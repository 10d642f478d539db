//! Functions whose body is an expression.

use expect_test::expect;

use super::{run, session};

fn check(create: &str, sql: &str, expected: &expect_test::Expect) {
    let session = session();
    session.execute(create).unwrap();
    expected.assert_eq(&run(&session, sql));
}

fn refused(create: &str, expected: &expect_test::Expect) {
    let error = session().execute(create).unwrap_err();
    expected.assert_eq(&format!("{error}\n"));
}

#[test]
fn a_body_is_an_expression_over_its_parameters() {
    check(
        "CREATE TEMPORARY FUNCTION price(a BIGINT, rate DECIMAL(3, 2)) RETURNS DECIMAL(24, 2) \
         LANGUAGE SQL AS 'COALESCE(a, 0) * rate'",
        "SELECT id, price(amount, 1.5) AS p FROM orders WHERE price(id, 1) < 4",
        &expect![[r#"
            [id INT NOT NULL, p DECIMAL(24, 2)]
            +I 1 | 15.00
            +I 2 | 30.00
            +I 3 | 45.00
        "#]],
    );
}

#[test]
fn the_language_may_come_last_and_arguments_are_cast() {
    check(
        "CREATE FUNCTION twice(a BIGINT) RETURNS BIGINT AS 'a + a' LANGUAGE SQL",
        "SELECT region, SUM(twice(id)) AS s, twice(MAX(id)) AS m FROM orders GROUP BY region",
        &expect![[r#"
            [region STRING, s BIGINT, m BIGINT]
            +I north | 2 | 2
            +I south | 4 | 4
            -U north | 2 | 2
            +U north | 8 | 6
            +I NULL | 8 | 8
        "#]],
    );
}

#[test]
fn no_parameters_and_a_narrower_body() {
    check(
        "CREATE FUNCTION answer() RETURNS BIGINT NOT NULL LANGUAGE SQL AS '42'",
        "SELECT answer() AS a, TYPEOF(answer()) AS t FROM orders WHERE id = 1",
        &expect![[r#"
            [a BIGINT NOT NULL, t STRING]
            +I 42 | BIGINT NOT NULL
        "#]],
    );
}

#[test]
fn a_function_may_call_an_earlier_one() {
    let session = session();
    for statement in [
        "CREATE FUNCTION inc(a INT) RETURNS INT LANGUAGE SQL AS 'a + 1'",
        "CREATE FUNCTION inc2(a INT) RETURNS INT LANGUAGE SQL AS 'inc(inc(a))'",
        // What was bound stays: as in a view over a dropped temporary function of this session.
        "DROP FUNCTION inc",
    ] {
        session.execute(statement).unwrap();
    }
    expect![[r#"
        [i INT]
        +I 3
        +I 4
        +I 5
        +I 6
    "#]]
    .assert_eq(&run(&session, "SELECT inc2(id) AS i FROM orders"));
}

#[test]
fn null_is_refused_where_it_is_declared_not_to_be() {
    check(
        "CREATE FUNCTION f(a BIGINT NOT NULL) RETURNS BIGINT LANGUAGE SQL AS 'a + 1'",
        "SELECT f(amount) AS a FROM orders",
        &expect![[r#"
            [a BIGINT]
            failed: function 'f' failed: its parameter 'a' is NOT NULL, not NULL
        "#]],
    );
    check(
        "CREATE FUNCTION f(a BIGINT) RETURNS BIGINT NOT NULL LANGUAGE SQL AS 'a + 1'",
        "SELECT f(amount) AS a FROM orders",
        &expect![[r#"
            [a BIGINT NOT NULL]
            failed: function 'f' failed: it gave NULL, but returns BIGINT NOT NULL
        "#]],
    );
}

#[test]
fn what_a_body_cannot_be() {
    for (create, expected) in [
        (
            "CREATE FUNCTION f(a INT) RETURNS INT LANGUAGE SQL AS 'a + f(a - 1)'",
            expect![[r#"
                function 'f' cannot call itself at line 1, column 59
                  1 | CREATE FUNCTION f(a INT) RETURNS INT LANGUAGE SQL AS 'a + f(a - 1)'
                    |                                                           ^
            "#]],
        ),
        (
            "CREATE FUNCTION f(a INT) RETURNS INT LANGUAGE SQL AS 'a + b'",
            expect![[r#"
                column 'b' not found in any table at line 1, column 59
                  1 | CREATE FUNCTION f(a INT) RETURNS INT LANGUAGE SQL AS 'a + b'
                    |                                                           ^
                  hint: the columns here are: a
            "#]],
        ),
        (
            "CREATE FUNCTION f(a INT) RETURNS INT LANGUAGE SQL AS 'a ||'",
            expect![[r#"
                incorrect syntax: the statement ends too early at line 1, column 59
                  1 | CREATE FUNCTION f(a INT) RETURNS INT LANGUAGE SQL AS 'a ||'
                    |                                                           ^
                  hint: expected an expression
            "#]],
        ),
        (
            "CREATE FUNCTION f(a INT) RETURNS INT LANGUAGE SQL AS 'UPPER(CAST(a AS STRING))'",
            expect![[r#"
                the body of function 'f' gives STRING, but it returns INT at line 1, column 54
                  1 | CREATE FUNCTION f(a INT) RETURNS INT LANGUAGE SQL AS 'UPPER(CAST(a AS STRING))'
                    |                                                      ^^^^^^^^^^^^^^^^^^^^^^^^^^
            "#]],
        ),
        (
            "CREATE FUNCTION f(a INT) RETURNS INT LANGUAGE SQL AS 'SUM(a)'",
            expect![[r#"
                the body of function 'f' aggregates; it must be an expression over its parameters at line 1, column 54
                  1 | CREATE FUNCTION f(a INT) RETURNS INT LANGUAGE SQL AS 'SUM(a)'
                    |                                                      ^^^^^^^^
            "#]],
        ),
        (
            "CREATE FUNCTION f(a INT) RETURNS INT LANGUAGE SQL AS '(SELECT MAX(id) FROM orders)'",
            expect![[r#"
                the body of function 'f' has a subquery; it must be an expression over its parameters at line 1, column 54
                  1 | CREATE FUNCTION f(a INT) RETURNS INT LANGUAGE SQL AS '(SELECT MAX(id) FROM orders)'
                    |                                                      ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
            "#]],
        ),
        (
            "CREATE FUNCTION f(a INT) RETURNS INT LANGUAGE SQL AS 'gone(a)'",
            expect![[r#"
                no function named 'gone' at line 1, column 55
                  1 | CREATE FUNCTION f(a INT) RETURNS INT LANGUAGE SQL AS 'gone(a)'
                    |                                                       ^^^^
            "#]],
        ),
        (
            "CREATE FUNCTION f(a INT, a INT) RETURNS INT LANGUAGE SQL AS 'a'",
            expect![[r#"
                the parameter 'a' is declared twice at line 1, column 26
                  1 | CREATE FUNCTION f(a INT, a INT) RETURNS INT LANGUAGE SQL AS 'a'
                    |                          ^
            "#]],
        ),
        (
            "CREATE FUNCTION f(a INT) RETURNS INT AS 'module.f' LANGUAGE PYTHON",
            expect![[r#"
                only a function with LANGUAGE SQL declares parameters at line 1, column 41
                  1 | CREATE FUNCTION f(a INT) RETURNS INT AS 'module.f' LANGUAGE PYTHON
                    |                                         ^^^^^^^^^^
            "#]],
        ),
        (
            "CREATE FUNCTION f AS 'a + 1' LANGUAGE SQL",
            expect![[r#"
                a function with LANGUAGE SQL declares its parameters and result: f(a INT) RETURNS INT at line 1, column 22
                  1 | CREATE FUNCTION f AS 'a + 1' LANGUAGE SQL
                    |                      ^^^^^^^
            "#]],
        ),
    ] {
        refused(create, &expected);
    }
}

#[test]
fn a_call_with_other_arguments_is_refused() {
    check(
        "CREATE FUNCTION f(a INT) RETURNS INT LANGUAGE SQL AS 'a'",
        "SELECT f(region) FROM orders",
        &expect!["invalid call of function 'f(STRING)'; it takes (INT)"],
    );
}
