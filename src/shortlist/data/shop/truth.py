"""What the demo shop's users really like: hidden from every training column, kept for the oracle."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from shortlist.core.errors import DataError, UserError
from shortlist.core.files import whole_folder

Floats = NDArray[np.float32]
Rows = NDArray[np.integer]

_TASTES = "tastes.parquet"
_TRAITS = "traits.parquet"


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """Hidden tastes and traits, D dimensions each: the categories, then the styles of `shop/goods.py`.

    Rows follow the users' and the items' tables.
    """

    taste_UD: Floats
    trait_ID: Floats
    appeal_I: Floats
    """What everybody likes about an item: its quality and its category's demand."""

    def preference(self, user_rows: Rows, item_rows: Rows | None = None) -> Floats:
        """True utility of items to users, higher is better: the scores of the oracle.

        Args:
            user_rows: B rows of the users' table.
            item_rows: K rows of the items' table for all users, or B lists of K rows; None means every item.

        Returns:
            Utilities [B, K]. Without `item_rows` that is B times the catalogue: pass users in batches.
        """
        taste_BD = self.taste_UD[user_rows]
        if item_rows is None:
            return taste_BD @ self.trait_ID.T + self.appeal_I
        trait = self.trait_ID[item_rows]
        form = "bd,bkd->bk" if trait.ndim == 3 else "bd,kd->bk"
        scores: Floats = np.einsum(form, taste_BD, trait) + self.appeal_I[item_rows]
        return scores

    def write(self, folder: Path | str) -> None:
        """Write into a folder of its own, whole or not at all.

        Raises:
            UserError: the folder holds anything but a shop's truth, such as the shop's tables: the truth must
                never lie where a recipe may read it as a feature.
        """
        folder = Path(folder)
        strangers = {path.name for path in folder.glob("*")} - {_TASTES, _TRAITS}
        if strangers:
            raise UserError(
                f"the truth needs a folder of its own, but {folder} already holds "
                f"{', '.join(sorted(strangers))}. Choose another folder, such as {folder / 'truth'}."
            )
        with whole_folder(folder) as draft:
            pq.write_table(pa.table({"taste": _vectors(self.taste_UD)}), draft / _TASTES)
            traits = {"trait": _vectors(self.trait_ID), "appeal": pa.array(self.appeal_I)}
            pq.write_table(pa.table(traits), draft / _TRAITS)

    @classmethod
    def read(cls, folder: Path | str) -> Truth:
        """Read what `write` left.

        Raises:
            DataError: no truth lies there.
        """
        folder = Path(folder)
        missing = [name for name in (_TASTES, _TRAITS) if not (folder / name).is_file()]
        if missing:
            raise DataError(
                f"expected the truth of a simulated shop in {folder}, found no {' and no '.join(missing)}. "
                "Write one with `Shop.truth.write(folder)`."
            )
        traits = pq.read_table(folder / _TRAITS)
        return cls(
            taste_UD=_matrix(pq.read_table(folder / _TASTES)["taste"]),
            trait_ID=_matrix(traits["trait"]),
            appeal_I=traits["appeal"].to_numpy(),
        )


def _vectors(values_RD: Floats) -> pa.FixedSizeListArray:
    return pa.FixedSizeListArray.from_arrays(pa.array(values_RD.ravel()), values_RD.shape[1])


def _matrix(column: pa.ChunkedArray) -> Floats:
    width = column.type.list_size
    flat = np.asarray(column.combine_chunks().flatten(), dtype=np.float32)
    return flat.reshape(-1, width)
