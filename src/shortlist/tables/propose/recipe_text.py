"""The proposed recipe as text: runs as written, says why, and shows what people change first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shortlist.recipe.ranking import Negatives, Ranking
from shortlist.recipe.retrieval import Retrieval
from shortlist.recipe.sections import Compute, Evaluation, Funnel, Schema
from shortlist.recipe.sources import Data
from shortlist.recipe.split import Split
from shortlist.recipe.training import Model
from shortlist.schema import Side
from shortlist.tables.propose.holding_out import HoldingOut
from shortlist.tables.propose.offered import Offered
from shortlist.tables.propose.roles import Roles
from shortlist.tables.propose.targets import Targets
from shortlist.tables.propose.toml import aligned, chosen, documented, key, offered, remark, value
from shortlist.tables.propose.words import Part

_HEAD = """\
# A recipe that runs as it is: `shortlist run`. It was proposed by `shortlist init` from a look at the tables.
# Lines behind a # are settings at their default: take the # away to change one. Any setting can also be changed for
# one run: shortlist run --set ranking.epochs=3"""


@dataclass(frozen=True, slots=True)
class Parts:
    """What the recipe says."""

    roles: Roles
    targets: Targets
    split: HoldingOut
    features: Mapping[Side, Sequence[Offered]]
    paths: Mapping[str, str]
    """`interactions`, `users`, `items` -> path as the recipe has it."""


def recipe_text(parts: Parts) -> str:
    """The whole file."""
    sections = [
        _HEAD.splitlines(),
        _data(parts),
        _schema(parts),
        *(_features(side, parts.features[side]) for side in Side if side in parts.features),
        _split(parts.split),
        *_stages(parts),
        _rest(parts),
    ]
    return "\n\n".join("\n".join(lines) for lines in sections) + "\n"


def _data(parts: Parts) -> list[str]:
    return ["[data]", *(line for name, path in parts.paths.items() for line in chosen(Data, name, path))]


def _schema(parts: Parts) -> list[str]:
    roles, lines = parts.roles, ["[schema]"]
    user = "session_id" if roles.session else "user_id"
    columns = {user: roles.user_id, "item_id": roles.item_id, "timestamp": roles.timestamp, "title": roles.title}
    for name, column in columns.items():
        if column is not None:
            lines += chosen(Schema, name, column)
    if parts.targets.event is not None and roles.timestamp is not None:
        lines += chosen(Schema, "event", parts.targets.event)
    lines += documented(Schema, "targets")
    if not parts.targets.chosen:
        lines += ["# None here: every row counts.", '# targets.liked = "rating >= 4"']
    pairs = [(t, "") for t in parts.targets.chosen] + [(t, "# ") for t in parts.targets.others]
    return lines + aligned(
        (f"{mark}targets.{key(t.name)} = {value(t.expression)}", f"{t.rate:.1%} of rows; {t.why}") for t, mark in pairs
    )


def _features(side: Side, found: Sequence[Offered]) -> list[str]:
    lines = [f"[features.{side}]"]
    if side == Side.CONTEXT:
        lines += remark("Features of the event itself, known when the request is made, such as device, place or time.")
        if any(not offer.active for offer in found):
            lines += remark("Take the # away from what is known beforehand; what is known only later tells the answer.")
    return lines + aligned(_feature(offer) for offer in found)


def _feature(offer: Offered) -> tuple[str, str]:
    feature = offer.inferred.feature
    if feature is None:
        return f"# {key(offer.name)}: left out", offer.inferred.reason
    said = feature.model_dump(exclude_defaults=True)
    told = {"kind": feature.kind, **said}
    setting = value(feature.kind if len(told) == 1 else told)
    return f"{'' if offer.active else '# '}{key(offer.name)} = {setting}", offer.inferred.reason


def _split(split: HoldingOut) -> list[str]:
    lines = ["[split]", *chosen(Split, "kind", split.kind), *remark(f"Here: {split.why}.")]
    if split.kind == "column":
        return [*lines, *chosen(Split, "column", split.column)]
    return [*lines, *offered(Split, "valid", "test")]


def _stages(parts: Parts) -> list[list[str]]:
    """Retrieval needs users and items; where the log has real negatives, ranking its rows is the whole task."""
    if parts.targets.kind == "label":
        only = remark("The log has real negatives, and is ranked row by row: no retrieval, and no sampled negatives.")
        negatives = [*documented(Ranking, "negatives"), *_negatives({"sampled": 0, "observed": True})]
        return [
            ["[ranking]", *only, *_model(Ranking), *_several(parts.targets), *negatives, *_training(Ranking, "wide")]
        ]
    sampled = ["", "[ranking.negatives]", *offered(Negatives, "sampled", "source"), *_observed()]
    return [
        ["[retrieval]", *_model(Retrieval), *_newcomers(parts), *_training(Retrieval)],
        ["[ranking]", *_model(Ranking), *_several(parts.targets), *_training(Ranking, "wide"), *sampled],
    ]


def _model(stage: type[Retrieval] | type[Ranking]) -> list[str]:
    default: Model = stage.model_fields["model"].default
    return [
        *remark("Which model, and its settings: shortlist doctor --models"),
        f"model = {value({'name': default.name})}",
    ]


def _newcomers(parts: Parts) -> list[str]:
    """What new items need of the model, where they have features to be known by."""
    if not any(offer.active for offer in parts.features.get(Side.ITEM, ())):
        return []
    return remark("Where items come between two trainings, id_dropout = 0.1 in it recommends them by their features.")


def _observed() -> list[str]:
    return [*documented(Negatives, "observed"), "# observed = true"]


def _several(targets: Targets) -> list[str]:
    """What goes with several targets, where there are so many to choose from."""
    names = [target.name for target in (*targets.chosen, *targets.others)]
    if len(names) < 2:
        return []
    score = value(f"{names[0]} + 0.2 * {names[1]}")
    return [
        *remark(
            "With several targets, ranking.model.tasks says what they share (such as mmoe or ple) and ranking.score "
            "how they make one order; shortlist compare-tasks shows whether they help each other."
        ),
        f"# score = {score}",
    ]


def _negatives(given: dict[str, Any]) -> list[str]:
    return [f"negatives = {value(given)}"]


def _training(stage: type[Retrieval] | type[Ranking], *groups: str) -> list[str]:
    lines = offered(stage, "epochs", "batch_size", "patience", "history")
    for group in ("embedding", "dense", *groups):
        optimiser = stage.model_fields[group].default
        lines += [*documented(stage, group), f"# {group} = {value({'name': optimiser.name, 'lr': optimiser.lr})}"]
    return lines


def _rest(parts: Parts) -> list[str]:
    lines = ["[compute]", *documented(Compute, "threads"), "# threads = 2", *offered(Compute, "device")]
    if parts.roles.user_id is None:
        return lines
    funnel = ["[funnel]", *offered(Funnel, "candidates"), *_seen(parts), *offered(Funnel, "retrieval_weight")]
    return [*funnel, "", "[evaluation]", *offered(Evaluation, "metrics"), *_sample(), "", *lines]


def _seen(parts: Parts) -> list[str]:
    """Where one kind of event is wanted among others, those mostly come before it, with the same item."""
    if parts.targets.kind == "label" or not parts.targets.columns & set(parts.roles.log.named(Part.EVENT)):
        return offered(Funnel, "exclude_seen")
    wanted = parts.targets.chosen[0].name
    why = f"Here: before `{wanted}` there are mostly events of other kinds with the same item: true would leave it out."
    return [*documented(Funnel, "exclude_seen"), *remark(why), "exclude_seen = false"]


def _sample() -> list[str]:
    return [*documented(Evaluation, "max_users"), "# max_users = 10000"]
