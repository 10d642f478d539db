"""Windows: `Tumble`, `Slide` and `Session` for `Table.window`, `Over` for `Table.over_window`.

A window is built step by step and ends with its alias, by which keys and expressions refer to it.

```text
  Tumble.over(size)             .on(time) .alias(name)  ─▶ GroupWindow
  Slide.over(size).every(slide) .on(time) .alias(name)  ─▶ GroupWindow
  Session.with_gap(gap)         .on(time) .alias(name)  ─▶ GroupWindow
  Over[.partition_by(…)].order_by(…)[.preceding(…)][.following(…)].alias(name) ─▶ OverWindow
```

Sizes are intervals, ``lit(10).minutes``, or numbers of rows, ``row_interval(10)``; the older API
writes both as text, ``"10.minutes"``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from tidemill.table.expression_nodes import Call, Column, Node
from tidemill.table.string_expressions import to_expression, to_expressions
from tidemill.util.exceptions import ValidationException

if TYPE_CHECKING:
    from tidemill.table.expression import Expression

__all__ = ["GroupWindow", "Over", "OverWindow", "Session", "Slide", "Tumble"]


_UNBOUNDED = Call("unboundedRange", ())


@dataclass(frozen=True)
class GroupWindowSpec:
    """What a group window is made of; `slide` is there for sliding windows only."""

    kind: Literal["TUMBLE", "HOP", "SESSION"]
    size: Node
    slide: Node | None = None
    time_field: Node | None = None
    alias: str = ""


@dataclass(frozen=True)
class OverWindowSpec:
    """What an over window is made of."""

    partition_by: tuple[Node, ...] = ()
    order_by: Node | None = None
    preceding: Node = _UNBOUNDED
    following: Node | None = None
    alias: str = ""


class GroupWindow:
    """A window that rows are grouped by.

    Parameters
    ----------
    java_window
        The parts; the name is PyFlink's.
    """

    def __init__(self, java_window: GroupWindowSpec) -> None:
        """Keep the parts."""
        self.spec = java_window


class _OnTime:
    """A window that knows its time: it needs a name."""

    def __init__(self, java_window: GroupWindowSpec) -> None:
        self._spec = java_window

    def alias(self, alias: str) -> GroupWindow:
        """Name the window."""
        return GroupWindow(replace(self._spec, alias=alias))


class TumbleWithSizeOnTime(_OnTime):
    """A tumbling window that needs a name."""


class SlideWithSizeAndSlideOnTime(_OnTime):
    """A sliding window that needs a name."""


class SessionWithGapOnTime(_OnTime):
    """A session window that needs a name."""


class Tumble:
    """Windows of one size, one after the other."""

    @classmethod
    def over(cls, size: Expression | str) -> TumbleWithSize:
        """Set the size."""
        return TumbleWithSize(GroupWindowSpec("TUMBLE", to_expression(size).node))


class TumbleWithSize:
    """A tumbling window that needs a time."""

    def __init__(self, java_window: GroupWindowSpec) -> None:
        self._spec = java_window

    def on(self, time_field: Expression | str) -> TumbleWithSizeOnTime:
        """Set the time attribute."""
        return TumbleWithSizeOnTime(_on(self._spec, time_field))


class Slide:
    """Windows of one size that begin at regular distances and may overlap."""

    @classmethod
    def over(cls, size: Expression | str) -> SlideWithSize:
        """Set the size."""
        return SlideWithSize(GroupWindowSpec("HOP", to_expression(size).node))


class SlideWithSize:
    """A sliding window that needs a distance."""

    def __init__(self, java_window: GroupWindowSpec) -> None:
        self._spec = java_window

    def every(self, slide: Expression | str) -> SlideWithSizeAndSlide:
        """Set the distance between the beginnings of two windows."""
        return SlideWithSizeAndSlide(replace(self._spec, slide=to_expression(slide).node))


class SlideWithSizeAndSlide:
    """A sliding window that needs a time."""

    def __init__(self, java_window: GroupWindowSpec) -> None:
        self._spec = java_window

    def on(self, time_field: Expression | str) -> SlideWithSizeAndSlideOnTime:
        """Set the time attribute."""
        return SlideWithSizeAndSlideOnTime(_on(self._spec, time_field))


class Session:
    """Windows that end when nothing came for some time."""

    @classmethod
    def with_gap(cls, gap: Expression | str) -> SessionWithGap:
        """Set how long nothing comes."""
        return SessionWithGap(GroupWindowSpec("SESSION", to_expression(gap).node))


class SessionWithGap:
    """A session window that needs a time."""

    def __init__(self, java_window: GroupWindowSpec) -> None:
        self._spec = java_window

    def on(self, time_field: Expression | str) -> SessionWithGapOnTime:
        """Set the time attribute."""
        return SessionWithGapOnTime(_on(self._spec, time_field))


class OverWindow:
    """The rows around a row.

    Parameters
    ----------
    java_over_window
        The parts; the name is PyFlink's.
    """

    def __init__(self, java_over_window: OverWindowSpec) -> None:
        """Keep the parts."""
        self.spec = java_over_window


class Over:
    """The rows around each row, in an order and maybe within a partition."""

    @classmethod
    def order_by(cls, order_by: Expression | str) -> OverWindowPartitionedOrdered:
        """Set the order, without a partition: a time attribute in streaming."""
        return OverWindowPartitionedOrdered(OverWindowSpec(order_by=to_expression(order_by).node))

    @classmethod
    def partition_by(cls, *partition_by: Expression | str) -> OverWindowPartitioned:
        """Set the partition."""
        keys = tuple(expression.node for expression in to_expressions(partition_by))
        return OverWindowPartitioned(OverWindowSpec(partition_by=keys))


class OverWindowPartitioned:
    """An over window that needs an order."""

    def __init__(self, java_over_window: OverWindowSpec) -> None:
        self._spec = java_over_window

    def order_by(self, order_by: Expression | str) -> OverWindowPartitionedOrdered:
        """Set the order: a time attribute in streaming."""
        return OverWindowPartitionedOrdered(
            replace(self._spec, order_by=to_expression(order_by).node)
        )


class OverWindowPartitionedOrdered:
    """An over window that needs a name; without a bound it begins with the first row."""

    def __init__(self, java_over_window: OverWindowSpec) -> None:
        self._spec = java_over_window

    def alias(self, alias: str) -> OverWindow:
        """Name the window."""
        return OverWindow(replace(self._spec, alias=_alias(alias)))

    def preceding(self, preceding: Expression | str) -> OverWindowPartitionedOrderedPreceding:
        """Set how far back the window goes: an interval, a number of rows, or unbounded."""
        return OverWindowPartitionedOrderedPreceding(
            replace(self._spec, preceding=to_expression(preceding).node)
        )


class OverWindowPartitionedOrderedPreceding:
    """An over window that needs a name; it ends with the row unless `following` says otherwise."""

    def __init__(self, java_over_window: OverWindowSpec) -> None:
        self._spec = java_over_window

    def alias(self, alias: str) -> OverWindow:
        """Name the window."""
        return OverWindow(replace(self._spec, alias=_alias(alias)))

    def following(self, following: Expression | str) -> OverWindowPartitionedOrderedPreceding:
        """Set how far the window goes on behind the row."""
        return OverWindowPartitionedOrderedPreceding(
            replace(self._spec, following=to_expression(following).node)
        )


def _on(spec: GroupWindowSpec, time_field: Any) -> GroupWindowSpec:
    node = to_expression(time_field).node
    if not isinstance(node, Column):
        msg = f"a group window needs a time attribute, not {node}"
        raise ValidationException(msg)
    return replace(spec, time_field=node)


def _alias(alias: Any) -> str:
    node = getattr(alias, "node", None)
    return node.name if isinstance(node, Column) else str(alias)
