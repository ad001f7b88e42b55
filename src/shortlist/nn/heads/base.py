"""What every head is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Tensor, nn

from shortlist.nn.mlp import MLP
from shortlist.schema import Target


class Head(nn.Module, ABC):
    """Outputs of every target from a representation that the trunk gives."""

    towers: nn.ModuleList
    """Each target's own layers, or one for all of them."""

    def __init__(self, targets: Sequence[Target]) -> None:
        super().__init__()
        self.outputs_T = [target.outputs for target in targets]

    @abstractmethod
    def raw(self, x_BW: Tensor) -> Tensor:
        """outputs_BO of the representation alone."""

    def last_layers(self) -> list[nn.Module]:
        """The layers that give outputs: what they say is no input of another layer, and is not to be rounded."""
        return [tower.layers[-1] if isinstance(tower, MLP) else tower for tower in self.towers]

    def joined(self, outputs_BO: Tensor) -> Tensor:
        """outputs_BO once all parts of a model are added up; a head that ties targets to each other does so here."""
        return outputs_BO

    def forward(self, x_BW: Tensor, beside_BO: Tensor | None = None) -> Tensor:
        """outputs_BO; `beside_BO` are those of parts of the model that give theirs directly, such as a linear one."""
        outputs_BO = self.raw(x_BW)
        return self.joined(outputs_BO if beside_BO is None else outputs_BO + beside_BO)
