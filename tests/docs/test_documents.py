"""What README and docs name is there: commands with options, modules, configs, files, names."""

import ast
import pkgutil
import re
import shlex
from pathlib import Path

import pytest
import typer.main

import audiogen_jax as ag
from audiogen_jax.cli.app import app
from audiogen_jax.train.config import load_config

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "data" / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
OPTION = re.compile("-[^0-9]")
"""And no negative number."""
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]


def lines(document: Path) -> list[list[str]]:
    """The words of each command line of a document's blocks."""
    return [
        shlex.split(text, comments=True)
        for language, block in BLOCK.findall(document.read_text())
        if language in ("", "bash", "sh")
        for text in block.replace("\\\n", " ").splitlines()
    ]


def problems(words: list[str]) -> list[str]:
    """What a command line names that is not there."""
    missing = []
    if words[:1] == ["audiogen"]:
        if words[1] not in COMMANDS:
            return [f"no command {words[1]}"]
        options = {option for entry in COMMANDS[words[1]].params for option in entry.opts}
        missing += [word for word in words[2:] if OPTION.match(word) and word not in options]
        if "--config" in words:
            load_config(words[words.index("--config") + 1])
    if words[:2] == ["python", "-m"]:
        path = ROOT.joinpath(*words[2].split("."))
        if not (path.with_suffix(".py").is_file() or path.is_dir()):
            missing.append(words[2])
    return missing


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_is_named_exists(document: Path):
    text = document.read_text()
    assert [found for words in lines(document) for found in problems(words)] == []
    assert set(re.findall(r"\bag\.(\w+)", text)) <= {*ag.__all__}
    linked = [link for link in LINK.findall(text) if "`" not in link]
    assert [link for link in linked if not (document.parent / link).exists()] == []


@pytest.mark.parametrize(
    "page", sorted((ROOT / "docs" / "api").glob("*.md")), ids=lambda path: path.stem
)
def test_the_reference_names_what_exists(page: Path):
    names = re.findall(r"^::: (\S+)$", page.read_text(), re.MULTILINE)
    assert names
    for name in names:
        pkgutil.resolve_name(name)


@pytest.mark.parametrize(
    "config", sorted((ROOT / "configs").glob("*.py")), ids=lambda path: path.stem
)
def test_docstrings_of_configs(config: Path):
    docstring = ast.get_docstring(ast.parse(config.read_text())) or ""
    texts = docstring.replace("\\\n", " ").splitlines()
    commands = [shlex.split(text) for text in texts if text.startswith("    audiogen ")]
    assert commands or config.stem in ("__init__", "common")
    assert [found for words in commands for found in problems(words)] == []


@pytest.mark.parametrize(
    "line",
    [
        "audiogen compose",
        "audiogen generate --sweetness 3",
        "python -m data.nothing",
    ],
)
def test_the_reader_sees(line: str):
    assert problems(shlex.split(line))
    with pytest.raises(FileNotFoundError):
        problems(["audiogen", "train", "--config", "nano_nothing"])


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 100
