"""Every number in a training config has a range, and what is out of it is refused by its name."""

import dataclasses
import math
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Annotated, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ml_collections import ConfigDict

from audiogen_jax.train.config import load_config
from audiogen_jax.train.stages import STAGES, parse_config
from audiogen_jax.types import Range

CONFIGS = ("nano_encoder:smoke", "nano_tokenizer:smoke", "nano_generator", "xl:smoke")


class Setting(NamedTuple):
    """A number: where it stands, its type and its range."""

    path: tuple[str | int, ...]
    kind: type
    range: Range | None


def numbers(hint: object, value: object, path: tuple[str | int, ...] = ()) -> Iterator[Setting]:
    """The numbers in what is annotated with `hint`; sizes of models are checked by models."""
    if dataclasses.is_dataclass(hint) and not hint.__module__.startswith("audiogen_jax.models"):
        assert isinstance(hint, type) and isinstance(value, dict)
        hints = typing.get_type_hints(hint, include_extras=True)
        for field in dataclasses.fields(hint):
            yield from numbers(hints[field.name], value.get(field.name), (*path, field.name))
        return
    notes = ()
    if typing.get_origin(hint) is Annotated:
        hint, *notes = typing.get_args(hint)
    arguments = typing.get_args(hint)
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        for argument in arguments:
            fields = getattr(argument, "__dataclass_fields__", None)
            if fields is None or (isinstance(value, dict) and value.keys() <= fields.keys()):
                yield from numbers(argument, value, path)
    elif typing.get_origin(hint) is tuple:
        for index, argument in enumerate(arguments):
            if argument is not Ellipsis:
                item = value[index] if isinstance(value, list | tuple) else None
                yield from numbers(argument, item, (*path, index))
    elif typing.get_origin(hint) is Mapping:
        for name, item in (value or {}).items():
            yield from numbers(arguments[1], item, (*path, name))
    elif hint in (int, float):
        yield Setting(path, hint, next((n for n in notes if isinstance(n, Range)), None))


def config_and_settings(name: str) -> tuple[ConfigDict, list[Setting]]:
    given_file = {"nano_tokenizer": ["init.encoder=x"], "nano_generator": ["tokenizer=x"]}
    config = load_config(name, given_file.get(name.partition(":")[0], []))
    return config, list(numbers(STAGES[config.objective].config, config.to_dict()))


@pytest.mark.parametrize("name", CONFIGS)
def test_every_number_has_a_range(name: str):
    config, found = config_and_settings(name)
    parse_config(config)
    assert len(found) > 20
    assert [setting.path for setting in found if setting.range is None] == []


def outside(setting: Setting) -> st.SearchStrategy[float]:
    """Numbers that the setting may not have."""
    range_, whole = setting.range, setting.kind is int
    assert range_ is not None
    choices = [] if whole else [st.sampled_from([math.nan, math.inf, -math.inf])]
    if math.isfinite(range_.low):
        below = st.integers(max_value=int(range_.low) - 1)
        choices.append(below if whole else below.map(float) | st.just(range_.low - 1e-3))
    if math.isfinite(range_.high):
        above = st.integers(min_value=int(range_.high) + 1)
        choices.append(above if whole else st.just(range_.high + 1e-3) | above)
    if range_.above:
        choices.append(st.just(setting.kind(range_.low)))
    if range_.below:
        choices.append(st.just(setting.kind(range_.high)))
    return st.one_of(choices)


def with_value(values: typing.Any, path: tuple[str | int, ...], value: float) -> typing.Any:
    """A copy of nested values with one of them replaced."""
    if not path:
        return value
    name, *rest = path
    if isinstance(name, int):
        items = list(values) if isinstance(values, list | tuple) else [None]
        items[name] = with_value(items[name], tuple(rest), value)
        return tuple(items)
    return {**values, name: with_value(values.get(name), tuple(rest), value)}


@pytest.mark.parametrize("name", CONFIGS)
@settings(max_examples=100)
@given(data=st.data())
def test_what_is_out_of_range_is_refused(name: str, data: st.DataObject):
    config, found = config_and_settings(name)
    setting = data.draw(st.sampled_from(found))
    value = data.draw(outside(setting))
    changed = with_value(config.to_dict(), setting.path, value)
    with pytest.raises(
        ValueError, match=r"expected (at least|above|at most|below|a finite)"
    ) as error:
        parse_config(ConfigDict(changed, convert_dict=True, type_safe=False))
    key = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in setting.path).lstrip(".")
    assert str(error.value).startswith(f"{key}=") and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "override", "message"),
    [
        ("nano_encoder:smoke", "sharding=zero", "sharding='zero': expected one of"),
        ("nano_encoder:smoke", "remat=all", "remat='all': expected a policy"),
        ("nano_encoder:smoke", "guard.spike=0.5", r"guard.spike=0.5: expected above 1"),
        ("nano_encoder:smoke", "accumulate=3", r"accumulate=3 does not divide .* \[8\]"),
        ("nano_tokenizer:smoke", "gan.n_ffts=(100,)", r"gan.n_ffts=\(100,\): expected multiples"),
        ("xl:smoke", "dtype=float16", "dtype='float16': expected 'float32' or 'bfloat16'"),
        ("xl:smoke", "dtype=bf17", "dtype='bf17': expected one of"),
    ],
)
def test_what_contradicts_itself(name: str, override: str, message: str):
    with pytest.raises(ValueError, match=message):
        parse_config(load_config(name, [override]))


@pytest.mark.parametrize("spelling", ["bf16", "bfloat16", "fp32", "float32"])
def test_spellings_of_dtypes(spelling: str):
    config = load_config("xl:smoke", [f"dtype={spelling}"])
    settings = parse_config(config)
    assert settings.dtype.itemsize == (2 if "b" in spelling else 4)
