"""Where a compiled plan is: in a file or in a text."""

from __future__ import annotations

from pathlib import Path

from tidemill.util.exceptions import TableException, refuse

__all__ = [
    "BytesContentPlanReference",
    "FilePlanReference",
    "JsonContentPlanReference",
    "PlanReference",
]


class PlanReference:
    """Points to a plan; made by the ``from_…`` constructors."""

    @staticmethod
    def from_file(path: str | Path) -> FilePlanReference:
        """Point to a file."""
        return FilePlanReference(Path(path))

    @staticmethod
    def from_json_string(json_string: str) -> JsonContentPlanReference:
        """Take the plan as JSON."""
        return JsonContentPlanReference(json_string)

    @staticmethod
    def from_smile_bytes(smile_bytes: bytes) -> BytesContentPlanReference:
        """Take the plan in the Smile format; reading it is refused."""
        return BytesContentPlanReference(smile_bytes)

    def read(self) -> str:
        """Give the plan as JSON.

        Raises
        ------
        TableException
            If it cannot be read.
        """
        raise NotImplementedError


class FilePlanReference(PlanReference):
    """A plan in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get_file(self) -> Path:
        """Give the path."""
        return self._path

    def read(self) -> str:
        """Read the file."""
        try:
            return self._path.read_text(encoding="utf-8")
        except OSError as error:
            msg = f"cannot read the plan '{self._path}': {error}"
            raise TableException(msg) from error


class JsonContentPlanReference(PlanReference):
    """A plan as JSON."""

    def __init__(self, content: str) -> None:
        self._content = content

    def get_content(self) -> str:
        """Give the JSON."""
        return self._content

    def read(self) -> str:
        """Give the JSON."""
        return self._content


class BytesContentPlanReference(PlanReference):
    """A plan in the Smile format."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def get_content(self) -> bytes:
        """Give the bytes."""
        return self._content

    def read(self) -> str:
        """Refuse: plans are kept as JSON."""
        refuse("a plan in the Smile format (CompiledPlan.as_json_string gives JSON)")
