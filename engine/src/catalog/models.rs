//! Models: named descriptions of inputs, outputs and a provider.
//!
//! They are kept, shown and altered as in Flink; no provider is part of this engine, so that
//! `ML_PREDICT` over one is refused.
//!
//! Source: Flink 2.3's `CatalogManager` and its answers.

use std::collections::BTreeMap;

use arrow::record_batch::RecordBatch;

use super::define::to_column;
use super::table::{Column, physical_columns};
use super::{CatalogManager, IfExists, ObjectIdentifier, at_name, fail, show};
use crate::error::Result;
use crate::sql::diagnostics::did_you_mean;
use crate::sql::statement::{AlterModelChange, ColumnDef, CreateModel};

/// A model.
#[derive(Debug, Clone, Default)]
pub struct CatalogModel {
    /// Columns that go in.
    pub inputs: Vec<Column>,
    /// Columns that come out.
    pub outputs: Vec<Column>,
    /// Comment.
    pub comment: Option<String>,
    /// Options, `provider` among them.
    pub options: BTreeMap<String, String>,
}

/// The model of a statement.
///
/// # Errors
/// A validation error at a column that stands twice.
pub fn define_model(create: &CreateModel, script: &str) -> Result<CatalogModel> {
    Ok(CatalogModel {
        inputs: model_columns(&create.inputs, "input", script)?,
        outputs: model_columns(&create.outputs, "output", script)?,
        comment: create.comment.clone(),
        options: create
            .options
            .iter()
            .map(|option| (option.key.clone(), option.value.clone()))
            .collect(),
    })
}

fn model_columns(definitions: &[ColumnDef], what: &str, script: &str) -> Result<Vec<Column>> {
    let mut columns: Vec<Column> = Vec::new();
    for definition in definitions {
        let column = to_column(definition);
        if columns.iter().any(|known| known.name == column.name) {
            let message = format!("duplicate {what} column name '{}'", column.name);
            return Err(at_name(fail(message, None), script, &definition.name));
        }
        columns.push(column);
    }
    Ok(columns)
}

impl CatalogManager {
    /// The model of a full name and whether it is temporary; temporary ones first.
    #[must_use]
    pub fn find_model(&self, identifier: &ObjectIdentifier) -> Option<(&CatalogModel, bool)> {
        if let Some(model) = self.temporary_models.get(identifier) {
            return Some((model, true));
        }
        let database = self.database(&identifier.catalog, &identifier.database)?;
        Some((database.models.get(&identifier.object)?, false))
    }

    /// Adds a model; whether something changed.
    ///
    /// # Errors
    /// If there is no such database, or the name is taken and `if_exists` says to fail.
    pub fn create_model(
        &mut self,
        identifier: &ObjectIdentifier,
        model: CatalogModel,
        temporary: bool,
        if_exists: IfExists,
    ) -> Result<bool> {
        let kind = if temporary {
            "temporary model"
        } else {
            "model"
        };
        let known = if temporary {
            self.temporary_models.contains_key(identifier)
        } else {
            let database = self.database_or_fail(&identifier.catalog, &identifier.database)?;
            database.models.contains_key(&identifier.object)
        };
        if known {
            return match if_exists {
                IfExists::Keep => Ok(false),
                _ => Err(fail(format!("{kind} '{identifier}' already exists"), None)),
            };
        }
        if temporary {
            self.temporary_models.insert(identifier.clone(), model);
        } else if let Some(database) = self.database_mut(&identifier.catalog, &identifier.database)
        {
            database.models.insert(identifier.object.clone(), model);
        }
        Ok(true)
    }

    /// Removes a model; whether there was one.
    ///
    /// # Errors
    /// If it does not exist and `if_exists` is not set.
    pub fn drop_model(
        &mut self,
        identifier: &ObjectIdentifier,
        temporary: bool,
        if_exists: bool,
    ) -> Result<bool> {
        let dropped = if temporary {
            self.temporary_models.remove(identifier).is_some()
        } else {
            self.database_mut(&identifier.catalog, &identifier.database)
                .is_some_and(|database| database.models.remove(&identifier.object).is_some())
        };
        if dropped || if_exists {
            return Ok(dropped);
        }
        let kind = if temporary {
            "temporary model"
        } else {
            "model"
        };
        Err(fail(
            format!(
                "{kind} with identifier '{}' does not exist",
                identifier.summary()
            ),
            self.similar_model(identifier),
        ))
    }

    /// Changes a permanent model; `renamed` is the new name of RENAME TO.
    ///
    /// # Errors
    /// If it does not exist and `if_exists` is not set, is temporary, the change names nothing, or
    /// the new name is taken.
    pub fn alter_model(
        &mut self,
        identifier: &ObjectIdentifier,
        change: &AlterModelChange,
        renamed: Option<&ObjectIdentifier>,
        if_exists: bool,
    ) -> Result<()> {
        let Some((model, temporary)) = self.find_model(identifier) else {
            return match if_exists {
                true => Ok(()),
                false => Err(fail(
                    format!("model '{identifier}' does not exist"),
                    self.similar_model(identifier),
                )),
            };
        };
        if temporary {
            return Err(fail(
                format!("model '{identifier}' is a temporary model and cannot be altered"),
                None,
            ));
        }
        let mut model = model.clone();
        match change {
            AlterModelChange::RenameTo(_) => {}
            AlterModelChange::Set(options) => {
                if options.is_empty() {
                    return Err(fail(
                        "ALTER MODEL SET does not support empty options".to_owned(),
                        None,
                    ));
                }
                for option in options {
                    model
                        .options
                        .insert(option.key.clone(), option.value.clone());
                }
            }
            AlterModelChange::Reset(keys) => {
                if keys.is_empty() {
                    return Err(fail(
                        "ALTER MODEL RESET does not support empty keys".to_owned(),
                        None,
                    ));
                }
                model.options.retain(|key, _| !keys.contains(key));
            }
        }
        let to = renamed.unwrap_or(identifier);
        if to != identifier && self.find_model(to).is_some() {
            return Err(fail(format!("model '{to}' already exists"), None));
        }
        if let Some(database) = self.database_mut(&identifier.catalog, &identifier.database) {
            database.models.remove(&identifier.object);
            database.models.insert(to.object.clone(), model);
        }
        Ok(())
    }

    /// Names of the permanent models of a database, sorted.
    ///
    /// # Errors
    /// If there is no such database.
    pub fn list_models(&self, catalog: &str, database: &str) -> Result<Vec<String>> {
        let database = self.database_or_fail(catalog, database)?;
        Ok(database.models.keys().cloned().collect())
    }

    /// Names of the temporary models of a database, sorted.
    #[must_use]
    pub fn list_temporary_models(&self, catalog: &str, database: &str) -> Vec<String> {
        self.temporary_models
            .keys()
            .filter(|identifier| identifier.catalog == catalog && identifier.database == database)
            .map(|identifier| identifier.object.clone())
            .collect()
    }

    fn similar_model(&self, identifier: &ObjectIdentifier) -> Option<String> {
        let known = self
            .list_models(&identifier.catalog, &identifier.database)
            .unwrap_or_default();
        did_you_mean(&identifier.object, known.iter().map(String::as_str))
    }

    /// The rows of DESCRIBE MODEL: name, type, null, is input, and comment if there is any.
    ///
    /// # Errors
    /// If there is no such model.
    pub fn describe_model(&self, identifier: &ObjectIdentifier) -> Result<RecordBatch> {
        let Some((model, _)) = self.find_model(identifier) else {
            return Err(fail(
                format!(
                    "model with the identifier '{}' does not exist",
                    identifier.summary()
                ),
                self.similar_model(identifier),
            ));
        };
        show::model_columns(&model.inputs, &model.outputs)
    }

    /// The text of SHOW CREATE MODEL.
    ///
    /// # Errors
    /// If there is no such model.
    pub(super) fn create_model_text(&self, identifier: &ObjectIdentifier) -> Result<String> {
        let Some((model, temporary)) = self.find_model(identifier) else {
            return Err(fail(
                format!(
                    "could not execute SHOW CREATE MODEL: model with identifier '{identifier}' \
                     does not exist"
                ),
                self.similar_model(identifier),
            ));
        };
        let kind = if temporary {
            "TEMPORARY MODEL"
        } else {
            "MODEL"
        };
        let mut text = format!("CREATE {kind} {identifier}\n");
        for (word, columns) in [("INPUT", &model.inputs), ("OUTPUT", &model.outputs)] {
            if !columns.is_empty() {
                text.push_str(&format!("{word} ({})\n", physical_columns(columns)));
            }
        }
        if let Some(comment) = &model.comment {
            text.push_str(&format!("COMMENT {}\n", show::string(comment)));
        }
        let options = show::options_text(model.options.iter());
        text.push_str(&format!("{options}\n"));
        Ok(text)
    }
}
