"""Nothing that only Unix has is needed to import the package."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.structure import FILES, PACKAGE

UNIX = {
    *("crypt", "fcntl", "grp", "posix", "pty", "pwd", "readline", "resource", "spwd", "syslog"),
    *("termios", "tty"),
}
SIGNALS = {"SIGABRT", "SIGFPE", "SIGILL", "SIGINT", "SIGSEGV", "SIGTERM"}  # what Windows has
SYSTEM = {
    *("O_CLOEXEC", "O_DIRECTORY", "O_NOFOLLOW", "WNOHANG", "fork", "geteuid", "getgid", "getpgid"),
    *("getuid", "killpg", "mkfifo", "sched_getaffinity", "setsid", "statvfs", "uname"),
}


def run_at_import(tree: ast.AST) -> Iterator[ast.AST]:
    """The nodes that run when a module is imported, but for imports that may fail."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.Try) and any("ImportError" in ast.dump(h) for h in node.handlers):
            continue
        yield node
        yield from run_at_import(node)


def unix_only(source: str) -> list[str]:
    found = []
    for node in run_at_import(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name in UNIX]
        if isinstance(node, ast.ImportFrom):
            names = {alias.name for alias in node.names}
            signals = {name for name in names if name.startswith("SIG")} - SIGNALS
            found += [str(node.module)] if node.module in UNIX else []
            found += sorted(signals) if node.module == "signal" else []
            found += sorted(names & SYSTEM) if node.module == "os" else []
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            owner, name = node.value.id, node.attr
            unknown = name.startswith("SIG") and name not in SIGNALS | {"SIG_DFL", "SIG_IGN"}
            if (owner == "signal" and unknown) or (owner == "os" and name in SYSTEM):
                found.append(f"{owner}.{name}")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports(path: Path):
    assert unix_only(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import resource", ["resource"]),
        ("from fcntl import flock", ["fcntl"]),
        ("import signal\nclass C:\n  S = (signal.SIGTERM, signal.SIGUSR1)", ["signal.SIGUSR1"]),
        ("from signal import SIGALRM, SIGINT", ["SIGALRM"]),
        ("import os\nCORES = len(os.sched_getaffinity(0))", ["os.sched_getaffinity"]),
        ("def f():\n  import resource", []),
        ("try:\n  import resource\nexcept ImportError:\n  resource = None", []),
    ],
)
def test_the_reader_sees(source: str, found: list[str]):
    assert unix_only(source) == found
