"""What to try next: rules over the figures. Each says what it saw, and what to change in the recipe.

A rule is a function from the facts to an Advice, or to None where its figures give no cause. The order is
that of what usually helps most.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from shortlist.evaluation.lists import SHOWN
from shortlist.evaluation.report.curves import best_epoch
from shortlist.evaluation.report.facts import Facts, Metrics
from shortlist.evaluation.report.markup import Markup, note, section, tag
from shortlist.evaluation.report.numbers import decimal, estimate, percent
from shortlist.evaluation.table import among, headline


@dataclass(frozen=True, slots=True)
class Advice:
    """One thing to try."""

    title: str
    evidence: str
    action: str


def lost_among_candidates(facts: Facts) -> Advice | None:
    """More is not found at all than stands too low."""
    if not facts.has_lists or "retrieval" not in facts.stages:
        return None
    lost = facts.metrics["lost"]
    early, late = lost["not_among_candidates"], lost[f"ranked_below_{SHOWN}"]
    if early <= late or early < 0.2:
        return None
    wider, whose, title = "", f"{percent(late)} was ranked below {SHOWN}", "Find more of the truth"
    if "ranking" in facts.stages:
        asked, catalogue = facts.protocol["candidates"], facts.protocol["catalogue"]
        wider = f"funnel.candidates = {min(2 * asked, catalogue)}, " if asked < catalogue / 4 else ""
        whose, title = f"the ranker lost {percent(late)}", f"{title} before ranking it"
    return Advice(
        title,
        f"{percent(early)} of what people chose was not among {among(facts.protocol)}; {whose}.",
        f"Try {wider}a wider retrieval model or more retrieval.epochs, and more features of users and items.",
    )


def lost_by_ranker(facts: Facts) -> Advice | None:
    """The candidates hold the truth, the order hides it."""
    if not facts.has_lists or "ranking" not in facts.stages:
        return None
    lost = facts.metrics["lost"]
    early, late = lost["not_among_candidates"], lost[f"ranked_below_{SHOWN}"]
    if late < early or late < 0.2:
        return None
    return Advice(
        "Give the ranker more to tell candidates apart",
        f"{percent(late)} of what people chose was a candidate but ranked below {SHOWN}; retrieval lost "
        f"{percent(early)}.",
        "Try more context and item features, crosses of user and item features, or a longer ranking.history."
        + _learn_from_candidates(facts),
    )


def ranker_below_retrieval(facts: Facts) -> Advice | None:
    """The second stage makes the order worse."""
    metric = _sharp(facts)
    funnel, retrieval = (facts.stages.get(stage, {}).get(metric) for stage in ("funnel", "retrieval"))
    if "ranking" not in facts.stages or funnel is None or retrieval is None or not _below(funnel, retrieval):
        return None
    is_auto = facts.recipe.get("funnel", {}).get("retrieval_weight") == "auto"
    return Advice(
        "The ranker makes the order worse",
        f"{metric} is {estimate(funnel)} with it and {estimate(retrieval)} by the retrieval score alone.",
        ("Give" if is_auto else 'Let funnel.retrieval_weight be "auto", give')
        + " the ranker more features or rows, or leave [ranking] out."
        + _learn_from_candidates(facts),
    )


def another_source_first(facts: Facts) -> Advice | None:
    """A source alone has a better order than all of them in that of the first one."""
    metric, retrieval = _sharp(facts), facts.recipe.get("retrieval") or {}
    sources = [retrieval.get("model", {}).get("name"), *facts.recipe.get("sources", {})]
    measured = {name: facts.stages[name][metric] for name in sources if metric in facts.stages.get(name, {})}
    if len(measured) < 2:
        return None
    best = max(measured, key=lambda name: measured[name]["value"])
    together, funnel = (facts.stages[stage][metric] for stage in ("retrieval", "funnel"))
    if best == sources[0] or not (_below(together, measured[best]) and _below(funnel, measured[best])):
        return None
    return Advice(
        f"Let {best} be the first source",
        f"{metric} is {estimate(measured[best])} by {best} alone and {estimate(together)} by all sources together: "
        f"the score of the first one, {sources[0]}, orders what all of them propose.",
        f"Let {best} be [retrieval], and {sources[0]} one of [sources].",
    )


def retrieval_below_popularity(facts: Facts) -> Advice | None:
    """The model has learned less than a count of events says."""
    metric = next(iter(headline(facts.metrics)), None)
    retrieval, popular = facts.value("retrieval", metric), facts.value("popularity", metric)
    if retrieval is None or popular is None or retrieval > popular:
        return None
    return Advice(
        "Retrieval is no better than the best sellers",
        f"{metric} is {decimal(retrieval)} with the retrieval model and {decimal(popular)} with popularity.",
        f"{_of_training(facts)} With few events a user, features of users and items carry more than ids.",
    )


def no_retrieval(facts: Facts) -> Advice | None:
    """A ranker over the best sellers."""
    if not facts.has_lists or "retrieval" in facts.stages:
        return None
    return Advice(
        "Retrieve candidates for each user",
        f"All users get the {facts.protocol['candidates']:,} most popular items as candidates.",
        "Add a [retrieval] section to the recipe.",
    )


def ranker_by_chance(facts: Facts) -> Advice | None:
    """The ranker may as well toss coins."""
    auc = facts.stages.get("ranking", {}).get("auc")
    if auc is None or (auc["low"] or auc["value"]) > 0.5:
        return None
    return Advice(
        "The ranker tells nothing apart",
        f"Its AUC is {estimate(auc)}; tossing coins gives 0.5.",
        "Give it more features or more rows. If its validation AUC was much better, the held-out rows differ from "
        "those it learned from: look at [split] and at the first target.",
    )


def new_users(facts: Facts) -> Advice | None:
    """People without a history are served badly."""
    metric, found = _sharp(facts), facts.metrics.get("slices", {}).get("new users")
    everyone = facts.value("funnel", metric)
    if found is None or metric is None or not everyone:
        return None
    share, value = found["requests"] / facts.protocol["requests"], found["stages"]["funnel"][metric]["value"]
    if share < 0.05 or value > everyone / 2:
        return None
    return Advice(
        "New users get much less",
        f"{percent(share)} of the users had no earlier event; their {metric} is {decimal(value)}, against "
        f"{decimal(everyone)} for all.",
        "Add what is known of a user at first sight: a user table in [data] users, and context such as "
        "device, place or referrer in [features.context].",
    )


def new_items(facts: Facts) -> Advice | None:
    """Items that came after training are not found."""
    metric, found = (
        next(iter(headline(facts.metrics)), None),
        facts.metrics.get("slices", {}).get("new items"),
    )
    everyone = facts.value("funnel", metric)
    if found is None or metric is None or not everyone:
        return None
    share, value = found["requests"] / facts.protocol["requests"], found["stages"]["funnel"][metric]["value"]
    if share < 0.05 or value > everyone / 4:
        return None
    return Advice(
        "New items are hardly ever found",
        f"{percent(share)} of the users chose an item that training never saw; {metric} for those items is "
        f"{decimal(value)}, against {decimal(everyone)} for all.",
        "Give items features that say what they are ([data] items, [features.item]), and train more often.",
    )


def seen_again(facts: Facts) -> Advice | None:
    """People come back to what they had."""
    again, fresh = facts.protocol.get("truth_seen_before", 0), facts.protocol.get("truth_items", 0)
    if again == 0 or again < 0.2 * (again + fresh):
        return None
    return Advice(
        "People return to what they had",
        f"{again:,} held-out events, of items the user had seen, were left out; {fresh:,} items were not.",
        "If a repeat is worth recommending, as in a grocery shop, set funnel.exclude_seen = false.",
    )


def past_its_best(facts: Facts) -> Advice | None:
    """Validation fell while the training loss still went down."""
    for stage, curve in facts.curves.items():
        if not curve:
            continue
        kept, metric = best_epoch(curve), next(iter(curve[0]["valid"]))
        best, last = curve[kept]["valid"][metric], curve[-1]["valid"][metric]
        # Early stopping always sees a few epochs past the best one: only a clear fall is a finding.
        if last > 0.98 * best or curve[-1]["train_loss"] >= curve[kept]["train_loss"]:
            continue
        return Advice(
            f"The {stage} model overfits",
            f"Validation {metric} was best, {decimal(best)}, at epoch "
            f"{curve[kept]['epoch']} of {len(curve)} and fell to {decimal(last)} while "
            "the training loss went on falling.",
            f"Try {stage}.dense.weight_decay = 1e-2, a lower {stage}.embedding.lr, smaller widths, or a "
            "higher min_count of rare values.",
        )
    return None


def not_at_its_best(facts: Facts) -> Advice | None:
    """Training ended at its last allowed epoch, still gaining."""
    for stage, curve in facts.curves.items():
        asked = (facts.recipe.get(stage) or {}).get("epochs")
        if not curve or len(curve) < 2 or len(curve) != asked or best_epoch(curve) != len(curve) - 1:
            continue
        metric = next(iter(curve[0]["valid"]))
        before, last = curve[-2]["valid"][metric], curve[-1]["valid"][metric]
        return Advice(
            f"The {stage} model was still learning",
            f"Validation {metric} rose from {decimal(before)} to {decimal(last)} in the last of {asked} epochs.",
            f"Try {stage}.epochs = {2 * asked}; it stops by itself when validation does not rise any more.",
        )
    return None


def narrow(facts: Facts) -> Advice | None:
    """Few items fill most places, although there were users enough to show more."""
    coverage = facts.value("funnel", f"coverage@{SHOWN}")
    parts = facts.metrics.get("popularity")
    if coverage is None or not parts:
        return None
    enough = facts.protocol["requests"] * SHOWN > 2 * facts.protocol["catalogue"]
    top, wanted = parts[0]["funnel"], parts[0]["truth"]
    if not enough or (coverage > 0.1 and top < wanted + 0.3):
        return None
    return Advice(
        "Few items are ever recommended",
        f"{percent(coverage)} of the catalogue reaches anybody's first {SHOWN}, and {percent(top)} of the "
        f"places go to the most popular tenth, from which people chose {percent(wanted)}.",
        "Try more item features, so that rare items can be told apart, and more funnel.candidates; look at "
        "the slice of rare items.",
    )


def not_calibrated(facts: Facts) -> Advice | None:
    """Probabilities that are no rates."""
    error = facts.value("ranking", "calibration_error")
    if error is None or error < 0.05:
        return None
    ranking = facts.recipe.get("ranking") or {}
    action = (
        "Sampled negatives shift them: for real rates train on a log with real negatives "
        "(ranking.negatives.sampled = 0). An order needs no calibration."
        if ranking.get("negatives", {}).get("sampled", 0)
        else "Try more rows, fewer ranking.epochs or a higher ranking.dense.weight_decay."
    )
    if ranking.get("calibration", "none") == "none":
        action = f'Set ranking.calibration = "platt" to fit them to validation rows. {action}'
    return Advice(
        "Read the ranker's probabilities as an order only",
        f"They are off by {decimal(error)} on average from the observed rates.",
        action,
    )


def few_users(facts: Facts) -> Advice | None:
    """Figures too loose to choose by."""
    metric = _sharp(facts)
    measured = facts.stages.get("funnel", {}).get(metric)
    if measured is None or measured["low"] is None or not measured["value"]:
        return None
    half = (measured["high"] - measured["low"]) / 2
    if half < 0.15 * measured["value"]:
        return None
    return Advice(
        "Do not read much into small differences",
        f"With {facts.protocol['users']:,} held-out users the funnel's {metric} is {estimate(measured)}.",
        "Hold out more (split.test), or compare two runs only where their intervals lie apart.",
    )


RULES: tuple[Callable[[Facts], Advice | None], ...] = (
    retrieval_below_popularity,
    another_source_first,
    ranker_below_retrieval,
    ranker_by_chance,
    no_retrieval,
    lost_among_candidates,
    lost_by_ranker,
    not_at_its_best,
    past_its_best,
    new_users,
    new_items,
    seen_again,
    narrow,
    not_calibrated,
    few_users,
)


def advice(facts: Facts) -> Markup:
    """The section: every rule that has cause to speak."""
    given = [found for rule in RULES if (found := rule(facts))]
    if not given:
        return section("advice", "What to try next", note("No figure of this run stands out."))
    entries = [
        tag("li", tag("b", entry.title), tag("p", entry.evidence), tag("p", entry.action, class_="action"))
        for entry in given
    ]
    return section("advice", "What to try next", tag("ol", *entries, class_="advice"))


def _learn_from_candidates(facts: Facts) -> str:
    """What to say of the ranker's negatives, where they are not yet what it will meet."""
    negatives = (facts.recipe.get("ranking") or {}).get("negatives", {})
    if negatives.get("sampled", 0) == 0 or negatives.get("source") == "candidates":
        return ""
    return ' With ranking.negatives.source = "candidates" it learns from what it will meet.'


def _of_training(facts: Facts) -> str:
    """Whether retrieval's curve asks for more epochs or for slower ones."""
    curve = facts.curves.get("retrieval", ())
    if curve and best_epoch(curve) < len(curve) - 1:
        kept = curve[best_epoch(curve)]["epoch"]
        return f"Validation was best after epoch {kept} already: try a lower retrieval.embedding.lr and dense.lr."
    return "Try more retrieval.epochs, or a higher retrieval.embedding.lr."


def _below(first: Metrics, second: Metrics) -> bool:
    """Whether the first is lower by more than the intervals of both; one without an interval is taken as it is."""
    high, low = first["high"], second["low"]
    return bool((first["value"] if high is None else high) < (second["value"] if low is None else low))


def _sharp(facts: Facts) -> str | None:
    """The headline metric of the order at the top."""
    return next(reversed(headline(facts.metrics)), None)
