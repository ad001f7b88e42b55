"""TorchRec, where it is installed."""

from __future__ import annotations

import logging
import warnings
from types import ModuleType

from shortlist.core.errors import EnvironmentFault
from shortlist.core.extras import need

_PURPOSE = 'compute.embeddings = "torchrec"'
_HOW = (
    "pip install --no-deps torchrec fbgemm-gpu-cpu (fbgemm-gpu for GPUs), both of the release that is made for the "
    "torch that is here; docs/scale.md has the versions and the rest"
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
