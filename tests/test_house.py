"""The rules of the house that no linter knows: sizes, the public surface, what may be imported where."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import shortlist

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "shortlist"
FILES = sorted([*SOURCE.rglob("*.py"), *(ROOT / "tests").rglob("*.py")])

FILE_LINES = 400
FUNCTION_LINES = 60

# The distribution that brings a module, where the two have different names or the module comes with another.
BROUGHT_BY = {
    "anyio": "httpx",
    "ibis": "ibis-framework",
    "onnx_ir": "onnx-ir",
    "prometheus_client": "prometheus-client",
    "pydantic_core": "pydantic",
    "starlette": "fastapi",
    "xdist": "pytest-xdist",
    "yaml": "pyyaml",
}
UNPICKLES = {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def place(path: Path, line: int = 1) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Each module that a file imports, anywhere in it, with its line."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((name.name, node.lineno) for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module, node.lineno


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    """Run `code` in a fresh interpreter, where nothing is imported yet."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_a_file_is_read_in_one_sitting() -> None:
    lines = {place(path): len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}

    assert {where: count for where, count in lines.items() if count > FILE_LINES} == {}


def test_a_function_fits_on_a_screen() -> None:
    functions = [
        (place(path, node.lineno), node.name, (node.end_lineno or node.lineno) - node.lineno + 1)
        for path in FILES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]

    assert [function for function in functions if function[2] > FUNCTION_LINES] == []


def test_every_module_says_what_it_is_for() -> None:
    assert [place(path) for path in FILES if not ast.get_docstring(tree(path))] == []


def test_nothing_is_pickled() -> None:
    imported = [place(path, line) for path in FILES for name, line in imports(path) if name.split(".")[0] in UNPICKLES]
    called = [
        place(path, node.lineno)
        for path in FILES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute) and ast.unparse(node) in {"torch.load", "torch.save"}
    ]

    assert imported + called == []


def test_every_package_in_use_is_declared() -> None:
    project = pyproject()["project"]
    requirements = [
        *project["dependencies"],
        *(r for extra in project["optional-dependencies"].values() for r in extra),
    ]
    declared = {re.split(r"[^\w.-]", requirement)[0] for requirement in requirements}
    known = declared | sys.stdlib_module_names | {"benchmarks", "tests"}

    undeclared = {
        f"{place(path, line)} {package}"
        for path in FILES
        for package, line in ((name.split(".")[0], line) for name, line in imports(path))
        if BROUGHT_BY.get(package, package) not in known
    }

    assert undeclared == set()


def test_the_public_names_are_there_and_documented() -> None:
    undocumented = [
        name for name in shortlist.__all__ if not name.startswith("__") and not getattr(shortlist, name).__doc__
    ]

    assert list(shortlist.__all__) == sorted(shortlist.__all__)
    assert undocumented == []


def test_importing_the_package_imports_nothing_heavy() -> None:
    ran = run_python("import sys, shortlist; print(sorted({'numpy', 'pyarrow', 'torch'} & set(sys.modules)))")

    assert ran.stdout.strip() == "[]", ran.stderr


def test_what_serves_runs_where_the_training_packages_are_not_installed() -> None:
    """import-linter reads imports as written; here they are carried out, with the packages hidden."""
    contracts = {contract["id"]: contract for contract in pyproject()["tool"]["importlinter"]["contracts"]}
    contract = contracts["serving-host"]
    code = f"""
import importlib, pkgutil, sys
sys.modules.update(dict.fromkeys({contract["forbidden_modules"]}))
for room in {contract["source_modules"]}:
    package = importlib.import_module(room)
    for module in pkgutil.walk_packages(package.__path__, room + "."):
        importlib.import_module(module.name)
"""
    ran = run_python(code)

    assert ran.returncode == 0, ran.stderr


def test_links_between_the_pages_lead_somewhere() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    links = [(page, link) for page in pages for link in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))]
    broken = [
        f"{place(page)} {link}" for page, link in links if "://" not in link and not (page.parent / link).exists()
    ]

    assert broken == []
