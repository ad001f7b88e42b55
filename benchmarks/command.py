"""`python -m benchmarks NAME`: run one benchmark, show its figures, keep them."""

from __future__ import annotations

import argparse
import ast
import contextlib
import datetime
import importlib
import json
import os
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from benchmarks.harness import ONE_THREAD, Options, machine, number, say, versions
from benchmarks.result import Result
from shortlist.core.errors import UserError
from shortlist.core.suggest import did_you_mean

PERFORMANCE = Path(__file__).parents[1] / "docs" / "performance"
"""Where the latest figures of each benchmark are kept."""
_PACKAGES = ("shortlist", "torch", "numpy", "pyarrow", "duckdb", "faiss-cpu", "onnxruntime")
_MISUSE = 2
_FOR_ACCURACY = ("data", "seeds", "peer_seeds", "models", "peers")
_SERVE = ("serve", "serve_parity", "serve_soak", "serve_fuzz", "serve_newcomers")
_TOLD_DATA = tuple((benchmark, "data") for benchmark in ("sequence", "classical", *_SERVE))
"""The other benchmarks that may be told where real data is."""
_PLACES = {"--data": "DATA", "--bundle": "BUNDLE"}
"""What stands for the folders of this machine where a command line is shown."""
_FOR_SERVE = ("bundle", "seconds", "cases")
_EXAMPLES = """examples:
  python -m benchmarks                      what there is
  python -m benchmarks train --quick        does it run? (tiny; its figures say nothing)
  python -m benchmarks train                measure, and show the figures
  python -m benchmarks train --json         one line of JSON, kept in docs/performance/train.json too
  python -m benchmarks accuracy frappe --data DATA --json
                                            beside peers; what is finished is kept, so that a stopped run goes on
  python -m benchmarks accuracy frappe --data DATA --models mlp,dlrm --peers none --seeds 1
                                            a part of it
  python -m benchmarks serve --bundle runs/shop/bundle --seconds 30
                                            the service under load
  python -m benchmarks report               docs/performance.md, docs/accuracy.md and plots from what is kept there

exit code: 0 every goal was met, 1 one was not, 2 the command makes no sense"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(_MISUSE, f"{message}\nSee: python -m benchmarks --help\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for; returns the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    asked = _parser().parse_intermixed_args(given)
    # NumPy and torch read these when they are imported; a benchmark of several threads sets their number itself.
    os.environ.update(ONE_THREAD)
    try:
        if asked.name is None:
            print(listing())
            return 0
        if asked.name == "report":
            return _report()
        return _run(asked, given)
    except UserError as error:
        print(error, file=sys.stderr)
        return _MISUSE


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m benchmarks",
        description="Ours beside its peers, measured in turns in one run.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", nargs="?", help="the benchmark; without it, a list of them")
    parser.add_argument("arguments", nargs="*", help="what some benchmarks need beside, such as a data set")
    parser.add_argument(
        "--json", action="store_true", help="one line of JSON on standard output, kept in docs/performance"
    )
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see whether it runs; nothing is kept")
    parser.add_argument("--seed", type=int, default=0, help="of all synthetic data (default 0)")
    parser.add_argument("--work", type=Path, default=Options().work, help="environments and data (default %(default)s)")
    accuracy = parser.add_argument_group("for accuracy alone")
    accuracy.add_argument(
        "--data", type=Path, help="folder of the data sets (default: the variable SHORTLIST_DATA); for sequence too"
    )
    accuracy.add_argument("--seeds", type=_count, help="how many times each model is trained (default 3)")
    accuracy.add_argument("--peer-seeds", type=_count, help="how many times each peer's is (default: as often as ours)")
    accuracy.add_argument("--models", type=_names, help="of our models these, such as mlp,deepfm (default: all)")
    accuracy.add_argument("--peers", type=_names, help="of the peers these, or none (default: all)")
    served = parser.add_argument_group("for serve and its kin alone")
    served.add_argument("--bundle", type=Path, help="the bundle to serve (default: those that the benchmark makes)")
    served.add_argument("--seconds", type=_seconds, help="how long the server is under load")
    served.add_argument("--cases", type=_count, help="requests of serve_fuzz (default 10000)")
    return parser


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number of seconds, found {text!r}")
    return seconds


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a number from 1 on, found {text!r}")
    return int(text)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(","))


def descriptions() -> dict[str, str]:
    """Of each benchmark its description, read without importing it: a module of this folder with a DESCRIPTION."""
    found = {}
    for path in sorted(Path(__file__).parent.glob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign | ast.AnnAssign) and _assigned(node) == "DESCRIPTION" and node.value:
                found[path.stem] = str(ast.literal_eval(node.value))
    return found


def _assigned(node: ast.Assign | ast.AnnAssign) -> str:
    target = node.targets[0] if isinstance(node, ast.Assign) else node.target
    return target.id if isinstance(target, ast.Name) else ""


def listing() -> str:
    """The benchmarks with what they measure."""
    lines = [f"  {name:<9} {text}" for name, text in descriptions().items()]
    return "\n".join(["Benchmarks:", *lines, "", "Run one with: python -m benchmarks NAME [--json] [--quick]"])


def _report() -> int:
    from benchmarks.report import write_report

    for path in write_report(PERFORMANCE):
        print(path)
    return 0


def _run(asked: argparse.Namespace, given: Sequence[str]) -> int:
    known = descriptions()
    if asked.name not in known:
        raise UserError(f"there is no benchmark `{asked.name}`.{did_you_mean(asked.name, [*known, 'report'])}")
    chosen = {name: getattr(asked, name) for name in (*_FOR_ACCURACY, *_FOR_SERVE) if getattr(asked, name) is not None}
    for name in chosen:
        _refuse_unless_for(asked.name, name)
    options = Options(
        quick=asked.quick, seed=asked.seed, work=asked.work.expanduser(), arguments=tuple(asked.arguments), **chosen
    )
    with _prints_to_stderr():
        result = importlib.import_module(f"benchmarks.{asked.name}").run(options)
    if not asked.json:
        print(shown(result))
        return 0 if result.passed else 1
    facts = stamped(result, options, given)
    print(json.dumps(facts, allow_nan=False))
    if not options.quick:
        _keep(facts, "-".join([asked.name, *options.arguments]), whole=options.models is None and options.peers is None)
    return 0 if result.passed else 1


def _keep(facts: Mapping[str, Any], name: str, *, whole: bool) -> None:
    """Write a result where `report` reads it; a part of one does not take the place of what is there."""
    path = PERFORMANCE / f"{name}.json"
    if not whole and path.exists():
        say(f"{path} stays: it may have more than --models and --peers name. Remove it to keep this one")
        return
    PERFORMANCE.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(facts, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def _refuse_unless_for(benchmark: str, option: str) -> None:
    """UserError where the option says nothing to this benchmark."""
    if option in _FOR_SERVE:
        family, is_told = "serve", benchmark in _SERVE
    else:
        family, is_told = "accuracy", benchmark == "accuracy" or (benchmark, option) in _TOLD_DATA
    if not is_told:
        raise UserError(f"--{option.replace('_', '-')} is for `{family}` alone: leave it out of `{benchmark}`.")


@contextlib.contextmanager
def _prints_to_stderr() -> Iterator[None]:
    """Whatever writes to standard output in the block, libraries in C included, lands on standard error."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def stamped(result: Result, options: Options, given: Sequence[str]) -> dict[str, Any]:
    """The figures with machine, date, versions, seed and command."""
    return {
        **result.to_json(),
        "machine": machine(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "versions": versions(*_PACKAGES),
        "seed": options.seed,
        "quick": options.quick,
        "command": shlex.join(["python", "-m", "benchmarks", *_for_anyone(given)]),
    }


def _for_anyone(given: Sequence[str]) -> list[str]:
    """The command line without the folders of this machine."""
    before = ["", *given]
    return [_PLACES.get(last) or _without_place(word) for last, word in zip(before, given, strict=False)]


def _without_place(word: str) -> str:
    option, is_given, _ = word.partition("=")
    return f"{option}={_PLACES[option]}" if is_given and option in _PLACES else word


def shown(result: Result) -> str:
    """The figures for people: the ratio first."""
    rows = []
    if result.ratio is not None:
        rows.append(("ratio", f"{result.ratio:.2f} x the best peer"))
    rows.append(("ours", f"{number(result.ours)} {result.unit}"))
    for name, value in sorted(result.peers.items(), key=_best_first):
        rows.append((name, value if isinstance(value, str) else number(value)))
    if result.limit is not None and result.of_limit is not None:
        rows.append(("limit", f"{number(result.limit)}, of which ours is {result.of_limit:.0%}"))
    for name, (asked, measured, met) in result.goals.items():
        rows.append((f"goal: {name}", f"{number(measured)} for {number(asked)}: {'met' if met else 'NOT MET'}"))
    width = max(len(name) for name, _ in rows)
    title = f"{result.name}: {'every goal met' if result.passed else 'a goal was NOT MET'}"
    return "\n".join([title, *(f"  {name:<{width}}  {text}" for name, text in rows)])


def _best_first(peer: tuple[str, float | str]) -> tuple[bool, float]:
    return isinstance(peer[1], str), -peer[1] if isinstance(peer[1], int | float) else 0.0
