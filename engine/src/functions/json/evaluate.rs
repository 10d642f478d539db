//! What a JSON path leads to in a document.
//!
//! A definite path gives its value, every other path an array of all values that it reaches, in
//! document order. A missing value behind a definite path is an error.
//!
//! Source: Jayway JsonPath 2.

use super::filter::Filter;
use super::path::{Argument, Function, Path, Step};
use super::value::{BigDecimal, Json};

/// The value of `path` from `start`; filters see `root` as `$`.
///
/// # Errors
/// The message for a missing value, or for a step that the document does not have.
pub(super) fn read(path: &Path, start: &Json, root: &Json) -> Result<Json, String> {
    let mut walk = Walk {
        path,
        root,
        results: Vec::new(),
    };
    walk.steps(start, 0)?;
    if path.is_definite() {
        return walk
            .results
            .pop()
            .ok_or_else(|| format!("No results for path: {}", path.to_text()));
    }
    Ok(Json::Array(walk.results))
}

struct Walk<'a> {
    path: &'a Path,
    root: &'a Json,
    results: Vec<Json>,
}

impl Walk<'_> {
    fn step(&self, step_idx: usize) -> Option<&Step> {
        self.path.steps.get(step_idx)
    }

    fn is_leaf(&self, step_idx: usize) -> bool {
        step_idx + 1 >= self.path.steps.len()
    }

    fn is_definite_before(&self, step_idx: usize) -> bool {
        let before = self.path.steps.get(..step_idx).unwrap_or(&[]);
        // A step before another one is no leaf.
        before.iter().all(|step| match step {
            Step::Properties(names) => names.len() == 1,
            Step::Indices(indices) => indices.len() == 1,
            Step::Function(..) => true,
            _ => false,
        })
    }

    /// Follows the path from step `step_idx` on.
    fn steps(&mut self, node: &Json, step_idx: usize) -> Result<(), String> {
        let path = self.path;
        let Some(step) = path.steps.get(step_idx) else {
            self.results.push(node.clone());
            return Ok(());
        };
        match step {
            Step::Properties(names) => self.properties(node, names, step_idx),
            Step::Wildcard => self.wildcard(node, step_idx),
            Step::Scan => self.scan(node, step_idx),
            Step::Indices(indices) => {
                let Some(items) = self.items(node, step_idx)? else {
                    return Ok(());
                };
                for index in indices {
                    self.item(items, *index, step_idx)?;
                }
                Ok(())
            }
            Step::Slice(from, to) => {
                let Some(items) = self.items(node, step_idx)? else {
                    return Ok(());
                };
                for index in slice(items.len(), *from, *to) {
                    self.item(items, index, step_idx)?;
                }
                Ok(())
            }
            Step::Filter(filter) => self.filter(node, filter, step_idx),
            Step::Function(function, arguments) => {
                let arguments = self.arguments(arguments)?;
                self.results.push(call(*function, &arguments, node)?);
                Ok(())
            }
        }
    }

    /// The values of a function's arguments; the elements of arrays count one by one.
    fn arguments(&self, arguments: &[Argument]) -> Result<Vec<Json>, String> {
        let mut values = Vec::new();
        for argument in arguments {
            match argument {
                Argument::Value(value) => values.push(value.clone()),
                Argument::Path(path) => match read(path, self.root, self.root)? {
                    Json::Array(items) => values.extend(items),
                    value => values.push(value),
                },
            }
        }
        Ok(values)
    }

    fn properties(&mut self, node: &Json, names: &[String], step_idx: usize) -> Result<(), String> {
        let Json::Object(entries) = node else {
            if !self.is_definite_before(step_idx) {
                return Ok(());
            }
            let shown: Vec<String> = names.iter().map(|name| format!("'{name}'")).collect();
            return Err(format!(
                "Expected to find an object with property [{}] in path {} but found '{}'. This is \
                 not a json object according to the JsonProvider.",
                shown.join(","),
                self.text_before(step_idx),
                java_class(node)
            ));
        };
        if self.is_leaf(step_idx) && names.len() > 1 {
            let chosen = names
                .iter()
                .filter_map(|name| Some((name.clone(), node.get(name)?.clone())));
            self.results.push(Json::Object(chosen.collect()));
            return Ok(());
        }
        for name in names {
            match entries.iter().find(|(key, _)| key == name) {
                Some((_, value)) => self.steps(value, step_idx + 1)?,
                None if self.is_leaf(step_idx) => {}
                None if names.len() == 1 && self.is_definite_before(step_idx) => {
                    return Err(format!(
                        "Missing property in path {}['{name}']",
                        self.text_before(step_idx)
                    ));
                }
                None => {}
            }
        }
        Ok(())
    }

    fn text_before(&self, step_idx: usize) -> String {
        let steps = self.path.steps.get(..step_idx).unwrap_or(&[]).to_vec();
        Path {
            is_root: self.path.is_root,
            steps,
        }
        .to_text()
    }

    fn wildcard(&mut self, node: &Json, step_idx: usize) -> Result<(), String> {
        let children: Vec<&Json> = match node {
            Json::Object(entries) => entries.iter().map(|(_, value)| value).collect(),
            Json::Array(items) => items.iter().collect(),
            _ => return Ok(()),
        };
        for child in children {
            // What a child does not have is left out.
            let n_results = self.results.len();
            if self.steps(child, step_idx + 1).is_err() {
                self.results.truncate(n_results);
            }
        }
        Ok(())
    }

    /// The elements of an array; none for other values behind an indefinite path.
    fn items<'n>(&self, node: &'n Json, step_idx: usize) -> Result<Option<&'n [Json]>, String> {
        match node {
            Json::Array(items) => Ok(Some(items)),
            _ if !self.is_definite_before(step_idx) => Ok(None),
            Json::Null => Err(format!("The path {} is null", self.text_before(step_idx))),
            _ => Err(format!(
                "Filter: {} can only be applied to arrays. Current context is: {}",
                self.path.to_text(),
                node.to_java_string()
            )),
        }
    }

    fn item(&mut self, items: &[Json], index: i64, step_idx: usize) -> Result<(), String> {
        match at(items, index) {
            Some(item) => self.steps(item, step_idx + 1),
            None => Ok(()),
        }
    }

    fn filter(&mut self, node: &Json, filter: &Filter, step_idx: usize) -> Result<(), String> {
        match node {
            Json::Object(_) if filter.accepts(node, self.root) => {
                self.steps(node, step_idx + 1)?;
            }
            Json::Object(_) => {}
            Json::Array(items) => {
                for item in items {
                    if filter.accepts(item, self.root) {
                        self.steps(item, step_idx + 1)?;
                    }
                }
            }
            _ if self.is_definite_before(step_idx) => {
                return Err(format!(
                    "Filter: [?] can not be applied to primitives. Current context is: {}",
                    node.to_java_string()
                ));
            }
            _ => {}
        }
        Ok(())
    }

    /// All nodes below, each before its children, to which the next step applies.
    fn scan(&mut self, node: &Json, scan_idx: usize) -> Result<(), String> {
        let next_idx = scan_idx + 1;
        let applies = match (self.step(next_idx), node) {
            (Some(Step::Properties(names)), Json::Object(_)) => {
                (names.len() > 1 && !self.is_leaf(next_idx))
                    || names.iter().all(|name| node.get(name).is_some())
            }
            (Some(Step::Indices(_) | Step::Slice(..)), Json::Array(_)) => true,
            (Some(Step::Wildcard), _) => true,
            (Some(Step::Filter(_)), Json::Array(_)) => true,
            (Some(Step::Filter(filter)), Json::Object(_)) => filter.accepts(node, self.root),
            _ => false,
        };
        if applies {
            self.steps(node, next_idx)?;
        }
        match node {
            Json::Object(entries) => {
                for (_, value) in entries {
                    self.scan(value, scan_idx)?;
                }
            }
            Json::Array(items) => {
                for item in items {
                    self.scan(item, scan_idx)?;
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// The element at an index; a negative one counts from the end.
fn at(items: &[Json], index: i64) -> Option<&Json> {
    let length = i64::try_from(items.len()).ok()?;
    let index = if index < 0 { length + index } else { index };
    usize::try_from(index)
        .ok()
        .and_then(|index| items.get(index))
}

/// The indices of a slice.
fn slice(length: usize, from: Option<i64>, to: Option<i64>) -> std::ops::Range<i64> {
    let length = i64::try_from(length).unwrap_or(i64::MAX);
    match (from, to) {
        (Some(from), None) => {
            let from = if from < 0 { length + from } else { from };
            from.max(0)..length
        }
        (None, Some(to)) => {
            let to = if to < 0 { length + to } else { to };
            0..to.min(length)
        }
        (Some(from), Some(to)) => from.max(-length)..to.min(length),
        (None, None) => 0..length,
    }
}

/// A function at the end of a path.
fn call(function: Function, arguments: &[Json], node: &Json) -> Result<Json, String> {
    let items = || {
        let of_node: &[Json] = match node {
            Json::Array(items) => items,
            _ => &[],
        };
        of_node.iter().chain(arguments)
    };
    let numbers = || -> Result<Vec<f64>, String> {
        let numbers: Vec<f64> = items()
            .filter_map(Json::as_number)
            .map(|number| BigDecimal::to_f64(&number))
            .collect();
        if numbers.is_empty() {
            return Err(empty_aggregation());
        }
        Ok(numbers)
    };
    let element = |index: i64| match node {
        Json::Array(items) => at(items, index)
            .cloned()
            .ok_or_else(|| "Target index out of bounds".to_owned()),
        _ => Err("The function takes an array".to_owned()),
    };
    match function {
        Function::Min => Ok(Json::Double(
            numbers()?.into_iter().fold(f64::MAX, f64::min),
        )),
        Function::Max => Ok(Json::Double(
            numbers()?.into_iter().fold(f64::MIN, f64::max),
        )),
        Function::Sum => Ok(Json::Double(numbers()?.into_iter().sum())),
        Function::Avg => {
            let numbers = numbers()?;
            Ok(Json::Double(
                numbers.iter().sum::<f64>() / numbers.len() as f64,
            ))
        }
        Function::Stddev => {
            let numbers = numbers()?;
            let count = numbers.len() as f64;
            let sum: f64 = numbers.iter().sum();
            let squares: f64 = numbers.iter().map(|number| number * number).sum();
            Ok(Json::Double(
                (squares / count - sum * sum / count / count).sqrt(),
            ))
        }
        Function::Length => Ok(match node {
            Json::Array(items) => whole(items.len()),
            Json::Object(entries) => whole(entries.len()),
            _ => Json::Null,
        }),
        Function::Keys => Ok(match node {
            Json::Object(entries) => Json::Array(
                entries
                    .iter()
                    .map(|(key, _)| Json::String(key.clone()))
                    .collect(),
            ),
            _ => Json::Null,
        }),
        Function::First => element(0),
        Function::Last => element(-1),
        Function::Index => match arguments.first() {
            Some(Json::Int(index)) => element(*index),
            _ => Err("The function takes an index".to_owned()),
        },
        Function::Concat => {
            let texts = items().filter_map(|item| match item {
                Json::String(text) => Some(text.as_str()),
                _ => None,
            });
            Ok(Json::String(texts.collect()))
        }
        Function::Unknown => Err("Function with name does not exist.".to_owned()),
    }
}

fn empty_aggregation() -> String {
    "Aggregation function attempted to calculate value using empty array".to_owned()
}

fn whole(count: usize) -> Json {
    Json::Int(i64::try_from(count).unwrap_or(i64::MAX))
}

/// The class that Java has for a value, as messages name it.
pub(super) fn java_class(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "java.lang.Boolean",
        Json::Int(value) if i32::try_from(*value).is_ok() => "java.lang.Integer",
        Json::Int(_) => "java.lang.Long",
        Json::BigInt(_) => "java.math.BigInteger",
        Json::Decimal(_) => "java.math.BigDecimal",
        Json::Double(_) => "java.lang.Double",
        Json::String(_) => "java.lang.String",
        Json::Array(_) => "java.util.ArrayList",
        Json::Object(_) => "java.util.LinkedHashMap",
    }
}
