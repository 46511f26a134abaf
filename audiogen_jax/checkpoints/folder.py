"""A checkpoint folder, opened once and passed to whoever reads from it."""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Self, TypeVar

from audiogen_jax.checkpoints.config_file import CONFIG, read_config
from audiogen_jax.checkpoints.layout import TENSOR_PREFIX
from audiogen_jax.checkpoints.locate import find_checkpoint, find_component
from audiogen_jax.checkpoints.mapping import TensorFile
from audiogen_jax.checkpoints.orbax import PARAMS, OrbaxFolder
from audiogen_jax.checkpoints.safetensors import INDEX, WEIGHTS, SafetensorsFolder
from audiogen_jax.checkpoints.tensor_views import Beneath
from audiogen_jax.checkpoints.torch_file import TorchFile
from audiogen_jax.models.hf_config import HFConfig

_Config = TypeVar("_Config", bound=HFConfig)


class CheckpointFolder:
    """A folder with config.json and weights, in Hugging Face layout or as an Orbax checkpoint.

    Attributes:
      path: of the folder.
      values: contents of config.json.
    """

    def __init__(
        self,
        path: str | Path,
        values: Mapping[str, object] | None = None,
        tensors: TensorFile | None = None,
    ):
        """Reads config.json.

        Args:
          path: of the folder.
          values: contents of config.json, where they stand elsewhere.
          tensors: the weights, where they are not files of the folder's own.

        Raises:
          FileNotFoundError: it holds no config.json.
          ValueError: config.json is not a JSON object.
        """
        self.path = Path(path)
        values = read_config(self.path) if values is None else values
        self._inner = {
            name: value
            for name, value in values.items()
            if isinstance(value, Mapping) and TENSOR_PREFIX in value
        }
        self.values: Mapping[str, object] = {
            name: value for name, value in values.items() if name not in self._inner
        }
        if tensors is not None:
            self.tensors = tensors

    @property
    def model_type(self) -> str | None:
        """What config.json calls this kind of model; None if it does not say."""
        value = self.values.get("model_type")
        return value if isinstance(value, str) else None

    @functools.cached_property
    def tensors(self) -> TensorFile:
        """The weights, in the format that they have.

        Raises:
          FileNotFoundError, ValueError: see `SafetensorsFolder`, `OrbaxFolder`, `TorchFile`.
        """
        if (self.path / PARAMS).is_dir():
            return OrbaxFolder(self.path)
        of_torch = sorted(self.path.glob("*.ckpt"))
        if len(of_torch) == 1 and not any((self.path / n).is_file() for n in (WEIGHTS, INDEX)):
            return TorchFile(of_torch[0])
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
          field: the field of config.json: a path relative to the folder, the name of a hub
            repository, or the component's own fields, if its tensors are among those here.
          default: its value if config.json does not have it.

        Raises:
          ValueError: there is no checkpoint at that path or of that name.
        """
        if field in self._inner:
            values = dict(self._inner[field])
            return type(self)(
                self.path, values, Beneath(self.tensors, str(values.pop(TENSOR_PREFIX)))
            )
        return type(self)(find_component(self.path, field, str(self.values.get(field, default))))

    def holds(self, field: str, name: str) -> bool:
        """Is a component of this field in the folder, rather than a repository of the hub?"""
        return field in self._inner or (self.path / name).is_dir()


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
