"""The examples: their commands are ones that the command line understands, and the DAG has a task for each."""

from __future__ import annotations

import json
import re
import runpy
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Self

import pytest
import yaml

from shortlist.cli.main import build_parser
from shortlist.core.errors import GateError

REPOSITORY = Path(__file__).resolve().parent.parent
EXAMPLES = REPOSITORY / "examples"


def commands(text: str) -> Iterator[list[str]]:
    """The words of each call of `shortlist`, with what a shell would put in filled in somehow."""
    for line in re.sub(r"\$\(.*?\)|\$\{?\w+\}?", "it", text).splitlines():
        if found := re.match(r"(?:\s*- run: )?shortlist (.*?)(?: \|\| .*)?$", line):
            yield shlex.split(found[1])


@pytest.mark.parametrize("name", ["nightly.sh", "retrain.yml"])
def test_commands_are_understood(name: str) -> None:
    verbs = [build_parser().parse_args(words).verb for words in commands((EXAMPLES / name).read_text())]

    assert verbs == ["run", "register", "promote"]


class Dag:
    """Stands in for Airflow's."""

    def __init__(self, **settings: Any) -> None:
        self.settings = settings

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass


class Task:
    """Stands in for Airflow's operator; remembers what comes after it."""

    def __init__(self, task_id: str, bash_command: str, cwd: str, skip_on_exit_code: int) -> None:
        self.task_id, self.bash_command, self.cwd = task_id, bash_command, cwd
        self.skip_on_exit_code = skip_on_exit_code
        self.then: list[Task] = []

    def __rshift__(self, other: Task) -> Task:
        self.then.append(other)
        return other


def test_the_dag_is_a_chain_of_commands_and_needs_nothing_but_airflow(monkeypatch: pytest.MonkeyPatch) -> None:
    operator = "airflow.providers.standard.operators.bash"
    parts = operator.split(".")
    names = ["airflow.sdk", *(".".join(parts[: end + 1]) for end in range(len(parts)))]
    modules = {name: ModuleType(name) for name in names}
    modules["airflow.sdk"].DAG = Dag  # type: ignore[attr-defined]
    modules[operator].BashOperator = Task  # type: ignore[attr-defined]
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    before = set(sys.modules)
    tasks: list[Task] = runpy.run_path(str(EXAMPLES / "airflow_dag.py"))["tasks"]

    assert not {name.partition(".")[0] for name in set(sys.modules) - before} & {"shortlist", "torch", "mlflow"}
    words = [shlex.split(task.bash_command.replace("{{ ds }}", "today"))[1:] for task in tasks]
    assert [build_parser().parse_args(some).verb for some in words] == [task.task_id for task in tasks]
    assert [task.then for task in tasks] == [[task] for task in tasks[1:]] + [[]]
    # Without it the operator works in a temporary folder, and every task would find an empty registry there.
    assert {task.cwd for task in tasks} == {"/srv/shop"}
    assert all(task.skip_on_exit_code == GateError.exit_code for task in tasks)


def test_the_workflow_runs_what_ci_runs() -> None:
    text = (REPOSITORY / ".github" / "workflows" / "ci.yml").read_text()

    assert re.findall(r"- run: (.*)", text) == [".ci/run"]
    assert (REPOSITORY / ".ci" / "run").stat().st_mode & 0o111


def test_the_server_on_kubernetes_is_one_that_the_command_line_understands() -> None:
    parts = {part["kind"]: part for part in yaml.safe_load_all((EXAMPLES / "kubernetes.yaml").read_text())}
    pod = parts["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    args = build_parser().parse_args(["serve", *container["args"]])

    assert (args.bundle, args.follow, args.workers) == ("/bundles/current", True, 2)
    # Several pods share it, and no mounted volume can be written to.
    assert args.state.startswith("redis://")
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
    assert parts["Service"]["spec"]["selector"] == parts["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert parts["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]["name"] == "shortlist"
    probes = {container[probe]["httpGet"]["path"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")}
    assert probes == {"/health/ready", "/health/live"}


def test_the_container_installs_what_the_documentation_does_and_starts_the_server() -> None:
    text = (REPOSITORY / "Containerfile").read_text()
    start, given = (json.loads(found) for found in re.findall(r"^(?:ENTRYPOINT|CMD) (.*)", text, re.MULTILINE))

    assert start[0] == "shortlist"
    args = build_parser().parse_args([*start[1:], *given])
    assert (args.verb, args.state) == ("serve", "/state")
    assert "mkdir /state && chown shortlist /state" in text  # bundles are mounted read-only
    (extra,) = re.findall(r"pip install .*\[([\w,]+)\]", text)
    assert f"pip install 'shortlist[{extra}]'" in (REPOSITORY / "docs" / "serving.md").read_text()
