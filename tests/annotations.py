"""Checks the shapes and types that the numeric folders promise, whenever a test calls them."""

import functools
from collections.abc import Callable
from typing import Any, Self

import jax
from beartype import BeartypeConf, beartype
from jaxtyping import install_import_hook

CHECKED = ("audiogen_jax.ops", "audiogen_jax.layers", "audiogen_jax.flow", "audiogen_jax.models")
CHECKER = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int is a float too


def install() -> None:
    """Checks every function and dataclass of `CHECKED` that is imported from now on."""
    install_import_hook(CHECKED, f"{__name__}.{check.__name__}")


def check(function: Callable) -> Callable:
    """beartype, but for two things that it cannot know.

    `Self` it takes in classes that it decorates as a whole alone. And jax builds pytrees again from
    whatever stands for their leaves (shapes, axes), not from arrays alone.
    """
    hints = function.__annotations__
    function.__annotations__ = {k: Any if hint is Self else hint for k, hint in hints.items()}
    checked = CHECKER(function)
    if function.__name__ != "__init__":
        return checked

    @functools.wraps(function)
    def init(self, *args, **kwargs):
        return (function if is_pytree(type(self)) else checked)(self, *args, **kwargs)

    return init


@functools.cache
def is_pytree(kind: type) -> bool:
    """Does jax look into values of this type?"""
    try:
        return not jax.tree_util.all_leaves([object.__new__(kind)])
    except AttributeError:  # it does, and the fields are not there yet
        return True
