"""What the trials of one search have in common, and how one of them is run and measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from shortlist.core.files import fingerprint, read_json, write_json
from shortlist.core.progress import Reporter
from shortlist.evaluation.paired import Contender, Measure, value_of
from shortlist.models.catalogue import check_models
from shortlist.pipeline import Run
from shortlist.pipeline.watch import Watch
from shortlist.recipe import load_recipe
from shortlist.recipe.sections import Recipe
from shortlist.schema import Split
from shortlist.tuning.space import Ranges, Values, overrides

_MEASURED = "valid.json"


def tuned_name(name: str) -> str:
    """The name of the best recipe, and of its run's folder."""
    return f"{name}-tuned"


def named_as_tuned(recipe: Recipe, of: str) -> Recipe:
    """The recipe as the tuned one of another name, recorded in the experiment of that."""
    tracking = recipe.tracking.model_copy(update={"experiment": recipe.tracking.experiment or of})
    return recipe.model_copy(update={"name": tuned_name(of), "tracking": tracking})


@dataclass(frozen=True)
class Plan:
    """One search. It is sent to every worker, and so has nothing but plain values."""

    file: Path
    """The recipe."""
    given: tuple[str, ...]
    """Overrides of every trial, as of the recipe as it stands: `section.setting=value`."""
    data_dir: str | None
    base: Path
    """Folder of the run of the recipe as it stands, whose stages serve the trials that do not change them."""
    folder: Path
    """Where the search leaves what it finds."""
    ranges: Ranges
    measure: Measure
    threads: int
    """Of each trial."""
    record: str | None = None
    """The MLflow run that trials are recorded below; None where nothing is recorded."""

    def recipe(self, values: Values | None = None) -> Recipe:
        """The recipe of a trial, under the name that the best one will have; without values, as it stands."""
        recipe = self.read([] if values is None else overrides(values, self.ranges))
        own = recipe.model_copy(update={"tune": None})
        return own if values is None else named_as_tuned(own, recipe.name)

    def read(self, more: Sequence[str]) -> Recipe:
        """The recipe with further overrides; RecipeError where they do not fit it."""
        return load_recipe(self.file, [*self.given, *more], self.data_dir, check_models)

    def trial_folder(self, values: Values) -> Path:
        """Where the trial of these values works. It is the same whenever they are tried, so that a trial goes on."""
        return self.folder / "trials" / fingerprint(sorted(values.items()))

    def run(self, values: Values, reporter: Reporter, watch: Watch) -> Run:
        """A trial's run, with the stages that are those of the recipe as it stands."""
        recipe = self.recipe(values)
        compute = recipe.compute.model_copy(update={"threads": self.threads})
        run = Run(recipe.model_copy(update={"compute": compute}), self.trial_folder(values), reporter, watch=watch)
        run.share(self.base)
        return run

    def score(self, run: Run) -> float:
        """The metric of a run's bundle on the validation split, higher is better: measured once for each bundle."""
        run.walk("export")
        recommender = run.recommender()
        of = fingerprint([recommender.bundle.manifest["files"], self.measure.name])
        kept = run.folder / _MEASURED
        if kept.is_file() and (before := read_json(kept))["of"] == of:
            return float(before["score"])
        value = value_of(Contender(recommender, run.prepared), self.measure, Split.VALID)
        score = -value if self.measure.lower_is_better else value
        write_json(kept, {"of": of, "score": score})
        return score
