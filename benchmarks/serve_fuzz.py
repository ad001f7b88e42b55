"""Requests made up from the service's own OpenAPI page, valid and invalid: is each answer described there?"""

from __future__ import annotations

import importlib.util
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from benchmarks.harness import Goal, Options, all_met, at_least, at_most, say
from benchmarks.load import Target
from benchmarks.result import Result
from benchmarks.serve_bundles import movielens
from benchmarks.served import serve
from shortlist.core.errors import EnvironmentFault

DESCRIPTION = (
    "10,000 requests made up by schemathesis from the service's own OpenAPI page: no 500, answers as described"
)
UNIT = "requests made up from the service's own description and sent"
CASES = 10_000
_DOCUMENTED_503 = 503


@dataclass
class Found:
    """What the requests met with."""

    cases: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    """By operation and status."""
    server_errors: list[str] = field(default_factory=list)
    undescribed: list[str] = field(default_factory=list)
    """Answers whose status, type or body the page does not have."""


def run(options: Options) -> Result:
    """--cases of requests to --bundle, by default MovieLens-1M."""
    if importlib.util.find_spec("schemathesis") is None:
        raise EnvironmentFault("serve_fuzz needs schemathesis. Install it with: pip install 'schemathesis>=4.32,<5'")
    cases = 100 if options.quick else options.cases or CASES
    bundle = options.bundle or movielens(options)
    with serve(bundle, options.folder("logs") / "serve-fuzz.log") as served:
        found = fuzzed(served.target, cases, options.seed)
    for line in [*found.server_errors[:5], *found.undescribed[:5]]:
        say(line)
    goals = goals_of(found, cases)
    return Result(
        name="serve_fuzz",
        passed=all_met(goals),
        unit=UNIT,
        ours=found.cases,
        goals=goals,
        details={
            "answers": dict(sorted(found.codes.items())),
            "how": "Half of the requests of each operation fit its schema and half do not. Each answer's status, "
            "content type and body are compared with the page.",
        },
    )


def goals_of(found: Found, cases: int) -> dict[str, Goal]:
    """As many as asked for, and none that fails."""
    return {
        "requests": at_least(cases, found.cases),
        "answers of 500 and above but the documented 503": at_most(0, len(found.server_errors)),
        "answers that the page does not describe": at_most(0, len(found.undescribed)),
    }


def fuzzed(target: Target, cases: int, seed: int) -> Found:
    """Send about as many requests to each operation."""
    import requests
    import schemathesis

    url = f"http://{target.host}:{target.port}"
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    operations = operations_of(schema)
    found = Found()
    with requests.Session() as session:
        session.trust_env = False
        # What can vary gets the most of the requests: a probe without parameters has but one.
        varied = [operation for operation in operations if operation.body or operation.path_parameters]
        for operation in operations:
            share = -(-cases // len(varied)) if operation in varied else 1
            for case in made_up(operation, share, seed):
                take(found, operation.label, case, case.call(base_url=url, session=session))
            say(f"{operation.label}: {found.cases:,} requests so far")
    return found


def operations_of(schema: Any) -> list[Any]:
    """Every operation of the page; raises what is wrong with one that cannot be read."""
    from schemathesis.core.result import Err

    operations = []
    for result in schema.get_all_operations():
        if isinstance(result, Err):
            raise result.err()
        operations.append(result.ok())
    return operations


def made_up(operation: Any, count: int, seed: int) -> Iterator[Any]:
    """`count` requests of one operation, half of them valid."""
    from schemathesis import GenerationMode

    modes = list(GenerationMode) if operation.body or operation.path_parameters else [GenerationMode.POSITIVE]
    for mode in modes:
        yield from drawn(operation.as_strategy(generation_mode=mode), -(-count // len(modes)), seed)


def drawn(strategy: Any, count: int, seed: int) -> list[Any]:
    """`count` values of a Hypothesis strategy, the same ones for the same seed."""
    import hypothesis

    values: list[Any] = []

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=count,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
        deadline=None,
        database=None,
    )
    @hypothesis.given(strategy)
    def keep(value: Any) -> None:
        values.append(value)

    keep()
    # A strategy that soon has no new values gives them again.
    return [values[place % len(values)] for place in range(count)]


def take(found: Found, label: str, case: Any, response: Any) -> None:
    """Count one answer and hold it against the page."""
    from schemathesis.core.failures import FailureGroup
    from schemathesis.specs.openapi import checks

    found.cases += 1
    found.codes[f"{label} {response.status_code}"] += 1
    if response.status_code >= 500 and response.status_code != _DOCUMENTED_503:
        found.server_errors.append(f"{label} {response.status_code}: {case.body!r}"[:500])
    try:
        case.validate_response(
            response,
            checks=[
                checks.status_code_conformance,
                checks.content_type_conformance,
                checks.response_schema_conformance,
            ],
        )
    except FailureGroup as failures:
        told = "; ".join(str(failure) for failure in failures.exceptions)
        found.undescribed.append(f"{label} {response.status_code}: {told}"[:500])
