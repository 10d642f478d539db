//! What databases differ in: names, statements, types.
//!
//! A statement has `?` for MySQL and SQLite and `$1` for PostgreSQL. Several rows go into one
//! statement.
//!
//! Source: the dialects of `apache/flink-connector-jdbc` for what is quoted, for the upserts, and
//! for the types that each takes.

use std::fmt::Write as _;

use tidemill_engine::data::types::{FlinkType, MAX_LENGTH, TypeRoot};

/// A kind of database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    MySql,
    Postgres,
    Sqlite,
}

/// Digits of a second's fraction that all of them keep.
const MAX_TIMESTAMP_PRECISION: u8 = 6;

/// Words that PostgreSQL reserves, as of version 17: a column of this name has to be quoted.
const POSTGRES_RESERVED: &str = "\
    all analyse analyze and any array as asc asymmetric authorization between bigint binary \
    bit boolean both case cast char character check coalesce collate collation column \
    concurrently constraint create cross current_catalog current_date current_role \
    current_schema current_time current_timestamp current_user dec decimal default deferrable \
    desc distinct do else end except exists extract false fetch float for foreign freeze from \
    full grant greatest group grouping having ilike in initially inner inout int integer \
    intersect interval into is isnull join lateral leading least left like limit localtime \
    localtimestamp national natural nchar none normalize not notnull null nullif numeric \
    offset on only or order out outer overlaps overlay placing position precision primary real \
    references returning right row select session_user setof similar smallint some substring \
    symmetric system_user table tablesample then time timestamp to trailing treat trim true \
    union unique user using values varchar variadic verbose when where window with \
    xmlattributes xmlconcat xmlelement xmlexists xmlforest xmlnamespaces xmlparse xmlpi \
    xmlroot xmlserialize xmltable";

impl Dialect {
    /// The name in Flink's messages.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::MySql => "MySQL",
            Self::Postgres => "PostgreSQL",
            Self::Sqlite => "SQLite",
        }
    }

    /// The driver classes that speak to it.
    pub(crate) const fn drivers(self) -> &'static [&'static str] {
        match self {
            Self::MySql => &[
                "com.mysql.cj.jdbc.Driver",
                "com.mysql.jdbc.Driver",
                "org.mariadb.jdbc.Driver",
            ],
            Self::Postgres => &["org.postgresql.Driver"],
            Self::Sqlite => &["org.sqlite.JDBC"],
        }
    }

    /// Parameters that one statement can have at most.
    pub(crate) const fn max_parameters(self) -> usize {
        match self {
            Self::MySql | Self::Postgres => 65_535,
            Self::Sqlite => 32_766,
        }
    }

    /// Why a column of this name and type cannot be in a table; `None` if it can.
    pub(crate) fn refusal(self, name: &str, flink_type: &FlinkType) -> Option<String> {
        let is_taken = match &flink_type.root {
            TypeRoot::Char(_)
            | TypeRoot::Varchar(_)
            | TypeRoot::Boolean
            | TypeRoot::Varbinary(MAX_LENGTH)
            | TypeRoot::Decimal { .. }
            | TypeRoot::TinyInt
            | TypeRoot::SmallInt
            | TypeRoot::Int
            | TypeRoot::BigInt
            | TypeRoot::Float
            | TypeRoot::Double
            | TypeRoot::Date
            | TypeRoot::Time(_)
            | TypeRoot::Timestamp(_) => true,
            TypeRoot::TimestampLtz(_) => self == Self::Postgres,
            TypeRoot::Array(element) => {
                self == Self::Postgres && self.refusal(name, element).is_none()
            }
            _ => false,
        };
        if !is_taken {
            let dialect = self.name();
            return Some(format!(
                "The {dialect} dialect doesn't support type: {flink_type}."
            ));
        }
        match flink_type.root {
            TypeRoot::Timestamp(precision) | TypeRoot::TimestampLtz(precision)
                if precision > MAX_TIMESTAMP_PRECISION =>
            {
                Some(format!(
                    "The precision of field '{name}' is out of the TIMESTAMP precision range [0, \
                     {MAX_TIMESTAMP_PRECISION}] supported by {} dialect.",
                    self.name()
                ))
            }
            _ => None,
        }
    }

    /// The name of a column as it stands in a statement. PostgreSQL folds names that are not
    /// quoted, and Flink quotes none: only those that could not stand there are.
    pub(crate) fn column(self, name: &str) -> String {
        if self != Self::Postgres {
            return backticked(name);
        }
        let mut bytes = name.bytes();
        let first = bytes.next();
        let is_plain = first.is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
            && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$');
        let lower = name.to_ascii_lowercase();
        let is_reserved = POSTGRES_RESERVED.split(' ').any(|word| word == lower);
        match is_plain && !is_reserved {
            true => name.to_owned(),
            false => format!("\"{}\"", name.replace('"', "\"\"")),
        }
    }

    /// The name of a table as it stands in a statement. PostgreSQL takes it as written:
    /// `schema.table`, `"Table"`.
    pub(crate) fn table(self, name: &str) -> String {
        match self {
            Self::Postgres => name.to_owned(),
            Self::MySql | Self::Sqlite => backticked(name),
        }
    }

    fn columns(self, names: &[String]) -> String {
        let names: Vec<String> = names.iter().map(|name| self.column(name)).collect();
        names.join(", ")
    }

    /// The parameter with this number, from one.
    fn parameter(self, number: usize, sql: &mut String) {
        match self {
            Self::Postgres => {
                // Writing into a String does not fail.
                let _ = write!(sql, "${number}");
            }
            Self::MySql | Self::Sqlite => sql.push('?'),
        }
    }

    /// All rows, or those whose `between` lies in a range of two parameters.
    pub(crate) fn select(self, table: &str, columns: &[String], between: Option<&str>) -> String {
        let mut sql = String::from("SELECT ");
        match columns.is_empty() {
            true => sql.push('1'),
            false => sql.push_str(&self.columns(columns)),
        }
        sql.push_str(" FROM ");
        sql.push_str(&self.table(table));
        if let Some(column) = between {
            sql.push_str(" WHERE ");
            sql.push_str(&self.column(column));
            sql.push_str(" BETWEEN ");
            self.parameter(1, &mut sql);
            sql.push_str(" AND ");
            self.parameter(2, &mut sql);
        }
        sql
    }

    /// The rows of `n_keys` keys, each with the number of its key in front, from zero.
    pub(crate) fn look_up(
        self,
        table: &str,
        keys: &[String],
        columns: &[String],
        n_keys: usize,
    ) -> String {
        let mut sql = String::new();
        let mut number = 0;
        for key_idx in 0..n_keys {
            if key_idx > 0 {
                sql.push_str(" UNION ALL ");
            }
            let _ = write!(sql, "SELECT {key_idx}");
            for column in columns {
                sql.push_str(", ");
                sql.push_str(&self.column(column));
            }
            sql.push_str(" FROM ");
            sql.push_str(&self.table(table));
            sql.push_str(" WHERE ");
            self.all_equal(keys, &mut number, &mut sql);
        }
        sql
    }

    /// `a = ? AND b = ?`.
    fn all_equal(self, columns: &[String], number: &mut usize, sql: &mut String) {
        for (column_idx, column) in columns.iter().enumerate() {
            if column_idx > 0 {
                sql.push_str(" AND ");
            }
            sql.push_str(&self.column(column));
            sql.push_str(" = ");
            *number += 1;
            self.parameter(*number, sql);
        }
    }

    /// Puts in `n_rows` rows; with keys, a row replaces the one of its key.
    pub(crate) fn insert(
        self,
        table: &str,
        columns: &[String],
        keys: &[String],
        n_rows: usize,
    ) -> String {
        let mut sql = format!(
            "INSERT INTO {}({}) VALUES ",
            self.table(table),
            self.columns(columns)
        );
        let mut number = 0;
        for row_idx in 0..n_rows {
            sql.push_str(if row_idx > 0 { ", (" } else { "(" });
            for column_idx in 0..columns.len() {
                if column_idx > 0 {
                    sql.push_str(", ");
                }
                number += 1;
                self.parameter(number, &mut sql);
            }
            sql.push(')');
        }
        if !keys.is_empty() {
            sql.push_str(&self.on_conflict(columns, keys));
        }
        sql
    }

    fn on_conflict(self, columns: &[String], keys: &[String]) -> String {
        let assign = |column: &String| {
            let column = self.column(column);
            match self {
                Self::MySql => format!("{column}=VALUES({column})"),
                Self::Postgres | Self::Sqlite => format!("{column}=EXCLUDED.{column}"),
            }
        };
        if self == Self::MySql {
            let assigned: Vec<String> = columns.iter().map(assign).collect();
            return format!(" ON DUPLICATE KEY UPDATE {}", assigned.join(", "));
        }
        let others = columns.iter().filter(|column| !keys.contains(column));
        let assigned: Vec<String> = others.map(assign).collect();
        let action = match assigned.is_empty() {
            true => "DO NOTHING".to_owned(),
            false => format!("DO UPDATE SET {}", assigned.join(", ")),
        };
        format!(" ON CONFLICT ({}) {action}", self.columns(keys))
    }

    /// Takes out the rows of `n_rows` keys.
    pub(crate) fn delete(self, table: &str, keys: &[String], n_rows: usize) -> String {
        let mut sql = format!("DELETE FROM {} WHERE ", self.table(table));
        let mut number = 0;
        match keys {
            [key] if n_rows > 1 => {
                sql.push_str(&self.column(key));
                sql.push_str(" IN (");
                for row_idx in 0..n_rows {
                    if row_idx > 0 {
                        sql.push_str(", ");
                    }
                    number += 1;
                    self.parameter(number, &mut sql);
                }
                sql.push(')');
            }
            keys => {
                for row_idx in 0..n_rows {
                    sql.push_str(if row_idx > 0 { " OR (" } else { "(" });
                    self.all_equal(keys, &mut number, &mut sql);
                    sql.push(')');
                }
            }
        }
        sql
    }
}

/// A name between backticks: unlike double quotes, SQLite never takes them for a text.
fn backticked(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn rows_are_put_in_place_of_others_by_key() {
        let (columns, keys) = (names(&["id", "n"]), names(&["id"]));
        assert_eq!(
            Dialect::MySql.insert("t", &columns, &keys, 2),
            "INSERT INTO `t`(`id`, `n`) VALUES (?, ?), (?, ?) ON DUPLICATE KEY UPDATE \
             `id`=VALUES(`id`), `n`=VALUES(`n`)"
        );
        assert_eq!(
            Dialect::Postgres.insert("s.t", &columns, &keys, 2),
            "INSERT INTO s.t(id, n) VALUES ($1, $2), ($3, $4) ON CONFLICT (id) DO UPDATE SET \
             n=EXCLUDED.n"
        );
        assert_eq!(
            Dialect::Sqlite.insert("t", &columns, &columns, 1),
            "INSERT INTO `t`(`id`, `n`) VALUES (?, ?) ON CONFLICT (`id`, `n`) DO NOTHING"
        );
        assert_eq!(
            Dialect::MySql.insert("t", &columns, &[], 1),
            "INSERT INTO `t`(`id`, `n`) VALUES (?, ?)"
        );
    }

    #[test]
    fn rows_are_taken_out_by_key() {
        assert_eq!(
            Dialect::Postgres.delete("t", &names(&["id"]), 2),
            "DELETE FROM t WHERE id IN ($1, $2)"
        );
        assert_eq!(
            Dialect::Sqlite.delete("t", &names(&["a", "b"]), 2),
            "DELETE FROM `t` WHERE (`a` = ? AND `b` = ?) OR (`a` = ? AND `b` = ?)"
        );
    }

    #[test]
    fn rows_are_read_whole_or_by_range_or_by_key() {
        let columns = names(&["a`b", "user"]);
        assert_eq!(
            Dialect::MySql.select("t", &columns, Some("id")),
            "SELECT `a``b`, `user` FROM `t` WHERE `id` BETWEEN ? AND ?"
        );
        assert_eq!(
            Dialect::Postgres.select("t", &columns, None),
            "SELECT \"a`b\", \"user\" FROM t"
        );
        assert_eq!(Dialect::Sqlite.select("t", &[], None), "SELECT 1 FROM `t`");
        assert_eq!(
            Dialect::Postgres.look_up("t", &names(&["a", "b"]), &names(&["n"]), 2),
            "SELECT 0, n FROM t WHERE a = $1 AND b = $2 UNION ALL SELECT 1, n FROM t WHERE a = $3 \
             AND b = $4"
        );
    }

    #[test]
    fn types_that_a_dialect_does_not_take_are_named() {
        let refusal = |dialect: Dialect, text: &str| {
            FlinkType::parse(text).map(|flink_type| dialect.refusal("c", &flink_type))
        };
        for (dialect, text, expected) in [
            (Dialect::MySql, "STRING", None),
            (Dialect::Postgres, "ARRAY<INT>", None),
            (
                Dialect::MySql,
                "ARRAY<INT>",
                Some("The MySQL dialect doesn't support type: ARRAY<INT>."),
            ),
            (
                Dialect::Postgres,
                "VARBINARY(8)",
                Some("The PostgreSQL dialect doesn't support type: VARBINARY(8)."),
            ),
            (
                Dialect::MySql,
                "TIMESTAMP(9)",
                Some(
                    "The precision of field 'c' is out of the TIMESTAMP precision range [0, 6] \
                     supported by MySQL dialect.",
                ),
            ),
        ] {
            let found = refusal(dialect, text).ok().flatten();
            assert_eq!(found.as_deref(), expected);
        }
    }
}
