//! The leaves of a graph: tables, VALUES, and the one row under a SELECT without FROM.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::datatypes::SchemaRef;
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::logical_plan::{EmptyRelation, TableScan, Values};
use datafusion::logical_expr::{LogicalPlan, TableSource};

use super::expressions::constant;
use super::{Built, GraphBuilder};
use crate::connectors::values::ValuesSource;
use crate::connectors::{Boundedness, Source};
use crate::data::{ChangelogMode, Delta};
use crate::error::{EngineError, Result};
use crate::operators::changelog_normalize::ChangelogNormalizeSpec;
use crate::plan::changes::role::{Makes, Role, Wants};
use crate::plan::context::PhysicalTable;
use crate::plan::errors::from_planner;
use crate::plan::explain::split_hints;
use crate::plan::keys::Keys;
use crate::plan::text;
use crate::runtime::{Exchange, NodeKind, WatermarkSpec};

impl GraphBuilder {
    pub(super) fn scan(&mut self, scan: &TableScan) -> Result<Built> {
        let Some(table) = scan.source.downcast_ref::<PhysicalTable>() else {
            return Err(EngineError::internal(format!(
                "table '{}' is neither a connector's nor a view",
                scan.table_name
            )));
        };
        let full = table.source.schema();
        let projection = match &scan.projection {
            Some(projection) => projection.clone(),
            None => (0..full.fields().len()).collect(),
        };
        let mut read: BTreeSet<usize> = projection.iter().copied().collect();
        read.extend(table.watermark.iter().flat_map(|it| it.columns(&full)));
        if let Some(others) = self.reads.get(&scan.table_name) {
            read.extend(others);
        }
        read.extend(table.normalized_by().into_iter().flatten());
        // COUNT(*) needs no column, but rows need one to be counted by.
        if read.is_empty() && !full.fields().is_empty() {
            read.insert(0);
        }
        let read: Vec<usize> = read.into_iter().collect();
        let source = match self.sources.get(&scan.table_name) {
            Some((known, source)) if *known == read => source.clone(),
            _ => {
                let source = self.table(scan, table, &read)?;
                let entry = (read.clone(), source.clone());
                self.sources.insert(scan.table_name.clone(), entry);
                source
            }
        };
        if projection == read || projection.is_empty() {
            return Ok(source);
        }
        let order: Vec<usize> = projection
            .iter()
            .filter_map(|column| read.iter().position(|sorted| sorted == column))
            .collect();
        self.pick(&source, &order)
    }

    /// Adds a source that is no table of the query: all its columns.
    pub fn external(&mut self, source: Arc<dyn Source>, name: String) -> Built {
        let schema = source.schema();
        let projection = (0..schema.fields().len()).collect();
        self.source(source, projection, None, name, schema)
    }

    fn table(&mut self, scan: &TableScan, table: &PhysicalTable, read: &[usize]) -> Result<Built> {
        let schema = Arc::new(TableSource::schema(table).project(read)?);
        let watermark = match &table.watermark {
            // In batch mode nothing is late, and time is over with the last row.
            Some(watermark) if !self.options.is_batch => {
                Some(watermark.to_spec(&schema, &self.config)?)
            }
            _ => None,
        };
        let fields: Vec<_> = schema
            .fields()
            .iter()
            .map(|field| field.name().as_str())
            .collect();
        let path = scan.table_name.to_vec().join(", ");
        let (path, options) = split_hints(&path);
        let hints = options.map_or_else(String::new, |options| {
            format!(", hints=[[[OPTIONS options:{{{options}}}]]]")
        });
        let mut path = path.to_owned();
        if read.len() < TableSource::schema(table).fields().len() {
            path = format!("{path}, project=[{}], metadata=[]", fields.join(", "));
        }
        if let Some(watermark) = &table.watermark {
            let expression = text::expression(&watermark.watermark);
            path = format!("{path}, watermark=[{expression}]");
        }
        let name = format!(
            "TableSourceScan(table=[[{path}]], fields=[{}]{hints})",
            fields.join(", ")
        );
        let source = Arc::clone(&table.source);
        let built = self.source(source, read.to_vec(), watermark, name, schema);
        let place = |name: &String| built.schema.index_of(name).ok();
        let key: Option<Vec<usize>> = table.primary_key.iter().map(place).collect();
        let keys = match key {
            Some(key) if !key.is_empty() => Keys::one(key),
            _ => Keys::none(),
        };
        let role = Role::source(built.mode);
        let built = self.note(built, role, keys);
        Ok(match table.normalized_by() {
            Some(key) => self.normalized(built, read, &key),
            None => built,
        })
    }

    /// Changes that may come twice, once each; `read` are the table's columns that are there.
    fn normalized(&mut self, input: Built, read: &[usize], key: &[usize]) -> Built {
        let key_columns: Vec<usize> = key
            .iter()
            .filter_map(|column| read.iter().position(|read| read == column))
            .collect();
        let names: Vec<&str> = key_columns
            .iter()
            .filter_map(|&column| input.schema.fields().get(column))
            .map(|field| field.name().as_str())
            .collect();
        let name = format!("ChangelogNormalize(key=[{}])", names.join(", "));
        let schema = Arc::clone(&input.schema);
        let spec = ChangelogNormalizeSpec {
            key_columns: key_columns.clone(),
            schema: Arc::clone(&schema),
        };
        let keys = Keys::one(key_columns.iter().copied());
        let built = self.add(
            name,
            NodeKind::Operator(Arc::new(spec)),
            vec![(input, Exchange::Hash(key_columns))],
            schema,
            ChangelogMode::ALL,
        );
        let role = Role::of(Makes::Only(built.mode)).wanting(Wants::OnlyAfter);
        self.note(built, role, keys)
    }

    /// Notes which columns `plan` reads of which table, so that a table that is read in several
    /// places is scanned once, with all columns that any of them needs.
    pub(super) fn note_reads(&mut self, plan: &LogicalPlan) -> Result<()> {
        plan.apply(|node| {
            if let LogicalPlan::TableScan(scan) = node {
                let n_columns = scan.source.schema().fields().len();
                let columns = match &scan.projection {
                    Some(projection) => projection.clone(),
                    None => (0..n_columns).collect(),
                };
                self.reads
                    .entry(scan.table_name.clone())
                    .or_default()
                    .extend(columns);
            }
            Ok(TreeNodeRecursion::Continue)
        })
        .map_err(from_planner)?;
        Ok(())
    }

    pub(super) fn source(
        &mut self,
        source: Arc<dyn Source>,
        projection: Vec<usize>,
        watermark: Option<Arc<WatermarkSpec>>,
        name: String,
        schema: SchemaRef,
    ) -> Built {
        let bounded = source.boundedness() == Boundedness::Bounded;
        let mode = source.changelog_mode();
        let mut built = self.add(
            name,
            NodeKind::Source {
                source,
                projection,
                watermark,
            },
            vec![],
            schema,
            mode,
        );
        built.bounded = bounded;
        built.ends = bounded;
        self.note(built, Role::source(mode), Keys::none())
    }

    pub(super) fn values(&mut self, values: &Values) -> Result<Built> {
        let schema = Arc::clone(values.schema.inner());
        let mut columns: Vec<Vec<ScalarValue>> = vec![Vec::new(); schema.fields().len()];
        for row in &values.values {
            for (column, expr) in columns.iter_mut().zip(row) {
                column.push(constant(expr, &self.config)?);
            }
        }
        let columns = columns
            .into_iter()
            .zip(schema.fields())
            .map(|(column, field)| {
                let column = column
                    .into_iter()
                    .map(|value| value.cast_to(field.data_type()))
                    .collect::<datafusion::common::Result<Vec<_>>>()?;
                Ok(ScalarValue::iter_to_array(column)?)
            })
            .collect::<Result<Vec<ArrayRef>>>()?;
        self.constant(RecordBatch::try_new(schema, columns)?)
    }

    pub(super) fn constant(&mut self, batch: RecordBatch) -> Result<Built> {
        let schema = batch.schema();
        let fields: Vec<_> = schema
            .fields()
            .iter()
            .map(|field| field.name().as_str())
            .collect();
        let name = format!(
            "Values(tuples=[{} rows], fields=[{}])",
            batch.num_rows(),
            fields.join(", ")
        );
        let projection = (0..schema.fields().len()).collect();
        let rows = vec![Delta::insert_only(batch)];
        let source = ValuesSource::try_new(Arc::clone(&schema), rows)?;
        Ok(self.source(Arc::new(source), projection, None, name, schema))
    }

    /// No rows, or one without columns of its own.
    pub(super) fn empty(&mut self, empty: &EmptyRelation) -> Result<Built> {
        let rows = usize::from(empty.produce_one_row);
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let schema = Arc::clone(empty.schema.inner());
        let columns = schema
            .fields()
            .iter()
            .map(|field| new_null_array(field.data_type(), rows))
            .collect();
        let batch = RecordBatch::try_new_with_options(schema, columns, &options)?;
        self.constant(batch)
    }
}
