"""Partitions and statistics of a catalog's tables, as objects.

Partitions go through statements of the session. Plans are made without a catalog's statistics: they
are unknown, and keeping them is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidemill.table.catalog_objects import (
    CatalogColumnStatistics,
    CatalogPartitionSpec,
    CatalogTableStatistics,
)
from tidemill.table.sql_text import quote_identifier, quote_string
from tidemill.util.exceptions import (
    PartitionAlreadyExistsException,
    PartitionNotExistException,
    TableNotPartitionedException,
    refuse,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tidemill.table.catalog_objects import CatalogBaseTable, CatalogPartition, ObjectPath

__all__ = ["PartitionOperations"]


class PartitionOperations:
    """The methods of a catalog for partitions and statistics."""

    # ruff: noqa: FBT001 - the signatures are PyFlink's

    def list_partitions(
        self, table_path: ObjectPath, partition_spec: CatalogPartitionSpec | None = None
    ) -> list[CatalogPartitionSpec]:
        """Give the partitions of a table, or those with the given values.

        Raises
        ------
        TableNotPartitionedException
            If the table has none.
        """
        self._require_partitioned(table_path)
        wanted = {} if partition_spec is None else partition_spec.get_partition_spec()
        found = [
            dict(part.split("=", maxsplit=1) for part in name.split("/"))
            for name in self._names(f"SHOW PARTITIONS {self._path(table_path)}")
        ]
        return [CatalogPartitionSpec(spec) for spec in found if wanted.items() <= spec.items()]

    def partition_exists(
        self, table_path: ObjectPath, partition_spec: CatalogPartitionSpec
    ) -> bool:
        """Tell whether a table has the partition."""
        return self.table_exists(table_path) and partition_spec in self.list_partitions(table_path)

    def create_partition(
        self,
        table_path: ObjectPath,
        partition_spec: CatalogPartitionSpec,
        partition: CatalogPartition,
        ignore_if_exists: bool,
    ) -> None:
        """Add a partition.

        Raises
        ------
        PartitionAlreadyExistsException
            If it is there and that is not to be ignored.
        """
        if partition_spec in self.list_partitions(table_path):
            if ignore_if_exists:
                return
            msg = f"{self._partition(table_path, partition_spec)} already exists."
            raise PartitionAlreadyExistsException(msg)
        properties = partition.get_properties()
        options = ", ".join(
            f"{quote_string(key)} = {quote_string(value)}" for key, value in properties.items()
        )
        text = f"ALTER TABLE {self._path(table_path)} ADD PARTITION ({_values(partition_spec)})"
        self._run(f"{text} WITH ({options})" if options else text)

    def drop_partition(
        self,
        table_path: ObjectPath,
        partition_spec: CatalogPartitionSpec,
        ignore_if_not_exists: bool,
    ) -> None:
        """Drop a partition.

        Raises
        ------
        PartitionNotExistException
            If it is not there and that is not to be ignored.
        """
        if not self.partition_exists(table_path, partition_spec):
            if ignore_if_not_exists:
                return
            msg = f"{self._partition(table_path, partition_spec)} does not exist."
            raise PartitionNotExistException(msg)
        values = _values(partition_spec)
        self._run(f"ALTER TABLE {self._path(table_path)} DROP PARTITION ({values})")

    def get_partition(
        self, table_path: ObjectPath, partition_spec: CatalogPartitionSpec
    ) -> CatalogPartition:
        """Refuse: the catalog keeps nothing of a partition but its values."""
        del partition_spec
        refuse(f"the properties of a partition of '{table_path}'")

    def alter_partition(
        self,
        table_path: ObjectPath,
        partition_spec: CatalogPartitionSpec,
        new_partition: CatalogPartition,
        ignore_if_not_exists: bool,
    ) -> None:
        """Refuse: the catalog keeps nothing of a partition but its values."""
        del partition_spec, new_partition, ignore_if_not_exists
        refuse(f"the properties of a partition of '{table_path}'")

    def get_table_statistics(self, table_path: ObjectPath) -> CatalogTableStatistics:
        """Give what is known of a table's size: nothing."""
        del table_path
        return CatalogTableStatistics()

    def get_table_column_statistics(self, table_path: ObjectPath) -> CatalogColumnStatistics:
        """Give what is known of a table's values: nothing."""
        del table_path
        return CatalogColumnStatistics()

    def get_partition_statistics(
        self, table_path: ObjectPath, partition_spec: CatalogPartitionSpec
    ) -> CatalogTableStatistics:
        """Give what is known of a partition's size: nothing."""
        del table_path, partition_spec
        return CatalogTableStatistics()

    def bulk_get_partition_statistics(
        self, table_path: ObjectPath, partition_specs: Sequence[CatalogPartitionSpec]
    ) -> list[CatalogTableStatistics]:
        """Give what is known of the sizes of partitions: nothing."""
        del table_path
        return [CatalogTableStatistics() for _ in partition_specs]

    def get_partition_column_statistics(
        self, table_path: ObjectPath, partition_spec: CatalogPartitionSpec
    ) -> CatalogColumnStatistics:
        """Give what is known of a partition's values: nothing."""
        del table_path, partition_spec
        return CatalogColumnStatistics()

    def bulk_get_partition_column_statistics(
        self, table_path: ObjectPath, partition_specs: Sequence[CatalogPartitionSpec]
    ) -> list[CatalogColumnStatistics]:
        """Give what is known of the values of partitions: nothing."""
        del table_path
        return [CatalogColumnStatistics() for _ in partition_specs]

    def alter_table_statistics(
        self,
        table_path: ObjectPath,
        table_statistics: CatalogTableStatistics,
        ignore_if_not_exists: bool,
    ) -> None:
        """Refuse: the engine plans without statistics."""
        del table_statistics, ignore_if_not_exists
        refuse(f"keeping statistics of '{table_path}'")

    def alter_table_column_statistics(
        self,
        table_path: ObjectPath,
        column_statistics: CatalogColumnStatistics,
        ignore_if_not_exists: bool,
    ) -> None:
        """Refuse: the engine plans without statistics."""
        del column_statistics, ignore_if_not_exists
        refuse(f"keeping statistics of '{table_path}'")

    def alter_partition_statistics(
        self,
        table_path: ObjectPath,
        partition_spec: CatalogPartitionSpec,
        partition_statistics: CatalogTableStatistics,
        ignore_if_not_exists: bool,
    ) -> None:
        """Refuse: the engine plans without statistics."""
        del partition_spec, partition_statistics, ignore_if_not_exists
        refuse(f"keeping statistics of '{table_path}'")

    def alter_partition_column_statistics(
        self,
        table_path: ObjectPath,
        partition_spec: CatalogPartitionSpec,
        column_statistics: CatalogColumnStatistics,
        ignore_if_not_exists: bool,
    ) -> None:
        """Refuse: the engine plans without statistics."""
        del partition_spec, column_statistics, ignore_if_not_exists
        refuse(f"keeping statistics of '{table_path}'")

    # ---- parts ----

    def _require_partitioned(self, table_path: ObjectPath) -> None:
        if not self.get_table(table_path).get_partition_keys():
            msg = f"Table {table_path} in catalog {self._name} is not partitioned."
            raise TableNotPartitionedException(msg)

    def _partition(self, table_path: ObjectPath, spec: CatalogPartitionSpec) -> str:
        return f"Partition {spec} of table {table_path} in catalog {self._name}"

    # ---- what the catalog has ----

    _name: str
    _run: Callable[[str], list[list[Any]]]

    def _names(self, statement: str) -> list[str]:
        raise NotImplementedError

    def _path(self, path: ObjectPath) -> str:
        raise NotImplementedError

    def table_exists(self, table_path: ObjectPath) -> bool:
        """Tell whether there is a table or view of the name."""
        raise NotImplementedError

    def get_table(self, table_path: ObjectPath) -> CatalogBaseTable:
        """Describe a table or a view."""
        raise NotImplementedError


def _values(partition_spec: CatalogPartitionSpec) -> str:
    """Write the values of partition columns as statements have them."""
    pairs = partition_spec.get_partition_spec().items()
    return ", ".join(f"{quote_identifier(key)} = {quote_string(value)}" for key, value in pairs)
