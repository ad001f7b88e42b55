"""The contract of models that are fitted in one go: subclass it in a test module and name the model.

Legend: U requests, K candidates, I item rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from shortlist.core.errors import RecipeError, UserError
from shortlist.core.seeding import stream
from shortlist.features.past import Events
from shortlist.features.rows import FeatureRows, FeatureTable, RaggedBag
from shortlist.funnel.columns import Bools, Requests, Source
from shortlist.funnel.sources.folder import SCORERS, Surroundings, open_source, write_fitted
from shortlist.models.base import Fitted, Interactions
from shortlist.models.catalogue import matrix_model
from shortlist.recipe.training import Model
from shortlist.schema import Side
from shortlist.testing.inputs import toy_schema

USERS, ITEMS, GROUP = 61, 41, 20
"""Rows of the two tables, row 0 included, and items of each of the two tastes."""


def toy_log(items: int = ITEMS, seed: int = 0) -> Interactions:
    """Users of two tastes: those of even rows have items of the first half of the rows, the others of the second.

    The last item row has no event, and the last user none.
    """
    random = stream(seed, "toy log")
    half = max(1, (items - 2) // 2)
    lists: list[Sequence[int]] = [[]]
    for user in range(1, USERS - 1):
        first = 1 + (user % 2) * half if items > 3 else 1
        lists.append((first + random.integers(0, half, random.integers(3, 9))).tolist())
    bag = RaggedBag.of([*lists, []])
    times = np.arange(1_600_000_000, 1_600_000_000 + 3600 * len(bag.values), 3600)
    inputs = toy_schema().inputs(Side.USER)
    ids_nF = np.stack([c.offset + random.integers(0, c.size, USERS) for c in inputs.fields], 1).astype(np.int32)
    users = FeatureTable(ids_nF, np.zeros((USERS, len(inputs.numbers)), np.float32))
    return Interactions(Events(bag, times), None, users, inputs, items, int(times[-1]))


def toy_requests(
    histories: Sequence[Sequence[int]],
    users: Sequence[int] | None = None,
    exclude: Sequence[Sequence[int]] | None = None,
    allowed: Sequence[Sequence[int]] | None = None,
) -> Requests:
    """Requests with these histories, by new users where not told otherwise."""
    schema, bag = toy_schema(), RaggedBag.of(histories)
    fields = schema.inputs(Side.USER, Side.CONTEXT).fields
    ids_UF = np.tile(np.array([column.offset for column in fields], np.int32), (len(histories), 1))
    return Requests(
        user_U=np.array(users if users is not None else [0] * len(histories), np.int32),
        query=FeatureRows(ids_UF, np.zeros((len(histories), 1), np.float32)),
        time_U=np.full(len(histories), 1_700_000_000, np.int64),
        history=Events(bag, np.arange(len(bag.values), dtype=np.int64)),
        exclude=RaggedBag.of(exclude if exclude is not None else [[]] * len(histories)),
        allowed=None if allowed is None else RaggedBag.of(allowed),
    )


class MatrixContract:
    """Tests that hold for any model that is fitted in one go; `name` says which, `settings` what it is tested with."""

    name: str
    settings: Mapping[str, Any] = {}
    personal = True
    """Whether its answers depend on the history."""

    def fitted(self, log: Interactions | None = None, threads: int = 1, seed: int = 0) -> Fitted:
        """The model under test, fitted on the toy log."""
        model = matrix_model(Model.model_validate({"name": self.name, **self.settings}))
        return model.fit(toy_log() if log is None else log, threads, seed)

    def source(self, folder: Path, log: Interactions | None = None, eligible_I: Bools | None = None) -> Source:
        """What it leaves, saved and opened again."""
        log = toy_log() if log is None else log
        fitted = self.fitted(log)
        folder.mkdir(exist_ok=True)
        write_fitted(folder, fitted.scorer, fitted.arrays, fitted.settings, log.items)
        eligible_I = np.arange(log.items) > 0 if eligible_I is None else eligible_I
        return open_source(
            folder, self.name, Surroundings(toy_schema(), eligible_I, np.arange(log.items, dtype=np.int32))
        )

    def test_every_setting_has_a_default_and_a_doc(self) -> None:
        """A recipe may name the model and nothing else, and `shortlist init` can say what each setting does."""
        fields = matrix_model(Model(name=self.name)).Config.model_fields

        assert [name for name, field in fields.items() if field.is_required()] == []
        assert [name for name, field in fields.items() if not field.description] == []

    def test_an_unknown_setting_is_refused(self) -> None:
        """A typing error is no silent default."""
        with pytest.raises(RecipeError, match="unheard_of: no such setting"):
            matrix_model(Model.model_validate({"name": self.name, "unheard_of": 1}))

    def test_the_same_log_and_seed_give_the_same_bits_with_as_many_threads(self) -> None:
        """What is drawn is drawn by the seed, and BLAS takes as many threads as are asked for, not as it finds."""
        with threadpool_limits(1, "blas"):
            first = self.fitted(threads=2, seed=3)
        with threadpool_limits(2, "blas"):
            again = self.fitted(threads=2, seed=3)

        assert first.settings == again.settings
        assert first.arrays.keys() == again.arrays.keys()
        assert [name for name, array in first.arrays.items() if not np.array_equal(array, again.arrays[name])] == []

    def test_saved_and_opened_it_answers_as_before(self, tmp_path: Path) -> None:
        """What is served is what was fitted: arrays of plain types, settings that JSON keeps."""
        fitted, requests = self.fitted(), toy_requests([[1, 2, 3], [21, 25]])
        scorer = SCORERS[fitted.scorer](fitted.arrays, fitted.settings, np.arange(ITEMS) > 0)
        item_UK, score_UK = scorer.best(requests, 7)
        opened = self.source(tmp_path)(requests, 7)

        assert np.array_equal(opened.item_UK, item_UK)
        assert np.array_equal(opened.score_UK, score_UK)
        assert opened.score_UK.dtype == np.float32

    def test_learns_tastes(self, tmp_path: Path) -> None:
        """Whoever had items that one taste has gets the others of it."""
        if not self.personal:
            pytest.skip("its answers do not depend on the history")
        histories = [[1, 2, 3, 4], [20, 21, 22, 23]]
        found = self.source(tmp_path)(toy_requests(histories, exclude=histories), 3).item_UK

        assert (found[0] < GROUP).all()
        assert (found[1] >= GROUP).all()

    def test_lists_are_whole_sorted_and_without_repeats(self, tmp_path: Path) -> None:
        """As many as are asked for while there are any, best first, and the same asked together or alone."""
        histories = [[1, 2, 3], [], [25, 26], [5], [7, 7, 7, 30]]
        source = self.source(tmp_path)
        found = source(toy_requests(histories), 12)

        assert found.valid_UK.all()
        assert np.isfinite(found.score_UK).all()
        assert (np.diff(found.score_UK, axis=1) <= 0).all()
        assert all(len(set(row)) == 12 for row in found.item_UK.tolist())
        for user, history in enumerate(histories):
            alone = source(toy_requests([history]), 12)
            np.testing.assert_allclose(alone.score_UK[0], found.score_UK[user], rtol=1e-4, atol=1e-6)

    def test_exclusions_and_choices_are_honoured(self, tmp_path: Path) -> None:
        """Nothing excluded, nothing but what is allowed, nothing that is not eligible; then fewer than k."""
        eligible_I = np.arange(ITEMS) > 0
        eligible_I[5] = False
        source = self.source(tmp_path, eligible_I=eligible_I)
        everything = source(toy_requests([[1, 2, 3]], exclude=[[2, 9]]), ITEMS)
        chosen = source(toy_requests([[1, 2, 3], [1, 2]], exclude=[[2, 9], []], allowed=[[2, 5, 8, 9, 30], []]), 4)

        assert set(everything.item_UK[0].tolist()) == {0} | set(range(1, ITEMS)) - {2, 5, 9}
        assert set(chosen.item_UK[0].tolist()) == {8, 30, 0}
        assert (chosen.item_UK[1] == 0).all()
        assert np.isneginf(chosen.score_UK[~chosen.valid_UK]).all()

    def test_more_than_the_catalogue_gives_all_of_it(self, tmp_path: Path) -> None:
        """k may be larger than the number of items."""
        found = self.source(tmp_path)(toy_requests([[1, 2], []]), ITEMS + 10)

        assert found.item_UK.shape == (2, ITEMS + 10)
        assert [sorted(set(row) - {0}) for row in found.item_UK.tolist()] == [list(range(1, ITEMS))] * 2

    def test_without_a_history_the_most_popular_come(self, tmp_path: Path) -> None:
        """A new user's list is defined: item rows are given by falling number of events, and the lowest come first."""
        if not self.personal:
            pytest.skip("its answers do not depend on the history")
        found = self.source(tmp_path)(toy_requests([[], []], exclude=[[], [2]]), 3)

        assert found.item_UK.tolist() == [[1, 2, 3], [1, 3, 4]]
        assert (found.score_UK == 0).all()

    def test_unknown_items_of_a_history_are_passed_over(self, tmp_path: Path) -> None:
        """An item that came after training, or none at all, tells nothing."""
        source = self.source(tmp_path)
        known, mixed = source(toy_requests([[3, 4]]), 9), source(toy_requests([[0, 3, ITEMS + 5, 4]]), 9)

        assert np.array_equal(known.item_UK, mixed.item_UK)

    def test_scores_are_those_of_the_list(self, tmp_path: Path) -> None:
        """Any item can be scored, whoever proposed it."""
        source, requests = self.source(tmp_path), toy_requests([[1, 2, 3], [25, 26], []])
        found = source(requests, 15)

        np.testing.assert_allclose(source.scores(requests, found.item_UK), found.score_UK, rtol=1e-5, atol=1e-6)

    def test_a_catalogue_of_one_item_is_no_special_case(self, tmp_path: Path) -> None:
        """There is one answer, or none where it is excluded."""
        found = self.source(tmp_path, toy_log(items=2))(toy_requests([[1], []], exclude=[[1], []]), 2)

        assert found.item_UK.tolist() == [[0, 0], [1, 0]]

    def test_a_log_of_unknown_items_is_refused(self) -> None:
        """Nothing can be learned from it, and that is said."""
        log = toy_log()
        nothing = Events(RaggedBag.of([[]] * USERS), np.zeros(0, np.int64))

        with pytest.raises(UserError, match="no event"):
            self.fitted(replace(log, events=nothing))
