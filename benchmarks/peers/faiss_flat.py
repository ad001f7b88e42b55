"""faiss's exact index, `IndexFlatIP`.

It cannot leave out what each query has seen, so it is asked for that many more, and they are taken out of the answers.
With `blas` it multiplies matrices from 20 queries on, as releases before 1.15 did by themselves; by its defaults this
release scores item by item.
"""

from __future__ import annotations

import faiss

from benchmarks.vectors import Questions, serve_search, without_seen


def open_build(settings):
    """One thread."""
    faiss.omp_set_num_threads(1)
    if settings["blas"]:
        faiss.cvar.distance_compute_blas_threshold = 20

    def build(vectors_ID):
        index = faiss.IndexFlatIP(vectors_ID.shape[1])
        index.add(vectors_ID[1:])

        def search(questions: Questions, k: int):
            score_UM, item_UM = index.search(questions.query_UD, k + questions.seen_US.shape[1])
            return without_seen(item_UM + 1, score_UM, questions.seen_US, k)

        return search

    return build


if __name__ == "__main__":
    serve_search(open_build, "faiss-cpu")
