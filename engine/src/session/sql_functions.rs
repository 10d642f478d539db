//! `CREATE FUNCTION f(a INT, b INT) RETURNS INT LANGUAGE SQL AS 'a * 10 + b'`: functions whose
//! body is an expression over their parameters.
//!
//! Flink has no such functions. As a view is a query under a name, this is an expression under a
//! name: it is bound when it is created, so what it calls must exist by then and it cannot call
//! itself, and arguments are computed once however often the body names them.

use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::common::DFSchema;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, ExprSchemable, Volatility, lit};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::ast::{Visit, Visitor};
use datafusion::sql::sqlparser::tokenizer::Span;
use parking_lot::Mutex;

use super::Session;
use super::config::Configuration;
use super::tables::TableView;
use crate::catalog::at;
use crate::data::types::FlinkType;
use crate::error::{EngineError, Result};
use crate::functions::cast::{self, OnFailure};
use crate::functions::registered::casts_implicitly;
use crate::functions::udf::{UdfRuntime, UdfSpec};
use crate::functions::usage::{self, FunctionMetric, FunctionUse, UsedFunction};
use crate::plan::build::physical;
use crate::plan::context::config_options;
use crate::plan::errors::from_planner;
use crate::plan::locate::located;
use crate::plan::{bind, rules, used_functions};
use crate::sql::diagnostics::{Position, SqlDiagnostic, validation};
use crate::sql::script;
use crate::sql::statement::{CreateFunction, FunctionSignature};

/// The function that a statement describes.
///
/// # Errors
/// With their place in `text`: if the body is no expression, names something that does not exist,
/// calls the function itself, does not give one value a row, or gives another type.
pub(super) fn define(
    session: &Session,
    create: &CreateFunction,
    signature: &FunctionSignature,
    text: &str,
) -> Result<UdfSpec> {
    let name = create.name.object_name();
    let in_body = |error| placed(error, create, text);
    let here = |error| at(error, text, create.class_span);
    let body = script::parse_expression(&create.class).map_err(in_body)?;
    refuse_recursion(name, &body.expr).map_err(in_body)?;
    let fields: Vec<Field> = signature
        .parameters
        .iter()
        .map(|(name, flink_type)| flink_type.to_arrow_field(&name.value))
        .collect();
    let schema: SchemaRef = Arc::new(Schema::new(fields));
    let columns = DFSchema::try_from(Arc::clone(&schema)).map_err(from_planner)?;
    let config = session.planner_config();
    let tables = TableView::new(session, &config);
    let bound = bind::bind_expr(&body.expr, &columns, &tables, session.functions(), &config)
        .map_err(|error| in_body(located(error, body.expr.as_ref())))?;
    refuse_relations(name, &bound).map_err(here)?;
    let bound = rules::analyze_expr(bound, &columns, &config)
        .map_err(|error| in_body(located(error, body.expr.as_ref())))?;
    let bound = converted(name, bound, &columns, &signature.result).map_err(here)?;
    let arguments = schema.fields().iter().map(Arc::clone).collect();
    let runtime = SqlFunction {
        name: name.to_owned(),
        deterministic: is_deterministic(&bound)?,
        calls: calls_of(&bound)?,
        bound,
        schema,
        columns,
        options: session.configuration().clone(),
        config: Arc::clone(&config),
        result: signature.result.clone(),
        ready: Mutex::new(None),
    };
    // It is made once here, so that what cannot run is told now.
    runtime.body().map_err(here)?;
    Ok(UdfSpec {
        name: name.to_owned(),
        arguments: Some(arguments),
        result: Arc::new(signature.result.to_arrow_field("value")),
        deterministic: runtime.deterministic,
        runtime: Arc::new(runtime),
    })
}

/// An expression over the columns of its parameters.
struct SqlFunction {
    name: String,
    bound: Expr,
    schema: SchemaRef,
    columns: DFSchema,
    result: FlinkType,
    deterministic: bool,
    /// Functions of the user that the body calls.
    calls: Vec<UsedFunction>,
    /// The session's: the body sees its time zone as it is when a batch comes.
    options: Configuration,
    /// What else the planner knew.
    config: Arc<ConfigOptions>,
    /// The body, ready for batches, for one time zone.
    ready: Mutex<Option<(String, Arc<dyn PhysicalExpr>)>>,
}

impl std::fmt::Debug for SqlFunction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SqlFunction({})", self.name)
    }
}

impl SqlFunction {
    fn body(&self) -> Result<Arc<dyn PhysicalExpr>> {
        let time_zone = self.options.time_zone();
        let mut ready = self.ready.lock();
        if let Some((known, body)) = ready.as_ref()
            && *known == time_zone
        {
            return Ok(Arc::clone(body));
        }
        let mut config = config_options(&time_zone);
        let default_schema = self.config.catalog.default_schema.clone();
        Arc::make_mut(&mut config).catalog.default_schema = default_schema;
        let body = physical(&self.bound, &self.columns, &config)?;
        *ready = Some((time_zone, Arc::clone(&body)));
        Ok(body)
    }

    fn failure(&self, message: String) -> EngineError {
        EngineError::Function {
            function: self.name.clone(),
            message,
        }
    }
}

impl UdfRuntime for SqlFunction {
    fn call(&self, arguments: &[ArrayRef], n_rows: usize) -> Result<ArrayRef> {
        for (field, column) in self.schema.fields().iter().zip(arguments) {
            if !field.is_nullable() && column.null_count() > 0 {
                let name = field.name();
                return Err(self.failure(format!("its parameter '{name}' is NOT NULL, not NULL")));
            }
        }
        let options = RecordBatchOptions::new().with_row_count(Some(n_rows));
        let schema = Arc::clone(&self.schema);
        let rows = RecordBatch::try_new_with_options(schema, arguments.to_vec(), &options)?;
        let results = self.body()?.evaluate(&rows)?.into_array(n_rows)?;
        if !self.result.nullable && results.null_count() > 0 {
            return Err(self.failure(format!("it gave NULL, but returns {}", self.result)));
        }
        Ok(results)
    }

    fn for_job(&self) -> Option<Arc<dyn UdfRuntime>> {
        let (bound, calls) = used_functions::expression_for_job(&self.bound, &self.calls)?;
        Some(Arc::new(Self {
            name: self.name.clone(),
            bound,
            schema: Arc::clone(&self.schema),
            columns: self.columns.clone(),
            result: self.result.clone(),
            deterministic: self.deterministic,
            calls,
            options: self.options.clone(),
            config: Arc::clone(&self.config),
            ready: Mutex::new(None),
        }))
    }

    fn begin_use(&self) -> Option<Box<dyn FunctionUse>> {
        let calls: Vec<_> = self
            .calls
            .iter()
            .filter_map(UsedFunction::begin_use)
            .collect();
        (!calls.is_empty()).then(|| Box::new(BodyUse(calls)) as Box<dyn FunctionUse>)
    }
}

/// A job's hold on the functions that a body calls.
#[derive(Debug)]
struct BodyUse(Vec<Box<dyn FunctionUse>>);

impl FunctionUse for BodyUse {
    fn metrics(&self) -> Vec<FunctionMetric> {
        usage::merged(self.0.iter().map(|used| used.metrics()))
    }

    fn interrupt(&self) {
        self.0.iter().for_each(|used| used.interrupt());
    }

    fn end(&self) {
        self.0.iter().for_each(|used| used.end());
    }
}

/// An error of the body at its place in the statement. The body is the text in the quotes, from
/// which a place in it differs by where the quotes begin, unless quotes are doubled in it.
fn placed(error: EngineError, create: &CreateFunction, text: &str) -> EngineError {
    let EngineError::Sql(diagnostic) = &error else {
        return at(error, text, create.class_span);
    };
    let mut diagnostic = SqlDiagnostic::clone(diagnostic);
    let inner = diagnostic.position.take();
    let start = create.class_span.start;
    let start_line = usize::try_from(start.line).unwrap_or(1);
    let start_column = usize::try_from(start.column).unwrap_or(1);
    match inner {
        Some(Position { line, column }) if !create.class.contains('\'') => {
            diagnostic.position = Some(Position {
                line: line + start_line - 1,
                column: if line == 1 {
                    column + start_column
                } else {
                    column
                },
            });
            text.clone_into(&mut diagnostic.source);
            EngineError::from(Arc::new(diagnostic))
        }
        _ => at(
            EngineError::from(Arc::new(diagnostic)),
            text,
            create.class_span,
        ),
    }
}

fn refuse_recursion(name: &str, body: &ast::Expr) -> Result<()> {
    struct Calls<'a> {
        name: &'a str,
        found: Option<Span>,
    }
    impl Visitor for Calls<'_> {
        type Break = ();

        fn pre_visit_expr(&mut self, expr: &ast::Expr) -> ControlFlow<()> {
            if let ast::Expr::Function(call) = expr
                && let Some(ast::ObjectNamePart::Identifier(ident)) = call.name.0.last()
                && ident.value.eq_ignore_ascii_case(self.name)
            {
                self.found = Some(ident.span);
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        }
    }
    let mut calls = Calls { name, found: None };
    let _: ControlFlow<()> = body.visit(&mut calls);
    let Some(span) = calls.found else {
        return Ok(());
    };
    let message = format!("function '{name}' cannot call itself");
    let diagnostic = SqlDiagnostic::validation(message).with_span("", span);
    Err(EngineError::from(Arc::new(diagnostic)))
}

/// A body has a value for each row by itself.
fn refuse_relations(name: &str, bound: &Expr) -> Result<()> {
    let mut refused = None;
    visit(bound, |part| {
        let what = match part {
            Expr::AggregateFunction(_) => "aggregates",
            Expr::WindowFunction(_) => "has a window",
            Expr::ScalarSubquery(_)
            | Expr::Exists(_)
            | Expr::InSubquery(_)
            | Expr::SetComparison(_) => "has a subquery",
            _ => return,
        };
        refused = Some(what);
    })?;
    match refused {
        None => Ok(()),
        Some(what) => Err(validation(format!(
            "the body of function '{name}' {what}; it must be an expression over its parameters"
        ))),
    }
}

/// The body as a value of the declared type.
fn converted(name: &str, bound: Expr, columns: &DFSchema, to: &FlinkType) -> Result<Expr> {
    let (_, field) = bound.to_field(columns).map_err(from_planner)?;
    let from = FlinkType::from_field(&field);
    if from.root == to.root {
        return Ok(bound);
    }
    if !casts_implicitly(field.data_type(), &to.to_arrow_type()) {
        return Err(validation(format!(
            "the body of function '{name}' gives {}, but it returns {}",
            from.root_text(),
            to.root_text(),
        )));
    }
    let target = lit(to.as_serializable_string());
    Ok(cast::function(OnFailure::Fail).call(vec![bound, target]))
}

/// Whether equal arguments give equal results, also tomorrow.
fn is_deterministic(bound: &Expr) -> Result<bool> {
    let mut deterministic = true;
    visit(bound, |part| {
        if let Expr::ScalarFunction(call) = part {
            deterministic &= call.func.signature().volatility == Volatility::Immutable;
        }
    })?;
    Ok(deterministic)
}

fn calls_of(bound: &Expr) -> Result<Vec<UsedFunction>> {
    let mut calls: Vec<UsedFunction> = Vec::new();
    visit(bound, |part| used_functions::note(part, &mut calls))?;
    Ok(calls)
}

fn visit(bound: &Expr, mut look: impl FnMut(&Expr)) -> Result<()> {
    bound
        .apply(|part| {
            look(part);
            Ok(TreeNodeRecursion::Continue)
        })
        .map(drop)
        .map_err(from_planner)
}
