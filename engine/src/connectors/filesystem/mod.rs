//! The connector `filesystem`: files in a folder as a table.
//!
//! ```text
//!   path ──listing──▶ files ──deal──▶ readers ─blocks─▶ Decoder ──▶ rows
//! ```
//!
//! Without `source.monitor-interval` the files that are there are read once. With it, the folder is
//! watched: new files are read, and, beyond Flink, **files that grow are read on**, so that a log
//! that is being appended to is a stream. In a watched file a record is complete with its line end;
//! a last line without one waits for the rest of it. So does a quoted csv field that is not closed:
//! `csv.disable-quote-character` suits logs that are not written with quotes in mind. Every reader
//! lists the folder by itself and takes the files whose path hashes to it. Compressed files are
//! refused.
//!
//! With `lookup.cache`, beyond Flink, rows of the files can be looked up by key (`connectors/lookup`).
//!
//! As a sink it appends part files, hidden until they are complete. Columns of PARTITIONED BY stand
//! in the names of folders, in both directions; `commit.rs` tells when a partition is complete.
//!
//! Position of a reader: the byte offset behind the last record, for each of its files.
//!
//! Source: the filesystem connector of Flink 2.3 for the options and which files are hidden.
mod commit;
mod listing;
mod metadata;
mod parquet;
mod partition;
mod sink;
mod text;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use regex::Regex;
use serde_json::Value;

use self::commit::CommitPolicy;
pub(super) use self::listing::of_io;
use self::listing::{FileQueue, Location, Watch, deal};
use self::parquet::ParquetReader;
use self::partition::{Partitioning, check_file_schema, unpartitioned};
use self::sink::{FileSinkFactory, Rolling};
use self::text::TextReader;
use super::lookup::{LOOKUP_OPTIONS, Lookup, LookupCache, LookupOptions, ScanLookup, Version};
use super::{
    Boundedness, ConnectorFactory, ConnectorTable, MetadataKey, SinkFactory, Source, SourceReader,
};
use crate::catalog::options::{OptionSpec, TableOptions, optional, required};
use crate::data::{ChangelogMode, Parts};
use crate::error::{EngineError, Result};
use crate::formats::registry::FileFormat;

/// The connector's name in WITH.
pub(super) const IDENTIFIER: &str = "filesystem";

const SPECS: &[OptionSpec] = &[
    required("path"),
    required("format"),
    optional("auto-compaction"),
    optional("partition.default-name"),
    optional("sink.parallelism"),
    optional("sink.rolling-policy.check-interval"),
    optional("sink.rolling-policy.file-size"),
    optional("sink.rolling-policy.rollover-interval"),
    optional("sink.shuffle-by-partition.enable"),
    optional("source.monitor-interval"),
    optional("source.path.regex-pattern"),
];

const DEFAULT_FILE_SIZE_BYTES: u64 = 128 << 20;
const DEFAULT_ROLLOVER_INTERVAL: Duration = Duration::from_secs(30 * 60);

/// Makes tables of files.
#[derive(Debug)]
pub struct FilesystemFactory;

impl ConnectorFactory for FilesystemFactory {
    fn identifier(&self) -> &'static str {
        IDENTIFIER
    }

    fn metadata(&self) -> &'static [MetadataKey] {
        metadata::KEYS
    }

    fn source(&self, table: &ConnectorTable) -> Result<Arc<dyn Source>> {
        let (options, format, partitioning) = read_options(table)?;
        let interval = options.duration("source.monitor-interval")?;
        if interval.is_some_and(|interval| interval.is_zero()) {
            return Err(options.invalid("source.monitor-interval", "0", "a duration above zero"));
        }
        let lookup = LookupOptions::read(&options)?;
        if lookup.is_some() && interval.is_some() {
            return Err(options.error(
                "'source.monitor-interval' and 'lookup.cache' exclude each other: rows are looked \
                 up in files that are read to their end",
            ));
        }
        Ok(Arc::new(FileSource {
            partitioning: partitioning.with_metadata(&table.metadata),
            location: location(&options, table)?,
            interval,
            format,
            lookup: lookup.map(|options| options.cache),
        }))
    }

    fn sink(&self, table: &ConnectorTable) -> Result<Arc<dyn SinkFactory>> {
        let (options, format, partitioning) = read_options(table)?;
        options.parse::<std::num::NonZeroU32>("sink.parallelism", "a number above zero")?;
        // Files are looked at after every step, which is sooner.
        options.duration("sink.rolling-policy.check-interval")?;
        options.flag("sink.shuffle-by-partition.enable")?;
        if options.flag("auto-compaction")? == Some(true) {
            return Err(EngineError::unsupported("'auto-compaction' = 'true'"));
        }
        format.encoder()?;
        Ok(Arc::new(FileSinkFactory {
            overwrites: false,
            commit: CommitPolicy::read(&options, !table.partition_keys.is_empty())?,
            folder: local_path(&options)?,
            format,
            partitioning,
            rolling: Rolling {
                file_size_bytes: options
                    .bytes("sink.rolling-policy.file-size")?
                    .unwrap_or(DEFAULT_FILE_SIZE_BYTES),
                interval: options
                    .duration("sink.rolling-policy.rollover-interval")?
                    .unwrap_or(DEFAULT_ROLLOVER_INTERVAL),
            },
        }))
    }
}

fn read_options(table: &ConnectorTable) -> Result<(TableOptions<'_>, FileFormat, Partitioning)> {
    let identifier = table.options.get("format").map(String::as_str);
    let mut specs = SPECS.to_vec();
    specs.extend(commit::SPECS);
    specs.extend(LOOKUP_OPTIONS);
    specs.extend(identifier.map(FileFormat::specs).unwrap_or_default());
    let options = TableOptions::check(&table.name, &table.options, &specs)?;
    let default_name = options.text("partition.default-name");
    let partitioning = Partitioning::try_new(&table.schema, &table.partition_keys, default_name)?;
    let file_schema = partitioning.file_schema()?;
    check_file_schema(&file_schema)?;
    let format = FileFormat::find(identifier.unwrap_or_default(), &options, &file_schema)?;
    Ok((options, format, partitioning))
}

fn location(options: &TableOptions<'_>, table: &ConnectorTable) -> Result<Location> {
    let pattern = match options.text("source.path.regex-pattern") {
        None => None,
        Some(text) => {
            let anchored = format!("^(?:{text})$");
            let invalid =
                |_| options.invalid("source.path.regex-pattern", text, "a regular expression");
            Some(Regex::new(&anchored).map_err(invalid)?)
        }
    };
    Ok(Location {
        root: local_path(options)?,
        pattern,
        is_partitioned: !table.partition_keys.is_empty(),
    })
}

/// The option `path` as a path of this machine: `file:///logs`, `file:/logs`, `/logs` or `logs`.
pub(super) fn local_path(options: &TableOptions<'_>) -> Result<PathBuf> {
    let text = options.text("path").unwrap_or_default();
    if let Some((scheme, rest)) = text.split_once(':') {
        if scheme == "file" {
            let path = rest.strip_prefix("//").unwrap_or(rest);
            return Ok(PathBuf::from(path));
        }
        if rest.starts_with("//") {
            return Err(EngineError::unsupported(format!(
                "file system scheme '{scheme}' in option 'path'"
            )));
        }
    }
    Ok(PathBuf::from(text))
}

/// Files of one table, as a source.
#[derive(Debug, Clone)]
pub(super) struct FileSource {
    partitioning: Partitioning,
    location: Location,
    /// `source.monitor-interval`: how often to look for new files and new bytes.
    interval: Option<Duration>,
    format: FileFormat,
    /// `lookup.cache`: how rows are looked up; none if they are not.
    lookup: Option<LookupCache>,
}

impl FileSource {
    /// One file, read once.
    pub(super) fn of_file(root: PathBuf, format: FileFormat, schema: &SchemaRef) -> Self {
        Self {
            partitioning: unpartitioned(schema),
            location: Location {
                root,
                pattern: None,
                is_partitioned: false,
            },
            interval: None,
            format,
            lookup: None,
        }
    }

    fn queues(&self, parallelism: usize) -> Result<Vec<FileQueue>> {
        let n_shares = parallelism.max(1);
        let files = self.location.list()?;
        let Some(interval) = self.interval else {
            return Ok(deal(files, n_shares)
                .into_iter()
                .map(FileQueue::bounded)
                .collect());
        };
        let watch = |share_idx| Watch {
            location: self.location.clone(),
            interval,
            share_idx,
            n_shares,
        };
        (0..n_shares)
            .map(|share_idx| FileQueue::watched(watch(share_idx)))
            .collect()
    }
}

impl Source for FileSource {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.partitioning.schema)
    }

    fn boundedness(&self) -> Boundedness {
        match self.interval {
            None => Boundedness::Bounded,
            Some(_) => Boundedness::Unbounded,
        }
    }

    fn changelog_mode(&self) -> ChangelogMode {
        self.format.changelog_mode()
    }

    fn lookup(&self) -> Option<Arc<dyn Lookup>> {
        let cache = self.lookup.clone()?;
        let location = self.location.clone();
        let version: Arc<Version> = Arc::new(move || location.version());
        Some(ScanLookup::shared(
            Arc::new(self.clone()),
            cache,
            Some(version),
        ))
    }

    fn open(&self, projection: &[usize], parallelism: usize) -> Result<Vec<Box<dyn SourceReader>>> {
        self.open_parts(projection, &[], parallelism)
    }

    fn open_parts(
        &self,
        projection: &[usize],
        parts: &[Parts],
        parallelism: usize,
    ) -> Result<Vec<Box<dyn SourceReader>>> {
        let layout = self.partitioning.layout(projection)?;
        let parts = layout.file_parts(parts);
        let mut readers: Vec<Box<dyn SourceReader>> = Vec::new();
        for files in self.queues(parallelism)? {
            let layout = layout.clone();
            if let FileFormat::Parquet(format) = &self.format {
                readers.push(Box::new(ParquetReader::new(files, format.clone(), layout)));
                continue;
            }
            let format = self.format.of_records();
            let format = format.ok_or_else(|| EngineError::internal("a format of columns"))?;
            let decoder = format.decoder_of(&layout.file_projection, &parts)?;
            readers.push(Box::new(TextReader::new(files, decoder, layout)));
        }
        Ok(readers)
    }

    /// Every reader gets to know about all files, and takes its own.
    fn reassign(&self, positions: &[Value], n_readers: usize) -> Result<Vec<Value>> {
        let position = listing::merged(positions, self.interval.is_some())?;
        Ok(vec![position; n_readers])
    }
}
