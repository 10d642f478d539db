"""``import pyflink`` gives this package: the same module objects under both names.

```text
  import pyflink.table.udf ─▶ AliasFinder ─▶ importlib.import_module("tidemill.table.udf")
                                             └▶ also sys.modules["pyflink.table.udf"]
```

So does ``import py4j``, whose exceptions PyFlink's programs catch, with `tidemill.compat.py4j`.
A class is the same class under both names, so that a program may mix them. An installed PyFlink is
hidden while the alias is there; an installed py4j, which other packages need, only where a program
of PyFlink runs alone.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

__all__ = ["install"]

_PACKAGES = {"pyflink": "tidemill", "py4j": "tidemill.compat.py4j"}
# Modules of other releases, by where their content is today.
_MOVED = {
    "pyflink.table.catalogs": "tidemill.table.catalog",
    "pyflink.table.sources": "tidemill.table.descriptors",
    "pyflink.table.sinks": "tidemill.table.descriptors",
    "pyflink.table.query_config": "tidemill.table.table_config",
}


def install(*, hide_py4j: bool = True) -> None:
    """Let the aliases mean this package from now on; doing it again changes nothing.

    Parameters
    ----------
    hide_py4j
        Whether ``py4j`` means this package also where py4j is installed.
    """
    if any(isinstance(finder, _AliasFinder) for finder in sys.meta_path):
        return
    hidden = ("pyflink", "py4j") if hide_py4j else ("pyflink",)
    for name in [name for name in sys.modules if _package(name) in hidden]:
        del sys.modules[name]
    sys.meta_path.insert(0, _AliasFinder(hidden))
    sys.meta_path.append(_AliasFinder(tuple(_PACKAGES)))


def _package(name: str) -> str:
    return name.partition(".")[0]


class _AliasFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds some of the aliases and what is below them."""

    def __init__(self, packages: tuple[str, ...]) -> None:
        self._packages = packages
        # What the import system overwrites while it loads a module under its second name.
        self._specs: dict[str, importlib.machinery.ModuleSpec | None] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Find a module by its name in this package."""
        del path, target
        if _package(fullname) not in self._packages:
            return None
        name = _own_name(fullname)
        if importlib.util.find_spec(name) is None:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        """Give the module of this package."""
        module = importlib.import_module(_own_name(spec.name))
        self._specs[spec.name] = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Give the module its own spec back; it has run already."""
        for alias, spec in list(self._specs.items()):
            if spec is not None and spec.name == module.__name__:
                module.__spec__ = self._specs.pop(alias)


def _own_name(alias: str) -> str:
    package, dot, rest = alias.partition(".")
    return _MOVED.get(alias, _PACKAGES[package] + dot + rest)
