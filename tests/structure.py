"""The shape of the package, read from its syntax trees: `python -m tests.structure`."""

import argparse
import ast
import functools
import statistics
from collections.abc import Container, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "audiogen_jax"
FILES = sorted(PACKAGE.rglob("*.py"))

ORDER = (
    "types scalars signatures caption timeline edit_kinds chat hardware files refiner ops layers "
    "sharding flow models input checkpoints infer jobs train plan evaluate serve cli"
).split()
"""Each folder may use those before it, but for what `NARROWER` says."""
NARROWER = {
    "refiner": {"caption", "timeline", "chat", "files", "refiner"},
    "flow": {"types", "ops", "flow"},
    "layers": {"types", "ops", "sharding", "layers"},  # they pin activations to the mesh
    "input": {"types", "scalars", "caption", "timeline", "edit_kinds", "files", "ops", "input"},
    "__init__": {"caption", *ORDER},
}
APART = {"train": {"infer", "jobs"}, "jobs": {"train"}, "infer": {"train"}}
"""Training and inference meet in models, flow and checkpoints alone."""
BUILDERS = ("models", "checkpoints")
"""Folders that know models by name; checkpoints/registry.py says which checkpoint is of which."""
RECIPES = (
    "train/objectives/masked_autoencoding.py",
    "train/objectives/tokenizer_gan.py",
)
"""Stages that train one model, the halves of DashengTokenizer, and so may build it by name."""


class Finding(NamedTuple):
    """Something that stands in a file."""

    path: Path
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line}: {self.text}"


@functools.cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def area(path: Path) -> str:
    """`audiogen_jax/ops/mel.py` -> "ops"; `audiogen_jax/types.py` -> "types"."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def allowed(area: str) -> set[str]:
    """The folders of the package that files of `area` may import."""
    if area in NARROWER:
        return NARROWER[area]
    if area not in ORDER:
        raise ValueError(f"name the place of {area} in the order of the package")
    return set(ORDER[: ORDER.index(area) + 1]) - APART.get(area, set())


def imported(path: Path) -> set[str]:
    """Every dotted name that a file imports, or reaches as an attribute of an imported module."""
    names: set[str] = set()
    bound: dict[str, str] = {}
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                names.add(alias.name)
                bound[alias.asname or alias.name.split(".")[0]] = (
                    alias.name if alias.asname else alias.name.split(".")[0]
                )
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise ValueError(f"{path}:{node.lineno}: write imports in full")
            for alias in node.names:
                names.add(f"{node.module}.{alias.name}")
                bound[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    for node in ast.walk(tree(path)):
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
    """The dotted names that are a module or stand in it."""
    return {name for name in names if name == module or name.startswith(module + ".")}


def upward(path: Path) -> set[str]:
    """Folders that a file imports though they come after its own."""
    folders = {name.split(".")[1] for name in reaches(imported(path), PACKAGE.name) if "." in name}
    return folders - allowed(area(path)) - {"__version__"}


def module(path: Path) -> str:
    """`audiogen_jax/ops/mel.py` -> "audiogen_jax.ops.mel"."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def cycles(files: Iterable[Path] = tuple(FILES)) -> list[list[str]]:
    """Groups of modules that import one another, in a circle, at whatever time.

    The facade is none of them: everything may ask it for the version, and it imports when asked.
    """
    modules = {module(path): path for path in files if path != PACKAGE / "__init__.py"}
    uses = {
        name: {other for full in imported(path) if (other := _holder(full, modules)) != name}
        for name, path in modules.items()
    }
    reached = {name: _closure(uses, name) for name in uses}
    groups = {tuple(sorted(o for o in reached[n] if n in reached[o])) for n in uses}
    return sorted(list(group) for group in groups if group)


def _holder(name: str, modules: Container[str]) -> str:
    """The module that a dotted name stands in; itself where it is of another package."""
    holder = name
    while holder and holder not in modules:
        holder = holder.rpartition(".")[0]
    return holder or name


def _closure(uses: dict[str, set[str]], name: str) -> set[str]:
    """Everything that a module imports, or what that imports, and so on."""
    seen: set[str] = set()
    waiting = set(uses[name])
    while waiting:
        following = waiting.pop()
        if following in uses and following not in seen:
            seen.add(following)
            waiting |= uses[following]
    return seen


@functools.cache
def model_classes() -> frozenset[str]:
    """Names of the Linen modules, generators and codecs in models/."""
    names = set()
    for path in FILES:
        if area(path) == "models":
            for node in ast.walk(tree(path)):
                if isinstance(node, ast.ClassDef) and _is_model(node):
                    names.add(node.name)
    return frozenset(names)


def _is_model(node: ast.ClassDef) -> bool:
    bases = {ast.unparse(base).split("[")[0] for base in node.bases}
    methods = {child.name for child in node.body if isinstance(child, ast.FunctionDef)}
    return "nn.Module" in bases or ("Protocol" not in bases and {"init", "with_quirks"} <= methods)


def built_by_name(path: Path) -> Iterator[Finding]:
    """Calls of classes of models/."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func).split(".")[-1]
            if name in model_classes():
                yield Finding(path, node.lineno, name)


def built_outside() -> Iterator[Finding]:
    """Models that are built by name where any model should do."""
    for path in FILES:
        recipe = path.relative_to(PACKAGE).as_posix() in RECIPES
        if area(path) not in BUILDERS and not recipe:
            yield from built_by_name(path)


def any_in_signatures(path: Path) -> Iterator[Finding]:
    """`Any` in the annotations of functions, of the fields of classes, and in type aliases."""
    for node in ast.walk(tree(path)):
        match node:
            case ast.arg(annotation=annotation) | ast.AnnAssign(annotation=annotation):
                annotations = [annotation]
            case ast.FunctionDef(returns=returns):
                annotations = [returns]
            case _:
                continue
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.annotation) == "TypeAlias":
            annotations = [node.value]
        for annotation in filter(None, annotations):
            for inner in ast.walk(annotation):
                if isinstance(inner, ast.Name) and inner.id == "Any":
                    name = getattr(node, "name", None) or getattr(node, "arg", None)
                    target = name or ast.unparse(node.target)
                    yield Finding(path, inner.lineno, f"{target}: {ast.unparse(annotation)}")


def table() -> dict[str, str]:
    """Measurement -> value, for docs/architecture.md."""
    lengths = {path: len(path.read_text().splitlines()) for path in FILES}
    longest = max(lengths, key=lambda path: lengths[path])
    filled = [length for length in lengths.values() if length]
    by_name = list(built_outside())
    return {
        "files with code": str(len(filled)),
        "lines of the median file": str(round(statistics.median(filled))),
        "lines of the longest file": f"{lengths[longest]} ({longest.relative_to(ROOT)})",
        "imports that run upward": str(sum(len(upward(path)) for path in FILES)),
        "cycles between modules": str(len(cycles())),
        "places that build a model by name where any should do": str(len(by_name)),
        "`Any` in signatures": str(sum(1 for path in FILES for _ in any_in_signatures(path))),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--any", action="store_true", help="list every `Any` in a signature")
    parser.add_argument("--built", action="store_true", help="list every model built by name")
    options = parser.parse_args()
    print("| measured | |\n|---|---|")
    for name, value in table().items():
        print(f"| {name} | {value} |")
    if options.built:
        print("\n".join(str(finding) for finding in built_outside()))
    if options.any:
        print("\n".join(str(finding) for path in FILES for finding in any_in_signatures(path)))


if __name__ == "__main__":
    main()
