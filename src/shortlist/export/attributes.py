"""Which raw columns of the items a bundle carries, for filters and rules."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from shortlist.bundle.read import ATTRIBUTES, write_table
from shortlist.bundle.rulebook import condition, passing, standing_mask
from shortlist.core.errors import Problem, RecipeError, UserError
from shortlist.core.suggest import did_you_mean
from shortlist.data.attributes import FILE
from shortlist.data.prepared import Prepared
from shortlist.data.shards import read_batch
from shortlist.features.encoder import Encoder
from shortlist.features.values import is_text
from shortlist.funnel.filters.columns import separators, stored
from shortlist.funnel.filters.masks import Masks
from shortlist.funnel.rules.codes import Codes
from shortlist.recipe.rules import Rules
from shortlist.recipe.sections import Recipe
from shortlist.schema import Side
from shortlist.tables.names import ROW

FREE_TEXT = 100
"""Text that is longer on average, in characters, is left out unless the recipe names its column: descriptions, which
nobody compares as a whole, and which would be most of the file."""


def write_attributes(folder: Path, prepared: Prepared, recipe: Recipe) -> None:
    """Write the columns that the recipe names, or all that filters know; nothing where there is no item table.

    RecipeError for a column that is not there or that filters cannot read.
    """
    columns = item_columns(prepared, recipe)
    if columns is not None:
        write_table(folder / ATTRIBUTES, columns)


def check_rules(prepared: Prepared, recipe: Recipe) -> None:
    """Refuse rules that the item table does not bear out, before anything is trained. UserError says why."""
    rules = recipe.rules
    if rules == Rules():
        return
    columns = item_columns(prepared, recipe)
    masks = Masks(columns)
    for place, boost in enumerate(rules.boost):
        standing_mask(masks, boost.filter, f"rules.boost[{place}].filter")
    if rules.filter is not None:
        kept_I = standing_mask(masks, rules.filter, "rules.filter")
        if not kept_I.any():
            raise UserError(
                f"rules.filter = {rules.filter!r}: {passing(kept_I)}, and every list would be empty. Expected a filter "
                "that keeps some: compare it with the values of the item table."
            )
    for place, pin in enumerate(rules.pin):
        condition(pin.when or "told", f"rules.pin[{place}].when")
    for name in rules.cap:
        Codes.of(columns, name, "rules.cap")
    if rules.satisfied is not None:
        Codes.of(columns, rules.satisfied.column, "rules.satisfied.column")


def item_columns(prepared: Prepared, recipe: Recipe) -> pa.RecordBatch | None:
    """The columns as the bundle stores them; None where there are none."""
    if not (prepared.folder / FILE).is_file():
        return None
    raw, named = read_batch(prepared.folder / FILE), recipe.rules.attributes
    parts = separators(Encoder.load(prepared.folder / "features", Side.ITEM))
    known = [name for name in raw.schema.names if name != ROW]
    _check(named or (), known)
    columns = {}
    for name in known if named is None else named:
        column = stored(raw.column(name), parts.get(name))
        if column is None and named is not None:
            kind = raw.schema.field(name).type
            raise _refused(f"expected columns of numbers, text, truth values, times or lists, found `{name}` of {kind}")
        if column is not None and (named is not None or name in parts or not _is_free_text(raw.column(name))):
            columns[name] = column
    return pa.record_batch(columns) if columns else None


def _is_free_text(values: pa.Array) -> bool:
    mean = pc.mean(pc.utf8_length(values)).as_py() if is_text(values.type) else None
    return mean is not None and mean > FREE_TEXT


def _check(named: Sequence[str], known: Sequence[str]) -> None:
    for name in named:
        if name not in known:
            raise _refused(f"the item table has no column `{name}`.{did_you_mean(name, known)}")


def _refused(message: str) -> RecipeError:
    return RecipeError([Problem("rules.attributes", message)])
