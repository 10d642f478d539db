//! The connector `filesystem`: files in a folder as a table.
//!
//! ```text
//!   path ──listing──▶ files ──deal──▶ readers ─blocks─▶ Decoder ──▶ rows
//! ```
//!
//! Without `source.monitor-interval` the files that are there are read once. With it, the folder is
//! watched: new files are read, and, beyond Flink, **files that grow are read on**, so that a log
//! that is being appended to is a stream. In a watched file a record is complete with its line end;
//! a last line without one waits for the rest of it.
//!
//! Position of a reader: the byte offset behind the last record, for each of its files.
//!
//! Source: the filesystem connector of Flink 2.3 for the options and which files are hidden.
mod listing;
mod text;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use regex::Regex;

pub(super) use self::listing::of_io;
use self::listing::{FileQueue, Location, Watch, deal};
use self::text::TextReader;
use super::{Boundedness, ConnectorFactory, ConnectorTable, SinkFactory, Source, SourceReader};
use crate::catalog::options::{OptionSpec, TableOptions, optional, required};
use crate::error::{EngineError, Result};
use crate::formats::registry::FileFormat;

/// The connector's name in WITH.
pub(super) const IDENTIFIER: &str = "filesystem";

const SPECS: &[OptionSpec] = &[
    required("path"),
    required("format"),
    optional("source.monitor-interval"),
    optional("source.path.regex-pattern"),
];

/// Makes tables of files.
#[derive(Debug)]
pub struct FilesystemFactory;

impl ConnectorFactory for FilesystemFactory {
    fn identifier(&self) -> &'static str {
        IDENTIFIER
    }

    fn source(&self, table: &ConnectorTable) -> Result<Arc<dyn Source>> {
        let (options, format) = read_options(table)?;
        if !table.partition_keys.is_empty() {
            return Err(EngineError::unsupported(
                "reading a partitioned table with connector 'filesystem'",
            ));
        }
        let interval = options.duration("source.monitor-interval")?;
        if interval.is_some_and(|interval| interval.is_zero()) {
            return Err(options.invalid("source.monitor-interval", "0", "a duration above zero"));
        }
        Ok(Arc::new(FileSource {
            schema: Arc::clone(&table.schema),
            location: location(&options)?,
            interval,
            format,
        }))
    }

    fn sink(&self, table: &ConnectorTable) -> Result<Arc<dyn SinkFactory>> {
        read_options(table)?;
        Err(EngineError::unsupported(
            "writing with connector 'filesystem'",
        ))
    }
}

fn read_options(table: &ConnectorTable) -> Result<(TableOptions<'_>, FileFormat)> {
    let identifier = table.options.get("format").map(String::as_str);
    let mut specs = SPECS.to_vec();
    specs.extend(identifier.map(FileFormat::specs).unwrap_or_default());
    let options = TableOptions::check(&table.name, &table.options, &specs)?;
    let format = FileFormat::find(identifier.unwrap_or_default(), &options, &table.schema)?;
    Ok((options, format))
}

fn location(options: &TableOptions<'_>) -> Result<Location> {
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
#[derive(Debug)]
pub(super) struct FileSource {
    schema: SchemaRef,
    location: Location,
    /// `source.monitor-interval`: how often to look for new files and new bytes.
    interval: Option<Duration>,
    format: FileFormat,
}

impl FileSource {
    /// One file, read once.
    pub(super) fn of_file(root: PathBuf, format: FileFormat, schema: SchemaRef) -> Self {
        Self {
            schema,
            location: Location {
                root,
                pattern: None,
            },
            interval: None,
            format,
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
        Ok((0..n_shares)
            .map(|share_idx| FileQueue::watched(watch(share_idx)))
            .collect())
    }
}

impl Source for FileSource {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn boundedness(&self) -> Boundedness {
        match self.interval {
            None => Boundedness::Bounded,
            Some(_) => Boundedness::Unbounded,
        }
    }

    fn open(&self, projection: &[usize], parallelism: usize) -> Result<Vec<Box<dyn SourceReader>>> {
        let mut readers: Vec<Box<dyn SourceReader>> = Vec::new();
        for files in self.queues(parallelism)? {
            if let Some(format) = self.format.as_text() {
                readers.push(Box::new(TextReader::new(
                    files,
                    format.decoder(projection)?,
                )));
            }
        }
        Ok(readers)
    }
}
