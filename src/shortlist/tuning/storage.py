"""Where a search is kept: Optuna's journal, a file that several processes add to and a killed one leaves whole."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import Any, TextIO

import optuna
from optuna.pruners import MedianPruner
from optuna.samplers import TPESampler
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend

_NAME = "shortlist"
_JOURNAL = "journal.log"
RANDOM_TRIALS = 8
"""Trials of random values before the sampler learns from them; half as many are finished before any is pruned."""


class _Lock:
    """The operating system's lock, which ends with the process: Optuna's own are files that a killed one leaves."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.held: TextIO | None = None

    def acquire(self) -> bool:
        """Wait for it."""
        self.held = self.path.open("a", encoding="utf-8")
        fcntl.flock(self.held, fcntl.LOCK_EX)
        return True

    def release(self) -> None:
        """Let the next one have it."""
        assert self.held is not None
        self.held.close()


def open_storage(folder: Path) -> BaseStorage:
    """The journal in `folder`."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    folder.mkdir(parents=True, exist_ok=True)
    journal = folder / _JOURNAL
    lock: Any = _Lock(journal.with_suffix(".lock"))  # its base class has no public name
    return JournalStorage(JournalFileBackend(str(journal), lock_obj=lock))


def open_study(storage: BaseStorage, seed: int | None = None) -> optuna.Study:
    """The journal's study, begun if there is none.

    Values are proposed by a tree-structured Parzen estimator (Bergstra et al., NeurIPS 2011) of all of them together
    (Falkner et al., ICML 2018); a trial is pruned whose best epoch so far is below the median of the others'.
    """
    return optuna.create_study(
        storage=storage,
        study_name=_NAME,
        direction="maximize",
        sampler=TPESampler(seed=seed, n_startup_trials=RANDOM_TRIALS, multivariate=True),
        pruner=MedianPruner(n_startup_trials=RANDOM_TRIALS // 2, n_min_trials=2),
        load_if_exists=True,
    )


def trial_id(storage: BaseStorage, number: int) -> int:
    """The storage's own number of a trial."""
    return storage.get_trial_id_from_study_id_trial_number(storage.get_study_id_from_name(_NAME), number)
