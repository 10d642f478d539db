"""Environment files of the older SQL client, as statements and options.

```yaml
tables:                       CREATE TABLE … WITH ('connector.type' = …, 'format.type' = …)
- name: sink                  (a view becomes CREATE VIEW)
  type: sink-table
  schema: [{name: a, type: BIGINT}]
  connector: {type: filesystem, path: /data}
  format: {type: csv}
functions:                    CREATE TEMPORARY SYSTEM FUNCTION … LANGUAGE PYTHON
- name: add_one
  from: python
  fully-qualified-name: udfs.add_one
execution: {type: batch}      options
configuration: {key: value}
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidemill.table.descriptor_formats import type_text
from tidemill.table.descriptors import Rowtime, Schema, create_table
from tidemill.table.sql_text import quote_identifier, quote_string
from tidemill.util.exceptions import TableException, UnsupportedOperationException

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["read_environment"]


def read_environment(path: Path) -> tuple[dict[str, str], list[str]]:
    """Read a file.

    Returns
    -------
    options
        What is to be set.
    statements
        What is to be executed, in order.

    Raises
    ------
    UnsupportedOperationException
        If the package PyYAML is not installed, or an entry needs a JVM.
    TableException
        If the file cannot be read.
    """
    try:
        import yaml  # noqa: PLC0415 - only these files need the package
    except ImportError as error:
        msg = f"reading '{path}' needs the package PyYAML: {error}"
        raise UnsupportedOperationException(msg) from error
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, yaml.YAMLError) as error:
        msg = f"cannot read '{path}': {error}"
        raise TableException(msg) from error
    statements = [_catalog(entry) for entry in content.get("catalogs") or ()]
    statements += [_function(entry) for entry in content.get("functions") or ()]
    statements += [_table(entry) for entry in content.get("tables") or ()]
    execution = content.get("execution") or {}
    if catalog := execution.get("current-catalog"):
        statements.append(f"USE CATALOG {quote_identifier(catalog)}")
    if database := execution.get("current-database"):
        statements.append(f"USE {quote_identifier(database)}")
    return _options(execution, content.get("configuration") or {}), statements


def _options(execution: dict[str, Any], configuration: dict[str, Any]) -> dict[str, str]:
    options = {str(key): str(value) for key, value in _flat(configuration).items()}
    for key, option in (
        ("type", "execution.runtime-mode"),
        ("parallelism", "parallelism.default"),
        ("max-parallelism", "pipeline.max-parallelism"),
        ("result-mode", "sql-client.execution.result-mode"),
        ("max-table-result-rows", "sql-client.execution.max-table-result.rows"),
    ):
        if key in execution:
            options[option] = str(execution[key])
    if "min-idle-state-retention" in execution:
        options["table.exec.state.ttl"] = f"{execution['min-idle-state-retention']} ms"
    return options


def _table(entry: dict[str, Any]) -> str:
    name = quote_identifier(str(entry["name"]))
    if entry.get("type") == "view":
        return f"CREATE TEMPORARY VIEW {name} AS {entry['query']}"
    schema = Schema()
    for column in entry.get("schema") or ():
        _add_column(schema, column)
    properties: dict[str, str] = {}
    for part in ("connector", "format"):
        for key, value in _flat(entry.get(part) or {}).items():
            text = str(value).lower() if isinstance(value, bool) else str(value)
            properties[f"{part}.{key}"] = text
    if "update-mode" in entry:
        properties["update-mode"] = str(entry["update-mode"])
    return create_table(name, schema.to_sql(), properties)


def _add_column(schema: Schema, column: dict[str, Any]) -> None:
    data_type = column.get("data-type", column.get("type", "STRING"))
    schema.field(str(column["name"]), type_text(str(data_type)))
    if column.get("proctime"):
        schema.proctime()
    if origin := column.get("from"):
        schema.from_origin_field(str(origin))
    if not (rowtime := column.get("rowtime")):
        return
    described = Rowtime()
    timestamps, watermarks = rowtime.get("timestamps") or {}, rowtime.get("watermarks") or {}
    if timestamps.get("type") == "from-field":
        described.timestamps_from_field(str(timestamps["from"]))
    elif timestamps.get("type") == "from-source":
        described.timestamps_from_source()
    else:
        described.timestamps_from_extractor(str(timestamps.get("class")))
    if watermarks.get("type") == "periodic-bounded":
        described.watermarks_periodic_bounded(int(watermarks["delay"]))
    elif watermarks.get("type") == "from-source":
        described.watermarks_from_source()
    else:
        described.watermarks_periodic_ascending()
    schema.rowtime(described)


def _function(entry: dict[str, Any]) -> str:
    name = quote_identifier(str(entry["name"]))
    if entry.get("from") != "python":
        msg = f"function '{entry['name']}' is a class of a JVM: write it in Python"
        raise UnsupportedOperationException(msg)
    target = quote_string(str(entry["fully-qualified-name"]))
    return f"CREATE TEMPORARY SYSTEM FUNCTION {name} AS {target} LANGUAGE PYTHON"


def _catalog(entry: dict[str, Any]) -> str:
    options = {key: str(value) for key, value in _flat(entry).items() if key != "name"}
    pairs = ", ".join(f"{quote_string(key)} = {quote_string(v)}" for key, v in options.items())
    return f"CREATE CATALOG {quote_identifier(str(entry['name']))} WITH ({pairs})"


def _flat(content: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Give nested entries by their path; entries of lists by their position."""
    found: dict[str, Any] = {}
    for key, value in content.items():
        path = f"{prefix}{key}"
        if isinstance(value, dict):
            found.update(_flat(value, f"{path}."))
        elif isinstance(value, list):
            found.update(_flat(dict(enumerate(value)), f"{path}."))  # type: ignore[arg-type]
        else:
            found[path] = value
    return found
