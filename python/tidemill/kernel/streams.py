"""``sys.stdout`` and ``sys.stderr`` of the cells.

Text goes to Rust, which batches it and keeps its order with all other output; so flushing has
nothing to do. A forked child has no Rust threads: it writes to the file descriptor, which the
kernel captures.
"""

from __future__ import annotations

import codecs
import io
import os
from typing import TYPE_CHECKING, Any, Literal

from tidemill.kernel.output import CELL, FUNCTION

if TYPE_CHECKING:
    from tidemill.kernel.output import Origin


class OutputStream(io.TextIOBase):
    """A text stream into the notebook.

    Parameters
    ----------
    origin
        Knows which cell a text belongs to.
    descriptor
        1 for standard output, 2 for standard error.
    """

    def __init__(self, origin: Origin, descriptor: Literal[1, 2]) -> None:
        super().__init__()
        self._origin = origin
        self._write = origin.native.write
        self._descriptor = descriptor
        self._is_stderr = descriptor == 2  # noqa: PLR2004 (a file descriptor)
        self.name = "<stderr>" if self._is_stderr else "<stdout>"
        self.buffer = _Bytes(self)

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of bytes written to ``buffer``."""
        return "utf-8"

    @property
    def errors(self) -> str:  # type: ignore[override]
        """What has no UTF-8 form is shown as the replacement character."""
        return "replace"

    def write(self, text: str) -> int:
        """Write text; returns its length."""
        if not isinstance(text, str):
            msg = f"write() argument must be str, not {type(text).__name__}"
            raise TypeError(msg)
        origin = self._origin
        if origin.forked:
            os.write(self._descriptor, text.encode("utf-8", "replace"))
            return len(text)
        cell = CELL.get(None)
        if cell is None:
            cell = origin.cell()
        n_chars = len(text)
        function = FUNCTION.get(None)
        if function is not None and not (text := function.admitted(text)):
            return n_chars
        try:
            self._write(cell, self._is_stderr, text)
        except UnicodeEncodeError:
            readable = text.encode("utf-8", "replace").decode()
            self._write(cell, self._is_stderr, readable)
        return n_chars

    def writable(self) -> bool:
        """Return True."""
        return True

    def isatty(self) -> bool:
        """Return False: colors are the frontend's, cursors are not."""
        return False

    def fileno(self) -> int:
        """Return the captured descriptor, so that child processes write into the cell."""
        return self._descriptor

    def flush(self) -> None:
        """Do nothing: text is on its way and arrives in order."""

    def close(self) -> None:
        """Do nothing: a cell cannot close the notebook's output."""


class _Bytes(io.RawIOBase):
    """The ``buffer`` of a stream: bytes that are UTF-8 text."""

    def __init__(self, stream: OutputStream) -> None:
        super().__init__()
        self._stream = stream
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        text = self._decode(bytes(data))
        if text:
            self._stream.write(text)
        return len(data)

    def close(self) -> None:
        pass
