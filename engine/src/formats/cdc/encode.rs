//! Changes to lines.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;

use super::Dialect;
use crate::data::RowKind;
use crate::error::Result;
use crate::formats::Encoder;
use crate::formats::json::JsonOptions;
use crate::formats::json::cells::RowWriter;

pub(super) struct CdcEncoder {
    dialect: Dialect,
    rows: RowWriter,
}

impl CdcEncoder {
    pub(super) fn try_new(
        dialect: Dialect,
        options: &Arc<JsonOptions>,
        schema: &Schema,
    ) -> Result<Self> {
        Ok(Self {
            dialect,
            rows: RowWriter::try_new(options, schema)?,
        })
    }

    /// What stands before the row and behind it.
    const fn envelope(&self, is_there: bool) -> (&'static str, &'static str) {
        match (self.dialect, is_there) {
            (Dialect::Debezium, true) => ("{\"before\":null,\"after\":", ",\"op\":\"c\"}\n"),
            (Dialect::Debezium, false) => ("{\"before\":", ",\"after\":null,\"op\":\"d\"}\n"),
            (Dialect::Ogg, true) => ("{\"before\":null,\"after\":", ",\"op_type\":\"I\"}\n"),
            (Dialect::Ogg, false) => ("{\"before\":", ",\"after\":null,\"op_type\":\"D\"}\n"),
            (Dialect::Maxwell, true) => ("{\"data\":", ",\"type\":\"insert\"}\n"),
            (Dialect::Maxwell, false) => ("{\"data\":", ",\"type\":\"delete\"}\n"),
            (Dialect::Canal, true) => ("{\"data\":[", "],\"type\":\"INSERT\"}\n"),
            (Dialect::Canal, false) => ("{\"data\":[", "],\"type\":\"DELETE\"}\n"),
        }
    }
}

impl Encoder for CdcEncoder {
    fn encode(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        self.encode_changes(batch, None, out)
    }

    fn encode_changes(
        &mut self,
        batch: &RecordBatch,
        kinds: Option<&[RowKind]>,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let mut line = String::new();
        for row_idx in 0..batch.num_rows() {
            let kind = kinds.and_then(|kinds| kinds.get(row_idx)).copied();
            let (before, behind) = self.envelope(kind.is_none_or(|kind| kind.sign() > 0));
            line.push_str(before);
            self.rows.write(batch, row_idx, &mut line)?;
            line.push_str(behind);
            out.extend_from_slice(line.as_bytes());
            line.clear();
        }
        Ok(())
    }
}
