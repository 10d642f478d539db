//! The options of tables as they were written up to Flink 1.13, in today's words.
//!
//! ```text
//!   'connector.type' = 'kafka'                     'connector' = 'kafka'
//!   'connector.properties.bootstrap.servers' = …   'properties.bootstrap.servers' = …
//!   'connector.startup-mode' = …              ──▶  'scan.startup.mode' = …
//!   'format.type' = 'csv'                          'format' = 'csv'
//!   'format.ignore-parse-errors' = …               'csv.ignore-parse-errors' = …
//! ```
//!
//! A table that says `connector.type` has such options; all others are left as they are. Keys that
//! no longer mean anything (versions, the schema said twice, `update-mode`) are left out. A key
//! without a meaning today keeps its name, so that the connector names it as unknown.
//!
//! Source: the property keys of the connectors' descriptors in Flink 1.10 and 1.11, and the options
//! of today's connectors of the same names.

use std::collections::BTreeMap;

const CONNECTOR: &str = "connector.";
const FORMAT: &str = "format.";

/// Keys behind `connector.` that have another name today, by connector; `""` is for all.
const RENAMED: &[(&str, &str, &str)] = &[
    ("kafka", "startup-mode", "scan.startup.mode"),
    ("kafka", "specific-offsets", "scan.startup.specific-offsets"),
    (
        "kafka",
        "startup-timestamp-millis",
        "scan.startup.timestamp-millis",
    ),
    ("kafka", "sink-partitioner", "sink.partitioner"),
    ("kafka", "sink-partitioner-class", "sink.partitioner"),
    ("jdbc", "table", "table-name"),
    ("jdbc", "read.partition.column", "scan.partition.column"),
    ("jdbc", "read.partition.num", "scan.partition.num"),
    (
        "jdbc",
        "read.partition.lower-bound",
        "scan.partition.lower-bound",
    ),
    (
        "jdbc",
        "read.partition.upper-bound",
        "scan.partition.upper-bound",
    ),
    ("jdbc", "read.fetch-size", "scan.fetch-size"),
    (
        "jdbc",
        "lookup.cache.max-rows",
        "lookup.partial-cache.max-rows",
    ),
    (
        "jdbc",
        "lookup.cache.ttl",
        "lookup.partial-cache.expire-after-write",
    ),
    ("jdbc", "write.flush.max-rows", "sink.buffer-flush.max-rows"),
    ("jdbc", "write.flush.interval", "sink.buffer-flush.interval"),
    ("jdbc", "write.max-retries", "sink.max-retries"),
    (
        "elasticsearch",
        "key-delimiter",
        "document-id.key-delimiter",
    ),
    (
        "elasticsearch",
        "flush-on-checkpoint",
        "sink.flush-on-checkpoint",
    ),
    (
        "elasticsearch",
        "connection-max-retry-timeout",
        "connection.request-timeout",
    ),
    (
        "elasticsearch",
        "connection-path-prefix",
        "connection.path-prefix",
    ),
    (
        "hbase",
        "write.buffer-flush.max-size",
        "sink.buffer-flush.max-size",
    ),
    (
        "hbase",
        "write.buffer-flush.max-rows",
        "sink.buffer-flush.max-rows",
    ),
    (
        "hbase",
        "write.buffer-flush.interval",
        "sink.buffer-flush.interval",
    ),
];

/// Keys that say what is known otherwise.
const DROPPED: &[&str] = &[
    "connector.type",
    "connector.version",
    "connector.property-version",
    "connector.key-null-literal",
    "connector.properties.zookeeper.connect",
    "format.type",
    "format.property-version",
    "format.derive-schema",
    "format.schema",
    "format.json-schema",
    "format.avro-schema",
    "format.record-class",
    "update-mode",
];

/// Today's options of a table; the same if they are today's already.
pub(super) fn translated(options: Vec<(String, String)>) -> Vec<(String, String)> {
    let find = |wanted: &str| {
        let mut found = options.iter().filter(|(key, _)| key == wanted);
        found.next().map(|(_, value)| value.clone())
    };
    let Some(kind) = find("connector.type") else {
        return options;
    };
    let version = find("connector.version");
    let format = find("format.type");
    let mut today = vec![("connector".to_owned(), connector(&kind, version.as_deref()))];
    if let Some(format) = &format {
        today.push(("format".to_owned(), format.clone()));
    }
    let mut numbered = Numbered::default();
    for (key, value) in options {
        if DROPPED.contains(&key.as_str()) || key.starts_with("format.fields.") {
            continue;
        }
        if numbered.take(&key, &value) {
            continue;
        }
        if let Some(rest) = key.strip_prefix(CONNECTOR) {
            today.push((connector_key(&kind, rest), value));
        } else if let (Some(rest), Some(format)) = (key.strip_prefix(FORMAT), &format) {
            today.extend(format_option(format, rest, value));
        } else {
            today.push((key, value));
        }
    }
    numbered.finish(&mut today);
    let caches = |(key, _): &(String, String)| key.starts_with("lookup.partial-cache.");
    if today.iter().any(caches) {
        today.push(("lookup.cache".to_owned(), "PARTIAL".to_owned()));
    }
    let value_of = |wanted: &str| today.iter().find(|(key, _)| key == wanted);
    if kind == "kafka"
        && value_of("scan.startup.mode").is_none_or(|(_, mode)| mode == "group-offsets")
        && value_of("properties.auto.offset.reset").is_none()
    {
        // A group that had read nothing began with what came next; today that has to be said.
        today.push((
            "properties.auto.offset.reset".to_owned(),
            "latest".to_owned(),
        ));
    }
    if kind == "jdbc" {
        // Rows were known by the key of the query that wrote them; tables had none.
        today.push(("sink.primary-key".to_owned(), "query".to_owned()));
    }
    if kind == "filesystem" {
        // The old source of files could look rows up, in all of them, read once.
        today.push(("lookup.cache".to_owned(), "FULL".to_owned()));
    }
    today
}

fn connector(kind: &str, version: Option<&str>) -> String {
    match (kind, version) {
        ("elasticsearch", Some(version)) => format!("elasticsearch-{version}"),
        ("hbase", Some(version)) => {
            let parts: Vec<_> = version.split('.').take(2).collect();
            format!("hbase-{}", parts.join("."))
        }
        _ => kind.to_owned(),
    }
}

fn connector_key(kind: &str, rest: &str) -> String {
    if kind == "elasticsearch" && rest.starts_with("bulk-flush.") {
        return format!("sink.{rest}");
    }
    let mut renamed = RENAMED.iter();
    let renamed = renamed.find(|(connector, old, _)| *connector == kind && *old == rest);
    renamed.map_or(rest, |(_, _, new)| new).to_owned()
}

fn format_option(format: &str, rest: &str, value: String) -> Option<(String, String)> {
    match rest {
        // Rows end with the line, as they always did unless something else was said.
        "line-delimiter" if matches!(value.as_str(), "\n" | "\\n" | "\r\n") => None,
        "comment-prefix" if value == "#" => {
            Some((format!("{format}.allow-comments"), "true".to_owned()))
        }
        _ => Some((format!("{format}.{rest}"), value)),
    }
}

/// Options that were written as lists: `connector.properties.0.key`, `….0.value`, and
/// `connector.specific-offsets.0.partition`, `….0.offset`.
#[derive(Default)]
struct Numbered {
    properties: BTreeMap<usize, (String, String)>,
    offsets: BTreeMap<usize, (String, String)>,
}

impl Numbered {
    /// Takes an option if it is part of a list.
    fn take(&mut self, key: &str, value: &str) -> bool {
        let part = |prefix: &str, names: [&str; 2]| -> Option<(usize, bool)> {
            let (number, name) = key.strip_prefix(prefix)?.split_once('.')?;
            let number = number.parse().ok()?;
            let is_first = name == names[0];
            (is_first || name == names[1]).then_some((number, is_first))
        };
        if let Some((number, is_key)) = part("connector.properties.", ["key", "value"]) {
            put(self.properties.entry(number).or_default(), is_key, value);
        } else if let Some((number, is_partition)) =
            part("connector.specific-offsets.", ["partition", "offset"])
        {
            put(self.offsets.entry(number).or_default(), is_partition, value);
        } else {
            return false;
        }
        true
    }

    fn finish(self, today: &mut Vec<(String, String)>) {
        for (key, value) in self.properties.into_values() {
            if key != "zookeeper.connect" {
                today.push((format!("properties.{key}"), value));
            }
        }
        if !self.offsets.is_empty() {
            let offsets: Vec<_> = self
                .offsets
                .into_values()
                .map(|(partition, offset)| format!("partition:{partition},offset:{offset}"))
                .collect();
            today.push((
                "scan.startup.specific-offsets".to_owned(),
                offsets.join(";"),
            ));
        }
    }
}

fn put(pair: &mut (String, String), is_first: bool, value: &str) {
    if is_first {
        value.clone_into(&mut pair.0);
    } else {
        value.clone_into(&mut pair.1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Options as lines `key = value`, before and after.
    fn check(before: &str, after: &str) {
        let options = |text: &str| -> Vec<(String, String)> {
            text.lines()
                .filter_map(|line| line.trim().split_once(" = "))
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect()
        };
        assert_eq!(translated(options(before)), options(after));
    }

    #[test]
    fn options_of_today_are_left_alone() {
        let text = "connector = kafka\nformat = csv\nconnector.x = 1";
        check(text, text);
    }

    #[test]
    fn a_topic_of_csv() {
        check(
            "connector.type = kafka
             connector.version = universal
             connector.topic = access_log
             connector.properties.zookeeper.connect = localhost:2181
             connector.properties.bootstrap.servers = localhost:9092
             connector.startup-mode = earliest-offset
             format.type = csv
             format.ignore-parse-errors = true
             update-mode = append",
            "connector = kafka
             format = csv
             topic = access_log
             properties.bootstrap.servers = localhost:9092
             scan.startup.mode = earliest-offset
             csv.ignore-parse-errors = true",
        );
    }

    #[test]
    fn lists_of_properties_and_offsets() {
        check(
            "connector.type = kafka
             connector.properties.0.key = zookeeper.connect
             connector.properties.0.value = localhost:2181
             connector.properties.1.key = group.id
             connector.properties.1.value = g
             connector.specific-offsets.0.partition = 0
             connector.specific-offsets.0.offset = 42
             connector.specific-offsets.1.partition = 1
             connector.specific-offsets.1.offset = 7
             connector.startup-mode = specific-offsets",
            "connector = kafka
             scan.startup.mode = specific-offsets
             properties.group.id = g
             scan.startup.specific-offsets = partition:0,offset:42;partition:1,offset:7",
        );
    }

    #[test]
    fn a_group_that_has_read_nothing_begins_with_what_comes() {
        check(
            "connector.type = kafka
             connector.topic = t",
            "connector = kafka
             topic = t
             properties.auto.offset.reset = latest",
        );
        check(
            "connector.type = kafka
             connector.startup-mode = group-offsets
             connector.properties.auto.offset.reset = earliest",
            "connector = kafka
             scan.startup.mode = group-offsets
             properties.auto.offset.reset = earliest",
        );
    }

    #[test]
    fn a_table_of_a_database() {
        check(
            "connector.type = jdbc
             connector.url = jdbc:mysql://localhost/test
             connector.table = access_statistic
             connector.write.flush.interval = 1s
             connector.lookup.cache.ttl = 10s",
            "connector = jdbc
             url = jdbc:mysql://localhost/test
             table-name = access_statistic
             sink.buffer-flush.interval = 1s
             lookup.partial-cache.expire-after-write = 10s
             lookup.cache = PARTIAL
             sink.primary-key = query",
        );
    }

    #[test]
    fn files_and_their_old_csv() {
        check(
            "connector.type = filesystem
             connector.path = /data
             format.type = csv
             format.fields.0.name = a
             format.fields.0.type = BIGINT
             format.derive-schema = true
             format.field-delimiter = |
             format.line-delimiter = \\n
             format.comment-prefix = #",
            "connector = filesystem
             format = csv
             path = /data
             csv.field-delimiter = |
             csv.allow-comments = true
             lookup.cache = FULL",
        );
    }

    #[test]
    fn versions_are_part_of_some_names() {
        check(
            "connector.type = elasticsearch\nconnector.version = 7\nconnector.bulk-flush.max-actions = 1",
            "connector = elasticsearch-7\nsink.bulk-flush.max-actions = 1",
        );
        check(
            "connector.type = hbase\nconnector.version = 1.4.3",
            "connector = hbase-1.4",
        );
    }
}
