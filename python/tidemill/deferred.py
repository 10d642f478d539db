"""Packages whose content waits until somebody asks for it: worker processes start sooner.

``tidemill.table`` brings the whole Table API, of which a function in a worker needs little: its
own class, the types, rows. A deferred package is there with its place on disk, so that its modules
can be imported one by one; its ``__init__`` runs when a name is asked for that is no module.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType
from typing import Any

__all__ = ["defer"]


def defer(name: str) -> None:
    """Let the package `name` wait; nothing changes if it is loaded already."""
    if name in sys.modules:
        return
    spec = importlib.util.find_spec(name)
    if spec is None:
        return
    module = _Deferred(name)
    module.__spec__, module.__loader__ = spec, spec.loader
    module.__file__, module.__path__ = spec.origin, list(spec.submodule_search_locations or ())
    sys.modules[name] = module
    parent, _, own_name = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], own_name, module)


class _Deferred(ModuleType):
    """A package before its ``__init__`` has run."""

    def __getattr__(self, name: str) -> Any:
        """Import a module of the package, or run the package's ``__init__`` and look again.

        Raises
        ------
        AttributeError
            If there is no such name.
        """
        spec = self.__spec__
        if name.startswith("__") or spec is None or spec.loader is None:
            raise AttributeError(name)
        if importlib.util.find_spec(f"{self.__name__}.{name}") is not None:
            return importlib.import_module(f"{self.__name__}.{name}")
        object.__setattr__(self, "__class__", ModuleType)
        spec.loader.exec_module(self)
        return getattr(self, name)
