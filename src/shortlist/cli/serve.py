"""`shortlist serve`: a bundle over HTTP."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from shortlist.cli.options import add_quiet_argument, reporter

if TYPE_CHECKING:
    from shortlist.serving.settings import Variant

HELP = "answer requests from a bundle over HTTP"
EXAMPLES = """\
  shortlist serve runs/shortlist/bundle               on http://127.0.0.1:8000; its routes are at /docs
  shortlist serve runs/shortlist/bundle --port 0      on any port that is free
  shortlist serve bundle --host 0.0.0.0 --workers 4   for other machines, with four processes
  shortlist serve bundle --state redis://db:6379/0    events kept on a Redis server, for several hosts"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument(
        "bundle",
        metavar="BUNDLE",
        nargs="?",
        help="folder of the bundle, a link to it, or models:/NAME@ALIAS of MLflow's registry",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8000, help="port to listen on; 0 for any free one (default: 8000)")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes that answer (default: 1)")
    parser.add_argument(
        "--state",
        metavar="ADDRESS",
        help="what users do: a folder, redis://HOST:PORT/0, or none (default: the folder `state` beside the first "
        "bundle; of a bundle in MLflow's registry, in the folder where the command is given)",
    )
    _add_operation_arguments(parser)
    _add_rollout_arguments(parser)
    add_quiet_argument(parser)


def _add_operation_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("operation")
    group.add_argument(
        "--queue", type=int, default=64, metavar="N", help="requests that may wait in one process (default: 64)"
    )
    group.add_argument("--budget-ms", type=float, metavar="MS", help="time that an answer may take (default: any)")
    group.add_argument(
        "--api-key-file", metavar="FILE", help="keys, one a line, of which callers need one; or SHORTLIST_API_KEY"
    )
    group.add_argument(
        "--cors", action="append", default=[], metavar="ORIGIN", help="let pages of this origin call; repeatable"
    )
    group.add_argument(
        "--log-level",
        choices=("debug", "info", "warning", "error", "critical"),
        default="warning",
        help="least level to log, as JSON lines; `info` has a line for each request (default: warning)",
    )
    group.add_argument("--log-users", action="store_true", help="say the user id in a request's line")


def _add_rollout_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("roll-out")
    group.add_argument("--follow", action="store_true", help="serve another bundle once the link or alias leads to it")
    group.add_argument(
        "--variant",
        action="append",
        default=[],
        metavar="NAME=BUNDLE:SHARE",
        help="one bundle of an experiment and its share of the users; repeat, in place of BUNDLE",
    )
    group.add_argument(
        "--experiment", default="default", metavar="NAME", help="another name draws other users for each variant"
    )


def _variants(given: Sequence[str]) -> tuple[Variant, ...]:
    from shortlist.core.errors import UserError
    from shortlist.serving.lineup import shares
    from shortlist.serving.settings import Variant

    found = []
    for text in given:
        name, _, rest = text.partition("=")
        bundle, _, share = rest.rpartition(":")
        try:
            found.append(Variant(name=name, bundle=bundle, share=float(share)))
        except ValueError:
            raise UserError(
                f"--variant: expected NAME=BUNDLE:SHARE such as new=runs/new/bundle:0.1, found {text}"
            ) from None
        if not name or not bundle:
            raise UserError(f"--variant: expected NAME=BUNDLE:SHARE such as new=runs/new/bundle:0.1, found {text}")
    if len({variant.name for variant in found}) < len(found):
        raise UserError(f"--variant: expected a name of its own for each, found {', '.join(v.name for v in found)}")
    shares([variant.share for variant in found])
    return tuple(found)


def _checked(args: argparse.Namespace) -> None:
    from shortlist.core.errors import UserError

    if args.workers < 1:
        raise UserError(f"--workers: expected 1 or more, found {args.workers}")
    if args.queue < 0:
        raise UserError(f"--queue: expected 0 or more, found {args.queue}")
    if args.budget_ms is not None and not 0 < args.budget_ms < float("inf"):
        raise UserError(f"--budget-ms: expected milliseconds above 0, found {args.budget_ms:g}")
    if (args.bundle is None) == (not args.variant):
        raise UserError("expected either BUNDLE or several --variant NAME=BUNDLE:SHARE")


def run(args: argparse.Namespace) -> int:
    """Serve until told to stop."""
    from shortlist.core.extras import need

    _checked(args)
    for module in ("fastapi", "uvicorn", "prometheus_client"):
        need(module, "serve", "`shortlist serve`")
    from shortlist.serving import ServeSettings
    from shortlist.serving import run as serve_bundle

    variants = _variants(args.variant)
    settings = ServeSettings(
        state=_state(args, variants),
        queue=args.queue,
        budget_ms=args.budget_ms,
        api_key_file=args.api_key_file and str(Path(args.api_key_file).absolute()),
        origins=tuple(args.cors),
        log_level=args.log_level,
        log_users=args.log_users,
        experiment=args.experiment,
        variants=variants,
        follow=args.follow,
    )
    serve_bundle(args.bundle, args.host, args.port, args.workers, reporter(args), settings)
    return 0


def _state(args: argparse.Namespace, variants: Sequence[Variant]) -> str | None:
    """The address of the state; None where there is none."""
    from shortlist.serving.alias import PREFIX

    if args.state is not None:
        return None if args.state == "none" else str(args.state)
    first = variants[0].bundle if variants else str(args.bundle)
    beside = Path() if first.startswith(PREFIX) else Path(first).absolute().parent
    return str(beside.absolute() / "state")
