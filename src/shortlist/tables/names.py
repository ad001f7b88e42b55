"""Names of the columns that preparation adds. They start with `#`, so that no column of a source is hidden by one."""

from __future__ import annotations

SOURCE = "#source"
"""int64: position of the row in its source, parts in the order train, valid, test, files in that of their paths."""
PART = "#part"
"""Text: which part of a log in parts the row comes from."""
USER = "#user"
"""Key of the user: int64 or text."""
ITEM = "#item"
"""Key of the item."""
TIME = "#time"
"""int64: Unix seconds."""
WEIGHT = "#weight"
"""float64: weight of the row's loss."""
GROUP = "#group"
"""int64 or text: which rows were shown together."""
LABEL = "#label"
"""Text: what the split column says, in small letters."""
SHARD = "#shard"
"""int32: number of the shard that an event is stored in, where that is known beforehand."""
SPLIT = "#split"
"""int8: value of `schema.Split`."""
KEY = "#key"
"""Key of an entity in its own table: int64 or text."""
ROW = "#row"
"""int32: row of an entity, from 1 on."""


def target(position: int) -> str:
    """float64: the target at this position of the recipe."""
    return f"#target.{position}"
