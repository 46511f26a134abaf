"""`key.path=value`: one field of a config, read as the dataclass of its stage says."""

import ast
import dataclasses
import difflib
import os
import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

import numpy as np
from ml_collections import ConfigDict

from audiogen_jax.input.latent_dataset import DATASET
from audiogen_jax.train.typed_config import convert

Pairs: TypeAlias = tuple[tuple[str, float], ...]
"""Paths with their weights."""
_WORDS = {"true": True, "false": False, "none": None}
_SOURCES = ("manifests", "datasets")
_TABLES = (".csv", ".tsv", ".parquet", ".xlsx")


def override(config: ConfigDict, text: str, kind: type | None) -> None:
    """Sets one field of a config.

    Args:
      config: changed.
      text: `key.path=value`; values are Python literals, anything else is a string. An empty value
        or None unsets what may be unset. `data=` takes one or several manifests, or folders of
        latents, each alone or with its weight.
      kind: the dataclass that the config becomes; None: unknown.

    Raises:
      ValueError: the key is unknown, or the value is of another type; both are named.
    """
    key, separator, value = text.partition("=")
    if not separator:
        raise ValueError(f"override {text!r}: expected key.path=value")
    group, _, name = key.partition(".")
    data = config.get("data")
    if group == "data" and name in ("", *_SOURCES) and isinstance(data, ConfigDict):
        pairs = _pairs(value, key)
        _set_sources(data, name or _field_for(pairs, value), pairs)
        return
    values = config.to_dict()
    hints = dict(_fields(kind, values)) if kind else {}
    if key in hints:
        _set(config, key, _read(hints[key], value, key))
        return
    leaves = dict(_leaves(values))
    if key in leaves:
        _set(config, key, _read(leaves[key], value, key))
        return
    known = sorted({*hints, *leaves})
    if inside := [name for name in known if name.startswith(f"{key}.")]:
        raise ValueError(f"config key {key!r} holds several: set some of {inside}")
    close = difflib.get_close_matches(key, known, n=3) or known
    raise ValueError(f"unknown config key {key!r}; did you mean one of {close}?")


def _fields(
    kind: type, values: Mapping[str, object], prefix: str = ""
) -> Iterator[tuple[str, object]]:
    """(key path, type) of each field of a dataclass and of those inside it."""
    types_of = typing.get_type_hints(kind, include_extras=True)
    for field in dataclasses.fields(kind):  # pyright: ignore[reportArgumentType]
        inner = values.get(field.name)
        inner = inner if isinstance(inner, Mapping) else {}
        group = _group(types_of[field.name], inner)
        if group is None:
            yield prefix + field.name, types_of[field.name]
        else:
            yield from _fields(group, inner, f"{prefix}{field.name}.")


def _group(hint: object, values: Mapping[str, object]) -> type | None:
    """The dataclass that a field holds, if it holds one; of several the one that has the values."""
    is_union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    options = typing.get_args(hint) if is_union else (hint,)
    groups = [each for each in options if isinstance(each, type) and dataclasses.is_dataclass(each)]
    fits = [each for each in groups if {*values} <= {f.name for f in dataclasses.fields(each)}]
    return next(iter(fits or groups), None)


def _leaves(values: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """(key path, type) of each value in nested mappings."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name, type(value)


def _read(hint: object, text: str, key: str) -> object:
    """A text as a value that a config holds for a field of this type."""
    if hint is np.dtype:
        convert(hint, text, key)
        return text
    problems = []
    for candidate in dict.fromkeys(_candidates(text)):
        try:
            return _expanded(convert(hint, _wrapped(hint, candidate), key))
        except ValueError as error:
            problems.append(error)
    raise problems[0]


def _candidates(text: str) -> Iterator[object]:
    """What a text may stand for: a literal, or itself."""
    try:
        value = ast.literal_eval(text)
        yield tuple(value) if isinstance(value, list) else value
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        if text.lower() in _WORDS:
            yield _WORDS[text.lower()]
    yield text


def _wrapped(hint: object, value: object) -> object:
    """One item stands for a tuple of itself, where any number may be given."""
    items = typing.get_args(hint) if typing.get_origin(hint) is tuple else ()
    return (value,) if items[-1:] == (Ellipsis,) and not isinstance(value, tuple) else value


def _expanded(value: object) -> object:
    """With the home folder in the place of ~ at the start of texts."""
    if isinstance(value, tuple):
        return tuple(map(_expanded, value))
    if isinstance(value, str) and value.startswith("~/"):
        return os.path.expanduser(value)
    return value


def _set(config: ConfigDict, key: str, value: object) -> None:
    path, _, name = key.rpartition(".")
    for group in path.split(".") if path else ():
        inner = config[group]
        assert isinstance(inner, ConfigDict)
        config = inner
    with config.unlocked(), config.ignore_type():
        config[name] = value


def _set_sources(data: ConfigDict, name: str, pairs: Pairs) -> None:
    """Manifests take the place of datasets, and the reverse."""
    with data.unlocked(), data.ignore_type():
        for other in {*data} & {*_SOURCES} - {name}:
            del data[other]
        data[name] = pairs


def _field_for(pairs: Pairs, text: str) -> str:
    """The field of the data that holds these."""
    fields = {_kind(path) for path, _ in pairs}
    if len(fields) > 1:
        raise ValueError(f"data={text!r}: expected manifests, or folders of latents, not both")
    return fields.pop()


def _kind(path: str) -> str:
    """ "manifests" or "datasets"."""
    suffix = Path(path).suffix.lower()
    if suffix in _TABLES:
        raise ValueError(
            f"data={path!r} is a table, no manifest: audiogen manifest FOLDER --captions {path} "
            "makes one"
        )
    if not os.path.isdir(path):
        return "manifests" if suffix else "datasets"
    if not os.path.isfile(os.path.join(path, DATASET)):
        raise ValueError(
            f"data={path!r} is a folder without {DATASET}: audiogen manifest {path} makes a "
            "manifest of the recordings in it, audiogen encode-dataset latents of them"
        )
    return "datasets"


def _pairs(text: str, key: str) -> Pairs:
    """Paths with their weights; a path alone weighs 1."""
    value = next(_candidates(text))
    if isinstance(value, str):
        value = (value,) if os.path.exists(value) else tuple(filter(None, value.split(",")))
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], int | float):
        value = (value,)
    items = [
        (each, 1.0) if isinstance(each, str) else each
        for each in (value if isinstance(value, tuple) else (value,))
    ]
    pairs = typing.cast(Pairs, _expanded(convert(Pairs, items, key)))
    if not pairs:
        raise ValueError(f"{key} is empty: expected a manifest or a folder of latents")
    return pairs
