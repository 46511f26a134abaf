"""The import rule, banned modules and file sizes, read from the syntax trees."""

from pathlib import Path

import pytest

from tests import structure
from tests.structure import FILES, PACKAGE, ROOT, area, imported, reaches

BANNED = (
    "torch",
    "tensorflow",
    "transformers",
    "launch",
    "configs",
    "data",
    "tests",
    "jax.experimental.pjit",
    "jax.experimental.shard_map",
    "jax.pmap",
)
NEEDS_FLAX_OR_DEVICES = ("flax", "jax.devices", "jax.local_devices", "jax.device_put", "jax.jit")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports(path: Path):
    names = imported(path)
    assert structure.upward(path) == set()
    for module in BANNED:
        assert not reaches(names, module), f"{module} is banned"
    if area(path) in ("input", "flow"):
        assert not reaches(names, "flax")
    if area(path) == "input":
        for module in NEEDS_FLAX_OR_DEVICES:
            assert not reaches(names, module)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("import torch", "torch"),
        ("from jax.experimental import pjit", "jax.experimental.pjit"),
        ("import jax\njax.pmap(abs)", "jax.pmap"),
        ("import jax as j\nj.experimental.shard_map.shard_map(abs)", "jax.experimental.shard_map"),
        ("def f():\n  from audiogen_jax.train import loop", "audiogen_jax.train.loop"),
    ],
)
def test_the_reader_sees(tmp_path: Path, source: str, name: str):
    path = tmp_path / "case.py"
    path.write_text(source)
    assert reaches(imported(path), name)


def test_files_are_short():
    folders = ("audiogen_jax", "configs", "data", "launch", "tests")
    files = [file for folder in folders for file in (ROOT / folder).rglob("*.py")]
    lengths = {str(file.relative_to(ROOT)): len(file.read_text().splitlines()) for file in files}
    assert {name: length for name, length in lengths.items() if length >= 400} == {}


def test_no_module_imports_itself_through_others():
    assert structure.cycles() == []


def test_a_circle_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(structure, "ROOT", tmp_path)
    sources = {
        "a": "import package.b",
        "b": "def late():\n  from package.c import name",
        "c": "from package import a",
        "d": "from package import a, e",
        "e": "",
    }
    (tmp_path / "package").mkdir()
    paths = [tmp_path / "package" / f"{name}.py" for name in sources]
    for path, source in zip(paths, sources.values(), strict=True):
        path.write_text(source)
    assert structure.cycles(paths) == [["package.a", "package.b", "package.c"]]


def test_any_is_seen_in_signatures_alone(tmp_path: Path):
    path = tmp_path / "case.py"
    path.write_text(
        "from typing import Any, TypeAlias\n"
        "Leaf: TypeAlias = list[Any]\n"
        "def f(x: dict[str, Any], *rest: int) -> Any:\n"
        "  return g(Any)\n"
        "class C:\n"
        "  field: Any = None\n"
    )
    found = [(finding.line, finding.text) for finding in structure.any_in_signatures(path)]
    expected = [(2, "Leaf: list[Any]"), (3, "f: Any"), (3, "x: dict[str, Any]"), (6, "field: Any")]
    assert sorted(found) == expected


def test_a_model_that_is_built_by_name_is_seen(tmp_path: Path):
    path = tmp_path / "case.py"
    path.write_text("from models import dit\nmodel = dit.DiT(config)\nconfig = AudioGenConfig()\n")
    assert [(f.line, f.text) for f in structure.built_by_name(path)] == [(2, "DiT")]


def test_models_are_built_by_name_at_home_alone():
    assert [str(finding) for finding in structure.built_outside()] == []


def test_few_signatures_leave_a_type_open():
    """Each has its reason beside it; see `python -m tests.structure --any`."""
    found = [str(each) for path in structure.FILES for each in structure.any_in_signatures(path)]
    assert len(found) < 40
