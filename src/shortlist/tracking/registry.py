"""Versions of a recommender in MLflow's registry: which one serves, which one is to, and which one did before."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from shortlist.bundle.manifest import check_manifest, version_of
from shortlist.core.errors import EnvironmentFault, UserError
from shortlist.core.files import read_json
from shortlist.core.quiet import quiet_mlflow
from shortlist.tracking.record import Record
from shortlist.tracking.store import Store

CHAMPION, CHALLENGER = "champion", "challenger"
_FOLDER, _IDENTITY = "shortlist.folder", "shortlist.bundle"
_EARLIER = "shortlist.champions_before"
_KEPT = 100
"""Champions that can be gone back to, one after another."""
_NOT_IN_A_NAME = "/:'\"`"
"""What MLflow's addresses and searches take for something else."""
_OF_THE_USER = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "INVALID_STATE", "BAD_REQUEST"}
"""Error codes of MLflow that say that something else should have been asked for."""


@dataclass(frozen=True)
class Version:
    """One registered bundle."""

    number: int
    folder: Path
    """The run's, on the machine that registered it."""
    bundle: str
    """Of the bundle: see `bundle.manifest.version_of`."""
    run_id: str
    created: int
    """Unix milliseconds."""
    aliases: tuple[str, ...]

    @property
    def is_here(self) -> bool:
        """Whether its run's folder still has the bundle that was registered."""
        try:
            return version_of(check_manifest(self.folder / "bundle", hashes=False)) == self.bundle
        except UserError:
            return False


@contextlib.contextmanager
def mlflow_errors(uri: str | None = None) -> Iterator[None]:
    """What MLflow raises as one line that says where: UserError, or EnvironmentFault where it cannot be reached."""
    where = uri or os.environ.get("MLFLOW_TRACKING_URI", "its default place")
    with quiet_mlflow():
        from mlflow.exceptions import MlflowException

        try:
            yield
        except MlflowException as error:
            kind = UserError if error.error_code in _OF_THE_USER else EnvironmentFault
            said = " ".join(error.message.split())[:300]
            raise kind(f"MLflow at {where} says: {said}. MLFLOW_TRACKING_URI would name another place") from error


class Registry:
    """The registered versions of one recommender.

    Each method raises UserError where MLflow refuses what is asked, EnvironmentFault where it cannot be reached.
    """

    def __init__(self, store: Store, name: str) -> None:
        self.store = store
        self.client = store.client
        self.name = name

    @classmethod
    def open(cls, name: str) -> Self:
        """The registry that MLflow's environment names, or the one in the current folder."""
        if not name or set(name) & set(_NOT_IN_A_NAME):
            raise UserError(f"a name in the registry has none of {' '.join(_NOT_IN_A_NAME)} in it, found `{name}`")
        with mlflow_errors():
            return cls(Store.open(), name)

    def register(self, run: Path) -> Version:
        """A version of the bundle of the run in a folder, as the challenger; the one that there is of it already.

        Raises:
            UserError: the run was not recorded here, or without the bundle that its folder has.
        """
        bundle = version_of(check_manifest(run / "bundle", hashes=True))
        record = self._record_of(run)
        known = next((version for version in self.versions() if version.bundle == bundle), None)
        found = known or self._registered(run, record, bundle)
        with mlflow_errors(self.store.uri):
            self.client.set_registered_model_alias(self.name, CHALLENGER, str(found.number))
        return self.version(found.number)

    def versions(self) -> tuple[Version, ...]:
        """All of them, newest first; none where nothing is registered under the name."""
        with mlflow_errors(self.store.uri):
            found = self.client.search_model_versions(f"name = '{self.name}'")
        numbers = sorted((int(version.version) for version in found), reverse=True)
        return tuple(self.version(number) for number in numbers)

    def version(self, number: int) -> Version:
        """One by its number; UserError if there is none."""
        with mlflow_errors(self.store.uri):
            found = self._or_none(self.client.get_model_version, str(number))
        if found is None:
            raise UserError(
                f"`{self.name}` has no version {number}. `shortlist promote {self.name} --list` shows what it has"
            )
        return Version(
            number=number,
            folder=Path(found.tags.get(_FOLDER, "")),
            bundle=found.tags.get(_IDENTITY, ""),
            run_id=found.run_id,
            created=found.creation_timestamp,
            aliases=tuple(found.aliases),
        )

    def with_alias(self, alias: str) -> Version | None:
        """The version of an alias."""
        with mlflow_errors(self.store.uri):
            found = self._or_none(self.client.get_model_version_by_alias, alias)
        return None if found is None else self.version(int(found.version))

    def metrics(self, version: Version) -> dict[str, Any]:
        """The content of metrics.json of the version's run, as it was recorded; UserError where it was not."""
        from mlflow.exceptions import MlflowException

        with tempfile.TemporaryDirectory() as folder, quiet_mlflow():
            try:
                path = Path(self.client.download_artifacts(version.run_id, "metrics.json", folder))
            except (MlflowException, OSError) as error:
                raise UserError(
                    f"cannot read metrics.json of version {version.number} of `{self.name}` at {self.store.uri}: "
                    f"{error}"
                ) from error
            found: dict[str, Any] = read_json(path)
        return found

    def crown(self, version: Version) -> None:
        """Make a version the champion; the one before stays known, to be gone back to."""
        before = self.with_alias(CHAMPION)
        with mlflow_errors(self.store.uri):
            if before is not None and before.number != version.number:
                self._remember([*self._earlier(before.number), before.number])
            self.client.set_registered_model_alias(self.name, CHAMPION, str(version.number))
            if CHALLENGER in version.aliases:
                self.client.delete_registered_model_alias(self.name, CHALLENGER)

    def back(self) -> Version:
        """Undo the last crowning that is not undone yet; UserError where there was no champion before."""
        now = self.with_alias(CHAMPION)
        with mlflow_errors(self.store.uri):
            earlier = [] if now is None else self._earlier(now.number)
        if not earlier:
            raise UserError(
                f"`{self.name}` has had no champion before {'this one' if now else 'any'}: nothing to go back to"
            )
        before = self.version(earlier[-1])
        with mlflow_errors(self.store.uri):
            self.client.set_registered_model_alias(self.name, CHAMPION, str(before.number))
            self._remember(earlier[:-1])
        return self.version(before.number)

    def _earlier(self, now: int) -> list[int]:
        """The champions before, oldest first, each as often as it was; those gone back from are not among them."""
        tags = self.client.get_registered_model(self.name).tags
        earlier = [int(number) for number in tags.get(_EARLIER, "").split()]
        # Whoever was interrupted between tag and alias has left the champion itself there.
        while earlier and earlier[-1] == now:
            earlier.pop()
        return earlier

    def _remember(self, earlier: list[int]) -> None:
        self.client.set_registered_model_tag(self.name, _EARLIER, " ".join(map(str, earlier[-_KEPT:])))

    def _or_none(self, ask: Callable[[str, str], Any], what: str) -> Any:
        """What is found of the recommender; None where there is no such thing."""
        from mlflow.exceptions import MlflowException

        try:
            return ask(self.name, what)
        except MlflowException as error:
            # An alias that is not there is an invalid parameter to some stores.
            if error.error_code not in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
                raise
            return None

    def _registered(self, run: Path, record: Record, bundle: str) -> Version:
        with mlflow_errors(self.store.uri):
            self._check_is_kept(run, record, bundle)
            self._make()
            made = self.client.create_model_version(
                self.name,
                source=f"models:/{record.model}",
                run_id=record.run_id,
                model_id=record.model,
                tags={_FOLDER: str(run.resolve()), _IDENTITY: bundle},
            )
        return self.version(int(made.version))

    def _record_of(self, run: Path) -> Record:
        """What was recorded of the run, in this store."""
        record = Record.read(run)
        if record is None:
            raise UserError(
                f"{run} was not recorded by MLflow, and only what was can be registered. Call `shortlist evaluate` "
                "once more where MLflow is installed, without --no-tracking"
            )
        if record.tracking_uri != self.store.uri:
            raise UserError(
                f"{run} was recorded at {record.tracking_uri}, and MLflow is now at {self.store.uri}. Register it in "
                "the folder where it was evaluated, or set MLFLOW_TRACKING_URI to where it was recorded"
            )
        return record

    def _check_is_kept(self, run: Path, record: Record, bundle: str) -> None:
        """The run is there with its bundle, and that is the one that the folder has."""
        if record.model is None:
            raise UserError(
                f"{run} was recorded without its bundle: set tracking.bundle = true and call `shortlist run --force`"
            )
        if record.bundle != bundle:
            raise UserError(
                f"{run} has another bundle ({bundle}) than the one that was recorded ({record.bundle}): evaluate it "
                "again without --no-tracking"
            )
        if not self.store.is_there(record.run_id):
            raise UserError(f"MLflow has run {record.run_id} of {run} no more: evaluate it again to record another")

    def _make(self) -> None:
        """Begin the recommender's versions, unless it has some."""
        from mlflow.exceptions import MlflowException

        try:
            self.client.create_registered_model(self.name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
