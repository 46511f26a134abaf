"""Checks the shapes and types that the numeric folders promise, whenever a test calls them."""

from collections.abc import Callable
from typing import Any, Self

from beartype import BeartypeConf, beartype
from jaxtyping import install_import_hook

CHECKED = ("audiogen_jax.ops", "audiogen_jax.layers", "audiogen_jax.flow", "audiogen_jax.models")
CHECKER = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int is a float too


def install() -> None:
    """Checks every function and dataclass of `CHECKED` that is imported from now on."""
    install_import_hook(CHECKED, f"{__name__}.{check.__name__}")


def check(function: Callable) -> Callable:
    """beartype, but for `Self`, which it takes in classes that it decorates as a whole alone."""
    hints = function.__annotations__
    function.__annotations__ = {k: Any if hint is Self else hint for k, hint in hints.items()}
    return CHECKER(function)
