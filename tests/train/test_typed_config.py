"""Dataclasses from mappings, and what is refused."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from audiogen_jax.train.typed_config import typed


@dataclasses.dataclass(frozen=True)
class Audio:
    manifests: tuple[tuple[str, float], ...]
    max_tokens: int | tuple[int, ...] = 3


@dataclasses.dataclass(frozen=True)
class Latents:
    datasets: tuple[tuple[str, float], ...]


@dataclasses.dataclass(frozen=True)
class Config:
    steps: int
    rate: float
    folder: str | None
    shuffled: bool
    data: Audio | Latents
    dtype: np.dtype
    model: Mapping[str, object]


VALUES = dict(
    steps=3,
    rate=1,
    folder="",
    shuffled=True,
    data=dict(manifests=[["a.jsonl", 2]], max_tokens=[1, 2]),
    dtype="bf16",
    model={"width": 3},
)


@dataclasses.dataclass(frozen=True)
class Choice:
    solver: Literal["euler", "heun"] = "euler"
    folder: Path | None = None


def test_choices_and_paths():
    assert typed(Choice, {"solver": "heun", "folder": "a/b"}) == Choice("heun", Path("a/b"))
    assert typed(Choice, {"folder": None}) == Choice()
    with pytest.raises(ValueError, match="config key 'solver': 'newton' is no .*heun"):
        typed(Choice, {"solver": "newton"})


def test_values():
    config = typed(Config, VALUES)
    assert (config.steps, config.rate, config.folder, config.shuffled) == (3, 1.0, None, True)
    assert isinstance(config.rate, float)
    assert config.data == Audio((("a.jsonl", 2.0),), (1, 2))
    assert config.dtype == np.dtype("bfloat16") and config.model == {"width": 3}
    assert typed(Config, VALUES | {"folder": "x", "data": {"datasets": ()}}).data == Latents(())
    assert typed(Audio, {"manifests": (), "max_tokens": 7}).max_tokens == 7


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"step": 1}, r"unknown config key 'step'; did you mean one of \['steps'\]\?"),
        ({"steps": 1.5}, "config key 'steps': 1.5 is no int"),
        ({"steps": True}, "config key 'steps': True is no int"),
        ({"shuffled": 1}, "config key 'shuffled': 1 is no bool"),
        ({"rate": "fast"}, "config key 'rate': 'fast' is no float"),
        ({"folder": 3}, "config key 'folder': 3 is no str or NoneType"),
        ({"dtype": "int8"}, "dtype='int8': expected one of"),
        ({"model": 3}, "config key 'model': 3 is no .*Mapping"),
        ({"data": 3}, "config key 'data': 3 is no Audio or Latents"),
        ({"data": {}}, r"config key 'data': expected the keys \['manifests'\] or \['datasets'\]"),
        (
            {"data": {"manifests": (), "max_token": 3}},
            r"unknown config key 'data.max_token'; did you mean one of \['data.max_tokens'\]",
        ),
        ({"data": {"manifests": "a"}}, "config key 'data.manifests': 'a' is no tuple"),
        ({"data": {"manifests": [("a",)]}}, r"config key 'data.manifests\[0\]': \('a',\) is no"),
        ({"data": {"datasets": [(1, 2)]}}, r"config key 'data.datasets\[0\]\[0\]': 1 is no str"),
    ],
)
def test_errors(changes: dict, message: str):
    with pytest.raises(ValueError, match=message):
        typed(Config, VALUES | changes)


def test_missing():
    with pytest.raises(ValueError, match="config key 'steps' is missing"):
        typed(Config, {k: v for k, v in VALUES.items() if k != "steps"})
