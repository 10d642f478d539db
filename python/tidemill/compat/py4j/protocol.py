"""The exceptions by which PyFlink's programs catch what Flink refuses.

In PyFlink most errors of a table program are a `Py4JJavaError` around an exception of the JVM.
There is none here, but a program that catches them asks for the same things: `java_exception`
answers with the class that Flink would have raised and with the message.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = ["JavaThrowable", "Py4JError", "Py4JJavaError", "Py4JNetworkError"]


class Py4JError(Exception):
    """Base of the exceptions of ``py4j.protocol``."""


class Py4JNetworkError(Py4JError):
    """A broken connection to a JVM; never raised, because there is none."""


class Py4JJavaError(Py4JError):
    """What Flink refuses or fails at; see `java_exception`."""

    #: The class of Flink that says the same.
    java_class: ClassVar[str] = "java.lang.RuntimeException"

    @property
    def errmsg(self) -> str:
        """The message."""
        return str(self)

    @property
    def java_exception(self) -> JavaThrowable:
        """What stands for the exception of the JVM."""
        return JavaThrowable(self.java_class, str(self))


class JavaThrowable:
    """Answers the questions that programs ask of an exception of the JVM.

    Parameters
    ----------
    java_class
        The full name of its class.
    message
        Its message.
    """

    def __init__(self, java_class: str, message: str) -> None:
        self._java_class = java_class
        self._message = message

    def getMessage(self) -> str:  # noqa: N802 - Java's name
        """Give the message."""
        return self._message

    getLocalizedMessage = getMessage  # noqa: N815 - Java's name

    def getCause(self) -> JavaThrowable | None:  # noqa: N802 - Java's name
        """Give None: the message says everything."""
        return None

    def getStackTrace(self) -> list[str]:  # noqa: N802 - Java's name
        """Give no frames: none of them would be the program's."""
        return []

    def getClass(self) -> _JavaClass:  # noqa: N802 - Java's name
        """Give the class."""
        return _JavaClass(self._java_class)

    def toString(self) -> str:  # noqa: N802 - Java's name
        """Write class and message, as a JVM does."""
        return f"{self._java_class}: {self._message}"

    def __str__(self) -> str:
        """Write class and message."""
        return self.toString()


class _JavaClass:
    def __init__(self, name: str) -> None:
        self._name = name

    def getName(self) -> str:  # noqa: N802 - Java's name
        return self._name

    getCanonicalName = getName  # noqa: N815 - Java's name

    def getSimpleName(self) -> str:  # noqa: N802 - Java's name
        return self._name.rpartition(".")[2]

    def __str__(self) -> str:
        return f"class {self._name}"
