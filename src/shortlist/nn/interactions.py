"""Feature interactions: what tells these architectures apart.

Legend: B rows, C vectors of a row, D embedding dim, N numbers, W width of a flat input, R rank, E experts, H heads,
O outputs, P pairs.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from shortlist.nn.heads.mmoe import mixed


class FactorisationMachine(nn.Module):
    """Weights of the features by themselves, and the products of all their pairs; outputs_BO.

    Rendle: Factorization Machines, ICDM 2010. A row of the table holds a value's vector and, beside it, its first-order
    weight for each output: one gather brings both. A number x has a vector and weights of its own, which enter times
    x. With several outputs each adds up the products of the pairs by its own weights of the D factors; a single one
    weighs them all by 1.
    """

    def __init__(self, dim: int, outputs: int, numbers: int, std: float) -> None:
        super().__init__()
        self.dim = dim
        self.outputs = outputs
        self.vector_ND = nn.Parameter(torch.randn(numbers, dim) * std)
        self.weight_NO = nn.Parameter(torch.zeros(numbers, outputs))
        self.bias_O = nn.Parameter(torch.zeros(outputs))
        # Around 1, and not all alike: to a softmax over outputs, a term that is common to them says nothing.
        self.factor_DO = nn.Parameter(1 + 0.1 * torch.randn(dim, outputs)) if outputs > 1 else None

    def forward(self, rows_BCW: Tensor, numbers_BN: Tensor) -> Tensor:
        """outputs_BO; the W columns of a row are its D and its O."""
        sum_BD, weights_BO = rows_BCW.sum(1).split([self.dim, self.outputs], dim=1)
        linear_BO: Tensor = weights_BO + numbers_BN @ self.weight_NO + self.bias_O
        if self.factor_DO is not None:
            return linear_BO + self._products(rows_BCW[:, :, : self.dim], sum_BD, numbers_BN) @ self.factor_DO
        # Sum over all pairs of their products, in linear time: (|Σv|² - Σ|v|²) / 2.
        vectors_BV = rows_BCW[:, :, : self.dim].flatten(1)
        squares_B1 = _squared(vectors_BV) + numbers_BN.square() @ _squared(self.vector_ND)
        pairs_B1 = (_squared(sum_BD + numbers_BN @ self.vector_ND) - squares_B1) / 2
        return linear_BO + pairs_B1

    def _products(self, vectors_BCD: Tensor, sum_BD: Tensor, numbers_BN: Tensor) -> Tensor:
        """product_BD: each factor of the products, summed over all pairs."""
        squares_BD = vectors_BCD.square().sum(1) + numbers_BN.square() @ self.vector_ND.square()
        return ((sum_BD + numbers_BN @ self.vector_ND).square() - squares_BD) / 2


def pairwise_dots(vectors_BCD: Tensor) -> Tensor:
    """dots_BP of every two vectors of a row: first with second, first with third, second with third; none of one alone.

    Naumov et al.: Deep Learning Recommendation Model for Personalization and Recommendation Systems, 2019.
    """
    rows, count = vectors_BCD.shape[:2]
    if count < 2:
        # ONNX has no empty list of indices.
        return vectors_BCD.new_zeros(rows, 0)
    dots_BCC = vectors_BCD @ vectors_BCD.transpose(1, 2)
    below_2P = torch.tril_indices(count, count, -1, device=vectors_BCD.device)
    return dots_BCC.flatten(1).index_select(1, below_2P[0] * count + below_2P[1])


class CrossLayer(nn.Module):
    """x0 · (W x + b) + x: each layer raises the degree of the polynomial in the features by one.

    Wang et al.: DCN V2: Improved Deep & Cross Network and Practical Lessons for Web-scale Learning to Rank Systems,
    WWW 2021, equation 1.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.product = nn.Linear(width, width)

    def forward(self, x0_BW: Tensor, x_BW: Tensor) -> Tensor:
        """x_BW of the next layer."""
        crossed_BW: Tensor = x0_BW * self.product(x_BW) + x_BW
        return crossed_BW


class LowRankCrossLayer(nn.Module):
    """The same with a mixture of products of low rank, gated by the input.

    Wang et al. (WWW 2021), equation 4: x0 · (U g(C g(Vᵀ x)) + b) for each expert, g being tanh, mixed by the softmax of
    a linear gate, plus x.
    """

    def __init__(self, width: int, rank: int, experts: int) -> None:
        super().__init__()
        self.down_EWR = nn.Parameter(torch.empty(experts, width, rank))
        self.inner_ERR = nn.Parameter(torch.empty(experts, rank, rank))
        self.up_ERW = nn.Parameter(torch.empty(experts, rank, width))
        for matrices in (self.down_EWR, self.inner_ERR, self.up_ERW):
            for matrix in matrices:
                nn.init.xavier_normal_(matrix)
        self.bias_W = nn.Parameter(torch.zeros(width))
        self.gate = nn.Linear(width, experts, bias=False)

    def forward(self, x0_BW: Tensor, x_BW: Tensor) -> Tensor:
        """x_BW of the next layer."""
        inner_EBR = torch.tanh(torch.tanh(x_BW @ self.down_EWR) @ self.inner_ERR)
        crossed_BEW = x0_BW[:, None] * ((inner_EBR @ self.up_ERW).transpose(0, 1) + self.bias_W)
        return mixed(self.gate(x_BW), crossed_BEW) + x_BW


class BilinearProduct(nn.Module):
    """(x W) · y, head by head, whose sum is the bilinear form xᵀ W y of each head.

    Mao et al.: FinalMLP: An Enhanced Two-Stream MLP Model for CTR Prediction, AAAI 2023, equation 8, before the sum:
    the linear layer after it adds up.
    """

    def __init__(self, width: int, other: int, heads: int) -> None:
        super().__init__()
        self.matrix_HXY = nn.Parameter(torch.empty(heads, width // heads, other // heads))
        for matrix in self.matrix_HXY:
            nn.init.xavier_normal_(matrix)

    def forward(self, x_BX: Tensor, y_BY: Tensor) -> Tensor:
        """product_BY."""
        x_BHX = x_BX.unflatten(1, (self.matrix_HXY.shape[0], -1))
        turned_BHY = (x_BHX.transpose(0, 1) @ self.matrix_HXY).transpose(0, 1)
        product_BY: Tensor = turned_BHY.flatten(1) * y_BY
        return product_BY


def _squared(vectors: Tensor) -> Tensor:
    """Squared lengths [..., 1]."""
    lengths: Tensor = torch.linalg.vecdot(vectors, vectors)[..., None]
    return lengths
