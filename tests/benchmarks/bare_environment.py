"""Stand-ins for small packages that annotate and arrange imports, where they are not installed.

An accelerator is lent with jax, flax, optax, orbax and torch alone. The networks need no more, but
their files import jaxtyping for annotations, and the package lazy_loader for its facade.
"""

import importlib.util
import sys
import types
from typing import Any


class _Annotation:
    """Takes any subscript: `Float[Array, "b t c"]`."""

    def __class_getitem__(cls, item: Any) -> type:
        return cls


def install() -> list[str]:
    """Puts stand-ins where packages are missing, before anything of ours is imported.

    Returns:
      Names of the packages that are stood in for.
    """
    missing = [name for name in ("jaxtyping", "lazy_loader") if not importlib.util.find_spec(name)]
    if "jaxtyping" in missing:
        module = types.ModuleType("jaxtyping")
        module.__getattr__ = lambda name: _Annotation  # type: ignore[method-assign]
        sys.modules["jaxtyping"] = module
    if "lazy_loader" in missing:
        module = types.ModuleType("lazy_loader")
        module.attach_stub = lambda name, file: (_no_attribute(name), lambda: [], [])  # type: ignore[attr-defined]
        sys.modules["lazy_loader"] = module
    return missing


def _no_attribute(module: str) -> Any:
    def get(name: str) -> Any:
        raise AttributeError(f"module {module!r} has no attribute {name!r} without lazy_loader")

    return get
