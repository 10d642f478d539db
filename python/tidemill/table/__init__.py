"""The Table API and SQL, with the names of ``pyflink.table``."""

from __future__ import annotations

from tidemill.common.types import Row, RowKind
from tidemill.table.data_types import DataTypes
from tidemill.table.environment_settings import EnvironmentSettings
from tidemill.table.explain_detail import ExplainDetail
from tidemill.table.expression import Expression
from tidemill.table.result_kind import ResultKind
from tidemill.table.schema import Schema
from tidemill.table.sql_dialect import SqlDialect
from tidemill.table.statement_set import StatementSet
from tidemill.table.table import GroupedTable, Table
from tidemill.table.table_config import TableConfig
from tidemill.table.table_descriptor import FormatDescriptor, TableDescriptor
from tidemill.table.table_environment import StreamTableEnvironment, TableEnvironment
from tidemill.table.table_pipeline import TablePipeline
from tidemill.table.table_result import TableResult
from tidemill.table.table_schema import TableSchema
from tidemill.table.udf import FunctionContext, ScalarFunction

__all__ = [
    "DataTypes",
    "EnvironmentSettings",
    "ExplainDetail",
    "Expression",
    "FormatDescriptor",
    "FunctionContext",
    "GroupedTable",
    "ResultKind",
    "Row",
    "RowKind",
    "ScalarFunction",
    "Schema",
    "SqlDialect",
    "StatementSet",
    "StreamTableEnvironment",
    "Table",
    "TableConfig",
    "TableDescriptor",
    "TableEnvironment",
    "TablePipeline",
    "TableResult",
    "TableSchema",
]
