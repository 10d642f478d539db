//! Joins in the common language of Flink and DataFusion: every kind, with and without conditions
//! beside the keys, over tables and over aggregates that change.

/// Queries over `t`, `u` and the views `by_key` and `busy`.
pub const JOINS: [&str; 26] = [
    "SELECT t.k, t.n, u.s, u.m FROM t JOIN u ON t.k = u.k",
    "SELECT t.k, t.n, u.s FROM t LEFT JOIN u ON t.k = u.k",
    "SELECT t.n, u.k, u.s FROM t RIGHT JOIN u ON t.k = u.k",
    "SELECT t.k, t.n, u.k AS uk, u.s FROM t FULL JOIN u ON t.k = u.k",
    "SELECT t.k, t.n, u.n AS un FROM t JOIN u ON t.k = u.k AND t.n < u.n",
    "SELECT t.k, t.n, u.n AS un FROM t LEFT JOIN u ON t.k = u.k AND t.n < u.n",
    "SELECT t.n, u.k, u.n AS un FROM t RIGHT JOIN u ON t.k = u.k AND t.n < u.n",
    "SELECT t.k, t.n, u.k AS uk, u.n AS un FROM t FULL JOIN u ON t.k = u.k AND t.n < u.n",
    "SELECT t.k, u.k AS uk FROM t JOIN u ON t.n > u.n AND t.b",
    "SELECT t.k, u.k AS uk FROM t FULL JOIN u ON t.n > u.n + 10",
    "SELECT t.k, u.k AS uk FROM t LEFT JOIN u ON t.n > u.n + 10",
    "SELECT t.k, u.n FROM t CROSS JOIN u WHERE t.n = 3",
    "SELECT t.k, u.s FROM t JOIN u ON t.k = u.k AND t.s = u.s",
    "SELECT t.k, t.s FROM t JOIN u ON t.s IS NOT DISTINCT FROM u.s",
    "SELECT t.k, t.n FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.k = t.k)",
    "SELECT t.k, t.n FROM t WHERE NOT EXISTS (SELECT 1 FROM u WHERE u.k = t.k)",
    "SELECT t.k, t.n FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.k = t.k AND u.n > t.n)",
    "SELECT t.k, t.n FROM t WHERE NOT EXISTS (SELECT 1 FROM u WHERE u.k = t.k AND u.n > t.n)",
    "SELECT t.k, t.n FROM t WHERE t.k IN (SELECT n FROM u)",
    "SELECT t.k, t.n FROM t WHERE t.k NOT IN (SELECT n FROM u)",
    "SELECT t.k, t.n FROM t WHERE t.b OR EXISTS (SELECT 1 FROM u WHERE u.k = t.k)",
    "SELECT t.k, t.n, v.c, v.highest FROM t JOIN by_key v ON t.k = v.k",
    "SELECT u.k, u.n, v.c FROM u LEFT JOIN busy v ON u.k = v.k AND v.c > u.n",
    "SELECT a.c, b.total FROM by_key a FULL JOIN by_key b ON a.c = b.c AND a.k < b.k",
    "SELECT x.k, COUNT(*) AS c, SUM(y.n) AS total FROM t x JOIN u y ON x.k = y.k GROUP BY x.k",
    "SELECT t.k, u.n, v.total FROM t JOIN u ON t.s = u.s JOIN by_key v ON v.k = u.k",
];
