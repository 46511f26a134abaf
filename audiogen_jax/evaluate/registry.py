"""The suites of `audiogen evaluate`, by name and in the order of the report."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from audiogen_jax.checkpoints.config_file import read_config
from audiogen_jax.checkpoints.locate import find_checkpoint
from audiogen_jax.checkpoints.registry import GENERATORS
from audiogen_jax.evaluate.suite import Suite
from audiogen_jax.evaluate.suites.demo_scene import DemoScene
from audiogen_jax.evaluate.suites.editing import Editing
from audiogen_jax.evaluate.suites.enhancement import Enhancement
from audiogen_jax.evaluate.suites.free_worded import FreeWorded
from audiogen_jax.evaluate.suites.nano_classes import NanoClasses
from audiogen_jax.evaluate.suites.nano_mixtures import NanoMixtures
from audiogen_jax.evaluate.suites.reconstruction import Reconstruction
from audiogen_jax.evaluate.suites.timing import Timing
from audiogen_jax.evaluate.suites.understanding import Understanding

_ALL: tuple[Suite, ...] = (
    Reconstruction(),
    NanoClasses(),
    NanoMixtures(),
    FreeWorded(),
    Timing(),
    DemoScene(),
    Editing(),
    Enhancement(),
    Understanding(),
)
SUITES = {suite.name: suite for suite in _ALL}


def possible(checkpoint: str | Path) -> list[str]:
    """Names of the suites that a checkpoint can do: a codec alone, those that need no generator.

    Args:
      checkpoint: "nano", a folder in Hugging Face layout or the name of a hub repository.

    Raises:
      ValueError: there is no such checkpoint.
    """
    generates = read_config(find_checkpoint(checkpoint)).get("model_type") in GENERATORS
    return [name for name, suite in SUITES.items() if generates or not suite.needs_generator]


def select(names: Sequence[str] = (), **settings: object) -> list[Suite]:
    """Suites by name, in the order of the report.

    Args:
      names: of `SUITES`; all if empty.
      **settings: each suite takes those that it has, such as `per_class` of "generation".

    Raises:
      ValueError: an unknown suite, a setting that none of `SUITES` has, or a bad value.
    """
    if not set(names) <= set(SUITES):
        raise ValueError(f"suites {list(names)}: expected some of {list(SUITES)}")
    fields = {name: _settings(suite) for name, suite in SUITES.items()}
    if unknown := set(settings) - set().union(*fields.values()):
        raise ValueError(f"no suite has the settings {sorted(unknown)}")
    return [
        dataclasses.replace(suite, **{key: settings[key] for key in fields[name] & set(settings)})
        for name, suite in SUITES.items()
        if name in names or not names
    ]


def _settings(suite: Suite) -> set[str]:
    return {field.name for field in dataclasses.fields(suite)}
