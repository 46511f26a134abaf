"""Frozen dataclasses from the nested mappings of a config, checked field by field."""

import dataclasses
import difflib
import math
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeVar, get_args, get_origin

import numpy as np

from audiogen_jax.scalars import as_python
from audiogen_jax.types import Range, parse_dtype

T = TypeVar("T")


class _OutOfRangeError(ValueError):
    """A number of the right type that a setting may not have."""


def typed(kind: type[T], values: Mapping[str, object], key: str = "") -> T:
    """Builds a dataclass, and those inside it, from mappings with the names of their fields.

    Lists become tuples, whole numbers become floats where one is expected, spellings of a dtype
    become the dtype, texts a path where one is expected, numbers of numpy and jax those of Python,
    and "" is None where that is allowed.

    Args:
      kind: a dataclass.
      values: its fields.
      key: of `values` in the config, for errors.

    Raises:
      ValueError: a key is unknown or missing, or its value is of another type or out of the range
        that the annotation of its field gives.
    """
    prefix = f"{key}." if key else ""
    fields = {field.name: field for field in dataclasses.fields(kind)}  # pyright: ignore
    for name in values:
        if name not in fields:
            close = difflib.get_close_matches(name, fields, n=3) or sorted(fields)
            close = [prefix + field for field in close]
            raise ValueError(f"unknown config key {prefix + name!r}; did you mean one of {close}?")
    for name, field in fields.items():
        optional = field.default, field.default_factory
        if name not in values and optional == (dataclasses.MISSING, dataclasses.MISSING):
            raise ValueError(f"config key {prefix + name!r} is missing")
    hints = typing.get_type_hints(kind, include_extras=True)
    return kind(
        **{name: convert(hints[name], value, prefix + name) for name, value in values.items()}
    )


def convert(hint: object, value: object, key: str) -> object:
    """A value as what a field is annotated with."""
    value = as_python(value)
    if get_origin(hint) is Annotated:
        hint, *notes = get_args(hint)
        converted = convert(hint, value, key)
        for range_ in (note for note in notes if isinstance(note, Range)):
            assert isinstance(converted, int | float)
            if converted not in range_:
                raise _OutOfRangeError(f"{key}={converted!r}: expected {range_}")
        return converted
    if isinstance(hint, types.UnionType) or get_origin(hint) is typing.Union:
        return _convert_union(get_args(hint), value, key)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint) and isinstance(value, Mapping):
        return typed(hint, value, key)
    if hint is np.dtype:
        return parse_dtype(value, key)  # pyright: ignore[reportArgumentType]
    if hint is Path and isinstance(value, str):
        return Path(value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value) if abs(value) < 2**1023 else math.inf
    if get_origin(hint) is Mapping and isinstance(value, Mapping):
        item = get_args(hint)[1]
        if item is object:
            return _as_python_inside(value)
        return {str(name): convert(item, each, f"{key}.{name}") for name, each in value.items()}
    if get_origin(hint) is tuple:
        if isinstance(value, list | tuple):
            items = get_args(hint)
            if items[-1] is Ellipsis:
                items = items[:1] * len(value)
            if len(items) == len(value):
                pairs = enumerate(zip(items, value, strict=True))
                return tuple(convert(item, each, f"{key}[{i}]") for i, (item, each) in pairs)
    elif get_origin(hint) is Literal:
        if value in get_args(hint):
            return value
    elif _is_instance(value, get_origin(hint) or hint):
        return value
    raise ValueError(f"config key {key!r}: {value!r} is no {_name(hint)}")


def _as_python_inside(values: Mapping[str, object]) -> Mapping[str, object]:
    """Sizes of a model, whose families check them."""
    return {
        name: _as_python_inside(value) if isinstance(value, Mapping) else as_python(value)
        for name, value in values.items()
    }


def _is_instance(value: object, kind: object) -> bool:
    """As `isinstance`, but that True is no number."""
    assert isinstance(kind, type)
    return isinstance(value, kind) and isinstance(value, bool) == (kind is bool)


def _convert_union(hints: tuple[object, ...], value: object, key: str) -> object:
    if type(None) in hints and (value is None or value == ""):
        return None
    dataclass_hints = [
        hint for hint in hints if isinstance(hint, type) and dataclasses.is_dataclass(hint)
    ]
    if dataclass_hints and isinstance(value, Mapping):
        for hint in dataclass_hints:
            if _required(hint) <= value.keys():
                return convert(hint, value, key)
        needs = " or ".join(str(sorted(_required(hint))) for hint in dataclass_hints)
        raise ValueError(f"config key {key!r}: expected the keys {needs} in it")
    for hint in hints:
        try:
            return convert(hint, value, key)
        except _OutOfRangeError:
            raise
        except ValueError:
            continue
    raise ValueError(f"config key {key!r}: {value!r} is no {' or '.join(map(_name, hints))}")


def _required(kind: type) -> set[str]:
    return {
        field.name
        for field in dataclasses.fields(kind)
        if (field.default, field.default_factory) == (dataclasses.MISSING, dataclasses.MISSING)
    }


def _name(hint: object) -> str:
    """`int`, `DataConfig`, `tuple[float, ...]`."""
    if get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    return hint.__name__ if isinstance(hint, type) and not get_args(hint) else str(hint)
