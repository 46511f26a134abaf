"""The code of the documents runs from top to bottom, in a folder that looks like a clone."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import jax
import pytest
from sybil import Example, Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser

from audiogen_jax.cli import main

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def _bash(example: Example) -> None:
    command = shlex.split(example.parsed.replace("\\\n", " "))
    if command[0] == "audiogen" and example.parsed.count("audiogen ") == 1:
        # In this process, which has imported and compiled what it needs.
        with pytest.raises(SystemExit) as ended:
            main(command[1:])
        assert not ended.value.code, example.parsed
        return
    environment = {
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
        "PYTHONPATH": str(ROOT),
        "JAX_PLATFORMS": "cpu",
        "JAX_COMPILATION_CACHE_DIR": jax.config.jax_compilation_cache_dir,
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", example.parsed],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{example.parsed}\n{done.stdout}\n{done.stderr}"


TUTORIAL = Sybil([PythonCodeBlockParser(), CodeBlockParser("bash", _bash)])
GUIDE = Sybil([PythonCodeBlockParser()])  # its commands name files that only a reader has
QUICK = ("captions.md", "editing.md", "evaluation.md")
SLOW = (
    "sampling.md",
    "studio.md",
    "tutorials/finetune.md",
    "tutorials/first_sound.md",  # its steps, on their own: e2e/test_nano, infer/test_source
    "tutorials/measure.md",
)


@pytest.mark.parametrize(
    "page", [*QUICK, *(pytest.param(page, marks=pytest.mark.slow) for page in SLOW)]
)
def test_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for folder in ("data", "tests"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    monkeypatch.chdir(tmp_path)
    language = TUTORIAL if page.startswith("tutorials/") else GUIDE
    for example in language.parse(DOCS / page):
        example.evaluate()


def test_no_page_with_code_is_left_out():
    pages = {path for path in DOCS.rglob("*.md") if "```python\n" in path.read_text()}
    assert pages == {DOCS / page for page in (*QUICK, *SLOW)}
    assert {*DOCS.glob("tutorials/*.md")} <= pages


@pytest.mark.slow
def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """All but what needs a notebook: installing, and players."""
    monkeypatch.chdir(tmp_path)
    notebook = json.loads((DOCS / "tutorials" / "sentence.ipynb").read_text(encoding="utf-8"))
    sources = [cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "code"]
    left_out = [text for text in sources if text.startswith(("%pip", "from IPython"))]
    names: dict[str, object] = {}
    for text in sources:
        if text not in left_out:
            exec(text, names)
    assert len(left_out) == 3 and (tmp_path / "scene.png").is_file()
