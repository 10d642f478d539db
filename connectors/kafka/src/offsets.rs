//! Where reading begins and where it ends, for each partition.
//!
//! All of it is settled when the job starts, so that positions are numbers from then on. A partition
//! that is found later is read from its beginning.
//!
//! Source: `KafkaDynamicSource`, `OffsetsInitializer` and `KafkaConnectorOptionsUtil` of Flink's
//! Kafka connector 4.0.

use std::collections::{BTreeMap, BTreeSet};

use rdkafka::consumer::Consumer as _;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tidemill_engine::Result;
use tidemill_engine::catalog::options::TableOptions;

use crate::client::{Client, Partition};
use crate::options::{Kind, Topics};

/// Offsets by partition.
pub(crate) type Offsets = BTreeMap<Partition, i64>;

/// `scan.startup.mode`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Startup {
    Earliest,
    Latest,
    /// Where the consumer group stands; where it does not, as `auto.offset.reset` says.
    Group,
    /// The first message that is not older, in milliseconds since 1970.
    Timestamp(i64),
    /// By number of partition.
    Specific(BTreeMap<i32, i64>),
}

/// `scan.bounded.mode`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Bounded {
    Never,
    /// What there is when the job starts.
    Latest,
    Group,
    Timestamp(i64),
    Specific(BTreeMap<i32, i64>),
}

impl Startup {
    /// Reads the options.
    ///
    /// # Errors
    /// `Options` if a mode does not exist or lacks its option.
    pub(crate) fn read(kind: Kind, topics: &Topics, options: &TableOptions<'_>) -> Result<Self> {
        if kind == Kind::Upsert {
            // A row is what all of its messages say.
            return Ok(Self::Earliest);
        }
        const MODE: &str = "scan.startup.mode";
        let mode = options.text(MODE).unwrap_or("group-offsets");
        Ok(match mode.to_ascii_lowercase().as_str() {
            "earliest-offset" => Self::Earliest,
            "latest-offset" => Self::Latest,
            "group-offsets" => Self::Group,
            "timestamp" => Self::Timestamp(timestamp(options, "startup")?),
            "specific-offsets" => Self::Specific(specific(topics, options, "startup")?),
            _ => {
                return Err(options.invalid(
                    MODE,
                    mode,
                    "earliest-offset, latest-offset, group-offsets, timestamp or specific-offsets",
                ));
            }
        })
    }

    /// Librdkafka's word for where to go on if an offset is gone.
    pub(crate) const fn reset(&self) -> Option<&'static str> {
        match self {
            Self::Earliest | Self::Specific(_) => Some("earliest"),
            Self::Latest | Self::Timestamp(_) => Some("latest"),
            Self::Group => None,
        }
    }

    /// The offset of the first message of each partition.
    ///
    /// # Errors
    /// If the brokers do not answer, or a group's position is asked for that does not exist.
    pub(crate) fn offsets(
        &self,
        client: &Client,
        partitions: &BTreeSet<Partition>,
    ) -> Result<Offsets> {
        match self {
            Self::Earliest => at(client, partitions, Offset::Beginning),
            Self::Latest => at(client, partitions, Offset::End),
            Self::Timestamp(millis) => of_timestamp(client, partitions, *millis),
            Self::Group => {
                let reset = client.settings.properties.get("auto.offset.reset");
                of_group(client, partitions, reset.map_or("none", String::as_str))
            }
            Self::Specific(written) => {
                let (known, rest) = split(partitions, written);
                let mut offsets = of_group(client, &rest, "earliest")?;
                offsets.extend(known);
                Ok(offsets)
            }
        }
    }
}

impl Bounded {
    /// Reads the options.
    ///
    /// # Errors
    /// As [`Startup::read`].
    pub(crate) fn read(topics: &Topics, options: &TableOptions<'_>) -> Result<Self> {
        const MODE: &str = "scan.bounded.mode";
        let mode = options.text(MODE).unwrap_or("unbounded");
        Ok(match mode.to_ascii_lowercase().as_str() {
            "unbounded" => Self::Never,
            "latest-offset" => Self::Latest,
            "group-offsets" => Self::Group,
            "timestamp" => Self::Timestamp(timestamp(options, "bounded")?),
            "specific-offsets" => Self::Specific(specific(topics, options, "bounded")?),
            _ => {
                return Err(options.invalid(
                    MODE,
                    mode,
                    "unbounded, latest-offset, group-offsets, timestamp or specific-offsets",
                ));
            }
        })
    }

    /// The offset behind the last message of each partition; none for one that does not end.
    ///
    /// # Errors
    /// As [`Startup::offsets`].
    pub(crate) fn offsets(
        &self,
        client: &Client,
        partitions: &BTreeSet<Partition>,
    ) -> Result<Offsets> {
        match self {
            Self::Never => Ok(Offsets::new()),
            Self::Latest => at(client, partitions, Offset::End),
            Self::Timestamp(millis) => of_timestamp(client, partitions, *millis),
            Self::Group => of_group(client, partitions, "none"),
            Self::Specific(written) => {
                let (known, rest) = split(partitions, written);
                let mut offsets = of_group(client, &rest, "earliest")?;
                offsets.extend(known);
                Ok(offsets)
            }
        }
    }
}

fn timestamp(options: &TableOptions<'_>, phase: &str) -> Result<i64> {
    let key = format!("scan.{phase}.timestamp-millis");
    let millis = options.parse(&key, "milliseconds since 1970")?;
    millis.ok_or_else(|| {
        options.error(format!(
            "'{key}' is required in 'timestamp' {phase} mode but missing"
        ))
    })
}

/// `partition:0,offset:42;partition:1,offset:300`.
fn specific(
    topics: &Topics,
    options: &TableOptions<'_>,
    phase: &str,
) -> Result<BTreeMap<i32, i64>> {
    let key = format!("scan.{phase}.specific-offsets");
    let Some(text) = options.text(&key) else {
        return Err(options.error(format!(
            "'{key}' is required in 'specific-offsets' {phase} mode but missing"
        )));
    };
    if topics.single().is_none() {
        return Err(options.error("specific offsets are for a single topic"));
    }
    let pair = |text: &str| -> Option<(i32, i64)> {
        let (partition, offset) = text.split_once(',')?;
        let partition = partition.strip_prefix("partition:")?.parse().ok()?;
        Some((partition, offset.strip_prefix("offset:")?.parse().ok()?))
    };
    let pairs: Option<BTreeMap<i32, i64>> =
        text.trim_end_matches(';').split(';').map(pair).collect();
    pairs.ok_or_else(|| {
        options.invalid(
            &key,
            text,
            "the form 'partition:0,offset:42;partition:1,offset:300'",
        )
    })
}

/// The partitions whose offsets were written, and the others.
fn split(
    partitions: &BTreeSet<Partition>,
    written: &BTreeMap<i32, i64>,
) -> (Offsets, BTreeSet<Partition>) {
    let mut rest = partitions.clone();
    let known = partitions.iter().filter_map(|partition| {
        let offset = *written.get(&partition.number)?;
        Some((partition.clone(), offset))
    });
    let known: Offsets = known.collect();
    rest.retain(|partition| !known.contains_key(partition));
    (known, rest)
}

fn list(
    partitions: &BTreeSet<Partition>,
    client: &Client,
    offset: Offset,
) -> Result<TopicPartitionList> {
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for Partition { topic, number } in partitions {
        list.add_partition_offset(topic, *number, offset)
            .map_err(|error| client.error("offsets", &error))?;
    }
    Ok(list)
}

/// What the brokers answer for a list; nothing for a partition without an offset of that kind.
fn answers(client: &Client, answer: &TopicPartitionList) -> Result<Offsets> {
    let mut offsets = Offsets::new();
    for element in answer.elements() {
        let partition = Partition {
            topic: element.topic().to_owned(),
            number: element.partition(),
        };
        element.error().map_err(|error| {
            let what = format!(
                "offset of topic '{}', partition {}",
                partition.topic, partition.number
            );
            client.error(&what, &error)
        })?;
        if let Offset::Offset(offset) = element.offset() {
            offsets.insert(partition, offset);
        }
    }
    Ok(offsets)
}

/// The first or the next offset.
fn at(client: &Client, partitions: &BTreeSet<Partition>, end: Offset) -> Result<Offsets> {
    of_times(client, partitions, end)
}

fn of_times(client: &Client, partitions: &BTreeSet<Partition>, time: Offset) -> Result<Offsets> {
    if partitions.is_empty() {
        return Ok(Offsets::new());
    }
    let list = list(partitions, client, time)?;
    let answer = client.consumer.offsets_for_times(list, client.timeout());
    answers(
        client,
        &answer.map_err(|error| client.error("offsets", &error))?,
    )
}

/// The first message that is not older; behind the last one if all are.
fn of_timestamp(client: &Client, partitions: &BTreeSet<Partition>, millis: i64) -> Result<Offsets> {
    let mut offsets = of_times(client, partitions, Offset::Offset(millis.max(0)))?;
    let mut rest = partitions.clone();
    rest.retain(|partition| !offsets.contains_key(partition));
    offsets.extend(at(client, &rest, Offset::End)?);
    Ok(offsets)
}

/// Where the group stands, and `reset` where it never was.
fn of_group(client: &Client, partitions: &BTreeSet<Partition>, reset: &str) -> Result<Offsets> {
    if partitions.is_empty() {
        return Ok(Offsets::new());
    }
    let list = list(partitions, client, Offset::Invalid)?;
    let answer = client.consumer.committed_offsets(list, client.timeout());
    let mut offsets = answers(
        client,
        &answer.map_err(|error| client.error("offsets", &error))?,
    )?;
    let mut rest = partitions.clone();
    rest.retain(|partition| !offsets.contains_key(partition));
    if rest.is_empty() {
        return Ok(offsets);
    }
    let end = match reset.trim() {
        "earliest" | "smallest" | "beginning" => Offset::Beginning,
        "latest" | "largest" | "end" => Offset::End,
        _ => {
            let rest = rest.iter().map(|it| format!("{}-{}", it.topic, it.number));
            return Err(client.settings.kind.error(format!(
                "undefined offset with no reset policy for partitions: {}\n  hint: the consumer \
                 group has not read them yet; set 'scan.startup.mode', or \
                 'properties.auto.offset.reset' to 'earliest' or 'latest'",
                rest.collect::<Vec<_>>().join(", ")
            )));
        }
    };
    offsets.extend(at(client, &rest, end)?);
    Ok(offsets)
}
