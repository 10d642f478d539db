//! Which functions exist, by name.
//!
//! The table below is Flink's catalogue. A function is either our own, or DataFusion's where both
//! mean the same, or known and not running yet: then a query that calls it is told so, instead of
//! that the name is unknown.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use datafusion::logical_expr::{AggregateUDF, ScalarUDF, Volatility, WindowUDF};

use crate::error::Result;
use crate::functions::arithmetic::{self, Operation};
use crate::functions::cast::{self, OnFailure};
use crate::functions::listing::FLINK_NAMES;
use crate::functions::user::{UserFunction, UserFunctions};
use crate::functions::{
    aggregates, bitmap, conditional, datetime, define, encoding, group_window, json, math,
    membership, nested, numeric, pattern, random, regexp, session_values, string, url, variant,
    window,
};

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FunctionKind {
    /// Registered by the user.
    User,
    /// Flink's own, and it runs.
    BuiltIn,
    /// Flink's own, and it runs with OVER only.
    Window,
    /// Flink's own, and it does not run yet.
    NotYet,
    /// No such function.
    Unknown,
}

/// The functions of one session.
#[derive(Debug, Default)]
pub struct FunctionRegistry {
    user: UserFunctions,
}

impl FunctionRegistry {
    /// Makes a function callable by its name, in any case.
    ///
    /// # Errors
    /// `Options` if the name is taken by another function of the user and `replace` is not set.
    pub fn register(&self, function: impl Into<UserFunction>, replace: bool) -> Result<()> {
        self.user.register(function.into(), replace)
    }

    /// Forgets a function of the user; whether there was one.
    pub fn drop(&self, name: &str) -> bool {
        self.user.drop(name)
    }

    /// The user's function of this name.
    #[must_use]
    pub fn user_function(&self, name: &str) -> Option<UserFunction> {
        self.user.get(name)
    }

    /// What `name` stands for: the key of a function of the user, or a name of Flink's own.
    #[must_use]
    pub fn kind(&self, name: &str) -> FunctionKind {
        match self.user.get(name) {
            Some(_) => FunctionKind::User,
            None => self.own_kind(name),
        }
    }

    /// What `name` stands for among Flink's own functions.
    #[must_use]
    pub fn own_kind(&self, name: &str) -> FunctionKind {
        let key = name.to_lowercase();
        if builtin_scalar(&key).is_some()
            || aggregates::find(&key).is_some()
            || SYNTAX.contains(&key.as_str())
        {
            FunctionKind::BuiltIn
        } else if window::find(key.as_str()).is_some() {
            FunctionKind::Window
        } else if is_not_yet(&key) {
            FunctionKind::NotYet
        } else {
            FunctionKind::Unknown
        }
    }

    /// The scalar function of this name.
    #[must_use]
    pub fn scalar(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        let key = name.to_lowercase();
        self.user.scalar(&key).or_else(|| builtin_scalar(&key))
    }

    /// The aggregate function of this name.
    #[must_use]
    pub fn aggregate(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        let key = name.to_lowercase();
        self.user.aggregate(&key).or_else(|| aggregates::find(&key))
    }

    /// The window function of this name.
    #[must_use]
    pub fn window(&self, name: &str) -> Option<Arc<WindowUDF>> {
        window::find(&name.to_lowercase())
    }

    /// The names under which functions of the user are kept, sorted.
    #[must_use]
    pub fn user_names(&self) -> Vec<String> {
        self.user.names()
    }

    /// The names of Flink's own functions as SHOW FUNCTIONS lists them, sorted.
    #[must_use]
    pub fn builtin_listed_names(&self) -> Vec<String> {
        let mut names: Vec<String> = FLINK_NAMES.map(str::to_owned).to_vec();
        names.sort();
        names
    }

    /// Flink's kind of a function: SCALAR or AGGREGATE.
    #[must_use]
    pub fn flink_kind(&self, name: &str) -> &'static str {
        match self.aggregate(name) {
            Some(_) => "AGGREGATE",
            None => "SCALAR",
        }
    }

    /// Whether equal arguments give equal results.
    #[must_use]
    pub fn is_deterministic(&self, name: &str) -> bool {
        self.scalar(name)
            .is_none_or(|function| function.signature().volatility != Volatility::Volatile)
    }

    /// The names of Flink's own functions in upper case, sorted.
    #[must_use]
    pub fn builtin_names(&self) -> Vec<String> {
        let mut names: Vec<String> = SCALAR
            .keys()
            .chain(SYNTAX)
            .copied()
            .chain(aggregates::names())
            .chain(window::names())
            .filter(|name| !name.starts_with("__"))
            .map(|name| name.to_uppercase())
            .collect();
        names.sort();
        names.dedup();
        names
    }
}

/// Flink's own function of this lower-case name.
pub(crate) fn builtin_scalar(key: &str) -> Option<Arc<ScalarUDF>> {
    SCALAR.get(key).map(Arc::clone)
}

static SCALAR: LazyLock<BTreeMap<&'static str, Arc<ScalarUDF>>> = LazyLock::new(|| {
    let mut functions: BTreeMap<&'static str, Arc<ScalarUDF>> = BTreeMap::new();
    for (name, operation) in [
        ("__decimal_plus", Operation::Plus),
        ("__decimal_minus", Operation::Minus),
        ("__decimal_times", Operation::Multiply),
        ("__decimal_divide", Operation::Divide),
        ("__decimal_mod", Operation::Modulo),
    ] {
        functions.insert(name, arithmetic::decimal_function(operation));
    }
    let families = [
        string::FUNCTIONS,
        math::FUNCTIONS,
        numeric::FUNCTIONS,
        random::FUNCTIONS,
        pattern::FUNCTIONS,
        membership::FUNCTIONS,
        datetime::FUNCTIONS,
        conditional::FUNCTIONS,
        regexp::FUNCTIONS,
        encoding::FUNCTIONS,
        url::FUNCTIONS,
        nested::construct::FUNCTIONS,
        nested::access::FUNCTIONS,
        nested::arrays::FUNCTIONS,
        nested::sets::FUNCTIONS,
        nested::maps::FUNCTIONS,
        nested::compare::FUNCTIONS,
        nested::structured::FUNCTIONS,
        json::FUNCTIONS,
        json::construct::FUNCTIONS,
        json::quote::FUNCTIONS,
        variant::FUNCTIONS,
        bitmap::FUNCTIONS,
        group_window::FUNCTIONS,
    ];
    for definition in families.into_iter().flatten() {
        functions.insert(definition.name, define::scalar(definition));
    }
    functions.insert("current_database", session_values::current_database());
    functions.insert("__cast", cast::function(OnFailure::Fail));
    functions.insert("__try_cast", cast::function(OnFailure::Null));
    functions
});

/// Functions that are special syntax to the parser, or to the normalizer.
const SYNTAX: &[&str] = &[
    "__rows_of_group",
    "array",
    "case",
    "cast",
    "cumulate",
    "descriptor",
    "from_changelog",
    "hop_end",
    "hop_proctime",
    "hop_rowtime",
    "hop_start",
    "if",
    "is_json",
    "json_array",
    "json_exists",
    "json_object",
    "json_query",
    "json_value",
    "map",
    "mod",
    "nullif",
    "options",
    "overlaps",
    "row",
    "session_end",
    "session_proctime",
    "session_rowtime",
    "session_start",
    "similar",
    "to_changelog",
    "try_cast",
    "tumble_end",
    "tumble_proctime",
    "tumble_rowtime",
    "tumble_start",
];

/// Whether a name, in lower case, is that of a function of Flink that does not run yet.
#[must_use]
pub fn is_not_yet(name: &str) -> bool {
    NOT_YET.contains(&name)
}

/// Functions of Flink that do not run yet.
const NOT_YET: &[&str] = &[
    "assignment",
    "default",
    "ml_evaluate",
    "ml_predict",
    "vector_search",
];
