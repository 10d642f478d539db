"""What a worker process needs before it starts: interpreter, packages, files, archives.

.. code-block:: text

    python.executable    ─▶ the interpreter; a path inside of an archive is fine
    python.requirements  ─▶ installed once for each content into a folder of the cache
    python.files         ─▶ put on sys.path: files, package folders, zips
    python.pythonpath    ─▶ put on sys.path as it is
    python.archives      ─▶ unpacked once for each content; links to them make the working folder

Folders of the cache are named by the content they were made of and appear by rename, so that two
processes may make them at the same time.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tidemill.util.exceptions import ValidationException

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Launch", "extend_path", "prepare"]

_BOOT = (
    "import sys; sys.path.extend({last!r}); sys.path[:0] = {first!r}; "
    "from tidemill.worker import main; main()"
)
#: Between the entries of list options; between an archive and its name in the working folder.
_ENTRY, _TARGET = ",", "#"
#: Between a requirements file and a folder of downloaded packages.
_CACHED = "#"


@dataclass(frozen=True)
class Launch:
    """How to start a worker."""

    executable: str
    arguments: list[str]
    working_directory: str
    environment: dict[str, str]


def prepare(options: Iterable[tuple[str, str]]) -> Launch:
    """Make what a worker needs, and say how it is started.

    Parameters
    ----------
    options
        The ``python.*`` options that are set.

    Raises
    ------
    ValidationException
        If a file is missing, an archive is none, or requirements cannot be installed.
    """
    given = dict(options)
    folder = _working_folder(given.get("python.archives"))
    executable = _executable(given.get("python.executable"), folder)
    first = _importable(given)
    if requirements := given.get("python.requirements"):
        first.append(str(_installed(requirements, executable)))
    own = executable == sys.executable
    last = [entry for entry in sys.path if entry] if own else [str(_own_packages())]
    return Launch(
        executable=executable,
        arguments=["-c", _BOOT.format(first=first, last=last)],
        working_directory=str(folder or Path.cwd()),
        environment={"PYTHONUNBUFFERED": "1"},
    )


def extend_path(options: Iterable[tuple[str, str]]) -> None:
    """Make the session's files importable in this process."""
    for entry in _importable(dict(options)):
        if entry not in sys.path:
            sys.path.insert(0, entry)


def _importable(given: dict[str, str]) -> list[str]:
    entries = []
    for text in (given.get("python.files") or "").split(_ENTRY):
        if not text.strip():
            continue
        path = Path(text.strip()).absolute()
        if not path.exists():
            msg = f"the Python file '{path}' does not exist"
            raise ValidationException(msg)
        is_package = path.is_dir() and (path / "__init__.py").exists()
        is_module = path.is_file() and path.suffix == ".py"
        entries.append(str(path.parent if is_module or is_package else path))
    entries += [it for it in (given.get("python.pythonpath") or "").split(os.pathsep) if it]
    return list(dict.fromkeys(entries))


def _executable(text: str | None, folder: Path | None) -> str:
    if not text:
        return sys.executable
    if folder is not None and (folder / text).exists():
        return str(folder / text)
    found = shutil.which(text)
    if found is None:
        msg = f"there is no Python interpreter '{text}'"
        raise ValidationException(msg)
    return str(Path(found).absolute())


def _own_packages() -> Path:
    """Give a folder with this package and cloudpickle alone, for interpreters with others."""
    sources = {}
    for name in ("tidemill", "cloudpickle"):
        spec = importlib.util.find_spec(name)
        if spec is None or not spec.submodule_search_locations:
            msg = f"the package {name} is not installed"
            raise ValidationException(msg)
        sources[name] = Path(spec.submodule_search_locations[0]).absolute()

    def make(target: Path) -> None:
        for name, source in sources.items():
            (target / name).symlink_to(source, target_is_directory=True)

    return _cached("packages", [f"{name}={path}".encode() for name, path in sources.items()], make)


def _installed(requirements: str, executable: str) -> Path:
    file, _, downloads = requirements.partition(_CACHED)
    path = Path(file.strip())
    if not path.is_file():
        msg = f"the requirements file '{path}' does not exist"
        raise ValidationException(msg)
    key = [path.read_bytes(), executable.encode(), downloads.encode()]
    command = [executable, "-m", "pip", "install", "--disable-pip-version-check", "--quiet"]
    command += ["--requirement", str(path)]
    if downloads:
        command += ["--no-index", "--find-links", downloads]

    def make(target: Path) -> None:
        done = subprocess.run(  # noqa: S603 (the user's interpreter and requirements)
            [*command, "--target", str(target)], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            msg = f"the requirements '{path}' cannot be installed: {done.stderr.strip()}"
            raise ValidationException(msg)

    return _cached("requirements", key, make)


def _working_folder(archives: str | None) -> Path | None:
    """Unpack the archives and give a folder in which they have their names."""
    if not archives:
        return None
    unpacked = {}
    for text in archives.split(_ENTRY):
        file, _, name = text.strip().partition(_TARGET)
        path = Path(file)
        if not path.is_file():
            msg = f"the archive '{path}' does not exist"
            raise ValidationException(msg)
        unpacked[name or path.name] = _cached("archives", [path.read_bytes()], _unpacker(path))

    def make(target: Path) -> None:
        for name, folder in unpacked.items():
            (target / name).symlink_to(folder, target_is_directory=True)

    key = [f"{name}={folder}".encode() for name, folder in sorted(unpacked.items())]
    return _cached("working", key, make)


def _unpacker(path: Path) -> Callable[[Path], None]:
    def make(target: Path) -> None:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                for entry in archive.infolist():
                    extracted = archive.extract(entry, target)
                    # The interpreter of an environment must stay executable.
                    mode = entry.external_attr >> 16
                    if mode and not entry.is_dir():
                        Path(extracted).chmod(mode & 0o777)
        elif tarfile.is_tarfile(path):
            with tarfile.open(path) as archive:
                if hasattr(tarfile, "data_filter"):
                    archive.extractall(target, filter="tar")
                else:
                    archive.extractall(target)  # noqa: S202 (Pythons before the filters)
        else:
            msg = f"'{path}' is neither a zip nor a tar archive"
            raise ValidationException(msg)

    return make


def _cached(kind: str, key: list[bytes], make: Callable[[Path], None]) -> Path:
    """Give the folder made for `key`, making it if there is none."""
    digest = hashlib.sha256()
    for part in key:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tidemill" / kind
    folder = root / digest.hexdigest()[:32]
    if folder.exists():
        return folder
    root.mkdir(parents=True, exist_ok=True)
    making = Path(tempfile.mkdtemp(prefix="making-", dir=root))
    try:
        make(making)
        try:
            making.rename(folder)
        except OSError:
            if not folder.exists():  # else another process was quicker
                raise
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return folder
