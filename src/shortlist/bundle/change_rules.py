"""Giving a bundle other rules: checked against it, with what they need learned from its log, and nothing trained."""

from __future__ import annotations

from pathlib import Path

from shortlist.bundle.manifest import update_manifest
from shortlist.bundle.read import Bundle
from shortlist.bundle.recommender import Recommender
from shortlist.bundle.rulebook import RuleBook
from shortlist.bundle.rules import RULES, BundleRules
from shortlist.funnel.filters.masks import Masks
from shortlist.recipe.rules import Rules


def change_rules(folder: Path, settings: Rules) -> BundleRules:
    """Put rules into the bundle at `folder`, in the place of those it has, and keep its manifest right.

    UserError where they do not fit the bundle; then it stays as it was.
    """
    bundle = Bundle.open(folder, verify=False)
    rules = BundleRules.learned(bundle, settings)
    recommender = Recommender(bundle)
    RuleBook(bundle, rules, Masks(bundle.attributes), lambda: recommender.sources)
    rules.write(folder)
    update_manifest(folder, RULES)
    return rules
