"""Write a made-up access log: ``python -m tidemill.examples.cdn.generate --folder DIR``.

A line is ``uuid,client_ip,request_time,response_size,uri``: milliseconds and bytes. Clients are
skewed by province and by client, sizes have a heavy tail, times are log-normal and grow with the
size, and a few addresses are popular. A share of the lines is broken as real logs are. The same
seed gives the same lines.

The log is written as a web server does: the files grow together, in writes that do not end at line
ends, so a reader sees half a line now and then.

.. code-block:: text

    pools of ready-made texts ──choices──▶ blocks of lines ──▶ access-00.csv, access-01.csv, …
"""

from __future__ import annotations

import argparse
import math
import random
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tidemill.examples.cdn.networks import (
    FOREIGN_NETWORKS,
    FOREIGN_SHARE,
    PRIVATE_NETWORKS,
    PRIVATE_SHARE,
    PROVINCES,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

BLOCK_LINES = 4096
N_CLIENTS = 60_000
N_TRANSFERS = 30_000
N_UUID_MIDDLES = 50_000
N_REQUESTS_IN_POOL = 120_000
PAGES = ("index", "list", "detail", "search", "cart", "live", "news", "about")
KINDS = (("video", "mp4"), ("image", "jpg"), ("script", "js"), ("style", "css"), ("page", "html"))


class LogGenerator:
    """Makes the lines of an access log.

    Parameters
    ----------
    seed : int
        Equal seeds give equal lines.
    broken : float
        Share of the lines that are broken, 0 to 1.
    """

    def __init__(self, seed: int = 7, broken: float = 0.01) -> None:
        self._rng = random.Random(seed)  # noqa: S311 - data for a demo
        self._broken = broken
        self._clients = self._popular(self._make_clients(), exponent=0.6)
        self._uuid_middles = self._make_uuid_middles()
        self._transfers = self._make_transfers()
        self._uris = self._popular(self._make_uris(), exponent=1.1)

    def block(self, n_lines: int) -> bytes:
        """Give the next ``n_lines`` lines, each with its line end."""
        rng = self._rng
        clients = rng.choices(self._clients, k=n_lines)
        transfers = rng.choices(self._transfers, k=n_lines)
        uris = rng.choices(self._uris, k=n_lines)
        middles = rng.choices(self._uuid_middles, k=n_lines)
        digits = rng.randbytes(10 * n_lines).hex()
        lines = [
            f"{digits[at : at + 8]}{middle}{digits[at + 8 : at + 20]},{client},{transfer},{uri}\n"
            for at, middle, client, transfer, uri in zip(
                range(0, 20 * n_lines, 20), middles, clients, transfers, uris, strict=True
            )
        ]
        # A fraction of a line becomes one more with that probability.
        n_broken = int(n_lines * self._broken + rng.random())
        for line_idx in rng.sample(range(n_lines), min(n_broken, n_lines)):
            lines[line_idx] = rng.choice(BREAKERS)(lines[line_idx], rng)
        return "".join(lines).encode()

    def _make_uuid_middles(self) -> list[str]:
        """Make what stands between the first and the last group of a random UUID, dashes too."""
        middles = []
        for _ in range(N_UUID_MIDDLES):
            digits = self._rng.randbytes(6).hex()
            variant = self._rng.choice("89ab")
            middles.append(f"-{digits[:4]}-4{digits[4:7]}-{variant}{digits[7:10]}-")
        return middles

    def _popular(self, items: Sequence[str], exponent: float) -> list[str]:
        """Repeat the items so that the n-th is drawn about n^-exponent as often as the first."""
        weights = [1 / (rank + 1) ** exponent for rank in range(len(items))]
        return self._rng.choices(items, weights, k=N_REQUESTS_IN_POOL)

    def _make_clients(self) -> list[str]:
        rng = self._rng
        names = list(PROVINCES)
        weights = [PROVINCES[name][0] for name in names]
        clients = []
        for province in rng.choices(names, weights, k=N_CLIENTS):
            lot = rng.random()
            networks = PROVINCES[province][1]
            if lot < PRIVATE_SHARE:
                networks = PRIVATE_NETWORKS
            elif lot < PRIVATE_SHARE + FOREIGN_SHARE:
                networks = FOREIGN_NETWORKS
            network = rng.choice(networks)
            clients.append(f"{network}.{rng.randrange(256)}.{rng.randrange(1, 255)}")
        return clients

    def _make_transfers(self) -> list[str]:
        rng = self._rng
        transfers = []
        for _ in range(N_TRANSFERS):
            size = min(int(800 * rng.paretovariate(0.9)), 200_000_000)
            latency = rng.lognormvariate(3.2, 0.7)
            bytes_per_ms = rng.lognormvariate(6.5, 0.5)
            transfers.append(f"{1 + math.ceil(latency + size / bytes_per_ms)},{size}")
        return transfers

    def _make_uris(self) -> list[str]:
        rng = self._rng
        uris = []
        for number in range(3000):
            kind, ending = rng.choice(KINDS)
            uris.append(f"/{kind}/{rng.choice(PAGES)}/{number:04d}.{ending}")
        return uris


def _cut(line: str, rng: random.Random) -> str:
    """Lose the end of the line, as when a server is killed while it writes."""
    return line[: rng.randrange(1, len(line) - 1)] + "\n"


def _bad_time(line: str, rng: random.Random) -> str:
    """Say something else where the time should be."""
    uuid, client, _, rest = line.split(",", 3)
    return f"{uuid},{client},{rng.choice(('-', 'timeout', '12ms', ''))},{rest}"


def _bad_client(line: str, rng: random.Random) -> str:
    """Name a client that is no IPv4 address."""
    uuid, _, rest = line.split(",", 2)
    return f"{uuid},{rng.choice(('-', 'unknown', '2409:8a00:1::5', '300.1.2.3'))},{rest}"


def _too_long(line: str, _: random.Random) -> str:
    """Add fields that nobody expects."""
    return line.rstrip("\n") + ",HIT,from-cache\n"


def _two_in_one(line: str, _: random.Random) -> str:
    """Lose a line end between two records."""
    return line.rstrip("\n") + line


def _stray_quote(line: str, _: random.Random) -> str:
    """Put text behind a closing quote."""
    return f'"{line[:8]}"{line[8:]}'


def _garbage(_: str, rng: random.Random) -> str:
    """Write control characters: a line of another program."""
    return "".join(chr(rng.choice((0, 1, 7, 27, 0xFFFD, 65))) for _ in range(40)) + "\n"


def _empty(_: str, __: random.Random) -> str:
    """Write an empty line."""
    return "\n"


BREAKERS: tuple[Callable[[str, random.Random], str], ...] = (
    _cut,
    _bad_time,
    _bad_client,
    _too_long,
    _two_in_one,
    _stray_quote,
    _garbage,
    _empty,
)


def generate(
    folder: Path | str,
    records: int,
    *,
    seed: int = 7,
    files: int = 4,
    broken: float = 0.01,
    rate: float | None = None,
) -> Iterator[int]:
    """Append ``records`` lines to the files of ``folder``; give how many are written, so far.

    Parameters
    ----------
    folder : path
        Made if it is not there. Files ``access-00.csv``, … are appended to.
    records : int
        Number of lines, the broken ones included.
    seed, broken
        As in :class:`LogGenerator`.
    files : int
        How many files grow together.
    rate : float, optional
        Lines a second; as fast as possible without it.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    generator = LogGenerator(seed, broken)
    cuts = random.Random(seed + 1)  # noqa: S311 - where writes end, not what they hold
    handles = [(folder / f"access-{at:02d}.csv").open("ab", buffering=0) for at in range(files)]
    pending = [b""] * files
    pace = _Pace(rate)
    n_written = 0
    try:
        for block_idx in range(math.ceil(records / BLOCK_LINES)):
            n_lines = min(BLOCK_LINES, records - n_written)
            data = pending[block_idx % files] + generator.block(n_lines)
            end = len(data) - cuts.randrange(min(120, len(data)))
            for part, share in pace.parts(data[:end], n_lines):
                handles[block_idx % files].write(part)
                pace.wait(n_written + share)
            pending[block_idx % files] = data[end:]
            n_written += n_lines
            yield n_written
        for handle, rest in zip(handles, pending, strict=True):
            handle.write(rest)
    finally:
        for handle in handles:
            handle.close()


class _Pace:
    """Keeps to a number of lines a second, in writes of about a twentieth of a second."""

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._started = time.monotonic()

    def parts(self, data: bytes, n_lines: int) -> Iterator[tuple[bytes, float]]:
        """Give the parts of a block, each with how many of its lines are written then."""
        n_parts = 1 if self._rate is None else math.ceil(n_lines / (self._rate / 20))
        for part_idx in range(n_parts):
            begin = len(data) * part_idx // n_parts
            end = len(data) * (part_idx + 1) // n_parts
            yield data[begin:end], n_lines * (part_idx + 1) / n_parts

    def wait(self, n_written: float) -> None:
        """Sleep until so many lines are due."""
        if self._rate is not None:
            due = self._started + n_written / self._rate
            time.sleep(max(0.0, due - time.monotonic()))


def main() -> int:
    """Write a log and say how fast."""
    parser = argparse.ArgumentParser(prog="python -m tidemill.examples.cdn.generate")
    parser.add_argument("--folder", type=Path, required=True, help="where the log grows")
    parser.add_argument("--records", type=int, default=2_000_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--files", type=int, default=4)
    parser.add_argument("--broken", type=float, default=0.01, help="share of broken lines")
    parser.add_argument("--rate", type=float, help="lines a second; default: no limit")
    options = parser.parse_args()
    started = time.monotonic()
    n_written = 0
    for n_written in generate(  # noqa: B007 - the last count is the answer
        options.folder,
        options.records,
        seed=options.seed,
        files=options.files,
        broken=options.broken,
        rate=options.rate,
    ):
        pass
    elapsed = time.monotonic() - started
    sys.stderr.write(
        f"{n_written} lines in {elapsed:.1f} s ({n_written / elapsed:,.0f} a second)\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
