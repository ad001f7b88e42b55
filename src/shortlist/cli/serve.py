"""`shortlist serve`: a bundle over HTTP."""

from __future__ import annotations

import argparse
from pathlib import Path

from shortlist.cli.options import add_quiet_argument, reporter

HELP = "answer requests from a bundle over HTTP"
EXAMPLES = """\
  shortlist serve runs/shortlist/bundle               on http://127.0.0.1:8000; its routes are at /docs
  shortlist serve runs/shortlist/bundle --port 0      on any port that is free
  shortlist serve bundle --host 0.0.0.0 --workers 4   for other machines, with four processes
  shortlist serve bundle --state redis://db:6379/0    events kept on a Redis server, for several hosts"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("bundle", metavar="BUNDLE", help="folder of the bundle")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8000, help="port to listen on; 0 for any free one (default: 8000)")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes that answer (default: 1)")
    parser.add_argument(
        "--state",
        metavar="ADDRESS",
        help="what users do: a folder, redis://HOST:PORT/0, or none (default: the folder `state` beside the bundle)",
    )
    add_quiet_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Serve until told to stop."""
    from shortlist.core.errors import UserError
    from shortlist.core.extras import need

    if args.workers < 1:
        raise UserError(f"--workers: expected 1 or more, found {args.workers}")
    for module in ("fastapi", "uvicorn"):
        need(module, "serve", "`shortlist serve`")
    from shortlist.serving import run as serve_bundle

    serve_bundle(args.bundle, args.host, args.port, args.workers, reporter(args), _state(args))
    return 0


def _state(args: argparse.Namespace) -> str | None:
    """The address of the state; None where there is none."""
    if args.state is None:
        return str(Path(args.bundle).absolute().parent / "state")
    return None if args.state == "none" else str(args.state)
