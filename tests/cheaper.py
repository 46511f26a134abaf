"""Work that libraries do again and again, or for nothing, done once and when it is needed."""

import functools
from collections.abc import Callable
from types import SimpleNamespace

import flax.core.scope
import jax
import numba


def install() -> None:
    """Before librosa is imported."""
    numba.guvectorize = when_called(numba.guvectorize)
    numba.vectorize = when_called(numba.vectorize)
    flax.core.scope.jax = SimpleNamespace(**{**vars(jax), "eval_shape": initial_shape})


def when_called(decorator: Callable) -> Callable:
    """A decorator of numba's that compiles at the first call.

    With types it compiles at once. librosa has a dozen such functions, of pitch, peaks and zeros,
    so whatever is first read from it takes ten seconds where numba's cache is empty.
    """

    def typed(*types, **options) -> Callable:
        def decorate(function: Callable) -> Callable:
            compiled = functools.cache(lambda: decorator(*types, **options)(function))
            return functools.wraps(function)(lambda *args, **kwargs: compiled()(*args, **kwargs))

        return decorate

    return typed


SHAPES: dict[tuple, object] = {}


def initial_shape(initialise: Callable, *args) -> object:
    """`jax.eval_shape`, which flax calls for each parameter whenever a module is applied.

    It compares the shape that the initialiser would give with that of the parameter. There are few
    initialisers and arguments, which are the closure of what is called.
    """
    closure = (cell.cell_contents for cell in initialise.__closure__ or ())
    held = (tuple(value.items()) if isinstance(value, dict) else value for value in closure)
    key = (initialise.__code__, *held)
    try:
        known = key in SHAPES
    except TypeError:  # no hash
        return jax.eval_shape(initialise, *args)
    if args or not known:
        SHAPES[key] = jax.eval_shape(initialise, *args)
    return SHAPES[key]
