"""The main job as one program, for Tidemill and for PyFlink: only the package's name differs.

    python cdn_program.py PACKAGE FOLDER {udf|builtin} [process|thread]

Reads the access logs in FOLDER to their end, computes the statistics by province (with the Python
function) or by the first part of the address (with built-in functions alone), and prints a JSON
object: seconds from the start of the query to its last row, and the number of records counted.
"""

from __future__ import annotations

import functools
import importlib
import json
import sys
import time
from typing import Any

ACCESS_LOG = """
CREATE TABLE access_log (
    `uuid` STRING,
    client_ip STRING,
    request_time BIGINT,
    response_size BIGINT,
    uri STRING
) WITH (
    'connector' = 'filesystem',
    'path' = '{folder}',
    'format' = 'csv',
    'csv.ignore-parse-errors' = 'true'
)
"""

STATISTICS = """
SELECT province, COUNT(*) AS access_count, SUM(response_size) AS total_download,
       SUM(response_size) * 1.0 / SUM(request_time) AS download_speed
FROM (SELECT {province} AS province, response_size, request_time FROM access_log
      WHERE client_ip IS NOT NULL AND request_time IS NOT NULL AND response_size IS NOT NULL)
GROUP BY province
"""


def ip_to_province(ip: str) -> str:
    """Look the province of an address up; the look-ups are remembered, as in the notebook."""
    return _province_of(ip)


@functools.lru_cache(maxsize=1 << 17)
def _province_of(ip: str) -> str:
    try:
        country, _, province, *_ = _searcher().searchByIPStr(ip).split("|")
    except OSError:  # not an address
        return "未知"
    return province if country == "中国" else "国外"


@functools.cache
def _searcher() -> Any:
    from XdbSearchIP.xdbSearcher import XdbSearcher, dbPath

    return XdbSearcher(contentBuff=XdbSearcher.loadContentFromFile(dbfile=dbPath))


def last_rows(result: Any) -> dict[str, int]:
    """Fold the changelog of ``result`` into the last access count of every province."""
    counts: dict[str, int] = {}
    with result.collect() as rows:
        for row in rows:
            if row.get_row_kind().value in {0, 2}:
                counts[row[0]] = row[1]
    return counts


def main() -> None:
    """Run the program that the module page describes."""
    package, folder, variant = sys.argv[1:4]
    table = importlib.import_module(f"{package}.table")
    udf = importlib.import_module(f"{package}.table.udf").udf
    env = table.TableEnvironment.create(table.EnvironmentSettings.in_streaming_mode())
    config = env.get_config()
    # The peer's best setting: results once a second instead of two rows for every record.
    config.set("table.exec.mini-batch.enabled", "true")
    config.set("table.exec.mini-batch.allow-latency", "1 s")
    config.set("table.exec.mini-batch.size", "50000")
    config.set("pipeline.object-reuse", "true")
    config.set("parallelism.default", "2")
    config.set("python.executable", sys.executable)
    if len(sys.argv) > 4:
        config.set("python.execution-mode", sys.argv[4])
    env.execute_sql(ACCESS_LOG.format(folder=folder))
    if variant == "udf":
        function = udf(ip_to_province, result_type=table.DataTypes.STRING())
        env.create_temporary_system_function("ip_to_province", function)
        province = "ip_to_province(client_ip)"
    else:
        province = "SUBSTRING(client_ip FROM 1 FOR 3)"
    started = time.perf_counter()
    counts = last_rows(env.execute_sql(STATISTICS.format(province=province)))
    seconds = time.perf_counter() - started
    print(json.dumps({"seconds": seconds, "records": sum(counts.values()), "groups": len(counts)}))


if __name__ == "__main__":
    main()
