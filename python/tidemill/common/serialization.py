"""How records become bytes and bytes records, for sources and sinks of streams."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from tidemill.util.exceptions import refuse

__all__ = [
    "BulkWriterFactory",
    "ByteArraySchema",
    "DeserializationSchema",
    "Encoder",
    "RowFieldExtractorSchema",
    "SerializationSchema",
    "SimpleStringSchema",
]


class SerializationSchema:
    """Makes bytes of a record."""

    def serialize(self, element: Any) -> bytes:
        """Make bytes of a record."""
        raise NotImplementedError


class DeserializationSchema:
    """Makes a record of bytes."""

    def deserialize(self, message: bytes) -> Any:
        """Make a record of bytes."""
        raise NotImplementedError


class SimpleStringSchema(SerializationSchema, DeserializationSchema):
    """Records are texts.

    Parameters
    ----------
    charset
        How the text is encoded.
    """

    def __init__(self, charset: str = "UTF-8") -> None:
        """Keep the encoding."""
        self._charset = charset

    def serialize(self, element: Any) -> bytes:
        """Encode the text."""
        return str(element).encode(self._charset)

    def deserialize(self, message: bytes) -> str:
        """Decode the text."""
        return message.decode(self._charset)


class ByteArraySchema(SerializationSchema, DeserializationSchema):
    """Records are bytes."""

    def serialize(self, element: Any) -> bytes:
        """Give the bytes."""
        return bytes(element)

    def deserialize(self, message: bytes) -> bytes:
        """Give the bytes."""
        return message


class RowFieldExtractorSchema(SerializationSchema):
    """One field of each row, which has bytes, is written.

    Parameters
    ----------
    field_index
        Which field.
    """

    def __init__(self, field_index: int) -> None:
        """Keep the position."""
        if not isinstance(field_index, int) or field_index < 0:
            msg = f"Field index must be non-negative, got {field_index}"
            raise ValueError(msg)
        self.field_index = field_index

    def serialize(self, element: Any) -> bytes:
        """Give the bytes of the field."""
        value = element[self.field_index]
        return value.encode() if isinstance(value, str) else bytes(value)


class Encoder:
    """Writes records into a file, one a line.

    Parameters
    ----------
    charset
        How the text is encoded.
    """

    def __init__(self, charset: str = "UTF-8") -> None:
        """Keep the encoding."""
        self._charset = charset

    @staticmethod
    def simple_string_encoder(charset_name: str = "UTF-8") -> Encoder:
        """Write the text of each record."""
        return Encoder(charset_name)

    def encode(self, element: Any) -> bytes:
        """Give a record as a line."""
        text = element if isinstance(element, str) else _text(element)
        return f"{text}\n".encode(self._charset)


class BulkWriterFactory:
    """A writer of files written in Java: tables with a format write files here."""

    def get_java_object(self) -> NoReturn:
        """Refuse: there is no JVM."""
        refuse("a Java object (there is no JVM)")


def _text(element: Any) -> str:
    return json.dumps(element) if isinstance(element, dict) else str(element)
