"""The stages of a run: what each depends on, and where it leaves the fingerprint of that.

prepared/      <- [data] [schema] [features] [split], the source files
retrieval/     <- prepared/, [retrieval]
sources/NAME/  <- prepared/, [sources.NAME]
ranking/       <- prepared/, [ranking], and the sources where their candidates are the negatives
bundle/        <- prepared/, the sources, ranking/, [funnel], [rules], calibration and score of [ranking]
metrics.json, report.html <- bundle/, [evaluation]
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from shortlist.bundle import manifest
from shortlist.core.errors import DataError
from shortlist.core.files import file_facts
from shortlist.core.version import __version__
from shortlist.data import prepared
from shortlist.recipe.ranking import AFTER_TRAINING
from shortlist.recipe.sections import Compute, Recipe, ranks_against_candidates, sources_of
from shortlist.recipe.sources import table_name
from shortlist.tables.sources import source_files

Upto = Literal["prepare", "train", "export", "evaluate"]
Stage = str
"""prepare, retrieval, sources/NAME, ranking, export or evaluate."""
_MARKERS: Mapping[Stage, str] = {
    "prepare": "prepared/manifest.json",
    "export": "bundle/manifest.json",
    "evaluate": "metrics.json",
}


def marker(stage: Stage) -> str:
    """The last file that a stage writes, with its fingerprint; those that train leave it in a folder of their name."""
    return _MARKERS.get(stage, f"{stage}/stage.json")


def trained_stages(recipe: Recipe) -> tuple[Stage, ...]:
    """The recipe's stages with a model: the sources of candidates, then the ranker."""
    return (*sources_of(recipe), *(("ranking",) if recipe.ranking is not None else ()))


def stages_upto(recipe: Recipe, upto: Upto) -> tuple[Stage, ...]:
    """The stages that there are to do, in their order."""
    trained = trained_stages(recipe)
    stages: Mapping[Upto, tuple[Stage, ...]] = {
        "prepare": ("prepare",),
        "train": ("prepare", *trained),
        "export": ("prepare", *trained, "export"),
        "evaluate": ("prepare", *trained, "export", "evaluate"),
    }
    return stages[upto]


def before(recipe: Recipe, stage: Stage) -> tuple[Stage, ...]:
    """The stages whose results this one starts from."""
    sources = tuple(sources_of(recipe)) if ranks_against_candidates(recipe) else ()
    stages: Mapping[Stage, tuple[Stage, ...]] = {
        "prepare": (),
        "ranking": ("prepare", *sources),
        "export": ("prepare", *trained_stages(recipe)),
        "evaluate": ("export",),
    }
    return stages.get(stage, ("prepare",))


def depends(recipe: Recipe, stage: Stage) -> list[Any]:
    """The settings and files that a stage's result depends on, beside the stages before it."""
    sections = recipe.model_dump(mode="json", by_alias=True)
    seen, candidates = sections["funnel"]["exclude_seen"], sections["funnel"]["candidates"]
    match stage:
        case "prepare":
            tables = [sections[part] for part in ("data", "schema", "features", "split")]
            place = [recipe.compute.engine, recipe.compute.shards]
            return [__version__, prepared.FORMAT, recipe.seed, _source_facts(recipe), *tables, *place]
        case "ranking":
            against = [candidates, _quotas(recipe)] if ranks_against_candidates(recipe) else None
            return [_trained(sections["ranking"]), seen, against, *_arithmetic(recipe.compute)]
        case "export":
            read = {name: (sections["ranking"] or {}).get(name) for name in sorted(AFTER_TRAINING)}
            return [manifest.FORMAT, sections["funnel"], sections["rules"], recipe.name, read, _quotas(recipe)]
        case "evaluate":
            return [sections["evaluation"]]
        case _:
            settings = sources_of(recipe)[stage].model_dump(mode="json", exclude={"quota"})
            # What lists are validated by depends on whether a ranker comes after them.
            return [settings, seen, recipe.ranking is None, *_arithmetic(recipe.compute)]


def _quotas(recipe: Recipe) -> dict[str, int]:
    """The part of the candidates that each of several sources has: it changes no source, and all that reads them."""
    return {name: source.quota for name, source in recipe.sources.items()}


def _trained(ranking: Mapping[str, Any] | None) -> dict[str, Any]:
    """The settings that a trained ranker depends on."""
    return {name: value for name, value in (ranking or {}).items() if name not in AFTER_TRAINING}


def _source_facts(recipe: Recipe) -> list[dict[str, Any]]:
    sources = recipe.data.sources.values()
    return [facts for source in sources for facts in _facts_of(source)]


def unseen_tables(recipe: Recipe) -> list[str]:
    """The tables of which no more is known than their names: a catalogue has no sign of change for all its kinds."""
    return [name for source in recipe.data.sources.values() if (name := table_name(source)) is not None]


def _facts_of(source: str) -> list[dict[str, Any]]:
    name = table_name(source)
    return [{"table": name}] if name is not None else [file_facts(path) for path in _files_of(source)]


def _files_of(source: str) -> list[Path]:
    """The files of a source; where there are none, the error says when they are yet to be converted."""
    try:
        return source_files(source)
    except DataError as error:
        from shortlist.data.published import to_convert

        raise DataError(f"{error}{to_convert(Path(source).parent)}") from error


def _arithmetic(compute: Compute) -> list[str | int]:
    """What of [compute] changes a model: the rest of it, such as threads and device, changes how fast it trains."""
    arithmetic: list[str | int] = [_precision(compute), compute.embeddings]
    if compute.sharding == "column_wise":
        arithmetic += [compute.sharding, compute.processes]
    return arithmetic


def _precision(compute: Compute) -> str:
    """The precision that models train in, which may depend on the machine; Spark's executors are not known here."""
    if compute.precision != "auto" or compute.launcher == "spark":
        return compute.precision
    from shortlist.training.device import choose_device
    from shortlist.training.precision import choose_precision

    return choose_precision(compute, choose_device(compute)).name
