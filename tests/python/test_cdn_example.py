"""The main job's parts: the log generator, the lookup of provinces, and both with the engine."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tidemill.examples.cdn.generate import BREAKERS, LogGenerator, generate
from tidemill.examples.cdn.networks import PROVINCES
from tidemill.examples.cdn.region import FOREIGN, UNKNOWN, ip_to_province, province_of
from tidemill.table import EnvironmentSettings, TableEnvironment

if TYPE_CHECKING:
    from collections.abc import Iterator


def contents(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(folder.iterdir())]


def write_all(steps: Iterator[int]) -> int:
    return list(steps)[-1]


@pytest.mark.parametrize(
    ("ip", "province"),
    [
        ("27.184.139.25", "河北省"),
        ("202.96.128.86", "广东省"),
        ("8.8.8.8", FOREIGN),
        ("10.0.0.1", UNKNOWN),
        ("300.1.2.3", UNKNOWN),
        ("2409:8a00::5", UNKNOWN),
        ("a\0b", UNKNOWN),
        ("", UNKNOWN),
        (None, UNKNOWN),
    ],
)
def test_province_of_an_address(ip: str | None, province: str) -> None:
    assert province_of(ip) == province


def test_every_network_lies_in_its_province() -> None:
    for province, (_, networks) in PROVINCES.items():
        for network in networks:
            assert province_of(f"{network}.77.7") == province, network


def test_a_seed_gives_the_same_log_at_any_rate(tmp_path: Path) -> None:
    for name, rate in (("fast", None), ("paced", 100_000.0)):
        assert write_all(generate(tmp_path / name, 10_000, seed=3, rate=rate)) == 10_000
    assert contents(tmp_path / "fast") == contents(tmp_path / "paced")
    lines = b"".join(contents(tmp_path / "fast")).splitlines()
    assert 9_900 < len(lines) < 10_100
    write_all(generate(tmp_path / "other", 10_000, seed=4))
    assert contents(tmp_path / "other") != contents(tmp_path / "fast")


def test_the_rate_is_kept(tmp_path: Path) -> None:
    started = time.monotonic()
    write_all(generate(tmp_path, 5_000, rate=10_000.0))
    assert time.monotonic() - started >= 0.49


def test_files_end_within_lines_while_they_grow(tmp_path: Path) -> None:
    steps = generate(tmp_path, 40_000, files=2)
    next(steps)
    next(steps)
    assert any(not content.endswith(b"\n") for content in contents(tmp_path))
    write_all(steps)
    assert all(content.endswith(b"\n") for content in contents(tmp_path))


def test_a_share_of_the_lines_is_broken() -> None:
    def n_whole(broken: float) -> int:
        lines = LogGenerator(seed=1, broken=broken).block(20_000).decode().splitlines()
        return sum(line.count(",") == 4 for line in lines)

    assert n_whole(0.0) == 20_000
    # Some breakers leave the number of fields as it is.
    assert 20_000 - 20_000 * 0.1 < n_whole(0.1) < 20_000 - 20_000 * 0.1 / len(BREAKERS)


def test_the_statistics_of_a_log(tmp_path: Path) -> None:
    write_all(generate(tmp_path / "logs", 20_000, seed=5))
    t_env = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    t_env.create_temporary_function("ip_to_province", ip_to_province)
    t_env.execute_sql(
        f"""
        CREATE TABLE access_log (
          uuid STRING, client_ip STRING, request_time BIGINT, response_size BIGINT, uri STRING
        ) WITH (
          'connector' = 'filesystem', 'path' = '{tmp_path / "logs"}', 'format' = 'csv',
          'csv.ignore-parse-errors' = 'true'
        )
        """
    )
    t_env.execute_sql(
        f"""
        CREATE TABLE statistics (
          province STRING, n BIGINT, total BIGINT, PRIMARY KEY (province) NOT ENFORCED
        ) WITH (
          'connector' = 'snapshot', 'path' = '{tmp_path / "statistics.csv"}', 'format' = 'csv'
        )
        """
    )
    t_env.execute_sql(
        """
        INSERT INTO statistics
        SELECT ip_to_province(client_ip), COUNT(uuid), SUM(response_size)
        FROM access_log
        WHERE request_time IS NOT NULL AND response_size IS NOT NULL
        GROUP BY ip_to_province(client_ip)
        """
    ).wait()
    expected: dict[str, list[int]] = {}
    for line in b"".join(contents(tmp_path / "logs")).decode().split("\n"):
        fields = line.split(",")
        # Stray quotes, surplus fields and fields that are no number break a line.
        if (
            len(fields) != 5
            or line.startswith('"')
            or not fields[2].isdigit()
            or not fields[3].isdigit()
        ):
            continue
        entry = expected.setdefault(province_of(fields[1]), [0, 0])
        entry[0] += 1
        entry[1] += int(fields[3])
    written = (line.split(",") for line in Path(tmp_path / "statistics.csv").read_text().split())
    got = {province: [int(n), int(total)] for province, n, total in written}
    # A line cut within its last field is whole to the eye.
    assert got.keys() == expected.keys()
    assert got == expected
