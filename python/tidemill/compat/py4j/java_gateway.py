"""Names of ``py4j.java_gateway`` that programs import; each refuses when it is used."""

from __future__ import annotations

from typing import Any, NoReturn

__all__ = ["JavaGateway", "JavaObject", "is_instance_of", "java_import"]

_REFUSAL = "there is no JVM: use the Python API instead of its gateway"


def _refuse() -> NoReturn:
    raise RuntimeError(_REFUSAL)


class JavaObject:
    """An object of a JVM; nothing is one."""


class JavaGateway:
    """The way to a JVM, which is not there."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Refuse.

        Raises
        ------
        RuntimeError
            Always.
        """
        del args, kwargs
        _refuse()


def is_instance_of(gateway: Any, java_object: Any, java_class: Any) -> bool:
    """Give False: there are no objects of a JVM."""
    del gateway, java_object, java_class
    return False


def java_import(jvm_view: Any, import_str: str) -> NoReturn:
    """Refuse.

    Raises
    ------
    RuntimeError
        Always.
    """
    del jvm_view, import_str
    _refuse()
