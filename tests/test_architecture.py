from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
SHIPPED = ("tui", "agents", "storage", "themes")
HEAVY = {
    "aiohttp",
    "httpx2",
    "jsonschema",
    "markdown_it",
    "numpy",
    "openai",
    "pygments",
    "pynvml",
    "pypdf",
    "safetensors",
    "textual_serve",
    "tokenizers",
    "trafilatura",
    "wordllama",
    "xllamacpp",
    "yaml",
}
LONGEST = 400
PRINTERS = (Path("tui/commands"), Path("tui/terminal"), Path("tui/terminal.py"))


def files(*packages: str) -> list[Path]:
    return sorted(path.relative_to(ROOT) for package in packages for path in (ROOT / package).rglob("*.py"))


@cache
def nodes(path: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"), filename=str(path))))


def name_of(expression: ast.expr) -> str:
    match expression:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=name):
            return f"{name_of(value)}.{name}"
        case ast.Call(func=func):
            return f"{name_of(func)}()"
        case _:
            return ""


def last(name: str) -> str:
    return name.rpartition(".")[2]


def calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    return ((name_of(node.func), node) for node in nodes(path) if isinstance(node, ast.Call))


def at(path: Path, node: ast.expr | ast.stmt | ast.excepthandler) -> str:
    return f"{path}:{node.lineno}"


def run_python(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


def imported_with(module: str) -> set[str]:
    done = run_python(f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})")
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_the_import_contracts_hold() -> None:
    done = run_python("import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))")
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("module", ["agents.engine", "agents.workspace", "storage", "storage.store", "agents.gpu"])
def test_the_engine_comes_without_a_screen_and_without_anything_heavy(module: str) -> None:
    assert imported_with(module) & {"textual", "rich", "tui", *HEAVY} == set()


def test_the_command_line_starts_without_the_screen_and_without_anything_heavy() -> None:
    assert imported_with("tui.main") & {"textual", *HEAVY} == set()


def test_the_screen_comes_without_anything_heavy() -> None:
    assert imported_with("tui.app") & HEAVY == set()


@pytest.mark.parametrize("path", files(*SHIPPED), ids=str)
def test_no_file_is_longer_than_can_be_kept_in_mind(path: Path) -> None:
    assert len((ROOT / path).read_text(encoding="utf-8").splitlines()) <= LONGEST


def test_every_task_has_an_owner() -> None:
    ownerless = ("asyncio.create_task", "asyncio.ensure_future", "asyncio.gather", "ensure_future", "gather", "create_task")
    found = [
        at(path, call)
        for path in files(*SHIPPED, "bench", "tests")
        for name, call in calls(path)
        if name in ownerless or name.endswith(("loop.create_task", "loop().create_task"))
    ]
    assert found == []


def handlers(path: Path) -> Iterator[tuple[ast.ExceptHandler, list[str]]]:
    for node in nodes(path):
        if isinstance(node, ast.ExceptHandler):
            types = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type] if node.type else []
            yield node, [last(name_of(kind)) for kind in types]


def test_no_exception_is_caught_without_its_name() -> None:
    assert [at(path, node) for path in files(*SHIPPED, "bench", "tests") for node, names in handlers(path) if not names] == []


def test_a_cancellation_is_never_swallowed() -> None:
    final = {"CancelledError", "BaseException"}
    swallowed = [
        at(path, node)
        for path in files(*SHIPPED, "bench")
        for node, names in handlers(path)
        if final & set(names) and not any(isinstance(inner, ast.Raise) for inner in ast.walk(node))
    ]
    suppressed = [
        at(path, call)
        for path in files(*SHIPPED, "bench")
        for name, call in calls(path)
        if last(name) == "suppress" and final & {last(name_of(kind)) for kind in call.args}
    ]
    assert swallowed == suppressed == []


def test_text_is_never_built_into_a_widget_that_reads_markup() -> None:
    found = [
        at(path, call)
        for path in files("tui")
        for name, call in calls(path)
        if last(name) in {"Static", "Label"} and call.args and isinstance(call.args[0], ast.JoinedStr)
    ]
    assert found == []


def test_every_notice_is_plain_text() -> None:
    notices = [(path, call) for path in files("tui") for name, call in calls(path) if last(name) == "notify"]
    assert [at(path, call) for path, call in notices if "markup=False" not in map(ast.unparse, call.keywords)] == []


def test_only_the_command_line_prints() -> None:
    found = [
        at(path, call)
        for path in files(*SHIPPED)
        if not any(path.is_relative_to(printer) for printer in PRINTERS)
        for name, call in calls(path)
        if name == "print"
    ]
    assert found == []
