"""What a `TableEnvironment` does with its catalogs: names of things, and making and dropping them.

Everything that has a statement is done by it, so that SQL text and Python calls share one meaning.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from tidemill.table.catalog_api import Catalog, CatalogDescriptor
from tidemill.table.module import Module, ModuleEntry
from tidemill.table.sql_text import quote_identifier, quote_path, quote_string
from tidemill.util.exceptions import ValidationException, refuse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidemill._native.engine import Session
    from tidemill.table.model_descriptor import ModelDescriptor
    from tidemill.table.table import Table
    from tidemill.table.table_descriptor import TableDescriptor

__all__ = ["CatalogOperations"]


class CatalogOperations:
    """Catalogs, databases, tables, views, modules and models of an environment."""

    _session: Session
    # Views are text: the tables of Python values that they read must stay.
    _viewed: dict[str, Table]

    def _rows(self, statement: str) -> list[list[Any]]:
        result = self._session.execute(statement)
        rows: list[list[Any]] = []
        while (batch := result.next_rows()) is not None:
            rows += [values for _, values in batch]
        return rows

    def _first_column(self, statement: str) -> list[str]:
        return [str(row[0]) for row in self._rows(statement)]

    def describe(self, path: str) -> list[list[Any]]:
        """Give the rows of DESCRIBE for a quoted path."""
        return self._rows(f"DESCRIBE {path}")

    # ---- catalogs and databases ----

    def use_catalog(self, catalog_name: str) -> None:
        """Make a catalog the current one."""
        self._session.use_catalog(catalog_name)

    def use_database(self, database_name: str) -> None:
        """Make a database the current one."""
        self._session.use_database(database_name)

    def get_current_catalog(self) -> str:
        """Give the current catalog."""
        return self._session.current_catalog()

    def get_current_database(self) -> str:
        """Give the current database."""
        return self._session.current_database()

    @contextlib.contextmanager
    def in_database(self, catalog: str, database: str) -> Iterator[None]:
        """Make a database the current one for a while."""
        before = (self.get_current_catalog(), self.get_current_database())
        self.use_catalog(catalog)
        self.use_database(database)
        try:
            yield
        finally:
            self.use_catalog(before[0])
            self.use_database(before[1])

    def list_catalogs(self) -> list[str]:
        """Give the names of the catalogs."""
        return self._session.list_catalogs()

    def list_databases(self) -> list[str]:
        """Give the names of the current catalog's databases."""
        return self._session.list_databases()

    def get_catalog(self, catalog_name: str) -> Catalog | None:
        """Give a catalog, or None if there is no such."""
        if catalog_name not in self.list_catalogs():
            return None
        return Catalog(catalog_name, self._rows, self._session)

    def register_catalog(self, catalog_name: str, catalog: Catalog) -> None:
        """Add a catalog under a name."""
        catalog.register(catalog_name, self._rows)

    def create_catalog(self, catalog_name: str, catalog_descriptor: CatalogDescriptor) -> None:
        """Make a catalog of its description."""
        self._session.execute(catalog_descriptor.to_sql(quote_identifier(catalog_name)))

    # ---- tables and views ----

    def list_tables(self) -> list[str]:
        """Give the names of tables and views of the current database."""
        return self._session.list_tables()

    def list_views(self) -> list[str]:
        """Give the names of views of the current database."""
        return self._session.list_views()

    def list_temporary_tables(self) -> list[str]:
        """Give the names of temporary tables and views of the current database."""
        return self._session.list_temporary_tables()

    def list_temporary_views(self) -> list[str]:
        """Give the names of temporary views of the current database."""
        views = set(self.list_views())
        return [name for name in self.list_temporary_tables() if name in views]

    def list_materialized_tables(self) -> list[str]:
        """Give the names of materialized tables of the current database."""
        return self._first_column("SHOW MATERIALIZED TABLES")

    def create_temporary_view(
        self, view_path: str, table_or_data_stream: Table, *fields_or_schema: Any
    ) -> None:
        """Register a table under a name."""
        if fields_or_schema or not hasattr(table_or_data_stream, "sql"):
            table_or_data_stream = self._table_of_stream(table_or_data_stream, *fields_or_schema)
        self._session.create_temporary_view(view_path, table_or_data_stream.sql)
        self._viewed[view_path] = table_or_data_stream

    def _table_of_stream(self, data_stream: Any, *fields_or_schema: Any) -> Table:
        del fields_or_schema
        msg = f"a Table is needed, not {data_stream!r}; StreamTableEnvironment takes DataStreams"
        raise TypeError(msg)

    def create_view(
        self,
        view_path: str,
        table: Table,
        ignore_if_exists: bool = False,  # noqa: FBT001, FBT002 - PyFlink's signature
    ) -> bool:
        """Register a table as a view in the catalog; tell whether it is new."""
        exists = " IF NOT EXISTS" if ignore_if_exists else ""
        before = view_path in self.list_views()
        self._session.execute(f"CREATE VIEW{exists} {quote_path(view_path)} AS {table.sql}")
        self._viewed[view_path] = table
        return not before

    def create_temporary_table(
        self,
        path: str,
        descriptor: TableDescriptor,
        ignoreIfExists: bool = False,  # noqa: FBT001, FBT002, N803 - PyFlink's signature
    ) -> None:
        """Create a table that lives as long as the session."""
        statement = descriptor.to_sql(
            quote_path(path), temporary=True, if_not_exists=bool(ignoreIfExists)
        )
        self._session.execute(statement)

    def create_table(
        self,
        path: str,
        descriptor: TableDescriptor,
        ignoreIfExists: bool = False,  # noqa: FBT001, FBT002, N803 - PyFlink's signature
    ) -> bool:
        """Create a table in the catalog; tell whether it is new."""
        before = path in self.list_tables()
        statement = descriptor.to_sql(
            quote_path(path), temporary=False, if_not_exists=bool(ignoreIfExists)
        )
        self._session.execute(statement)
        return not before

    def drop_temporary_table(self, table_path: str) -> bool:
        """Drop a temporary table; tell whether there was one."""
        return self._session.drop_temporary_table(table_path)

    def drop_temporary_view(self, view_path: str) -> bool:
        """Drop a temporary view; tell whether there was one."""
        self._viewed.pop(view_path, None)
        return self._session.drop_temporary_view(view_path)

    def drop_table(self, table_path: str, ignore_if_not_exists: bool = True) -> bool:  # noqa: FBT001, FBT002 - PyFlink's signature
        """Drop a table of the catalog; tell whether there was one."""
        return self._drop("TABLE", table_path, ignore_if_not_exists)

    def drop_view(self, view_path: str, ignore_if_not_exists: bool = True) -> bool:  # noqa: FBT001, FBT002 - PyFlink's signature
        """Drop a view of the catalog; tell whether there was one."""
        dropped = self._drop("VIEW", view_path, ignore_if_not_exists)
        self._viewed.pop(view_path, None)
        return dropped

    def _drop(self, kind: str, path: str, ignore_if_not_exists: bool) -> bool:  # noqa: FBT001 - internal
        exists = " IF EXISTS" if ignore_if_not_exists else ""
        before = set(self.list_tables())
        self._session.execute(f"DROP {kind}{exists} {quote_path(path)}")
        return set(self.list_tables()) != before

    # ---- modules ----

    def list_modules(self) -> list[str]:
        """Give the names of the modules in use, in the order of lookup."""
        return self._first_column("SHOW MODULES")

    def list_full_modules(self) -> list[ModuleEntry]:
        """Give all loaded modules and whether they are in use."""
        rows = self._rows("SHOW FULL MODULES")
        return [ModuleEntry(str(name), str(used).upper() == "TRUE") for name, used in rows]

    def load_module(self, module_name: str, module: Module) -> None:
        """Load a module."""
        self._session.execute(module.to_sql(quote_identifier(module_name)))

    def unload_module(self, module_name: str) -> None:
        """Unload a module."""
        self._session.execute(f"UNLOAD MODULE {quote_identifier(module_name)}")

    def use_modules(self, *module_names: str) -> None:
        """Use these modules, in this order of lookup.

        Raises
        ------
        ValidationException
            If there is none: without modules there are no functions.
        """
        if not module_names:
            msg = "use_modules needs at least one module, such as 'core'"
            raise ValidationException(msg)
        self._session.execute(f"USE MODULES {', '.join(map(quote_identifier, module_names))}")

    # ---- models ----

    def list_models(self) -> list[str]:
        """Give the names of models of the current database."""
        return self._first_column("SHOW MODELS")

    def list_temporary_models(self) -> list[str]:
        """Give the names of temporary models of the current database."""
        return self._session.list_temporary_models()

    def create_model(
        self,
        model_path: str,
        model_descriptor: ModelDescriptor,
        ignore_if_exists: bool = False,  # noqa: FBT001, FBT002 - PyFlink's signature
    ) -> None:
        """Create a model in the catalog."""
        self._create_model("MODEL", model_path, model_descriptor, ignore_if_exists)

    def create_temporary_model(
        self,
        model_path: str,
        model_descriptor: ModelDescriptor,
        ignore_if_exists: bool = False,  # noqa: FBT001, FBT002 - PyFlink's signature
    ) -> None:
        """Create a model that lives as long as the session."""
        self._create_model("TEMPORARY MODEL", model_path, model_descriptor, ignore_if_exists)

    def _create_model(
        self,
        words: str,
        path: str,
        descriptor: ModelDescriptor,
        ignore_if_exists: bool,  # noqa: FBT001 - internal
    ) -> None:
        exists = " IF NOT EXISTS" if ignore_if_exists else ""
        text = f"CREATE {words}{exists} {quote_path(path)} {descriptor.to_sql()}"
        self._session.execute(text)

    def drop_model(self, model_path: str, ignore_if_not_exists: bool = True) -> bool:  # noqa: FBT001, FBT002 - PyFlink's signature
        """Drop a model of the catalog; tell whether there was one."""
        before = self.list_models()
        exists = " IF EXISTS" if ignore_if_not_exists else ""
        self._session.execute(f"DROP MODEL{exists} {quote_path(model_path)}")
        return self.list_models() != before

    def drop_temporary_model(self, model_path: str) -> bool:
        """Drop a temporary model; tell whether there was one."""
        before = self.list_temporary_models()
        self._session.execute(f"DROP TEMPORARY MODEL IF EXISTS {quote_path(model_path)}")
        return self.list_temporary_models() != before

    # ---- functions ----

    def list_functions(self) -> list[str]:
        """Give the names of all functions."""
        return self._session.list_functions()

    def list_user_defined_functions(self) -> list[str]:
        """Give the names of the functions that were registered."""
        return self._session.list_user_functions()

    def create_java_function(
        self,
        path: str,
        function_class_name: str,
        ignore_if_exists: bool | None = None,  # noqa: FBT001 - PyFlink's signature
    ) -> None:
        """Refuse: there is no JVM; `register_native_function` takes compiled functions."""
        del path, ignore_if_exists
        refuse_java(function_class_name)

    def create_java_temporary_function(self, path: str, function_class_name: str) -> None:
        """Refuse: there is no JVM; `register_native_function` takes compiled functions."""
        del path
        refuse_java(function_class_name)

    def create_java_temporary_system_function(self, name: str, function_class_name: str) -> None:
        """Refuse: there is no JVM; `register_native_function` takes compiled functions."""
        del name
        refuse_java(function_class_name)

    def drop_function(self, path: str) -> bool:
        """Drop a function of the catalog; tell whether there was one."""
        before = self.list_user_defined_functions()
        self._session.execute(f"DROP FUNCTION IF EXISTS {quote_path(path)}")
        return self.list_user_defined_functions() != before


def refuse_java(function_class_name: str) -> None:
    """Say what to use in the place of a Java function.

    Raises
    ------
    UnsupportedOperationException
        Always.
    """
    refuse(
        f"the Java function {quote_string(function_class_name)} (there is no JVM: write it in "
        "Python, or register compiled code by register_native_function)"
    )
