"""pandas by hand: counts mapped back, or what is faster and written less often, factorised."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.encoding_by_hand import LABEL, NUMBERS, TEXTS, serve_encoding


def ways() -> dict[str, Callable[[str, str], None]]:
    """They write uncompressed Feather files; `random` ones put the rows into random order before."""
    import numpy as np
    import pandas as pd

    def encoded(log, target, ids, shuffled=False):
        found = pd.read_parquet(log, columns=[*TEXTS, *NUMBERS, LABEL])
        for name in TEXTS:
            found[name] = ids(found[name])
        for name in NUMBERS:
            found[name] = ((found[name] - found[name].mean()) / found[name].std(ddof=0)).astype("float32")
        found[LABEL] = found[LABEL].astype("float32")
        if shuffled:
            found = found.sample(frac=1.0, random_state=0, ignore_index=True)
        found.to_feather(target, compression="uncompressed")

    def mapped(column):
        counted = column.value_counts()
        return column.map(pd.Series(np.arange(1, len(counted) + 1, dtype=np.int32), index=counted.index))

    def factorised(column):
        codes, _ = pd.factorize(column)
        order = np.argsort(-np.bincount(codes), kind="stable")
        ids = np.empty(len(order), np.int32)
        ids[order] = np.arange(1, len(order) + 1, dtype=np.int32)
        return ids[codes]

    return {
        "map": lambda log, target: encoded(log, target, mapped),
        "factorize": lambda log, target: encoded(log, target, factorised),
        "map_random": lambda log, target: encoded(log, target, mapped, shuffled=True),
        "factorize_random": lambda log, target: encoded(log, target, factorised, shuffled=True),
    }


if __name__ == "__main__":
    serve_encoding(ways, "pandas", "pyarrow", "numpy")
