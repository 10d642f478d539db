//! What a table of files can tell about the file of each row.
//!
//! | key | type | |
//! | --- | --- | --- |
//! | `file.path` | STRING NOT NULL | absolute |
//! | `file.name` | STRING NOT NULL | the last part of the path |
//! | `file.size` | BIGINT NOT NULL | bytes |
//! | `file.modification-time` | TIMESTAMP_LTZ(3) NOT NULL | |
//!
//! Size and time are those of the moment when the rows are read.
//!
//! Source: `FileSystemTableSource.ReadableFileInfo` of Flink 2.3.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use arrow::array::{ArrayRef, Int64Array, StringArray, TimestampMillisecondArray};

use super::listing::of_io;
use crate::connectors::MetadataKey;
use crate::error::{EngineError, Result};

/// The keys, sorted.
pub(super) const KEYS: &[MetadataKey] = &[
    MetadataKey {
        key: "file.modification-time",
        data_type: "TIMESTAMP_LTZ(3) NOT NULL",
    },
    MetadataKey {
        key: "file.name",
        data_type: "STRING NOT NULL",
    },
    MetadataKey {
        key: "file.path",
        data_type: "STRING NOT NULL",
    },
    MetadataKey {
        key: "file.size",
        data_type: "BIGINT NOT NULL",
    },
];

/// A column of what `key` says about the file, the same in all rows.
pub(super) fn column(key: &str, path: &Path, n_rows: usize) -> Result<ArrayRef> {
    let text = |value: String| -> ArrayRef {
        let values = std::iter::repeat_n(value, n_rows);
        Arc::new(StringArray::from_iter_values(values))
    };
    let about = || fs::metadata(path).map_err(|error| of_io(path, &error));
    Ok(match key {
        "file.path" => {
            let absolute = std::path::absolute(path).map_err(|error| of_io(path, &error))?;
            text(absolute.to_string_lossy().into_owned())
        }
        "file.name" => {
            let name = path.file_name().unwrap_or_default();
            text(name.to_string_lossy().into_owned())
        }
        "file.size" => {
            let size_bytes = i64::try_from(about()?.len()).unwrap_or(i64::MAX);
            Arc::new(Int64Array::from(vec![size_bytes; n_rows]))
        }
        "file.modification-time" => {
            let modified = about()?.modified().map_err(|error| of_io(path, &error))?;
            let since = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
            let millis = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
            let times = TimestampMillisecondArray::from(vec![millis; n_rows]);
            Arc::new(times.with_timezone("UTC"))
        }
        other => {
            return Err(EngineError::internal(format!(
                "no metadata '{other}' of a file"
            )));
        }
    })
}
