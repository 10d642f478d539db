"""The Table API and SQL, with the names of ``pyflink.table``."""

from __future__ import annotations

from tidemill.common.types import Row, RowKind
from tidemill.table.changelog_mode import ChangelogMode
from tidemill.table.compiled_plan import CompiledPlan
from tidemill.table.data_types import DataTypes
from tidemill.table.data_view import DataView, ListView, MapView
from tidemill.table.descriptors import CsvTableSink, CsvTableSource, WriteMode
from tidemill.table.environment_settings import EnvironmentSettings
from tidemill.table.explain_detail import ExplainDetail
from tidemill.table.expression import Expression
from tidemill.table.module import Module, ModuleEntry
from tidemill.table.plan_reference import PlanReference
from tidemill.table.result_kind import ResultKind
from tidemill.table.schema import Schema
from tidemill.table.sql_dialect import SqlDialect
from tidemill.table.statement_set import StatementSet
from tidemill.table.table import (
    GroupedTable,
    GroupWindowedTable,
    OverWindowedTable,
    Table,
    WindowGroupedTable,
)
from tidemill.table.table_config import TableConfig
from tidemill.table.table_descriptor import FormatDescriptor, TableDescriptor
from tidemill.table.table_environment import (
    BatchTableEnvironment,
    StreamTableEnvironment,
    TableEnvironment,
)
from tidemill.table.table_pipeline import TablePipeline
from tidemill.table.table_result import TableResult
from tidemill.table.table_schema import TableSchema
from tidemill.table.types import UserDefinedType
from tidemill.table.udf import (
    AggregateFunction,
    AsyncScalarFunction,
    FunctionContext,
    ScalarFunction,
    TableAggregateFunction,
    TableFunction,
)

__all__ = [
    "AggregateFunction",
    "AsyncScalarFunction",
    "BatchTableEnvironment",
    "ChangelogMode",
    "CompiledPlan",
    "CsvTableSink",
    "CsvTableSource",
    "DataTypes",
    "DataView",
    "EnvironmentSettings",
    "ExplainDetail",
    "Expression",
    "FormatDescriptor",
    "FunctionContext",
    "GroupWindowedTable",
    "GroupedTable",
    "ListView",
    "MapView",
    "Module",
    "ModuleEntry",
    "OverWindowedTable",
    "PlanReference",
    "ResultKind",
    "Row",
    "RowKind",
    "ScalarFunction",
    "Schema",
    "SqlDialect",
    "StatementSet",
    "StreamTableEnvironment",
    "Table",
    "TableAggregateFunction",
    "TableConfig",
    "TableDescriptor",
    "TableEnvironment",
    "TableFunction",
    "TablePipeline",
    "TableResult",
    "TableSchema",
    "UserDefinedType",
    "WindowGroupedTable",
    "WriteMode",
]
