"""Every public name and parameter of PyFlink 2.3 that a Table program can use is here.

The list of names is PyFlink's, made by introspection. What is missing stands in `EXCEPTIONS` with
its reason; an entry that is not needed any more fails the test too.
"""

from __future__ import annotations

import importlib
import inspect
import json
from pathlib import Path
from typing import Any

import pytest

NAMES = json.loads((Path(__file__).parent / "pyflink_names.json").read_text(encoding="utf-8"))

# `module.Name.member`: why it is not there, or not as in PyFlink.
EXCEPTIONS: dict[str, str] = {}


def test_the_list_is_there() -> None:
    assert len(NAMES) > 50
    assert sum(len(names) for names in NAMES.values()) > 1500


@pytest.mark.parametrize("module_name", sorted(NAMES))
def test_names_and_parameters(module_name: str) -> None:
    module = importlib.import_module(module_name.replace("pyflink", "tidemill", 1))
    missing = {}
    for path, parameters in NAMES[module_name].items():
        reason = _difference(module, path, parameters)
        if reason is not None:
            missing[f"{module_name}.{path}"] = reason
    expected = {name for name in EXCEPTIONS if name.startswith(f"{module_name}.")}
    assert {name: why for name, why in missing.items() if name not in EXCEPTIONS} == {}
    assert expected <= set(missing), "an exception is not needed any more"


def _difference(module: Any, path: str, parameters: list[str] | None) -> str | None:
    """Tell what is wrong with a name; `parameters` is None for what is not called."""
    found = module
    for part in path.split("."):
        if part == "__init__":
            break
        if isinstance(found, type):
            raw = inspect.getattr_static(found, part, None)
            if raw is None:
                return "is missing"
            found = raw.__func__ if isinstance(raw, staticmethod | classmethod) else raw
        else:
            found = getattr(found, part, None)
            if found is None:
                return "is missing"
    if parameters is None:
        return None
    try:
        own = inspect.signature(found).parameters
    except (TypeError, ValueError):
        return None
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in own.values()):
        return None
    lacking = [name for name in parameters if name not in own]
    return f"lacks {lacking}" if lacking else None
