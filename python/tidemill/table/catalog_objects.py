"""What is in a catalog, by description: databases, tables, functions, partitions, statistics.

These are plain values. `Catalog` makes things of them and gives them back.
"""

from __future__ import annotations

from functools import total_ordering
from typing import TYPE_CHECKING, Any

from tidemill.table.schema import Schema
from tidemill.table.sql_text import quote_identifier, split_path

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tidemill.table.table_schema import TableSchema

__all__ = [
    "CatalogBaseTable",
    "CatalogColumnStatistics",
    "CatalogDatabase",
    "CatalogFunction",
    "CatalogModel",
    "CatalogPartition",
    "CatalogPartitionSpec",
    "CatalogTableStatistics",
    "ObjectIdentifier",
    "ObjectPath",
    "Procedure",
]


@total_ordering
class ObjectPath:
    """A name inside of a catalog.

    Parameters
    ----------
    database_name
        The database.
    object_name
        The name in the database.
    j_object_path
        PyFlink's way to make one of a Java object; not used.
    """

    def __init__(
        self,
        database_name: str | None = None,
        object_name: str | None = None,
        j_object_path: object = None,
    ) -> None:
        """Keep both names."""
        del j_object_path
        if not database_name or not object_name:
            msg = "a path inside of a catalog needs a database and a name"
            raise ValueError(msg)
        self._database_name = database_name
        self._object_name = object_name

    @staticmethod
    def from_string(full_name: str) -> ObjectPath:
        """Read ``database.name``."""
        parts = split_path(full_name)
        if len(parts) != 2:  # noqa: PLR2004 - database and name
            msg = f"'{full_name}' is not a path like 'database.name'"
            raise ValueError(msg)
        return ObjectPath(*parts)

    def get_database_name(self) -> str:
        """Give the database."""
        return self._database_name

    def get_object_name(self) -> str:
        """Give the name in the database."""
        return self._object_name

    def get_full_name(self) -> str:
        """Give ``database.name``."""
        return f"{self._database_name}.{self._object_name}"

    def quoted(self) -> str:
        """Give the path for SQL text."""
        return f"{quote_identifier(self._database_name)}.{quote_identifier(self._object_name)}"

    def compare_to(self, other: ObjectPath) -> int:
        """Give a negative number, 0 or a positive one, as this is before, equal or after."""
        return (self > other) - (self < other)

    def _key(self) -> tuple[str, str]:
        return (self._database_name, self._object_name)

    def __lt__(self, other: ObjectPath) -> bool:
        """Order by database, then by name."""
        return self._key() < other._key()

    def __le__(self, other: ObjectPath) -> bool:
        """Order by database, then by name."""
        return self._key() <= other._key()

    def __gt__(self, other: ObjectPath) -> bool:
        """Order by database, then by name."""
        return self._key() > other._key()

    def __ge__(self, other: ObjectPath) -> bool:
        """Order by database, then by name."""
        return self._key() >= other._key()

    def __eq__(self, other: object) -> bool:
        """Compare both names."""
        return isinstance(other, ObjectPath) and self._key() == other._key()

    def __hash__(self) -> int:
        """Hash both names."""
        return hash(self._key())

    def __str__(self) -> str:
        """Give ``database.name``."""
        return self.get_full_name()


class ObjectIdentifier:
    """A full name: catalog, database, name.

    Parameters
    ----------
    names
        The three.
    """

    def __init__(self, names: tuple[str, str, str]) -> None:
        """Keep the names."""
        self._names = names

    @staticmethod
    def of(catalog_name: str, database_name: str, object_name: str) -> ObjectIdentifier:
        """Make an identifier."""
        return ObjectIdentifier((catalog_name, database_name, object_name))

    def get_catalog_name(self) -> str:
        """Give the catalog."""
        return self._names[0]

    def get_database_name(self) -> str:
        """Give the database."""
        return self._names[1]

    def get_object_name(self) -> str:
        """Give the name in the database."""
        return self._names[2]

    def to_object_path(self) -> ObjectPath:
        """Give the path inside of the catalog."""
        return ObjectPath(self._names[1], self._names[2])

    def to_list(self) -> list[str]:
        """Give the three names."""
        return list(self._names)

    def as_serializable_string(self) -> str:
        """Give the identifier for SQL text."""
        return ".".join(map(quote_identifier, self._names))

    def as_summary_string(self) -> str:
        """Give the identifier to be read."""
        return ".".join(self._names)

    def __eq__(self, other: object) -> bool:
        """Compare the names."""
        return isinstance(other, ObjectIdentifier) and self._names == other._names

    def __hash__(self) -> int:
        """Hash the names."""
        return hash(self._names)

    def __str__(self) -> str:
        """Give the identifier for SQL text."""
        return self.as_serializable_string()


class _Described:
    """Properties and a comment."""

    def __init__(self, properties: Mapping[str, str], comment: str | None = None) -> None:
        self._properties = dict(properties)
        self._comment = comment

    def get_properties(self) -> dict[str, str]:
        """Give the properties."""
        return dict(self._properties)

    def get_comment(self) -> str | None:
        """Give the comment."""
        return self._comment

    def get_description(self) -> str | None:
        """Give the comment."""
        return self._comment

    def get_detailed_description(self) -> str | None:
        """Give the comment."""
        return self._comment

    def __eq__(self, other: object) -> bool:
        """Compare all parts."""
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        """Hash the properties."""
        return hash(tuple(sorted(self._properties.items())))


class CatalogDatabase(_Described):
    """A database: properties and a comment."""

    @staticmethod
    def create_instance(
        properties: Mapping[str, str], comment: str | None = None
    ) -> CatalogDatabase:
        """Describe a database."""
        return CatalogDatabase(properties, comment)

    def copy(self) -> CatalogDatabase:
        """Copy the description."""
        return CatalogDatabase(self._properties, self._comment)


class CatalogPartition(_Described):
    """A partition: properties and a comment."""

    @staticmethod
    def create_instance(
        properties: Mapping[str, str], comment: str | None = None
    ) -> CatalogPartition:
        """Describe a partition."""
        return CatalogPartition(properties, comment)

    def copy(self) -> CatalogPartition:
        """Copy the description."""
        return CatalogPartition(self._properties, self._comment)


class CatalogBaseTable(_Described):
    """A table or a view.

    Parameters
    ----------
    schema
        The columns.
    options
        What stands in WITH.
    partition_keys
        The columns of PARTITIONED BY.
    comment
        The comment.
    query
        The query of a view.
    """

    def __init__(
        self,
        schema: Schema,
        options: Mapping[str, str],
        partition_keys: Sequence[str] = (),
        comment: str | None = None,
        query: str | None = None,
    ) -> None:
        """Copy the parts."""
        super().__init__(options, comment)
        self._schema = schema
        self._partition_keys = list(partition_keys)
        self._query = query

    @staticmethod
    def create_table(
        schema: TableSchema | Schema,
        partition_keys: Sequence[str] = (),
        properties: Mapping[str, str] | None = None,
        comment: str | None = None,
    ) -> CatalogBaseTable:
        """Describe a table."""
        return CatalogBaseTable(_declared(schema), properties or {}, partition_keys, comment)

    @staticmethod
    def create_view(
        original_query: str,
        expanded_query: str,
        schema: TableSchema | Schema,
        properties: Mapping[str, str],
        comment: str | None = None,
    ) -> CatalogBaseTable:
        """Describe a view."""
        query = expanded_query or original_query
        return CatalogBaseTable(_declared(schema), properties, (), comment, query)

    def get_options(self) -> dict[str, str]:
        """Give what stands in WITH."""
        return dict(self._properties)

    def get_unresolved_schema(self) -> Schema:
        """Give the columns."""
        return self._schema

    def get_partition_keys(self) -> list[str]:
        """Give the columns of PARTITIONED BY."""
        return list(self._partition_keys)

    def get_query(self) -> str | None:
        """Give the query of a view, or None for a table."""
        return self._query

    def copy(self) -> CatalogBaseTable:
        """Copy the description."""
        return CatalogBaseTable(
            self._schema, self._properties, self._partition_keys, self._comment, self._query
        )


class CatalogFunction:
    """A function by the name of what it runs.

    Parameters
    ----------
    class_name
        What it runs: ``module.function``.
    function_language
        The language, PYTHON if it is to run here.
    """

    def __init__(self, class_name: str, function_language: str = "Python") -> None:
        """Keep both."""
        self._class_name = class_name
        self._function_language = function_language

    @staticmethod
    def create_instance(class_name: str, function_language: str = "Python") -> CatalogFunction:
        """Describe a function."""
        return CatalogFunction(class_name, function_language)

    def get_class_name(self) -> str:
        """Give what it runs."""
        return self._class_name

    def get_function_language(self) -> str:
        """Give the language."""
        return self._function_language

    def get_options(self) -> dict[str, str]:
        """Give the options: none."""
        return {}

    def get_description(self) -> str | None:
        """Give a description: there is none."""
        return None

    def get_detailed_description(self) -> str | None:
        """Give a description: there is none."""
        return None

    def copy(self) -> CatalogFunction:
        """Copy the description."""
        return CatalogFunction(self._class_name, self._function_language)


class CatalogModel:
    """A model by the columns that it takes and gives, and its options."""

    def __init__(
        self,
        input_schema: Schema,
        output_schema: Schema,
        options: Mapping[str, str],
        comment: str | None,
    ) -> None:
        self.input_schema = input_schema
        self.output_schema = output_schema
        self._options = dict(options)
        self._comment = comment

    @staticmethod
    def create_model(
        input_schema: Schema,
        output_schema: Schema,
        options: Mapping[str, str] | None = None,
        comment: str | None = None,
    ) -> CatalogModel:
        """Describe a model."""
        return CatalogModel(input_schema, output_schema, options or {}, comment)

    def get_options(self) -> dict[str, str]:
        """Give the options."""
        return dict(self._options)

    def get_comment(self) -> str | None:
        """Give the comment."""
        return self._comment

    def copy(self) -> CatalogModel:
        """Copy the description."""
        return CatalogModel(self.input_schema, self.output_schema, self._options, self._comment)


class CatalogPartitionSpec:
    """Which partition: a value for each of some partition columns.

    Parameters
    ----------
    partition_spec
        Values by column.
    """

    def __init__(self, partition_spec: Mapping[str, str]) -> None:
        """Copy the values."""
        self._spec = dict(partition_spec)

    def get_partition_spec(self) -> dict[str, str]:
        """Give the values by column."""
        return dict(self._spec)

    def __eq__(self, other: object) -> bool:
        """Compare the values."""
        return isinstance(other, CatalogPartitionSpec) and self._spec == other._spec

    def __hash__(self) -> int:
        """Hash the values."""
        return hash(tuple(sorted(self._spec.items())))

    def __str__(self) -> str:
        """Show the values."""
        values = ", ".join(f"{key}={value}" for key, value in self._spec.items())
        return f"CatalogPartitionSpec{{{{{values}}}}}"


class CatalogTableStatistics:
    """Sizes of a table; -1 where they are not known."""

    def __init__(
        self,
        row_count: int | None = None,
        field_count: int | None = None,
        total_size: int | None = None,
        raw_data_size: int | None = None,
        properties: Mapping[str, str] | None = None,
        j_catalog_table_statistics: object = None,
    ) -> None:
        del j_catalog_table_statistics
        self._sizes = [
            -1 if size is None else size
            for size in (row_count, field_count, total_size, raw_data_size)
        ]
        self._properties = dict(properties or {})

    def get_row_count(self) -> int:
        """Give the number of rows."""
        return self._sizes[0]

    def get_field_count(self) -> int:
        """Give the number of files; the name is PyFlink's."""
        return self._sizes[1]

    def get_total_size(self) -> int:
        """Give the size in bytes."""
        return self._sizes[2]

    def get_raw_data_size(self) -> int:
        """Give the size in bytes without compression."""
        return self._sizes[3]

    def get_properties(self) -> dict[str, str]:
        """Give the properties."""
        return dict(self._properties)

    def copy(self) -> CatalogTableStatistics:
        """Copy the sizes."""
        rows, fields, total, raw = self._sizes
        return CatalogTableStatistics(rows, fields, total, raw, self._properties)


class CatalogColumnStatistics:
    """What is known of the values of columns."""

    def __init__(
        self,
        column_statistics_data: Mapping[str, Any] | None = None,
        properties: Mapping[str, str] | None = None,
        j_catalog_column_statistics: object = None,
    ) -> None:
        del j_catalog_column_statistics
        self._data = dict(column_statistics_data or {})
        self._properties = dict(properties or {})

    def get_column_statistics_data(self) -> dict[str, Any]:
        """Give what is known by column."""
        return dict(self._data)

    def get_properties(self) -> dict[str, str]:
        """Give the properties."""
        return dict(self._properties)

    def copy(self) -> CatalogColumnStatistics:
        """Copy what is known."""
        return CatalogColumnStatistics(self._data, self._properties)


class Procedure:
    """A stored procedure; there are none, because they are written in Java."""


def _declared(schema: TableSchema | Schema) -> Schema:
    if isinstance(schema, Schema):
        return schema
    builder = Schema.new_builder()
    builder.from_fields(schema.get_field_names(), schema.get_field_data_types())
    return builder.build()
