"""Partitions and statistics of a catalog's tables, as objects.

Partitions are folders of a table here and no catalog keeps a list of them; plans are made without
a catalog's statistics. So the methods exist, statistics are unknown, and everything else says that
it does not run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from tidemill.table.catalog_objects import CatalogColumnStatistics, CatalogTableStatistics
from tidemill.util.exceptions import refuse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidemill.table.catalog_objects import (
        CatalogPartition,
        CatalogPartitionSpec,
        ObjectPath,
    )

__all__ = ["PartitionOperations"]


class PartitionOperations:
    """The methods of a catalog for partitions and statistics."""

    # ruff: noqa: FBT001 - the signatures are PyFlink's

    def list_partitions(
        self, table_path: ObjectPath, partition_spec: CatalogPartitionSpec | None = None
    ) -> list[CatalogPartitionSpec]:
        """Refuse: partitions are folders, the catalog keeps none."""
        del partition_spec
        _no_partitions(table_path)

    def get_partition(
        self, table_path: ObjectPath, partition_spec: CatalogPartitionSpec
    ) -> CatalogPartition:
        """Refuse: partitions are folders, the catalog keeps none."""
        del partition_spec
        _no_partitions(table_path)

    def partition_exists(
        self, table_path: ObjectPath, partition_spec: CatalogPartitionSpec
    ) -> bool:
        """Refuse: partitions are folders, the catalog keeps none."""
        del partition_spec
        _no_partitions(table_path)

    def create_partition(
        self,
        table_path: ObjectPath,
        partition_spec: CatalogPartitionSpec,
        partition: CatalogPartition,
        ignore_if_exists: bool,
    ) -> None:
        """Refuse: partitions are folders, the catalog keeps none."""
        del partition_spec, partition, ignore_if_exists
        _no_partitions(table_path)

    def drop_partition(
        self,
        table_path: ObjectPath,
        partition_spec: CatalogPartitionSpec,
        ignore_if_not_exists: bool,
    ) -> None:
        """Refuse: partitions are folders, the catalog keeps none."""
        del partition_spec, ignore_if_not_exists
        _no_partitions(table_path)

    def alter_partition(
        self,
        table_path: ObjectPath,
        partition_spec: CatalogPartitionSpec,
        new_partition: CatalogPartition,
        ignore_if_not_exists: bool,
    ) -> None:
        """Refuse: partitions are folders, the catalog keeps none."""
        del partition_spec, new_partition, ignore_if_not_exists
        _no_partitions(table_path)

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
        """Refuse: partitions are folders, the catalog keeps none."""
        del partition_spec
        _no_partitions(table_path)

    def bulk_get_partition_statistics(
        self, table_path: ObjectPath, partition_specs: Sequence[CatalogPartitionSpec]
    ) -> list[CatalogTableStatistics]:
        """Refuse: partitions are folders, the catalog keeps none."""
        del partition_specs
        _no_partitions(table_path)

    def get_partition_column_statistics(
        self, table_path: ObjectPath, partition_spec: CatalogPartitionSpec
    ) -> CatalogColumnStatistics:
        """Refuse: partitions are folders, the catalog keeps none."""
        del partition_spec
        _no_partitions(table_path)

    def bulk_get_partition_column_statistics(
        self, table_path: ObjectPath, partition_specs: Sequence[CatalogPartitionSpec]
    ) -> list[CatalogColumnStatistics]:
        """Refuse: partitions are folders, the catalog keeps none."""
        del partition_specs
        _no_partitions(table_path)

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


def _no_partitions(table_path: ObjectPath) -> NoReturn:
    refuse(f"the partitions of '{table_path}' as objects (they are folders of the table)")
