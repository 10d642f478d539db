//! The built-in process table functions TO_CHANGELOG and FROM_CHANGELOG.
//!
//! ```text
//!   TO_CHANGELOG(input => TABLE t, op => DESCRIPTOR(kind), op_mapping => MAP['INSERT', 'I'])
//!   FROM_CHANGELOG(input => TABLE t, op => DESCRIPTOR(kind), op_mapping => MAP['c, r', 'INSERT'])
//! ```
//!
//! Source: FLIP-564 and Flink 2.3, `ToChangelogTypeStrategy`, `FromChangelogTypeStrategy`.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{DFSchema, DFSchemaRef, Result as DfResult, TableReference};
use datafusion::logical_expr::planner::{
    PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning,
};
use datafusion::logical_expr::{Expr, Extension, LogicalPlan, UserDefinedLogicalNodeCore};
use datafusion::sql::sqlparser::ast::{
    Expr as SqlExpr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, SetExpr,
    TableAlias, TableFactor, Value, ValueWithSpan,
};

use crate::data::RowKind;
use crate::data::types::FlinkType;
use crate::error::{EngineError, Result};
use crate::operators::changelog::{ChangelogWay, OpCodes};
use crate::sql::diagnostics::validation;

/// Rows whose kind becomes a column, or comes from one.
#[derive(Debug, Clone)]
pub struct ChangelogRows {
    /// The rows.
    pub input: LogicalPlan,
    /// Which way.
    pub way: ChangelogWay,
    /// The codes of the kinds.
    pub codes: OpCodes,
    schema: DFSchemaRef,
}

/// Whether this is the name of one of the functions.
#[must_use]
pub fn is_changelog_function(name: &str) -> bool {
    matches!(
        name.to_uppercase().as_str(),
        "TO_CHANGELOG" | "FROM_CHANGELOG"
    )
}

impl ChangelogRows {
    /// `op` is the name of the column of codes.
    fn try_new(
        input: LogicalPlan,
        is_to: bool,
        call: &Arguments,
        codes: OpCodes,
    ) -> DfResult<Self> {
        let op = call.op.as_deref().unwrap_or("op");
        let schema = input.schema();
        let columns = schema.iter().map(|(_, field)| (None, Arc::clone(field)));
        let mut fields: Vec<(Option<TableReference>, FieldRef)> = columns.collect();
        let way = if is_to {
            let field = FlinkType::string().to_arrow_field(op);
            fields.insert(0, (None, Arc::new(field)));
            ChangelogWay::To
        } else {
            let place = fields.iter().position(|(_, field)| field.name() == op);
            let Some(place) = place else {
                return Err(validation(format!(
                    "The op column '{op}' does not exist in the input schema."
                ))
                .into());
            };
            let (_, field) = fields.remove(place);
            if *field.data_type() != DataType::Utf8 {
                return Err(validation(format!(
                    "The op column '{op}' must be of STRING type, but was '{}'.",
                    FlinkType::from_field(&field).root_text()
                ))
                .into());
            }
            ChangelogWay::From {
                column: place,
                skips_unknown: call.skips_unknown,
            }
        };
        let schema = DFSchema::new_with_metadata(fields, schema.metadata().clone())?;
        Ok(Self {
            input,
            way,
            codes,
            schema: Arc::new(schema),
        })
    }

    /// The node as EXPLAIN shows it.
    #[must_use]
    pub fn describe(&self) -> String {
        let name = match self.way {
            ChangelogWay::To => "TO_CHANGELOG",
            ChangelogWay::From { .. } => "FROM_CHANGELOG",
        };
        let names: Vec<&str> = self
            .schema
            .fields()
            .iter()
            .map(|field| field.name().as_str())
            .collect();
        let codes: Vec<String> = (self.codes.0.iter())
            .map(|(kind, code)| format!("{kind}={code}"))
            .collect();
        format!(
            "ProcessTableFunction(invocation=[{name}({})], select=[{}])",
            codes.join(", "),
            names.join(", ")
        )
    }
}

impl PartialEq for ChangelogRows {
    fn eq(&self, other: &Self) -> bool {
        self.way == other.way
            && self.codes == other.codes
            && self.schema == other.schema
            && self.input == other.input
    }
}

impl Eq for ChangelogRows {}

impl Hash for ChangelogRows {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.way.hash(state);
        self.codes.hash(state);
        self.input.hash(state);
    }
}

impl PartialOrd for ChangelogRows {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        let own = (&self.way, &self.codes);
        match own.partial_cmp(&(&other.way, &other.codes)) {
            Some(Ordering::Equal) => self.input.partial_cmp(&other.input),
            order => order,
        }
    }
}

impl UserDefinedLogicalNodeCore for ChangelogRows {
    fn name(&self) -> &str {
        "ProcessTableFunction"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.describe())
    }

    fn with_exprs_and_inputs(&self, _exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> DfResult<Self> {
        let Some(input) = inputs.into_iter().next() else {
            return Err(EngineError::internal("a changelog function without rows").into());
        };
        Ok(Self {
            input,
            way: self.way,
            codes: self.codes.clone(),
            schema: Arc::clone(&self.schema),
        })
    }
}

/// Plans calls of the functions.
#[derive(Debug)]
pub struct ChangelogRelations;

impl RelationPlanner for ChangelogRelations {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> DfResult<RelationPlanning> {
        let Some((name, arguments, alias)) = call_of(&relation) else {
            return Ok(RelationPlanning::Original(Box::new(relation)));
        };
        let arguments = Arguments::read(&name, &arguments)?;
        let input = arguments.plan_input(&name, context)?;
        let is_to = name == "TO_CHANGELOG";
        let codes = match &arguments.op_mapping {
            None => OpCodes::names(),
            Some(mapping) => codes_of(&name, mapping)?,
        };
        let node = ChangelogRows::try_new(input, is_to, &arguments, codes)?;
        let plan = LogicalPlan::Extension(Extension {
            node: Arc::new(node),
        });
        let planned = PlannedRelation::new(plan, alias);
        Ok(RelationPlanning::Planned(Box::new(planned)))
    }
}

/// Name, arguments and alias of a call.
fn call_of(relation: &TableFactor) -> Option<(String, Vec<FunctionArg>, Option<TableAlias>)> {
    let (name, arguments, alias) = match relation {
        TableFactor::TableFunction {
            expr:
                SqlExpr::Function(Function {
                    name,
                    args: FunctionArguments::List(list),
                    ..
                }),
            alias,
        } => (name, &list.args, alias),
        TableFactor::Table {
            name,
            args: Some(arguments),
            alias,
            ..
        } => (name, &arguments.args, alias),
        _ => return None,
    };
    let name = name.to_string().to_uppercase();
    is_changelog_function(&name).then(|| (name, arguments.clone(), alias.clone()))
}

/// The arguments of a call.
#[derive(Default)]
struct Arguments {
    input: Option<SqlExpr>,
    op: Option<String>,
    op_mapping: Option<SqlExpr>,
    /// `invalid_op_handling => 'SKIP'`.
    skips_unknown: bool,
}

impl Arguments {
    fn read(name: &str, arguments: &[FunctionArg]) -> Result<Self> {
        const NAMES: [&str; 4] = ["input", "op", "op_mapping", "invalid_op_handling"];
        let mut read = Self::default();
        for (place, argument) in arguments.iter().enumerate() {
            let (parameter, argument) = match argument {
                FunctionArg::Unnamed(argument) => (NAMES.get(place).copied(), argument),
                FunctionArg::Named { name, arg, .. } => {
                    let known = NAMES.iter().find(|known| **known == name.value);
                    // The id of a function's state, and how much of a row a deletion has: these
                    // keep no state, and deletions have all of it.
                    let ignored = matches!(name.value.as_str(), "uid" | "produces_full_deletes");
                    let known = known.or(ignored.then_some(&""));
                    (known.copied(), arg)
                }
                FunctionArg::ExprNamed { arg, .. } => (None, arg),
            };
            let FunctionArgExpr::Expr(value) = argument else {
                return Err(invalid(name));
            };
            match parameter {
                Some("input") => read.input = Some(value.clone()),
                Some("op") => read.op = Some(descriptor(name, value)?),
                Some("op_mapping") => read.op_mapping = Some(value.clone()),
                Some("invalid_op_handling") if name == "FROM_CHANGELOG" => {
                    let mut texts = Vec::new();
                    texts_of(value, &mut texts);
                    read.skips_unknown = match texts.as_slice() {
                        [text] if text == "SKIP" => true,
                        [text] if text == "FAIL" => false,
                        _ => return Err(invalid(name)),
                    };
                }
                Some("") => {}
                _ => return Err(invalid(name)),
            }
        }
        Ok(read)
    }

    fn plan_input(
        &self,
        name: &str,
        context: &mut dyn RelationPlannerContext,
    ) -> DfResult<LogicalPlan> {
        let mut input = self.input.clone().ok_or_else(|| invalid(name))?;
        while let SqlExpr::Nested(inner) = input {
            input = *inner;
        }
        let SqlExpr::Subquery(mut query) = input else {
            return Err(validation(format!(
                "the input of {name} must be TABLE name or a subquery, not {input}"
            ))
            .into());
        };
        if let SetExpr::Select(select) = query.body.as_mut()
            && !(select.distribute_by.is_empty() && select.sort_by.is_empty())
        {
            return Err(validation(format!(
                "only tables with set semantics may be partitioned. Invalid PARTITION BY clause \
                 in the 0-th operand of table function '{name}'"
            ))
            .into());
        }
        context.plan(TableFactor::Derived {
            lateral: false,
            subquery: query,
            alias: None,
            sample: None,
        })
    }
}

fn invalid(name: &str) -> EngineError {
    validation(format!(
        "invalid arguments of {name}; it takes input => TABLE t, op => DESCRIPTOR(column), \
         op_mapping => MAP['…', '…']"
    ))
}

/// The column of `DESCRIPTOR(column)`.
fn descriptor(name: &str, expr: &SqlExpr) -> Result<String> {
    let SqlExpr::Function(Function {
        name: function,
        args: FunctionArguments::List(list),
        ..
    }) = expr
    else {
        return Err(invalid(name));
    };
    match list.args.as_slice() {
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(SqlExpr::Identifier(column)))]
            if function.to_string().eq_ignore_ascii_case("DESCRIPTOR") =>
        {
            Ok(column.value.clone())
        }
        _ => Err(validation(format!(
            "the descriptor for argument 'op' of {name} must contain exactly one column name"
        ))),
    }
}

/// The texts of `MAP['a', 'b', …]`, whatever the normalizer made of the literals.
fn texts_of(expr: &SqlExpr, texts: &mut Vec<String>) {
    match expr {
        SqlExpr::Value(ValueWithSpan {
            value: Value::SingleQuotedString(text),
            ..
        }) => texts.push(text.clone()),
        SqlExpr::Cast { expr, .. } | SqlExpr::Nested(expr) => texts_of(expr, texts),
        SqlExpr::Array(array) => array.elem.iter().for_each(|expr| texts_of(expr, texts)),
        SqlExpr::Function(function) => {
            let FunctionArguments::List(list) = &function.args else {
                return;
            };
            // Of a literal's cast only the value counts, not the name of its type.
            let is_cast = function.name.to_string().starts_with("__");
            let n_values = if is_cast { 1 } else { list.args.len() };
            for argument in list.args.iter().take(n_values) {
                if let FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) = argument {
                    texts_of(expr, texts);
                }
            }
        }
        SqlExpr::CompoundFieldAccess { access_chain, .. } => {
            use datafusion::sql::sqlparser::ast::{AccessExpr, Subscript};
            for access in access_chain {
                if let AccessExpr::Subscript(Subscript::Index { index }) = access {
                    texts_of(index, texts);
                }
            }
        }
        _ => {}
    }
}

/// The codes of `op_mapping`: kinds to codes for TO_CHANGELOG, codes to kinds for FROM_CHANGELOG;
/// a key may name several, with commas between.
fn codes_of(name: &str, mapping: &SqlExpr) -> Result<OpCodes> {
    let mut texts = Vec::new();
    texts_of(mapping, &mut texts);
    if texts.is_empty() || !texts.len().is_multiple_of(2) {
        return Err(validation(
            "the argument 'op_mapping' must be a constant MAP literal".to_owned(),
        ));
    }
    let is_to = name == "TO_CHANGELOG";
    let mut codes = Vec::new();
    for pair in texts.chunks_exact(2) {
        let [keys, value] = pair else { continue };
        for key in keys.split(',').map(str::trim) {
            let (kind, code) = if is_to {
                (key, value.as_str())
            } else {
                (value.as_str(), key)
            };
            codes.push((kind_of(kind)?, code.to_owned()));
        }
    }
    let codes = OpCodes(codes);
    if !is_to && codes.has(RowKind::UpdateAfter) && !codes.has(RowKind::UpdateBefore) {
        return Err(validation(
            "The 'op_mapping' must include UPDATE_BEFORE for retract mode. Upsert mode (without \
             UPDATE_BEFORE) is not supported in this version."
                .to_owned(),
        ));
    }
    Ok(codes)
}

fn kind_of(name: &str) -> Result<RowKind> {
    OpCodes::names()
        .0
        .into_iter()
        .find(|(_, known)| known == name)
        .map(|(kind, _)| kind)
        .ok_or_else(|| {
            validation(format!(
                "Invalid target mapping for argument 'op_mapping'. Unknown change operation: \
                 '{name}'. Valid values are: [UPDATE_AFTER, UPDATE_BEFORE, DELETE, INSERT]."
            ))
        })
}
