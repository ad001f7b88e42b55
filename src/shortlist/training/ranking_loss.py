"""What a ranker learns from: the loss of each target, and how they make one.

**Rows left out.** Where an epoch uses a share `keep` of the rows whose first target is 0, a row with probability p of 1
is among those used as a 1 with probability p and as a 0 with probability keep (1 - p): its odds are p / (1 - p) / keep.
So the loss is given the logit minus log(keep), the logit among the rows used, and the model's own logit is the one
among all rows: He et al., Practical Lessons from Predicting Clicks on Ads at Facebook, ADKDD 2014, correct it
afterwards instead. Other targets know nothing of the first; for them a row that was kept counts for those left out,
with weight 1 / keep.

**Uncertainty.** Kendall, Gal, Cipolla: Multi-Task Learning Using Uncertainty to Weigh Losses for Scene Geometry and
Semantics, CVPR 2018, learn a variance v for each target and minimise the sum of L / v + log(v) / 2 (classes) or
L / 2v + log(v) / 2 (regression). At the best v, which is 2 L or L, each term is log(L) / 2 and a constant: the sum
of the logarithms needs no parameter and weighs each gradient by 1 / L (UW-O of Kirchdorfer et al.: Analytical
Uncertainty-Based Loss Weighting in Multi-Task Learning, arXiv:2408.07985, 2024).

Legend: B rows, O outputs, T targets.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from shortlist.losses.cross_entropy import cross_entropy
from shortlist.losses.focal import focal
from shortlist.losses.list_bpr import list_bpr
from shortlist.losses.list_softmax import list_softmax
from shortlist.losses.log_loss import log_loss
from shortlist.losses.squared_error import squared_error
from shortlist.nn.batch import Labels
from shortlist.recipe.ranking import Ranking
from shortlist.schema import Target, TargetKind
from shortlist.schema.columns import ANY_EVENT, slices

_LEAST = 1e-6
"""A loss below it is not divided by: the gradient of its logarithm would be boundless."""


class RankingLoss:
    """A plain function of a ranker's outputs and the labels, chosen by the recipe."""

    def __init__(self, targets: Sequence[Target], settings: Ranking, told: Sequence[Target] = ()) -> None:
        """`targets` are the model's. `told`, by default the same, are those that the labels have, in their order.

        A log without targets has one, that every event is relevant.
        """
        self.targets = tuple(targets) or (ANY_EVENT,)
        self.settings = settings
        names = [target.name for target in tuple(told) or self.targets]
        self.places = [names.index(target.name) for target in self.targets]
        """Of each target its column in the labels."""

    def __call__(self, outputs_BO: Tensor, labels: Labels) -> Tensor:
        """A scalar."""
        losses = self.of_targets(outputs_BO, labels)
        weights = self.settings.loss_weights
        if isinstance(weights, str):
            # A batch that tells nothing of a target has the loss 0 there, and no part in the sum; one that is not a
            # number makes the sum none.
            logs = [torch.where(loss == 0, 0.0, loss.clamp(min=_LEAST).log()) for loss in losses]
            return torch.stack(logs).sum()
        weighed = [weights.get(target.name, 1.0) * loss for target, loss in zip(self.targets, losses, strict=True)]
        return torch.stack(weighed).sum()

    def of_targets(self, outputs_BO: Tensor, labels: Labels) -> list[Tensor]:
        """Each target's own loss, a scalar."""
        keep, first_B = self.settings.negatives.keep, labels.targets_BT[:, 0]
        losses = []
        for place, target, columns in zip(self.places, self.targets, slices(self.targets), strict=True):
            mine_BO, weight_B = outputs_BO[:, columns].float(), labels.weight_B
            if keep < 1 and place == 0:
                mine_BO = mine_BO - math.log(keep)
            elif keep < 1:
                weight_B = torch.where(first_B == 0, weight_B / keep, weight_B)
            losses.append(self._loss(target, mine_BO, labels.targets_BT[:, place], weight_B, labels.list_B))
        return losses

    def _loss(
        self, target: Target, outputs_BO: Tensor, target_B: Tensor, weight_B: Tensor, list_B: Tensor | None
    ) -> Tensor:
        if target.kind == TargetKind.MULTICLASS:
            return cross_entropy(outputs_BO, target_B, weight_B)
        output_B = outputs_BO[:, 0]
        if target.kind == TargetKind.REGRESSION:
            return squared_error(output_B, target.output(target_B), weight_B)
        if self.settings.loss == "focal":
            return focal(output_B, target_B, weight_B, self.settings.focal_gamma)
        if self.settings.loss == "log_loss":
            return log_loss(output_B, target_B, weight_B)
        of_list = list_bpr if self.settings.loss == "bpr" else list_softmax
        assert list_B is not None, "rows are drawn for a positive wherever the recipe has this loss"
        return of_list(output_B, target_B, weight_B, list_B)
