//! Accumulators in another process, as the engine sees them.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, Int8Array, UInt32Array};
use tidemill_engine::functions::udf::{GroupStates, GroupedRows};
use tidemill_engine::{EngineError, Result};

use super::frame::{self, Tag};
use super::hosts::{Host, Hosts, Rows};
use super::pool::RemoteFunction;

/// What is assumed of an accumulator: Python objects do not tell what hangs on them.
const ACCUMULATOR_BYTES: usize = 256;

/// Bits that say which columns an update has beside groups and arguments.
pub(super) const HAS_SIGNS: u64 = 1;
/// As [`HAS_SIGNS`].
pub(super) const HAS_COUNTED: u64 = 2;

/// The accumulators of one engine worker, in a process of their own.
pub(in crate::engine) struct RemoteStates {
    host: Arc<Host>,
    function: Arc<RemoteFunction>,
    number: u64,
    /// Rows that were sent.
    n_rows: u64,
    n_groups: usize,
}

impl RemoteStates {
    /// Makes them; no groups yet.
    ///
    /// # Errors
    /// `Function` if the process cannot be started or the function cannot be opened there.
    pub(in crate::engine) fn open(hosts: &Hosts, function: Arc<RemoteFunction>) -> Result<Self> {
        let failed = |message| EngineError::Function {
            function: function.name.clone(),
            message,
        };
        let host = hosts
            .place()
            .map_err(|failure| failed(failure.describe(|_| (0, 0))))?;
        let number = Host::next_states();
        host.open(number, &function).map_err(failed)?;
        Ok(Self {
            host,
            function,
            number,
            n_rows: 0,
            n_groups: 0,
        })
    }

    fn failure(&self, message: String) -> EngineError {
        EngineError::Function {
            function: self.function.name.clone(),
            message,
        }
    }

    /// Describes rows for the frame that brings them.
    fn note(&mut self, rows: &GroupedRows<'_>) -> Rows {
        let largest = rows.groups.iter().max();
        let n_groups = largest.map_or(0, |group| *group as usize + 1);
        self.n_groups = self.n_groups.max(n_groups);
        let n_rows = rows.groups.len() as u64;
        let sent = Rows {
            states: self.number,
            first: self.n_rows + 1,
            n_rows,
        };
        self.n_rows += n_rows;
        sent
    }

    /// A column of the function's results.
    fn checked(&self, column: ArrayRef, n_values: usize) -> Result<ArrayRef> {
        if column.len() != n_values || column.data_type() != self.function.result.data_type() {
            return Err(EngineError::internal(format!(
                "the worker of function '{}' gave {} values of type {} for {n_values} groups",
                self.function.name,
                column.len(),
                column.data_type(),
            )));
        }
        Ok(column)
    }

    /// Number of the states, how many groups, and the groups.
    fn of_groups(&self, groups: &[u32], more: Option<&ArrayRef>) -> Result<Vec<u8>> {
        let mut columns: Vec<ArrayRef> = vec![Arc::new(UInt32Array::from(groups.to_vec()))];
        columns.extend(more.cloned());
        let mut payload = self.number.to_le_bytes().to_vec();
        payload.extend((groups.len() as u64).to_le_bytes());
        payload.extend(frame::encode_columns(&columns, groups.len(), None)?);
        Ok(payload)
    }
}

/// What an update brings: numbers, and columns.
fn rows_payload(number: u64, rows: &GroupedRows<'_>) -> Result<([[u8; 8]; 3], Vec<u8>)> {
    let mut flags = 0;
    let mut columns: Vec<ArrayRef> = vec![Arc::new(UInt32Array::from(rows.groups.to_vec()))];
    if let Some(signs) = rows.signs {
        flags |= HAS_SIGNS;
        columns.push(Arc::new(Int8Array::from(signs.to_vec())));
    }
    if let Some(counted) = rows.counted {
        flags |= HAS_COUNTED;
        columns.push(Arc::new(BooleanArray::new(counted.clone(), None)));
    }
    columns.extend(rows.arguments.iter().cloned());
    let n_rows = rows.groups.len();
    let numbers = [number, n_rows as u64, flags].map(u64::to_le_bytes);
    Ok((numbers, frame::encode_columns(&columns, n_rows, None)?))
}

impl GroupStates for RemoteStates {
    fn update(&mut self, rows: &GroupedRows<'_>) -> Result<()> {
        let sent = self.note(rows);
        let ([number, n_rows, flags], columns) = rows_payload(self.number, rows)?;
        self.host
            .update(sent, &[&number, &n_rows, &flags, &columns])
            .map_err(|message| self.failure(message))
    }

    fn update_each(&mut self, rows: &GroupedRows<'_>) -> Result<ArrayRef> {
        let sent = self.note(rows);
        let ([number, n_rows, flags], columns) = rows_payload(self.number, rows)?;
        let parts: [&[u8]; 4] = [&number, &n_rows, &flags, &columns];
        let values = self
            .host
            .ask(self.number, Some(sent), Tag::UpdateEach, &parts)
            .map_err(|message| self.failure(message))?;
        self.checked(values, rows.groups.len())
    }

    fn read(&self, groups: &[u32]) -> Result<ArrayRef> {
        let payload = self.of_groups(groups, None)?;
        let values = self
            .host
            .ask(self.number, None, Tag::Read, &[&payload])
            .map_err(|message| self.failure(message))?;
        self.checked(values, groups.len())
    }

    fn clear(&mut self, group: u32) {
        let parts: [&[u8]; 2] = [&self.number.to_le_bytes(), &u64::from(group).to_le_bytes()];
        self.host.say(Tag::Clear, &parts);
    }

    fn save(&self, groups: &[u32]) -> Result<ArrayRef> {
        let payload = self.of_groups(groups, None)?;
        self.host
            .ask(self.number, None, Tag::Save, &[&payload])
            .map_err(|message| self.failure(message))
    }

    fn restore(&mut self, groups: &[u32], states: &ArrayRef) -> Result<()> {
        let largest = groups.iter().max();
        let n_groups = largest.map_or(0, |group| *group as usize + 1);
        self.n_groups = self.n_groups.max(n_groups);
        let payload = self.of_groups(groups, Some(states))?;
        self.host
            .tell(self.number, Tag::Restore, &[&payload])
            .map_err(|message| self.failure(message))
    }

    fn state_bytes(&self) -> usize {
        self.n_groups * ACCUMULATOR_BYTES
    }
}

impl Drop for RemoteStates {
    fn drop(&mut self) {
        self.host.say(Tag::Drop, &[&self.number.to_le_bytes()]);
    }
}
