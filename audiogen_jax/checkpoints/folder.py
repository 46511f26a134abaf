"""A checkpoint folder, opened once and passed to whoever reads from it."""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Self, TypeVar

from audiogen_jax.checkpoints.config_file import CONFIG, read_config
from audiogen_jax.checkpoints.locate import find_checkpoint, find_component
from audiogen_jax.checkpoints.mapping import TensorFile
from audiogen_jax.checkpoints.orbax import PARAMS, OrbaxFolder
from audiogen_jax.checkpoints.safetensors import SafetensorsFolder
from audiogen_jax.models.hf_config import HFConfig

_Config = TypeVar("_Config", bound=HFConfig)


class CheckpointFolder:
    """A folder with config.json and weights, in Hugging Face layout or as an Orbax checkpoint.

    Attributes:
      path: of the folder.
      values: contents of config.json.
    """

    def __init__(self, path: str | Path):
        """Reads config.json.

        Args:
          path: of the folder.

        Raises:
          FileNotFoundError: it holds no config.json.
          ValueError: config.json is not a JSON object.
        """
        self.path = Path(path)
        self.values: Mapping[str, object] = read_config(self.path)

    @property
    def model_type(self) -> str | None:
        """What config.json calls this kind of model; None if it does not say."""
        value = self.values.get("model_type")
        return value if isinstance(value, str) else None

    @functools.cached_property
    def tensors(self) -> TensorFile:
        """The weights, in the format that they have.

        Raises:
          FileNotFoundError, ValueError: see `SafetensorsFolder` and `OrbaxFolder`.
        """
        if (self.path / PARAMS).is_dir():
            return OrbaxFolder(self.path)
        return SafetensorsFolder(self.path)

    def config(self, kind: type[_Config]) -> _Config:
        """The configuration, checked.

        Args:
          kind: its class.

        Raises:
          ValueError: a field is unknown, of another type or selects a variant that is not built.
        """
        try:
            return kind.from_hf(self.values)
        except ValueError as error:
            raise ValueError(f"{self.path / CONFIG}: {error}") from error

    def component(self, field: str, default: str) -> Self:
        """Opens a checkpoint that this one names in its config.json.

        Args:
          field: the field of config.json, a path relative to the folder or the name of a hub
            repository.
          default: its value if config.json does not have it.

        Raises:
          ValueError: there is no checkpoint at that path or of that name.
        """
        return type(self)(find_component(self.path, field, str(self.values.get(field, default))))


def open_checkpoint(source: str | Path, revision: str | None = None) -> CheckpointFolder:
    """Finds a checkpoint and opens it.

    Args:
      source: "nano" for the embedded model, a folder with config.json and weights, or the name of
        a hub repository.
      revision: branch, tag or commit of the repository.

    Raises:
      ValueError: there is no such checkpoint, or the hub cannot be reached and has not been.
    """
    return CheckpointFolder(find_checkpoint(source, revision))
