//! SinkMaterializer: what a table with a PRIMARY KEY gets of a query whose rows are known by other
//! columns.
//!
//! Rows of several upsert keys can fall on one primary key. Which of them the table shows is what
//! ON CONFLICT says:
//!
//! ```text
//!   DEDUPLICATE   the row that came last; when it goes, the one before it
//!   NOTHING       the row that came first
//!   ERROR         the job fails
//!
//!   key 1:  +I a      +I b      -D b      -D a
//!           +I a      +U b      +U a      -D a        DEDUPLICATE, row by row
//!           +I a                          -D a        NOTHING, as of each watermark
//! ```
//!
//! With NOTHING and ERROR, changes wait for the next watermark, so that the two halves of an update
//! that come one after the other are no conflict.
//!
//! Source: Flink 2.3, `SinkUpsertMaterializer`, `WatermarkCompactingSinkMaterializer` and their
//! answers.

use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray, Int64Array, RecordBatch};
use arrow::datatypes::{Field, Int64Type, Schema, SchemaRef};

use super::group_changes::columns_at;
use super::{Operator, OperatorFactory, Output, StepContext};
use crate::data::{Delta, RowKind};
use crate::error::{EngineError, Result};
use crate::state::ttl::LastWrites;
use crate::state::{KeyIndex, Place, RowStore, StateTable};

/// What to do when rows of several upsert keys have one primary key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnConflict {
    /// The last one is shown.
    Deduplicate,
    /// The first one stays.
    Nothing,
    /// The job fails.
    Error,
}

/// A SinkMaterializer.
#[derive(Debug, Clone)]
pub struct SinkMaterializerSpec {
    /// Columns of the table's primary key: the rows of a key meet on one worker.
    pub primary_key: Vec<usize>,
    /// Columns by which a row of the query is known; if empty, the whole row.
    pub upsert_key: Vec<usize>,
    /// Which of several rows is shown.
    pub on_conflict: OnConflict,
    /// Schema of the rows that come and leave.
    pub schema: SchemaRef,
}

impl OperatorFactory for SinkMaterializerSpec {
    fn create(&self, _worker_idx: usize, _n_workers: usize) -> Result<Box<dyn Operator>> {
        let fields = self.schema.fields();
        let all: Vec<usize> = (0..fields.len()).collect();
        Ok(Box::new(SinkMaterializer {
            identity: match self.upsert_key.is_empty() {
                true => all.clone(),
                false => self.upsert_key.clone(),
            },
            all,
            spec: self.clone(),
            index: KeyIndex::of_columns(&self.schema, &self.primary_key)?,
            rows: RowStore::new(Arc::clone(&self.schema)),
            lists: Vec::new(),
            waiting: Vec::new(),
            n_waiting: 0,
            last_writes: LastWrites::default(),
            n_written: 0,
        }))
    }
}

struct SinkMaterializer {
    spec: SinkMaterializerSpec,
    /// The columns in which a row and its retraction are equal.
    identity: Vec<usize>,
    all: Vec<usize>,
    index: KeyIndex,
    rows: RowStore,
    /// By key: the slots of the rows that are there, the one that is shown last (or, as of a
    /// watermark, the only one).
    lists: Vec<Vec<u32>>,
    /// By key: changes since the last watermark, in order of arrival.
    waiting: Vec<Vec<(RowKind, u32)>>,
    n_waiting: usize,
    /// Only if state has a time to live.
    last_writes: LastWrites,
    n_written: usize,
}

/// The names of the tables of a checkpoint.
const TABLES: [&str; 2] = ["rows", "waiting"];

/// What is sent: places in the store, with their kinds.
#[derive(Default)]
struct Changes {
    kinds: Vec<RowKind>,
    places: Vec<Place>,
}

impl Changes {
    fn push(&mut self, kind: RowKind, place: Place) {
        self.kinds.push(kind);
        self.places.push(place);
    }
}

const fn is_added(kind: RowKind) -> bool {
    matches!(kind, RowKind::Insert | RowKind::UpdateAfter)
}

impl Operator for SinkMaterializer {
    fn push(
        &mut self,
        _port: usize,
        delta: Delta,
        ctx: &StepContext,
        out: &mut Output,
    ) -> Result<()> {
        let ids = self.enter(delta.batch())?;
        let block = self.rows.admit(delta.batch().clone());
        let mut changes = Changes::default();
        let mut released = Vec::new();
        for (row_idx, &id) in (0_u32..).zip(&ids) {
            let kind = delta.kind(row_idx as usize);
            if self.spec.on_conflict == OnConflict::Deduplicate {
                self.expire(id, ctx, &mut released);
                let place = RowStore::place_in(block, row_idx);
                match is_added(kind) {
                    true => {
                        let slot = self.rows.keep(block, row_idx);
                        self.add(id, slot, &mut changes, &mut released);
                    }
                    false => self.retract(id, place, &mut changes, &mut released),
                }
            } else {
                let slot = self.rows.keep(block, row_idx);
                if let Some(waiting) = self.waiting.get_mut(id as usize) {
                    waiting.push((kind, slot));
                    self.n_waiting += 1;
                }
            }
        }
        self.send(changes, released, out)?;
        if self.spec.on_conflict == OnConflict::Deduplicate {
            self.forget_empty(ids);
        }
        Ok(())
    }

    fn on_watermark(
        &mut self,
        _watermark_ms: i64,
        _ctx: &StepContext,
        out: &mut Output,
    ) -> Result<()> {
        if self.n_waiting == 0 {
            return Ok(());
        }
        let mut changes = Changes::default();
        let mut released = Vec::new();
        let mut ids = Vec::new();
        for id in 0..self.waiting.len() as u32 {
            if self.waiting.get(id as usize).is_none_or(Vec::is_empty) {
                continue;
            }
            self.compact(id, &mut changes, &mut released)?;
            ids.push(id);
        }
        self.n_waiting = 0;
        self.send(changes, released, out)?;
        self.forget_empty(ids);
        Ok(())
    }

    fn on_step_end(&mut self, ctx: &StepContext, _out: &mut Output) -> Result<()> {
        let Some(ttl_ms) = ctx.state_ttl_ms else {
            return Ok(());
        };
        let n_written = std::mem::take(&mut self.n_written);
        let now_ms = ctx.processing_time_ms;
        let mut released = Vec::new();
        let expired = self.last_writes.sweep(n_written, now_ms, ttl_ms);
        for &id in &expired {
            self.expire(id, ctx, &mut released);
        }
        released
            .into_iter()
            .for_each(|slot| self.rows.release(slot));
        self.rows.settle()?;
        self.forget_empty(expired);
        Ok(())
    }

    /// The rows that are there, key by key in their order, with the time of the key's last write;
    /// and the changes that wait, with their kinds.
    fn save(&self) -> Result<Vec<StateTable>> {
        let mut slots = Vec::new();
        let mut written = Vec::new();
        for (id, list) in (0_u32..).zip(&self.lists) {
            slots.extend(list.iter().copied());
            written.extend(list.iter().map(|_| self.last_writes.get(id)));
        }
        let waiting: Vec<(RowKind, u32)> = self.waiting.iter().flatten().copied().collect();
        let is_added = waiting.iter().map(|(kind, _)| Some(is_added(*kind)));
        let is_added: BooleanArray = is_added.collect();
        let written: Int64Array = written.into_iter().collect();
        let [rows, waits] = TABLES;
        Ok(vec![
            self.table(rows, slots, Arc::new(written))?,
            self.table(
                waits,
                waiting.iter().map(|(_, slot)| *slot).collect(),
                Arc::new(is_added),
            )?,
        ])
    }

    fn restore(&mut self, tables: Vec<StateTable>) -> Result<()> {
        let not_ours = || EngineError::Data {
            message: "the saved rows are not those of a SinkMaterializer".to_owned(),
        };
        for table in tables {
            let n_columns = self.all.len();
            let last = table.batch.columns().get(n_columns).cloned();
            let last = last.ok_or_else(not_ours)?;
            let batch = table.batch.project(&self.all)?;
            let batch =
                RecordBatch::try_new(Arc::clone(&self.spec.schema), batch.columns().to_vec())?;
            let ids = self.enter(&batch)?;
            let block = self.rows.admit(batch);
            for (row_idx, &id) in (0_u32..).zip(&ids) {
                let slot = self.rows.keep(block, row_idx);
                let at = row_idx as usize;
                match table.name {
                    "rows" => {
                        let written = last.as_primitive_opt::<Int64Type>().ok_or_else(not_ours)?;
                        if let Some(list) = self.lists.get_mut(id as usize) {
                            list.push(slot);
                        }
                        if written.is_valid(at) {
                            self.last_writes.resize(self.lists.len());
                            self.last_writes.write(id, written.value(at));
                        }
                    }
                    "waiting" => {
                        let added = last.as_boolean_opt().ok_or_else(not_ours)?;
                        let kind = match added.value(at) {
                            true => RowKind::Insert,
                            false => RowKind::Delete,
                        };
                        if let Some(waiting) = self.waiting.get_mut(id as usize) {
                            waiting.push((kind, slot));
                            self.n_waiting += 1;
                        }
                    }
                    _ => return Err(not_ours()),
                }
            }
            self.rows.settle()?;
        }
        Ok(())
    }

    fn state_bytes(&self) -> usize {
        let n_slots: usize = self.lists.iter().map(Vec::capacity).sum();
        let n_waiting: usize = self.waiting.iter().map(Vec::capacity).sum();
        self.index.state_bytes()
            + self.rows.state_bytes()
            + self.last_writes.state_bytes()
            + n_slots * size_of::<u32>()
            + n_waiting * size_of::<(RowKind, u32)>()
            + (self.lists.capacity() + self.waiting.capacity()) * size_of::<Vec<u32>>()
    }
}

impl SinkMaterializer {
    /// The ids of the rows' primary keys; makes place for them.
    fn enter(&mut self, batch: &RecordBatch) -> Result<Vec<u32>> {
        let key = columns_at(batch, &self.spec.primary_key)?;
        let mut ids = Vec::new();
        self.index.intern(&key, batch.num_rows(), &mut ids)?;
        let n_keys = self.index.end();
        if self.lists.len() < n_keys {
            self.lists.resize_with(n_keys, Vec::new);
            self.waiting.resize_with(n_keys, Vec::new);
        }
        Ok(ids)
    }

    fn list(&self, id: u32) -> &[u32] {
        self.lists.get(id as usize).map_or(&[], Vec::as_slice)
    }

    /// The first of `slots` whose row is known as the one at `place` is.
    fn find(&self, slots: &[u32], place: Place) -> Option<usize> {
        slots.iter().position(|&slot| {
            self.rows
                .equal_rows(self.rows.place(slot), place, &self.identity)
        })
    }

    fn add(&mut self, id: u32, slot: u32, changes: &mut Changes, released: &mut Vec<u32>) {
        let place = self.rows.place(slot);
        let kind = match self.list(id).is_empty() {
            true => RowKind::Insert,
            false => RowKind::UpdateAfter,
        };
        changes.push(kind, place);
        let known = match self.spec.upsert_key.is_empty() {
            true => None,
            false => self.find(self.list(id), place),
        };
        let list = self.lists.get_mut(id as usize);
        match known.zip(list) {
            Some((at, list)) => {
                if let Some(entry) = list.get_mut(at) {
                    released.push(std::mem::replace(entry, slot));
                }
            }
            None => {
                if let Some(list) = self.lists.get_mut(id as usize) {
                    list.push(slot);
                }
            }
        }
    }

    /// A row that is not there has been forgotten, as Flink has it.
    fn retract(&mut self, id: u32, place: Place, changes: &mut Changes, released: &mut Vec<u32>) {
        let Some(at) = self.find(self.list(id), place) else {
            return;
        };
        let Some(list) = self.lists.get_mut(id as usize) else {
            return;
        };
        released.push(list.remove(at));
        match list.last() {
            None => changes.push(RowKind::Delete, place),
            Some(&last) if at == list.len() => {
                changes.push(RowKind::UpdateAfter, self.rows.place(last));
            }
            Some(_) => {}
        }
    }

    /// What has come for a key since the last watermark, taken together.
    fn compact(&mut self, id: u32, changes: &mut Changes, released: &mut Vec<u32>) -> Result<()> {
        let waiting = self.waiting.get_mut(id as usize).map(std::mem::take);
        let previous = self.list(id).first().copied();
        let mut rows: Vec<u32> = previous.into_iter().collect();
        let mut gone = Vec::new();
        for (kind, slot) in waiting.unwrap_or_default() {
            let place = self.rows.place(slot);
            let known = match is_added(kind) && self.spec.upsert_key.is_empty() {
                true => None,
                false => self.find(&rows, place),
            };
            match (is_added(kind), known.and_then(|at| rows.get_mut(at))) {
                (true, Some(entry)) => gone.push(std::mem::replace(entry, slot)),
                (true, None) => rows.push(slot),
                (false, _) => {
                    gone.push(slot);
                    if let Some(at) = known {
                        gone.push(rows.remove(at));
                    }
                }
            }
        }
        let (first, others) = match rows.split_first() {
            Some((first, others)) => (Some(*first), others),
            None => (None, [].as_slice()),
        };
        let shown = match (first, previous) {
            (Some(_), _) if !others.is_empty() && self.spec.on_conflict == OnConflict::Error => {
                return Err(EngineError::Data {
                    message: "primary key constraint violation: multiple distinct records with \
                              the same primary key detected; use ON CONFLICT DO NOTHING to keep \
                              the first record"
                        .to_owned(),
                });
            }
            // The row that is shown stays, whatever has become of it.
            (Some(_), Some(previous)) if !others.is_empty() => Some(previous),
            (Some(first), None) => {
                changes.push(RowKind::Insert, self.rows.place(first));
                Some(first)
            }
            (Some(first), Some(previous)) => {
                let places = [first, previous].map(|slot| self.rows.place(slot));
                if self.rows.equal_rows(places[0], places[1], &self.all) {
                    Some(previous)
                } else {
                    changes.push(RowKind::UpdateAfter, places[0]);
                    Some(first)
                }
            }
            (None, Some(previous)) => {
                changes.push(RowKind::Delete, self.rows.place(previous));
                None
            }
            (None, None) => None,
        };
        gone.extend(rows);
        gone.extend(previous);
        gone.sort_unstable();
        gone.dedup();
        released.extend(gone.into_iter().filter(|slot| Some(*slot) != shown));
        if let Some(list) = self.lists.get_mut(id as usize) {
            list.clear();
            list.extend(shown);
        }
        Ok(())
    }

    /// Sends the changes; only then may the rows that are gone be forgotten.
    fn send(&mut self, changes: Changes, released: Vec<u32>, out: &mut Output) -> Result<()> {
        if !changes.kinds.is_empty() {
            let rows = self.rows.gather(&changes.places)?;
            out.emit(Delta::try_new(rows, changes.kinds)?);
        }
        released
            .into_iter()
            .for_each(|slot| self.rows.release(slot));
        self.rows.settle()
    }

    /// Forgets the rows of a key whose state has come to its end, and notes the write.
    fn expire(&mut self, id: u32, ctx: &StepContext, released: &mut Vec<u32>) {
        let Some(ttl_ms) = ctx.state_ttl_ms else {
            return;
        };
        let now_ms = ctx.processing_time_ms;
        self.last_writes.resize(self.lists.len());
        if self.last_writes.is_expired(id, now_ms, ttl_ms) {
            let list = self.lists.get_mut(id as usize).map(std::mem::take);
            released.extend(list.unwrap_or_default());
        }
        self.last_writes.write(id, now_ms);
        self.n_written += 1;
    }

    /// Keys without rows need no place.
    fn forget_empty(&mut self, mut ids: Vec<u32>) {
        ids.sort_unstable();
        ids.dedup();
        for id in ids {
            let waits = self
                .waiting
                .get(id as usize)
                .is_some_and(|it| !it.is_empty());
            if self.list(id).is_empty() && !waits {
                self.last_writes.forget(id);
                self.index.remove(id);
            }
        }
    }

    /// The rows of `slots` with one more column.
    fn table(
        &self,
        name: &'static str,
        slots: Vec<u32>,
        last: Arc<dyn Array>,
    ) -> Result<StateTable> {
        let rows = self.rows.gather_slots(slots)?;
        let mut fields = rows.schema().fields().to_vec();
        fields.push(Arc::new(Field::new("last", last.data_type().clone(), true)));
        let mut columns = rows.columns().to_vec();
        columns.push(last);
        Ok(StateTable {
            name,
            batch: RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?,
            key_columns: self.spec.primary_key.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use expect_test::{Expect, expect};

    use arrow::datatypes::DataType;

    use super::*;
    use crate::data::text;

    fn spec(upsert_key: &[usize], on_conflict: OnConflict) -> SinkMaterializerSpec {
        SinkMaterializerSpec {
            primary_key: vec![0],
            upsert_key: upsert_key.to_vec(),
            on_conflict,
            schema: text::schema(&[
                ("k", DataType::Int64),
                ("u", DataType::Utf8),
                ("v", DataType::Int64),
            ]),
        }
    }

    fn push(
        operator: &mut dyn Operator,
        schema: &SchemaRef,
        rows: &str,
        ctx: &StepContext,
    ) -> String {
        let delta = text::parse_delta(schema, rows).unwrap();
        let mut out = Output::default();
        operator.push(0, delta, ctx, &mut out).unwrap();
        operator.on_step_end(ctx, &mut out).unwrap();
        text::print_deltas(&out.drain()).unwrap()
    }

    /// Pushes with a save and a restore in between; what comes out behind each `~` of the watermark.
    fn check(spec: &SinkMaterializerSpec, pushes: &[&str], expected: &Expect) {
        let ctx = StepContext::default();
        let mut operator = spec.create(0, 1).unwrap();
        let mut texts = String::new();
        for (step, rows) in (1..).zip(pushes) {
            let saved = operator.save().unwrap();
            operator = spec.create(0, 1).unwrap();
            operator.restore(saved).unwrap();
            texts.push_str(&push(operator.as_mut(), &spec.schema, rows, &ctx));
            let mut out = Output::default();
            operator.on_watermark(step, &ctx, &mut out).unwrap();
            texts.push_str("~\n");
            texts.push_str(&text::print_deltas(&out.drain()).unwrap());
        }
        expected.assert_eq(&texts);
    }

    const PUSHES: [&str; 4] = [
        "+I|1|a|10\n+I|1|b|20\n+I|2|c|30",
        "-U|1|a|10\n+U|1|a|11\n-D|2|c|30",
        "-D|1|a|11\n-D|7|x|0",
        "-D|1|b|20",
    ];

    #[test]
    fn the_row_that_came_last_is_shown() {
        let spec = spec(&[], OnConflict::Deduplicate);
        check(
            &spec,
            &PUSHES,
            &expect![[r#"
            +I | 1 | a | 10
            +U | 1 | b | 20
            +I | 2 | c | 30
            ~
            +U | 1 | a | 11
            -D | 2 | c | 30
            ~
            +U | 1 | b | 20
            ~
            -D | 1 | b | 20
            ~
        "#]],
        );
    }

    #[test]
    fn a_row_that_is_known_keeps_its_place() {
        let spec = spec(&[1], OnConflict::Deduplicate);
        let pushes = ["+I|1|a|10\n+I|1|b|20", "+U|1|a|11", "-D|1|b|0", "-D|1|a|0"];
        check(
            &spec,
            &pushes,
            &expect![[r#"
            +I | 1 | a | 10
            +U | 1 | b | 20
            ~
            +U | 1 | a | 11
            ~
            +U | 1 | a | 11
            ~
            -D | 1 | a | 0
            ~
        "#]],
        );
    }

    #[test]
    fn the_row_that_came_first_stays() {
        check(
            &spec(&[], OnConflict::Nothing),
            &PUSHES,
            &expect![[r#"
            ~
            +I | 1 | a | 10
            +I | 2 | c | 30
            ~
            +U | 1 | a | 11
            -D | 2 | c | 30
            ~
            -D | 1 | a | 11
            ~
        "#]],
        );
    }

    #[test]
    fn a_second_row_is_an_error() {
        let spec = spec(&[], OnConflict::Error);
        // An update is none.
        check(
            &spec,
            &["+I|1|a|10", "-U|1|a|10\n+U|1|b|11"],
            &expect![[r#"
                ~
                +I | 1 | a | 10
                ~
                +U | 1 | b | 11
            "#]],
        );
        let mut operator = spec.create(0, 1).unwrap();
        let ctx = StepContext::default();
        push(
            operator.as_mut(),
            &spec.schema,
            "+I|1|a|10\n+I|1|b|10",
            &ctx,
        );
        let error = operator.on_watermark(1, &ctx, &mut Output::default());
        assert!(
            error
                .unwrap_err()
                .to_string()
                .contains("primary key constraint violation")
        );
    }

    #[test]
    fn state_comes_to_its_end() {
        let spec = spec(&[], OnConflict::Deduplicate);
        let mut operator = spec.create(0, 1).unwrap();
        let at = |now_ms| StepContext {
            processing_time_ms: now_ms,
            state_ttl_ms: Some(100),
            ..StepContext::default()
        };
        let shown = push(operator.as_mut(), &spec.schema, "+I|1|a|10", &at(0));
        assert_eq!(shown, "+I | 1 | a | 10\n");
        // As if the key had never been there.
        let shown = push(
            operator.as_mut(),
            &spec.schema,
            "-D|1|a|10\n+I|1|b|20",
            &at(100),
        );
        assert_eq!(shown, "+I | 1 | b | 20\n");
    }
}
