"""Modules: sets of functions that a session looks names up in."""

from __future__ import annotations

from tidemill.table.sql_text import quote_string

__all__ = ["HiveModule", "Module", "ModuleEntry"]


class Module:
    """A module by the type under which the engine knows it.

    Parameters
    ----------
    options
        Options of the module.
    """

    def __init__(self, options: dict[str, str] | None = None) -> None:
        """Copy the options."""
        self._options = dict(options or {})

    def to_sql(self, name: str) -> str:
        """Write LOAD MODULE for this module under a quoted name."""
        if not self._options:
            return f"LOAD MODULE {name}"
        options = ", ".join(
            f"{quote_string(key)} = {quote_string(value)}" for key, value in self._options.items()
        )
        return f"LOAD MODULE {name} WITH ({options})"


class HiveModule(Module):
    """The functions of Hive; loading it is refused, because they are written in Java.

    Parameters
    ----------
    hive_version
        The version.
    """

    def __init__(self, hive_version: str | None = None) -> None:
        """Keep the version."""
        super().__init__({"hive-version": hive_version} if hive_version else {})


class ModuleEntry:
    """A module's name and whether it is in use.

    Parameters
    ----------
    name
        The name.
    used
        Whether names are looked up in it.
    j_module_entry
        PyFlink's way to make one of a Java object; not used.
    """

    def __init__(self, name: str, used: bool, j_module_entry: object = None) -> None:  # noqa: FBT001 - PyFlink's signature
        """Keep name and use."""
        del j_module_entry
        self._name = name
        self._used = used

    def name(self) -> str:
        """Give the name."""
        return self._name

    def used(self) -> bool:
        """Tell whether names are looked up in it."""
        return self._used

    def __lt__(self, other: ModuleEntry) -> bool:
        """Order by name, then by use."""
        return (self._name, self._used) < (other._name, other._used)

    def __eq__(self, other: object) -> bool:
        """Compare name and use."""
        if not isinstance(other, ModuleEntry):
            return NotImplemented
        return (self._name, self._used) == (other._name, other._used)

    def __hash__(self) -> int:
        """Hash name and use."""
        return hash((self._name, self._used))

    def __repr__(self) -> str:
        """Show name and use."""
        return f"ModuleEntry{{name='{self._name}', used={str(self._used).lower()}}}"
