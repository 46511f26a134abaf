"""The code of every tutorial runs from top to bottom, in a folder that looks like a clone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sybil import Example, Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser

ROOT = Path(__file__).parents[2]
TUTORIALS = ROOT / "docs" / "tutorials"


def _bash(example: Example) -> None:
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", example.parsed],
        env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{example.parsed}\n{done.stdout}\n{done.stderr}"


SYBIL = Sybil([PythonCodeBlockParser(), CodeBlockParser("bash", _bash)])


@pytest.mark.parametrize(
    "name",
    [
        "first_sound",
        pytest.param("finetune", marks=pytest.mark.slow),
        pytest.param("measure", marks=pytest.mark.slow),
    ],
)
def test_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for folder in ("data", "tests"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    monkeypatch.chdir(tmp_path)
    examples = list(SYBIL.parse(TUTORIALS / f"{name}.md"))
    assert len(examples) > 3
    for example in examples:
        example.evaluate()


def test_all_are_tested():
    marks = test_runs.pytestmark[0].args[1]
    names = {getattr(mark, "values", (mark,))[0] for mark in marks}
    assert names == {path.stem for path in TUTORIALS.glob("*.md")}
