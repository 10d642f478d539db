//! Twenty-two analytical questions to a small shop, each with the shape of the TPC-H query of its
//! number: the joins, subqueries and aggregates that it is known for.

/// A question.
#[derive(Debug, Clone, Copy)]
pub struct Question {
    /// The number of the query whose shape it has.
    pub number: u32,
    /// In the common language of Flink and DataFusion.
    pub sql: &'static str,
    /// Aggregates all rows: over none there is a row in batch and none in streaming.
    pub is_global: bool,
}

const fn grouped(number: u32, sql: &'static str) -> Question {
    Question {
        number,
        sql,
        is_global: false,
    }
}

const fn global(number: u32, sql: &'static str) -> Question {
    Question {
        number,
        sql,
        is_global: true,
    }
}

/// The questions, in order.
pub const QUESTIONS: [Question; 22] = [
    grouped(
        1,
        "SELECT l_flag, l_status, SUM(l_quantity) AS sum_qty, SUM(l_price) AS sum_price, \
         SUM(l_price * (1 - l_discount)) AS sum_net, AVG(l_quantity) AS avg_qty, \
         COUNT(*) AS n_lines FROM lineitem WHERE l_day <= 90 GROUP BY l_flag, l_status",
    ),
    grouped(
        2,
        "SELECT s_name, n_name, p_key, ps_cost FROM part, supplier, partsupp, nation, region \
         WHERE p_key = ps_part AND s_key = ps_supp AND p_size > 2 AND s_nation = n_key \
         AND n_region = r_key AND r_name = 'NORTH' AND ps_cost = ( \
         SELECT MIN(ps_cost) FROM partsupp, supplier, nation, region \
         WHERE p_key = ps_part AND s_key = ps_supp AND s_nation = n_key AND n_region = r_key \
         AND r_name = 'NORTH')",
    ),
    grouped(
        3,
        "SELECT o_key, SUM(l_price * (1 - l_discount)) AS revenue, o_day \
         FROM customer, orders, lineitem WHERE c_segment = 'HOME' AND c_key = o_cust \
         AND l_order = o_key AND o_day < 60 AND l_day > 40 GROUP BY o_key, o_day \
         ORDER BY revenue DESC, o_key LIMIT 5",
    ),
    grouped(
        4,
        "SELECT o_priority, COUNT(*) AS n_orders FROM orders WHERE o_day >= 20 AND EXISTS ( \
         SELECT 1 FROM lineitem WHERE l_order = o_key AND l_commit < l_receipt) \
         GROUP BY o_priority",
    ),
    grouped(
        5,
        "SELECT n_name, SUM(l_price * (1 - l_discount)) AS revenue \
         FROM customer, orders, lineitem, supplier, nation, region WHERE c_key = o_cust \
         AND l_order = o_key AND l_supp = s_key AND c_nation = s_nation AND s_nation = n_key \
         AND n_region = r_key AND r_name = 'SOUTH' GROUP BY n_name",
    ),
    global(
        6,
        "SELECT SUM(l_price * l_discount) AS revenue FROM lineitem \
         WHERE l_day BETWEEN 20 AND 80 AND l_discount > 0 AND l_quantity < 24",
    ),
    grouped(
        7,
        "SELECT supp_nation, cust_nation, month_no, SUM(volume) AS revenue FROM ( \
         SELECT n1.n_name AS supp_nation, n2.n_name AS cust_nation, l_day / 30 AS month_no, \
         l_price * (1 - l_discount) AS volume \
         FROM supplier, lineitem, orders, customer, nation n1, nation n2 \
         WHERE s_key = l_supp AND o_key = l_order AND c_key = o_cust AND s_nation = n1.n_key \
         AND c_nation = n2.n_key AND ((n1.n_name = 'N1' AND n2.n_name = 'N2') \
         OR (n1.n_name = 'N2' AND n2.n_name = 'N1'))) AS shipping \
         GROUP BY supp_nation, cust_nation, month_no",
    ),
    grouped(
        8,
        "SELECT month_no, SUM(CASE WHEN nation = 'N1' THEN volume ELSE 0 END) AS own, \
         SUM(volume) AS total FROM ( \
         SELECT o_day / 30 AS month_no, l_price * (1 - l_discount) AS volume, n2.n_name AS nation \
         FROM part, supplier, lineitem, orders, customer, nation n1, nation n2, region \
         WHERE p_key = l_part AND s_key = l_supp AND l_order = o_key AND o_cust = c_key \
         AND c_nation = n1.n_key AND n1.n_region = r_key AND s_nation = n2.n_key \
         AND p_size > 1) AS all_nations GROUP BY month_no",
    ),
    grouped(
        9,
        "SELECT nation, month_no, SUM(amount) AS profit FROM ( \
         SELECT n_name AS nation, o_day / 30 AS month_no, \
         l_price * (1 - l_discount) - ps_cost * l_quantity AS amount \
         FROM part, supplier, lineitem, partsupp, orders, nation WHERE s_key = l_supp \
         AND ps_supp = l_supp AND ps_part = l_part AND p_key = l_part AND o_key = l_order \
         AND s_nation = n_key AND p_name LIKE '%e%') AS profits GROUP BY nation, month_no",
    ),
    grouped(
        10,
        "SELECT c_key, c_name, SUM(l_price * (1 - l_discount)) AS revenue, n_name \
         FROM customer, orders, lineitem, nation WHERE c_key = o_cust AND l_order = o_key \
         AND l_flag = 'R' AND c_nation = n_key GROUP BY c_key, c_name, n_name \
         ORDER BY revenue DESC, c_key LIMIT 4",
    ),
    grouped(
        11,
        "SELECT ps_part, SUM(ps_cost * ps_avail) AS stock FROM partsupp, supplier, nation \
         WHERE ps_supp = s_key AND s_nation = n_key GROUP BY ps_part \
         HAVING SUM(ps_cost * ps_avail) > ( \
         SELECT SUM(ps_cost * ps_avail) / 8 FROM partsupp, supplier, nation \
         WHERE ps_supp = s_key AND s_nation = n_key)",
    ),
    grouped(
        12,
        "SELECT l_mode, SUM(CASE WHEN o_priority = 'HIGH' THEN 1 ELSE 0 END) AS high_lines, \
         SUM(CASE WHEN o_priority <> 'HIGH' THEN 1 ELSE 0 END) AS low_lines \
         FROM orders, lineitem WHERE o_key = l_order AND l_mode IN ('RAIL', 'ROAD') \
         AND l_commit < l_receipt GROUP BY l_mode",
    ),
    grouped(
        13,
        "SELECT n_orders, COUNT(*) AS n_customers FROM ( \
         SELECT c_key, COUNT(o_key) AS n_orders FROM customer \
         LEFT JOIN orders ON c_key = o_cust AND o_priority <> 'LOW' GROUP BY c_key) AS counts \
         GROUP BY n_orders",
    ),
    global(
        14,
        "SELECT SUM(CASE WHEN p_name LIKE 'b%' THEN l_price * (1 - l_discount) ELSE 0 END) AS \
         promoted, SUM(l_price * (1 - l_discount)) AS total FROM lineitem, part \
         WHERE l_part = p_key AND l_day >= 30",
    ),
    grouped(
        15,
        "WITH revenue AS (SELECT l_supp AS supp, SUM(l_price * (1 - l_discount)) AS total \
         FROM lineitem GROUP BY l_supp) SELECT s_key, s_name, total FROM supplier, revenue \
         WHERE s_key = supp AND total = (SELECT MAX(total) FROM revenue)",
    ),
    grouped(
        16,
        "SELECT p_brand, p_size, COUNT(DISTINCT ps_supp) AS n_suppliers FROM partsupp, part \
         WHERE p_key = ps_part AND p_brand <> 'B1' AND ps_supp NOT IN ( \
         SELECT s_key FROM supplier WHERE s_name LIKE '%3') GROUP BY p_brand, p_size",
    ),
    global(
        17,
        "SELECT SUM(l_price) AS total FROM lineitem, part WHERE p_key = l_part \
         AND l_quantity < (SELECT AVG(l_quantity) FROM lineitem WHERE l_part = p_key)",
    ),
    grouped(
        18,
        "SELECT c_name, c_key, o_key, SUM(l_quantity) AS quantity FROM customer, orders, lineitem \
         WHERE o_key IN (SELECT l_order FROM lineitem GROUP BY l_order \
         HAVING SUM(l_quantity) > 60) AND c_key = o_cust AND o_key = l_order \
         GROUP BY c_name, c_key, o_key",
    ),
    global(
        19,
        "SELECT SUM(l_price * (1 - l_discount)) AS revenue FROM lineitem, part \
         WHERE (p_key = l_part AND p_brand = 'B1' AND l_quantity < 20) \
         OR (p_key = l_part AND p_brand = 'B2' AND l_quantity BETWEEN 10 AND 40)",
    ),
    grouped(
        20,
        "SELECT s_name FROM supplier, nation WHERE s_key IN (SELECT ps_supp FROM partsupp \
         WHERE ps_part IN (SELECT p_key FROM part WHERE p_name LIKE '%a%') AND ps_avail > ( \
         SELECT SUM(l_quantity) / 8 FROM lineitem WHERE l_part = ps_part AND l_supp = ps_supp)) \
         AND s_nation = n_key",
    ),
    grouped(
        21,
        "SELECT s_name, COUNT(*) AS n_late FROM supplier, lineitem l1, orders \
         WHERE s_key = l1.l_supp AND o_key = l1.l_order AND l1.l_receipt > l1.l_commit \
         AND EXISTS (SELECT 1 FROM lineitem l2 WHERE l2.l_order = l1.l_order \
         AND l2.l_supp <> l1.l_supp) AND NOT EXISTS (SELECT 1 FROM lineitem l3 \
         WHERE l3.l_order = l1.l_order AND l3.l_supp <> l1.l_supp \
         AND l3.l_receipt > l3.l_commit) GROUP BY s_name",
    ),
    grouped(
        22,
        "SELECT c_segment, COUNT(*) AS n_customers, SUM(c_balance) AS balance FROM customer \
         WHERE c_balance > (SELECT AVG(c_balance) FROM customer WHERE c_balance > 0) \
         AND NOT EXISTS (SELECT 1 FROM orders WHERE o_cust = c_key) GROUP BY c_segment",
    ),
];
