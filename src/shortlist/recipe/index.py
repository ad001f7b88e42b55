"""[funnel.index]: how the nearest items are found."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from shortlist.core.errors import Problem
from shortlist.core.settings import Contradictions, Settings


class Index(Settings):
    """How a source finds the items whose vectors are nearest to a request's."""

    kind: Literal["auto", "exact", "faiss", "lancedb"] = "auto"
    """exact: every item is looked at. faiss: approximate, in memory. lancedb: approximate, vectors stay on disk or in
    an object store. auto: exact for up to 20,000 items; lancedb for more whose vectors do not fit into memory twice, as
    the building of any other takes; else faiss, where it is installed and reaches the recall by looking at less than a
    quarter of the items, and exact where not."""
    structure: Literal["auto", "lists", "graph"] = "auto"
    """Of faiss. lists: a query looks at the lists (IVF-flat) that are near; items may come and go. graph: it walks
    along near items (HNSW); faster for vectors of one length, as of cosine models, and slower to build. auto: graph
    for vectors of one length from 200,000 items on, else lists."""
    recall: float = Field(0.98, gt=0, lt=1)
    """Share of the 100 nearest items that an approximate index must find, measured when it is built."""
    place: str | None = None
    """Folder of the table for lancedb, such as `s3://bucket/folder`; every export adds a table to it. Default: in the
    bundle."""

    @model_validator(mode="after")
    def _fits_the_kind(self) -> Index:
        problems = []
        if self.structure != "auto" and self.kind != "faiss":
            problems.append(Problem("structure", f'{self.kind} has none: leave it out, or set kind = "faiss"'))
        if self.place is not None and self.kind != "lancedb":
            problems.append(Problem("place", f'{self.kind} needs none: leave it out, or set kind = "lancedb"'))
        if problems:
            raise Contradictions(*problems)
        return self
