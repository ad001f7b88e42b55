"""Wide & Deep as NVIDIA's Outbrain recipe has it, and DeepFM, on a GPU: samples a second by precision."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.gpu_models import Case, deepfm, outbrain, random_batches
from benchmarks.harness import Goal, Options, Rounds, all_met, at_least, interleaved, mebibytes, say
from benchmarks.result import Result
from benchmarks.timed_task import TimedTask
from benchmarks.train_mlp import flops
from shortlist.core.errors import EnvironmentFault
from shortlist.core.progress import Silent
from shortlist.losses.log_loss import log_loss
from shortlist.nn.batch import Batch
from shortlist.recipe.ranking import Ranking
from shortlist.recipe.sections import Compute
from shortlist.training.checkpoint import Checkpoints
from shortlist.training.compiled import compile_layers
from shortlist.training.fit import fit
from shortlist.training.optimisers import build_optimisers
from shortlist.training.precision import choose_precision

DESCRIPTION = "Wide & Deep at the sizes of NVIDIA's Outbrain recipe, and DeepFM: samples a second in TF32 and bf16"
UNIT = "samples per second, Wide & Deep, batch 131,072, the fastest setting"
PUBLISHED = {
    "NVIDIA Wide & Deep, TensorFlow 1, TF32, A100": 349_879.0,
    "NVIDIA Wide & Deep, TensorFlow 2, mixed precision, XLA, A100": 2_310_000.0,
}
"""Of the same network. https://github.com/NVIDIA/DeepLearningExamples: TensorFlow/Recommendation/WideAndDeep and
TensorFlow2/Recommendation/WideAndDeep, their tables of training performance on one GPU."""
PUBLISHED_DLRM = 4_020_000.0
"""Another network on Criteo, as an order of magnitude: the same repository, PyTorch/Recommendation/DLRM, A100."""
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "tf32": {"precision": "tf32"},
    "bf16": {"precision": "bf16"},
    "bf16, compiled": {"precision": "bf16", "compile": True},
}
"""Name -> settings of [compute]."""
SECONDS = 4.0
WARMUP = 20
"""Batches; the first ones compile and record graphs."""
_MATRIX = 8192


@dataclass(frozen=True)
class Trained:
    """One case in one setting, ready to train on."""

    case: Case
    model: nn.Module
    device: torch.device
    compute: Compute


def run(options: Options) -> Result:
    """Every case in every setting, in rounds taken in turn.

    Raises:
        EnvironmentFault: there is no GPU.
    """
    if not torch.cuda.is_available():
        raise EnvironmentFault("gpu: torch finds no GPU here, so nothing was measured. Run it where there is one.")
    device = torch.device("cuda")
    seconds, shrink, batch = (0.2, 100, 1024) if options.quick else (SECONDS, 1, 131_072)
    cases = [outbrain(batch, shrink=shrink), deepfm(batch // 2, shrink=shrink)]
    rates = {case.name: measure(case, device, SETTINGS, seconds, options) for case in cases}
    matrix = {name: device_matrix_rate(device, name) for name in ("tf32", "bf16")}
    peak = mebibytes(torch.cuda.max_memory_allocated(device))
    return result(cases, rates, matrix, {"gpu": torch.cuda.get_device_name(device), "peak_mib": peak}, options)


def measure(
    case: Case, device: torch.device, settings: Mapping[str, Mapping[str, Any]], seconds: float, options: Options
) -> Rounds:
    """Samples a second in each setting of [compute]."""
    say(f"{case.name}, batch {case.batch:,}")
    contestants = {}
    for name, chosen in settings.items():
        torch.manual_seed(options.seed)
        model = case.build().to(device)
        compute = Compute.model_validate({"device": device.type, **chosen})
        if compute.compile:
            compile_layers(model, device)
        trained = Trained(case, model, device, compute)
        contestants[name] = lambda trained=trained: train(trained, seconds, options)
    return interleaved(contestants)


def train(trained: Trained, seconds: float, options: Options) -> float:
    """Samples a second of the product's own `fit`; it writes no checkpoint before its end."""

    def loss(step: tuple[Batch, Tensor]) -> Tensor:
        batch, targets_BT = step
        return log_loss(trained.model(batch)[:, 0], targets_BT[:, 0], torch.ones_like(targets_BT[:, 0]))

    case, settings, device = trained.case, Ranking(epochs=1), trained.device
    folder = options.folder("gpu") / "checkpoints"
    shutil.rmtree(folder, ignore_errors=True)
    task = TimedTask(
        trained.model, random_batches(case, device, options.seed), loss, case.batch, seconds, WARMUP, device
    )
    groups = {"wide": settings.wide, "embedding": settings.embedding, "dense": settings.dense}
    optimisers = build_optimisers(trained.model, groups)  # type: ignore[arg-type]
    checkpoints = Checkpoints(folder, {}, 1e9, Silent(), task.name)
    fit(task, optimisers, settings, Silent(), checkpoints, choose_precision(trained.compute, device))
    return task.rate()


def result(
    cases: list[Case],
    rates: Mapping[str, Rounds],
    matrix: Mapping[str, float],
    facts: Mapping[str, Any],
    options: Options,
) -> Result:
    """The figures, ours being the fastest setting of the first case."""
    first = cases[0]
    medians = rates[first.name].medians()
    ours = max(medians.values())
    goals = {} if options.quick else goals_of(medians)
    return Result(
        name="gpu",
        passed=all_met(goals),
        unit=UNIT,
        ours=ours,
        peers=PUBLISHED,
        ratio=ours / max(PUBLISHED.values()),
        limit=max(matrix.values()) / flops(first.widths),
        goals=goals,
        details={
            **facts,
            "limit_is": "the layers' FLOPs, forward and backward, over the device's measured matrix rate",
            "cases": {
                case.name: {
                    "batch": case.batch,
                    "flops_per_sample": flops(case.widths),
                    "samples_per_s": rates[case.name].medians(),
                    "rounds": rates[case.name].values,
                    "failed": rates[case.name].failed,
                }
                for case in cases
            },
            "matrix_rate_flops_per_s": dict(matrix),
            "published_dlrm": PUBLISHED_DLRM,
            "how": "Random rows made on the device, so that nothing but training is measured: forward, backward, FTRL, "
            "row-wise Adagrad and AdamW by the product's fit. The published ones read their data set, and train the "
            "deep part by Adagrad (TensorFlow 1) or RMSprop (TensorFlow 2).",
        },
    )


def goals_of(medians: Mapping[str, float]) -> dict[str, Goal]:
    """Faster than what is published for the same network in the same precision, on whatever GPU this is."""
    tf32, mixed = PUBLISHED.values()

    def best(precision: str) -> float:
        return max((rate for name, rate in medians.items() if name.startswith(precision)), default=0.0)

    return {
        "TF32: times TensorFlow 1 on an A100": at_least(1, best("tf32") / tf32),
        "bf16: times TensorFlow 2 on an A100": at_least(1, best("bf16") / mixed),
    }


def device_matrix_rate(device: torch.device, precision: str, size: int = _MATRIX, rounds: int = 20) -> float:
    """FLOP/s of square products in this precision, the best of the rounds."""
    chosen = choose_precision(Compute.model_validate({"device": device.type, "precision": precision}), device)
    left, right = (torch.randn(size, size, device=device) for _ in range(2))
    if precision == "bf16":
        left, right = left.bfloat16(), right.bfloat16()
    best = 0.0
    with chosen.applied(nn.Identity()):
        for _ in range(rounds):
            wait(device)
            started = time.perf_counter()
            left @ right
            wait(device)
            best = max(best, 2 * size**3 / (time.perf_counter() - started))
    return best


def wait(device: torch.device) -> None:
    """For all that the device was given to do."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
