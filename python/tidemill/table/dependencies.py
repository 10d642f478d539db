"""What Python functions need: files, packages, archives and an interpreter.

The methods set options; what they mean is in `worker_launch`. Files become importable where the
functions run; requirements, archives and an interpreter put them into a process of their own.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tidemill.util.exceptions import ValidationException

if TYPE_CHECKING:
    from tidemill.table.table_config import TableConfig

__all__ = ["DependencyOperations"]

_FILES = "python.files"
_REQUIREMENTS = "python.requirements"
_ARCHIVES = "python.archives"


class DependencyOperations:
    """The methods of an environment that bring files along."""

    def get_config(self) -> TableConfig:
        """Give the options."""
        raise NotImplementedError

    def add_python_file(self, file_path: str) -> None:
        """Make a module, a package folder or a zip file importable for functions.

        Raises
        ------
        ValidationException
            If there is no such file.
        """
        self._append(_FILES, _existing(file_path))

    def set_python_requirements(
        self, requirements_file_path: str, requirements_cache_dir: str | None = None
    ) -> None:
        """Run functions with the packages that a file lists.

        Parameters
        ----------
        requirements_file_path
            A ``requirements.txt``.
        requirements_cache_dir
            A folder of downloaded packages; with it, nothing is downloaded.

        Raises
        ------
        ValidationException
            If there is no such file.
        """
        value = _existing(requirements_file_path)
        if requirements_cache_dir is not None:
            value += f"#{_existing(requirements_cache_dir)}"
        self.get_config().set(_REQUIREMENTS, value)

    def add_python_archive(self, archive_path: str, target_dir: str | None = None) -> None:
        """Unpack an archive where functions run; they find it by a relative path.

        Parameters
        ----------
        archive_path
            A zip or tar file.
        target_dir
            Name of the folder; that of the archive if not given.

        Raises
        ------
        ValidationException
            If there is no such file.
        """
        value = _existing(archive_path)
        self._append(_ARCHIVES, value if target_dir is None else f"{value}#{target_dir}")

    def _append(self, key: str, value: str) -> None:
        before = self.get_config().get(key, None)
        self.get_config().set(key, f"{before},{value}" if before else value)


def _existing(path: str) -> str:
    if not Path(path).expanduser().exists():
        msg = f"there is no file or folder '{path}'"
        raise ValidationException(msg)
    return str(Path(path).expanduser().absolute())
