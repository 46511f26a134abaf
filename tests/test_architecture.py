"""The import rule, banned modules and file sizes, read from the syntax trees."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "audiogen_jax"
FILES = sorted(PACKAGE.rglob("*.py"))

ORDER = (
    "types caption hardware files ops layers sharding flow models input checkpoints infer jobs "
    "train plan evaluate serve cli"
).split()
"""Each folder may use those before it, but for what `NARROWER` says."""
NARROWER = {
    "flow": {"types", "ops", "flow"},
    "layers": {"types", "ops", "sharding", "layers"},  # they pin activations to the mesh
    "input": {"types", "caption", "files", "ops", "input"},
    "__init__": {"caption", *ORDER},
}
APART = {"train": {"infer", "jobs"}, "jobs": {"train"}, "infer": {"train"}}
"""Training and inference meet in models, flow and checkpoints alone."""


def allowed(area: str) -> set[str]:
    """The folders of the package that files of `area` may import."""
    if area in NARROWER:
        return NARROWER[area]
    assert area in ORDER, f"name the place of {area} in the order of the package"
    return set(ORDER[: ORDER.index(area) + 1]) - APART.get(area, set())


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


def area(path: Path) -> str:
    """`audiogen_jax/ops/mel.py` -> "ops"; `audiogen_jax/cli/app.py` -> "cli"."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported(path: Path) -> set[str]:
    """Every dotted name that a file imports, or reaches as an attribute of an imported module."""
    tree = ast.parse(path.read_text())
    names: set[str] = set()
    bound: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                names.add(alias.name)
                bound[alias.asname or alias.name.split(".")[0]] = (
                    alias.name if alias.asname else alias.name.split(".")[0]
                )
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: write imports in full"
            for alias in node.names:
                names.add(f"{node.module}.{alias.name}")
                bound[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            chain = [node.attr]
            value = node.value
            while isinstance(value, ast.Attribute):
                chain.append(value.attr)
                value = value.value
            if isinstance(value, ast.Name) and value.id in bound:
                names.add(".".join([bound[value.id], *reversed(chain)]))
    return names


def reaches(names: set[str], module: str) -> set[str]:
    return {name for name in names if name == module or name.startswith(module + ".")}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports(path: Path):
    names = imported(path)
    own = {name.split(".")[1] for name in reaches(names, "audiogen_jax") if "." in name}
    assert own <= allowed(area(path)) | {"__version__"}
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
