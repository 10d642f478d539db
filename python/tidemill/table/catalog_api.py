"""A catalog as an object: its databases, tables, functions and models.

Everything goes through statements of the session that the catalog belongs to. Partitions and
statistics, which the engine keeps nothing about, are `catalog_partitions`.
"""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Any

from tidemill.table.catalog_objects import (
    CatalogBaseTable,
    CatalogDatabase,
    CatalogFunction,
    CatalogModel,
    ObjectPath,
    Procedure,
)
from tidemill.table.catalog_partitions import PartitionOperations
from tidemill.table.schema import Schema
from tidemill.table.sql_text import quote_identifier, quote_string
from tidemill.table.type_parser import parse_data_type
from tidemill.util.exceptions import (
    CatalogException,
    DatabaseAlreadyExistException,
    DatabaseNotExistException,
    FunctionNotExistException,
    TableException,
    TableNotExistException,
    refuse,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tidemill._native.engine import Session
    from tidemill.common.configuration import Configuration

    Run = Callable[[str], list[list[Any]]]

__all__ = ["Catalog", "CatalogDescriptor", "HiveCatalog", "JdbcCatalog"]

_NOT_REGISTERED = "the catalog is not registered with an environment"
_OPTION = re.compile(r"^\s*'((?:[^']|'')*)' = '((?:[^']|'')*)',?$", re.MULTILINE)


class Catalog(PartitionOperations):
    """A catalog of a session.

    Parameters
    ----------
    name
        Its name.
    run
        Executes a statement in the session and gives the rows.
    session
        The session; none for a catalog that is not registered yet.
    """

    def __init__(self, name: str, run: Run, session: Session | None = None) -> None:
        """Keep them."""
        self._name = name
        self._run = run
        self._session = session

    def register(self, name: str, run: Run) -> None:
        """Add this catalog to a session under a name.

        Raises
        ------
        CatalogException
            Always: it belongs to a session already.
        """
        del run
        msg = f"catalog '{self._name}' is part of a session already, it cannot be added as '{name}'"
        raise CatalogException(msg)

    # ---- databases ----

    def get_default_database(self) -> str:
        """Give the database that is used first."""
        options: dict[str, str] = {}
        with contextlib.suppress(TableException):
            # The catalog that a session begins with has no options to show.
            name = quote_identifier(self._name)
            options = _options_of(str(self._run(f"SHOW CREATE CATALOG {name}")[0][0]))
        databases = self.list_databases()
        named = options.get("default-database", "default")
        return named if named in databases else databases[0]

    def list_databases(self) -> list[str]:
        """Give the names of the databases."""
        return self._names(f"SHOW DATABASES IN {quote_identifier(self._name)}")

    def get_database(self, database_name: str) -> CatalogDatabase:
        """Describe a database.

        Raises
        ------
        DatabaseNotExistException
            If there is no such.
        """
        self._require_database(database_name)
        found = self._require_session().database(self._name, database_name)
        comment, properties = found if found is not None else (None, {})
        return CatalogDatabase(properties, comment)

    def database_exists(self, database_name: str) -> bool:
        """Tell whether there is a database of the name."""
        return database_name in self.list_databases()

    def create_database(
        self,
        name: str,
        database: CatalogDatabase,
        ignore_if_exists: bool,  # noqa: FBT001 - PyFlink's signature
    ) -> None:
        """Create a database.

        Raises
        ------
        DatabaseAlreadyExistException
            If there is one and that is not to be ignored.
        """
        if not ignore_if_exists and self.database_exists(name):
            msg = f"Database {name} already exists in Catalog {self._name}."
            raise DatabaseAlreadyExistException(msg)
        exists = "IF NOT EXISTS " if ignore_if_exists else ""
        comment = database.get_comment()
        text = f"CREATE DATABASE {exists}{self._database(name)}"
        if comment:
            text += f" COMMENT {quote_string(comment)}"
        self._run(text + _options(" WITH ", database.get_properties()))

    def drop_database(self, name: str, ignore_if_exists: bool) -> None:  # noqa: FBT001 - PyFlink's signature
        """Drop a database without tables; `ignore_if_exists` (so PyFlink) ignores a missing one."""
        if not ignore_if_exists:
            self._require_database(name)
        exists = "IF EXISTS " if ignore_if_exists else ""
        self._run(f"DROP DATABASE {exists}{self._database(name)} RESTRICT")

    def alter_database(
        self,
        name: str,
        new_database: CatalogDatabase,
        ignore_if_not_exists: bool,  # noqa: FBT001 - PyFlink's signature
    ) -> None:
        """Give a database other properties and another comment."""
        if ignore_if_not_exists and not self.database_exists(name):
            return
        self._require_database(name)
        self._require_session().replace_database(
            self._name, name, new_database.get_comment(), new_database.get_properties()
        )

    # ---- tables and views ----

    def list_tables(self, database_name: str) -> list[str]:
        """Give the names of tables and views of a database."""
        return self._names(f"SHOW TABLES FROM {self._database(database_name)}")

    def list_views(self, database_name: str) -> list[str]:
        """Give the names of views of a database."""
        return self._names(f"SHOW VIEWS FROM {self._database(database_name)}")

    def list_materialized_tables(self, database_name: str) -> list[str]:
        """Give the names of materialized tables of a database."""
        return self._names(f"SHOW MATERIALIZED TABLES FROM {self._database(database_name)}")

    def get_table(self, table_path: ObjectPath) -> CatalogBaseTable:
        """Describe a table or a view.

        Raises
        ------
        TableNotExistException
            If there is no such.
        """
        self._require_table(table_path)
        path = self._path(table_path)
        is_view = table_path.get_object_name() in self.list_views(table_path.get_database_name())
        kind = "VIEW" if is_view else "TABLE"
        text = str(self._run(f"SHOW CREATE {kind} {path}")[0][0])
        if is_view:
            query = text.split("\nAS ", maxsplit=1)[-1].strip()
            return CatalogBaseTable(self._schema(path), {}, (), _comment(text), query)
        keys = re.search(r"^PARTITIONED BY \((.*)\)$", text, re.MULTILINE)
        names = [name.strip("`") for name in keys[1].split(", ")] if keys else []
        options = _options_of(text)
        if self._session:
            # SHOW CREATE hides secrets, and this description may be created again.
            database, name = table_path.get_database_name(), table_path.get_object_name()
            options = self._session.table_options([self._name, database, name])
        return CatalogBaseTable(self._schema(path), options, names, _comment(text))

    def table_exists(self, table_path: ObjectPath) -> bool:
        """Tell whether there is a table or view of the name."""
        database = table_path.get_database_name()
        return self.database_exists(database) and table_path.get_object_name() in self.list_tables(
            database
        )

    def create_table(
        self,
        table_path: ObjectPath,
        table: CatalogBaseTable,
        ignore_if_exists: bool,  # noqa: FBT001 - PyFlink's signature
    ) -> None:
        """Create a table or a view."""
        exists = "IF NOT EXISTS " if ignore_if_exists else ""
        path = self._path(table_path)
        comment = table.get_comment()
        text = f" COMMENT {quote_string(comment)}" if comment else ""
        if (query := table.get_query()) is not None:
            self._run(f"CREATE VIEW {exists}{path}{text} AS {query}")
            return
        if keys := table.get_partition_keys():
            text += f" PARTITIONED BY ({', '.join(map(quote_identifier, keys))})"
        schema = table.get_unresolved_schema().to_sql()
        text += _options(" WITH ", table.get_options())
        self._run(f"CREATE TABLE {exists}{path} {schema}{text}")

    def drop_table(self, table_path: ObjectPath, ignore_if_not_exists: bool) -> None:  # noqa: FBT001 - PyFlink's signature
        """Drop a table or a view."""
        if not ignore_if_not_exists:
            self._require_table(table_path)
        exists = "IF EXISTS " if ignore_if_not_exists else ""
        views = self.list_views(table_path.get_database_name())
        kind = "VIEW" if table_path.get_object_name() in views else "TABLE"
        self._run(f"DROP {kind} {exists}{self._path(table_path)}")

    def rename_table(
        self,
        table_path: ObjectPath,
        new_table_name: str,
        ignore_if_not_exists: bool,  # noqa: FBT001 - PyFlink's signature
    ) -> None:
        """Rename a table or a view."""
        if ignore_if_not_exists and not self.table_exists(table_path):
            return
        self._require_table(table_path)
        path = self._path(table_path)
        self._run(f"ALTER TABLE {path} RENAME TO {quote_identifier(new_table_name)}")

    def alter_table(
        self,
        table_path: ObjectPath,
        new_table: CatalogBaseTable,
        ignore_if_not_exists: bool,  # noqa: FBT001 - PyFlink's signature
    ) -> None:
        """Replace a table or a view by another of the same name."""
        if not self.table_exists(table_path) and ignore_if_not_exists:
            return
        self.drop_table(table_path, False)  # noqa: FBT003 - PyFlink's signature
        self.create_table(table_path, new_table, False)  # noqa: FBT003 - PyFlink's signature

    # ---- functions ----

    def list_functions(self, database_name: str) -> list[str]:
        """Give the names of functions that were created in a database."""
        return self._names(f"SHOW USER FUNCTIONS FROM {self._database(database_name)}")

    def function_exists(self, function_path: ObjectPath) -> bool:
        """Tell whether there is a function of the name."""
        names = self.list_functions(function_path.get_database_name())
        return function_path.get_object_name().lower() in [name.lower() for name in names]

    def get_function(self, function_path: ObjectPath) -> CatalogFunction:
        """Describe a function.

        Raises
        ------
        FunctionNotExistException
            If there is no such.
        """
        if not self.function_exists(function_path):
            msg = f"Function {function_path} does not exist in Catalog {self._name}."
            raise FunctionNotExistException(msg)
        rows = self._run(f"DESCRIBE FUNCTION EXTENDED {self._path(function_path)}")
        info = {str(row[0]): str(row[1]) for row in rows}
        return CatalogFunction(info.get("class name", ""), info.get("function language", "PYTHON"))

    def create_function(
        self,
        function_path: ObjectPath,
        function: CatalogFunction,
        ignore_if_exists: bool,  # noqa: FBT001 - PyFlink's signature
    ) -> None:
        """Create a function of a Python one by its name."""
        exists = "IF NOT EXISTS " if ignore_if_exists else ""
        class_name = quote_string(function.get_class_name())
        language = function.get_function_language().upper()
        path = self._path(function_path)
        self._run(f"CREATE FUNCTION {exists}{path} AS {class_name} LANGUAGE {language}")

    def alter_function(
        self,
        function_path: ObjectPath,
        new_function: CatalogFunction,
        ignore_if_not_exists: bool,  # noqa: FBT001 - PyFlink's signature
    ) -> None:
        """Replace a function."""
        if not self.function_exists(function_path) and ignore_if_not_exists:
            return
        self.drop_function(function_path, False)  # noqa: FBT003 - PyFlink's signature
        self.create_function(function_path, new_function, False)  # noqa: FBT003 - PyFlink's signature

    def drop_function(self, function_path: ObjectPath, ignore_if_not_exists: bool) -> None:  # noqa: FBT001 - PyFlink's signature
        """Drop a function."""
        if not ignore_if_not_exists and not self.function_exists(function_path):
            msg = f"Function {function_path} does not exist in Catalog {self._name}."
            raise FunctionNotExistException(msg)
        exists = "IF EXISTS " if ignore_if_not_exists else ""
        self._run(f"DROP FUNCTION {exists}{self._path(function_path)}")

    # ---- models ----

    def list_models(self, database_name: str) -> list[str]:
        """Give the names of models of a database."""
        return self._names(f"SHOW MODELS FROM {self._database(database_name)}")

    def model_exists(self, model_path: ObjectPath) -> bool:
        """Tell whether there is a model of the name."""
        return model_path.get_object_name() in self.list_models(model_path.get_database_name())

    def get_model(self, model_path: ObjectPath) -> CatalogModel:
        """Describe a model by its options."""
        text = str(self._run(f"SHOW CREATE MODEL {self._path(model_path)}")[0][0])
        empty = Schema(())
        return CatalogModel.create_model(empty, empty, _options_of(text), _comment(text))

    def create_model(
        self,
        model_path: ObjectPath,
        model: CatalogModel,
        ignore_if_exists: bool,  # noqa: FBT001 - PyFlink's signature
    ) -> None:
        """Create a model."""
        exists = "IF NOT EXISTS " if ignore_if_exists else ""
        columns = f"INPUT {model.input_schema.to_sql()} OUTPUT {model.output_schema.to_sql()}"
        options = _options(" WITH ", model.get_options())
        self._run(f"CREATE MODEL {exists}{self._path(model_path)} {columns}{options}")

    def alter_model(
        self,
        model_path: ObjectPath,
        new_model: CatalogModel,
        ignore_if_not_exists: bool,  # noqa: FBT001 - PyFlink's signature
    ) -> None:
        """Set options of a model."""
        exists = "IF EXISTS " if ignore_if_not_exists else ""
        options = _options("", new_model.get_options())
        self._run(f"ALTER MODEL {exists}{self._path(model_path)} SET {options}")

    def rename_model(
        self,
        model_path: ObjectPath,
        new_model_name: str,
        ignore_if_not_exists: bool,  # noqa: FBT001 - PyFlink's signature
    ) -> None:
        """Rename a model."""
        exists = "IF EXISTS " if ignore_if_not_exists else ""
        name = quote_identifier(new_model_name)
        self._run(f"ALTER MODEL {exists}{self._path(model_path)} RENAME TO {name}")

    def drop_model(self, model_path: ObjectPath, ignore_if_not_exists: bool) -> None:  # noqa: FBT001 - PyFlink's signature
        """Drop a model."""
        exists = "IF EXISTS " if ignore_if_not_exists else ""
        self._run(f"DROP MODEL {exists}{self._path(model_path)}")

    # ---- procedures ----

    def list_procedures(self, database_name: str) -> list[str]:
        """Give the names of procedures of a database: there are none."""
        self._require_database(database_name)
        return []

    def get_procedure(self, procedure_path: ObjectPath) -> Procedure:
        """Refuse: procedures are written in Java."""
        refuse(f"the procedure '{procedure_path}'")

    # ---- parts ----

    def _names(self, statement: str) -> list[str]:
        return [str(row[0]) for row in self._run(statement)]

    def _database(self, name: str) -> str:
        return f"{quote_identifier(self._name)}.{quote_identifier(name)}"

    def _path(self, path: ObjectPath) -> str:
        return f"{quote_identifier(self._name)}.{path.quoted()}"

    def _require_session(self) -> Session:
        if self._session is None:
            raise CatalogException(_NOT_REGISTERED)
        return self._session

    def _require_database(self, name: str) -> None:
        if not self.database_exists(name):
            msg = f"Database {name} does not exist in Catalog {self._name}."
            raise DatabaseNotExistException(msg)

    def _require_table(self, table_path: ObjectPath) -> None:
        if not self.table_exists(table_path):
            msg = f"Table (or view) {table_path} does not exist in Catalog {self._name}."
            raise TableNotExistException(msg)

    def _schema(self, path: str) -> Schema:
        """Read back the columns, watermark and key that DESCRIBE shows."""
        builder = Schema.new_builder()
        watermarks: list[tuple[str, str]] = []
        keys: list[str] = []
        for name, data_type, null, key, extras, watermark, *_ in self._run(f"DESCRIBE {path}"):
            declared = parse_data_type(str(data_type).split(" *", maxsplit=1)[0])
            if not null:
                declared = declared.not_null()
            if extras and str(extras).startswith("AS "):
                builder.column_by_expression(name, str(extras).removeprefix("AS "))
            elif extras and str(extras).startswith("METADATA"):
                found = re.search(r"FROM '([^']*)'", str(extras))
                is_virtual = str(extras).endswith("VIRTUAL")
                builder.column_by_metadata(name, declared, found[1] if found else None, is_virtual)
            else:
                builder.column(name, declared)
            if watermark:
                watermarks.append((name, str(watermark)))
            if key and str(key).startswith("PRI"):
                keys.append(name)
        for name, watermark in watermarks:
            builder.watermark(name, watermark)
        if keys:
            builder.primary_key(*keys)
        return builder.build()


class CatalogDescriptor:
    """A catalog by its options.

    Parameters
    ----------
    catalog_name
        The name.
    options
        What stands in WITH.
    comment
        The comment.
    """

    def __init__(
        self, catalog_name: str, options: Mapping[str, str], comment: str | None = None
    ) -> None:
        """Copy the options."""
        self._name = catalog_name
        self._options = dict(options)
        self._comment = comment

    @staticmethod
    def of(
        catalog_name: str, configuration: Configuration, comment: str | None = None
    ) -> CatalogDescriptor:
        """Describe a catalog."""
        return CatalogDescriptor(catalog_name, configuration.to_dict(), comment)

    def to_sql(self, name: str) -> str:
        """Write CREATE CATALOG under a quoted name."""
        comment = f" COMMENT {quote_string(self._comment)}" if self._comment else ""
        return f"CREATE CATALOG {name}{comment}{_options(' WITH ', self._options)}"


class HiveCatalog(Catalog):
    """A catalog in a Hive metastore; it needs a JVM and is refused when it is registered."""

    def __init__(
        self,
        catalog_name: str,
        default_database: str | None = None,
        hive_conf_dir: str | None = None,
        hadoop_conf_dir: str | None = None,
        hive_version: str | None = None,
    ) -> None:
        del default_database, hive_conf_dir, hadoop_conf_dir, hive_version
        super().__init__(catalog_name, _unregistered)

    def register(self, name: str, run: Run) -> None:
        """Refuse: there is no client for Hive's metastore without a JVM."""
        del name, run
        refuse(
            "a Hive catalog (its client needs a JVM: create tables on the files by "
            "'connector' = 'filesystem')"
        )


class JdbcCatalog(Catalog):
    """A catalog of a database's own tables; refused when it is registered."""

    def __init__(
        self, catalog_name: str, default_database: str, username: str, pwd: str, base_url: str
    ) -> None:
        del username, pwd
        super().__init__(catalog_name, _unregistered)
        self._place = f"{base_url.rstrip('/')}/{default_database}"

    def register(self, name: str, run: Run) -> None:
        """Refuse: tables of a database are declared one by one."""
        del name, run
        refuse(
            f"a JDBC catalog of {self._place} (declare its tables by CREATE TABLE … WITH "
            "('connector' = 'jdbc', …))"
        )


def _unregistered(statement: str) -> list[list[Any]]:
    del statement
    raise CatalogException(_NOT_REGISTERED)


def _options(words: str, options: Mapping[str, str]) -> str:
    if not options:
        return ""
    pairs = ", ".join(f"{quote_string(key)} = {quote_string(v)}" for key, v in options.items())
    return f"{words}({pairs})"


def _options_of(text: str) -> dict[str, str]:
    """Read the options of a statement that SHOW CREATE gave."""
    _, _, options = text.partition("\nWITH (")
    return {
        key.replace("''", "'"): value.replace("''", "'") for key, value in _OPTION.findall(options)
    }


def _comment(text: str) -> str | None:
    found = re.search(r"^COMMENT '((?:[^']|'')*)'$", text, re.MULTILINE)
    return found[1].replace("''", "'") if found else None
