//! Nested values, JSON, variants, bitmaps and metadata columns: one expression a line, its type and
//! value behind the arrow, as Flink gives them.

use std::fs;

use super::{run, session};

/// `expression => TYPE: value`, or `expression => error: …`, its first words.
fn check(table: &str) {
    let session = session();
    let mut wrong = String::new();
    for line in table.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (expression, wanted) = line.split_once(" => ").unwrap();
        let given = run(&session, &format!("SELECT {expression} AS r"));
        let given = match given.strip_prefix("[r ") {
            Some(rest) => {
                let (flink_type, rows) = rest.split_once("]\n").unwrap();
                match rows.strip_prefix("+I ") {
                    Some(value) => format!("{flink_type}: {}", value.trim_end_matches('\n')),
                    None => format!("error: {}", rows.trim_start_matches("failed: ").trim_end()),
                }
            }
            None => format!("error: {}", given.lines().next().unwrap_or_default()),
        };
        let is_right = if wanted.starts_with("error: ") {
            given.starts_with(wanted)
        } else {
            given == wanted
        };
        if !is_right {
            wrong.push_str(&format!(
                "{expression}\n  wanted {wanted}\n  given  {given}\n"
            ));
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn constructors_unify_their_types() {
    check(
        "ARRAY[1, NULL] => ARRAY<INT> NOT NULL: [1, NULL]
         ARRAY['a', 'bcd'] => ARRAY<VARCHAR(3) NOT NULL> NOT NULL: [a, bcd]
         ARRAY[1, 2.5] => ARRAY<DECIMAL(11, 1) NOT NULL> NOT NULL: [1.0, 2.5]
         ARRAY[ROW(1, 'a'), ROW(2.5, 'bcd')][2].EXPR$1 => VARCHAR(3): bcd
         ARRAY[ARRAY[1], ARRAY[2, 3]][2][2] => INT: 3
         ARRAY[1, 'a'] => error: parameters must be of the same type
         ARRAY[] => error: require at least 1 argument
         MAP['a', 1, 'a', 2] => MAP<CHAR(1) NOT NULL, INT NOT NULL> NOT NULL: {a=2}
         MAP['a', NULL] => MAP<CHAR(1) NOT NULL, CHAR(1)> NOT NULL: {a=NULL}
         MAP[CAST(NULL AS STRING), 1] => MAP<STRING, INT NOT NULL> NOT NULL: {NULL=1}
         ROW(1, ROW('x')).EXPR$1.EXPR$0 => CHAR(1) NOT NULL: x
         ROW(1, 'a')[2] => CHAR(1) NOT NULL: a
         CAST(ROW(1, 'a') AS ROW<x INT, y STRING>)['y'] => STRING: a
         CAST(ROW(1, 'a') AS ROW<x INT, y STRING>).z => error: unknown field 'z'
         ROW(NULL, 1) => error: illegal use of 'NULL'",
    );
}

#[test]
fn what_is_missing_is_null_or_flinks_default() {
    check(
        "ARRAY[10, CAST(NULL AS INT)][3] => INT: NULL
         ARRAY[10, 20][3] => INT: -1

         ARRAY[DATE '2024-01-01'][2] => DATE: 1969-12-31
         ARRAY[10, 20][0] => error: Array element access needs an index starting at 1 but was 0.
         ARRAY[10, 20]['a'] => error: cannot apply 'ITEM'
         ARRAY[10, 20][NULL] => error: illegal use of 'NULL'
         MAP['a', CAST(NULL AS INT)]['z'] => INT: NULL
         MAP['a', 1]['z'] => INT: -1
         MAP[CAST(1 AS BIGINT), 'x'][1] => CHAR(1): x
         ELEMENT(ARRAY[5]) => INT NOT NULL: 5
         ELEMENT(ARRAY[1, 2]) => error: Array has more than one element.",
    );
}

#[test]
fn null_is_a_key_like_others() {
    check(
        "MAP[CAST(NULL AS STRING), 1, 'a', 2, CAST(NULL AS STRING), 3] => MAP<STRING, INT NOT NULL> NOT NULL: {NULL=3, a=2}
         MAP_KEYS(MAP[1, 'x', CAST(NULL AS INT), 'n']) => ARRAY<INT> NOT NULL: [1, NULL]
         MAP_VALUES(MAP[CAST(NULL AS INT), 'n']) => ARRAY<CHAR(1) NOT NULL> NOT NULL: [n]
         MAP_ENTRIES(MAP[CAST(NULL AS INT), 'n'])[1].key => INT: NULL
         CARDINALITY(MAP[CAST(NULL AS INT), 'n', 2, 'z']) => INT NOT NULL: 2
         MAP[CAST(NULL AS INT), 'n'][CAST(NULL AS INT)] => CHAR(1): NULL
         MAP[CAST(NULL AS INT), 'n', 1, 'z'][1] => CHAR(1): z
         MAP_UNION(MAP[CAST(NULL AS INT), 1], MAP[CAST(NULL AS INT), 2, 3, 4]) => MAP<INT, INT NOT NULL> NOT NULL: {NULL=2, 3=4}
         MAP_FROM_ARRAYS(ARRAY[CAST(NULL AS INT), 1], ARRAY[2, 3]) => MAP<INT, INT NOT NULL> NOT NULL: {NULL=2, 1=3}
         CAST(MAP[CAST(NULL AS INT), 1] AS MAP<STRING, BIGINT>) => MAP<STRING, BIGINT> NOT NULL: {NULL=1}
         CAST(MAP[CAST(NULL AS INT), 1] AS STRING) => STRING NOT NULL: {NULL=1}
         MAP[CAST(NULL AS INT), 1] = MAP[CAST(NULL AS INT), 1] => BOOLEAN NOT NULL: TRUE
         MAP[CAST(NULL AS INT), 1] = MAP[0, 1] => BOOLEAN NOT NULL: FALSE
         ARRAY[MAP[CAST(NULL AS INT), 1]][1] => MAP<INT, INT NOT NULL>: {NULL=1}
         JSON_STRING(MAP[CAST(NULL AS STRING), 1]) => error: Key at index 0 was null.",
    );
}

#[test]
fn array_functions() {
    check(
        "ARRAY_APPEND(ARRAY['a'], 'bcd') => ARRAY<CHAR(1) NOT NULL> NOT NULL: [a, b]
         ARRAY_APPEND(ARRAY[1], CAST(NULL AS INT)) => ARRAY<INT>: [1, NULL]
         ARRAY_APPEND(ARRAY[1], 2.5) => error: invalid input arguments
         ARRAY_PREPEND(ARRAY[1, 2], 0) => ARRAY<INT NOT NULL> NOT NULL: [0, 1, 2]
         ARRAY_CONCAT(ARRAY[1], CAST(NULL AS ARRAY<INT>)) => ARRAY<INT>: NULL
         ARRAY_CONTAINS(ARRAY['a', CAST(NULL AS STRING)], CAST(NULL AS STRING)) => BOOLEAN NOT NULL: TRUE
         ARRAY_CONTAINS(ARRAY[1, 2], CAST(1 AS BIGINT)) => error: invalid input arguments
         ARRAY_DISTINCT(ARRAY[CAST(NULL AS INT), 1, CAST(NULL AS INT), 1]) => ARRAY<INT> NOT NULL: [NULL, 1]
         ARRAY_EXCEPT(ARRAY[1, 2], ARRAY[CAST(2 AS BIGINT)]) => ARRAY<BIGINT NOT NULL> NOT NULL: [1]
         ARRAY_INTERSECT(ARRAY[1, 1, 2, CAST(NULL AS INT)], ARRAY[1, CAST(NULL AS INT)]) => ARRAY<INT> NOT NULL: [1, NULL]
         ARRAY_UNION(ARRAY['a'], ARRAY['bcd', 'a']) => ARRAY<VARCHAR(3) NOT NULL> NOT NULL: [a, bcd]
         ARRAY_JOIN(ARRAY['a', CAST(NULL AS STRING), 'c'], ',', '?') => STRING NOT NULL: a,?,c
         ARRAY_MAX(ARRAY[CAST('NaN' AS DOUBLE), CAST(1 AS DOUBLE)]) => DOUBLE: NaN
         ARRAY_MAX(ARRAY[TRUE]) => error: Type 'BOOLEAN NOT NULL' should support both
         ARRAY_POSITION(ARRAY[1, 2], 5) => INT NOT NULL: 0
         ARRAY_REMOVE(ARRAY[1, CAST(NULL AS INT)], CAST(NULL AS INT)) => ARRAY<INT> NOT NULL: [1]
         ARRAY_REVERSE(ARRAY[1, 2]) => ARRAY<INT NOT NULL> NOT NULL: [2, 1]
         ARRAY_SLICE(ARRAY[1, 2, 3, 4], -3, -2) => ARRAY<INT NOT NULL> NOT NULL: [2, 3]
         ARRAY_SLICE(ARRAY[1, 2, 3, 4], 1, 0) => ARRAY<INT NOT NULL> NOT NULL: [1]
         ARRAY_SORT(ARRAY[3, CAST(NULL AS INT), 1], FALSE) => ARRAY<INT> NOT NULL: [3, 1, NULL]
         ARRAY_SORT(ARRAY[3, CAST(NULL AS INT), 1], FALSE, TRUE) => ARRAY<INT> NOT NULL: [NULL, 3, 1]
         CARDINALITY('abc') => error: cannot apply 'CARDINALITY'
         SPLIT('a,b,,c', ',') => ARRAY<STRING> NOT NULL: [a, b, , c]",
    );
}

#[test]
fn map_functions() {
    check(
        "MAP_KEYS(MAP['b', 1, 'a', 2]) => ARRAY<CHAR(1) NOT NULL> NOT NULL: [b, a]
         MAP_ENTRIES(MAP['a', 1]) => ARRAY<ROW<`key` CHAR(1) NOT NULL, `value` INT NOT NULL>> NOT NULL: [(a, 1)]
         MAP_FROM_ARRAYS(ARRAY['a', 'a'], ARRAY[1, 2]) => MAP<CHAR(1) NOT NULL, INT NOT NULL> NOT NULL: {a=2}
         MAP_FROM_ARRAYS(ARRAY[1, 2], ARRAY['a']) => error: Invalid function MAP_FROM_ARRAYS call
         MAP_UNION(MAP['a', 1], MAP['bcd', 2.5]) => MAP<VARCHAR(3) NOT NULL, DECIMAL(11, 1) NOT NULL> NOT NULL: {a=1.0, bcd=2.5}
         STR_TO_MAP('a=1,b,c=') => MAP<STRING, STRING>: {a=1, b=NULL, c=}
         STR_TO_MAP('a1b2', '[0-9]', '=') => MAP<STRING, STRING>: {a=NULL, b=NULL}",
    );
}

#[test]
fn nested_values_compare() {
    check(
        "ROW(1, 'x') = ROW(1, CAST(NULL AS STRING)) => BOOLEAN: NULL
         ROW(1, 2) <> ROW(1, CAST(NULL AS INT)) => BOOLEAN: TRUE
         ROW(1, 2) = ROW(1, 2.0) => BOOLEAN NOT NULL: TRUE
         ROW(1, 2) < ROW(1, 3) => error: Comparable type expected
         ARRAY[1, CAST(NULL AS INT)] = ARRAY[1, CAST(NULL AS INT)] => BOOLEAN NOT NULL: TRUE
         MAP['a', 1, 'b', 2] = MAP['b', 2, 'a', 1] => BOOLEAN NOT NULL: TRUE
         ARRAY[1] || ARRAY[2] => error: String expression type expected.
         CAST(NULL AS ARRAY<INT>) = ARRAY[1] => BOOLEAN: NULL",
    );
}

#[test]
fn json_functions() {
    check(
        r#"JSON_VALUE('{"a":1e3}', '$.a') => STRING: 1E+3
         JSON_VALUE('{"a":"42"}', '$.a' RETURNING INT) => error: JSON_VALUE: class java.lang.String cannot be cast to class java.lang.Integer
         JSON_VALUE('{"a":1.5}', '$.a' RETURNING DOUBLE) => DOUBLE: 1.5
         JSON_VALUE('{"a":1}', '$.a' RETURNING BIGINT) => error: Unsupported type 'BIGINT' for RETURNING in JSON_VALUE().
         JSON_VALUE('{"a":1}', 'lax $.z' RETURNING INT DEFAULT 5 ON EMPTY) => INT: 5
         JSON_VALUE('{"a":1}', 'strict $.z' DEFAULT 'e' ON ERROR) => STRING: e
         JSON_VALUE('{"a":null}', '$.a' DEFAULT 'd' ON EMPTY DEFAULT 'e' ON ERROR) => STRING: e
         JSON_VALUE('{"a":1}', '$.a' RETURNING STRING NULL ON EMPTY NULL ON ERROR) => STRING: 1
         JSON_VALUE('{"a":1}', '$.z' ERROR ON ERROR) => error: No results for path: $['z']
         JSON_VALUE('{"a":1}', '$.' ERROR ON ERROR) => error: Illegal jsonpath spec ''$.''
         JSON_VALUE('[1,2,3]', '$.max()') => STRING: 3.0
         JSON_VALUE('{"a":["x","y"]}', '$.concat($.a[0], $.a[1])') => STRING: xy
         JSON_QUERY('[{"a":1},{"a":5}]', '$[?(@.a > 2)].a') => STRING: [5]
         JSON_QUERY('{"x":{"p":1},"y":[{"p":2},{"q":{"p":3}}]}', '$..p') => STRING: [1,2,3]
         JSON_QUERY('{"a":1,"b":2}', '$[''a'',''b'']') => STRING: {"a":1,"b":2}
         JSON_QUERY('{"a":[1]}', '$.a' WITH UNCONDITIONAL WRAPPER) => STRING: [[1]]
         JSON_QUERY('{"a":1}', 'lax $.z' EMPTY ARRAY ON EMPTY) => STRING: []
         JSON_QUERY('{"a":["x",1,null,{"b":1}]}', '$.a' RETURNING ARRAY<STRING>) => ARRAY<STRING>: [x, 1, NULL, {"b":1}]
         JSON_EXISTS('{"a":1}', 'strict $.z' UNKNOWN ON ERROR) => BOOLEAN: NULL
         JSON_EXISTS('[{"a":1}]', '$[*].b') => BOOLEAN: TRUE
         '1 2' IS JSON => BOOLEAN NOT NULL: TRUE
         CAST(NULL AS STRING) IS NOT JSON => BOOLEAN NOT NULL: TRUE
         JSON_OBJECT('z' VALUE 1, 'a' VALUE ROW(2, 'x'), 'n' VALUE CAST(NULL AS INT)) => STRING NOT NULL: {"a":{"EXPR$0":2,"EXPR$1":"x"},"n":null,"z":1}
         JSON_OBJECT('a' VALUE JSON('{"b": [1 , 2]}')) => STRING NOT NULL: {"a":{"b":[1,2]}}
         JSON_OBJECT('t' VALUE DATE '2024-01-01') => error: Type 'DATE NOT NULL' is not scalar
         JSON_ARRAY(JSON_ARRAY(1), CAST(NULL AS INT), 'a/b') => STRING NOT NULL: [[1],"a/b"]
         JSON_ARRAY(1, CAST(NULL AS INT) NULL ON NULL) => STRING NOT NULL: [1,null]
         JSON('{}') => error: The JSON() function is currently only supported inside
         JSON_STRING(CAST(1E20 AS DOUBLE)) => STRING NOT NULL: 1.0E+20
         JSON_STRING(CAST(1.1 AS FLOAT)) => STRING NOT NULL: 1.100000023841858
         JSON_QUOTE('é/😀') => STRING NOT NULL: "\u00e9\/\u1f600\ude00"
         JSON_UNQUOTE('"a\"b"') => STRING NOT NULL: a"b"#,
    );
}

#[test]
fn variants_and_bitmaps() {
    check(
        r#"PARSE_JSON('{"b":1.50,"a":1e3}') => VARIANT NOT NULL: {"a":1000.0,"b":1.5}
         PARSE_JSON('{"a":1e3}')['a'] => VARIANT: 1000.0
         PARSE_JSON('[10,20]')[2] => VARIANT: 20
         PARSE_JSON('[10,20]')[0] => VARIANT: NULL
         PARSE_JSON('[10,20]')['a'] => error: String key access on variant requires an object variant
         PARSE_JSON('{"a":1,"a":2}') => error: VARIANT_DUPLICATE_KEY
         PARSE_JSON('{"a":1,"a":2}', TRUE) => VARIANT NOT NULL: {"a":2}
         TRY_PARSE_JSON('bad') => VARIANT: NULL
         CAST(PARSE_JSON('42') AS INT) => error: cast function cannot convert value of type VARIANT
         UPPER(PARSE_JSON('"x"')) => error: invalid arguments of function UPPER
         BITMAP_BUILD(ARRAY[-1, 0, 0]) => BITMAP NOT NULL: {0,4294967295}
         BITMAP_TO_ARRAY(BITMAP_BUILD(ARRAY[-1, 1])) => ARRAY<INT> NOT NULL: [1, -1]
         BITMAP_CARDINALITY(BITMAP_XOR(BITMAP_BUILD(ARRAY[1, 2]), BITMAP_BUILD(ARRAY[2, 3]))) => BIGINT NOT NULL: 2
         BITMAP_FROM_BYTES(BITMAP_TO_BYTES(BITMAP_BUILD(ARRAY[7, 9]))) => BITMAP NOT NULL: {7,9}
         BITMAP_FROM_BYTES(x'00') => error: Failed to deserialize bitmap from bytes.
         OBJECT_UPDATE(OBJECT_OF('c.User', 'name', 'Bob', 'age', 42), 'age', 43) => STRUCTURED<'c.User', `name` CHAR(3) NOT NULL, `age` INT NOT NULL>: (name=Bob, age=43)
         OBJECT_OF('c.User', 'a', 1, 'a', 2) => error: The field name 'a' at position 4 is repeated.
         CURRENT_DATABASE() => STRING NOT NULL: default_database"#,
    );
}

#[test]
fn rows_give_their_fields() {
    let session = session();
    let given = run(
        &session,
        "SELECT t.id, t.r.*, r.c.d, (t.r).a AS a2 FROM (SELECT id, CAST(ROW(id, region, ROW(amount)) \
         AS ROW<a INT, b STRING, c ROW<d BIGINT>>) AS r FROM orders WHERE id < 3) AS t",
    );
    assert_eq!(
        given,
        "[id INT NOT NULL, a INT, b STRING, c ROW<`d` BIGINT>, d BIGINT, a2 INT]\n\
         +I 1 | 1 | north | (10) | 10 | 1\n\
         +I 2 | 2 | south | (20) | 20 | 2\n"
    );
}

#[test]
fn files_tell_about_themselves() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    fs::write(&path, "1\n2\n").unwrap();
    let session = session();
    let create = |columns: &str| {
        let path = path.display();
        let sql = format!(
            "CREATE OR REPLACE TEMPORARY TABLE f ({columns}) WITH ('connector' = 'filesystem', \
             'path' = '{path}', 'format' = 'csv')"
        );
        run(&session, &sql.replace("OR REPLACE ", ""))
    };
    let columns = "id INT, p STRING METADATA FROM 'file.path', `file.name` STRING METADATA VIRTUAL, \
                   s INT NOT NULL METADATA FROM 'file.size' VIRTUAL, u AS UPPER(`file.name`), \
                   t TIMESTAMP(3) METADATA FROM 'file.modification-time' VIRTUAL";
    create(columns);
    let given = run(
        &session,
        "SELECT id, p, `file.name`, s, u, t > TIMESTAMP '2020-01-01 00:00:00' AS n FROM f",
    );
    let path = path.display();
    assert_eq!(
        given,
        format!(
            "[id INT, p STRING NOT NULL, file.name STRING NOT NULL, s INT NOT NULL, u STRING NOT \
             NULL, n BOOLEAN NOT NULL]\n\
             +I 1 | {path} | a.csv | 4 | A.CSV | TRUE\n\
             +I 2 | {path} | a.csv | 4 | A.CSV | TRUE\n"
        )
    );
    let insert = run(&session, "INSERT INTO f VALUES (1, 'x')");
    assert!(
        insert.contains("declares the persistable metadata column 'p'"),
        "{insert}"
    );
    let twice = run(
        &session,
        "CREATE TEMPORARY TABLE g (a STRING METADATA FROM 'k', b STRING METADATA FROM 'k') WITH \
         ('connector' = 'print')",
    );
    assert!(
        twice.starts_with(
            "the columns 'a' and 'b' of the table are both from the same metadata key 'k'"
        ),
        "{twice}"
    );
    run(
        &session,
        "CREATE TEMPORARY TABLE h (id INT, x STRING METADATA FROM 'nope') WITH ('connector' = \
         'filesystem', 'path' = '/x', 'format' = 'csv')",
    );
    let unknown = run(&session, "SELECT * FROM h");
    assert!(
        unknown.contains("invalid metadata key 'nope' in column 'x'"),
        "{unknown}"
    );
}
