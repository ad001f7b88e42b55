"""TorchRec, where it is installed."""

from __future__ import annotations

import logging
import warnings
from types import ModuleType

from shortlist.core.errors import EnvironmentFault
from shortlist.core.extras import need

_PURPOSE = 'compute.embeddings = "torchrec"'
_HOW = (
    "pip install --no-deps torchrec==1.8.0 fbgemm-gpu-cpu==1.8.0 && pip install torchmetrics==1.0.3 tensordict tqdm "
    "pyre-extensions (for torch 2.13 on a CPU; for others see docs/scale.md)"
)


def torchrec(module: str) -> ModuleType:
    """A module of TorchRec or of FBGEMM; EnvironmentFault where it cannot be had."""
    # It warns of what it lacks for kernels that are not used here, and torch of a name that it calls.
    logging.getLogger("torch.fx._symbolic_trace").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return need(module, None, _PURPOSE, how=_HOW)
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        raise EnvironmentFault(
            f"{_PURPOSE}: TorchRec is installed, and cannot be loaded beside this torch ({error}). Install it with: "
            f"{_HOW}"
        ) from error
