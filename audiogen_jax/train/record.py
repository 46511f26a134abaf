"""What a training was begun with, kept in its workdir and compared when it goes on.

`config.json` holds the configuration, `inputs.json` the hashes of all that it names: manifests,
latents, checkpoints, the text tokenizer. Recordings themselves are not hashed.
"""

import dataclasses
import functools
import hashlib
import logging
import re
import typing
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Annotated, NamedTuple, TypeAlias, get_args, get_origin

import numpy as np
from ml_collections import ConfigDict

from audiogen_jax.checkpoints.locate import find_checkpoint
from audiogen_jax.files.atomic import write_text
from audiogen_jax.files.fingerprint import checkpoint_sha256, sha256
from audiogen_jax.files.json_object import read_object, write_object
from audiogen_jax.files.jsonl import append_rows
from audiogen_jax.files.remote import parse_path
from audiogen_jax.input.latent_dataset import DATASET
from audiogen_jax.train.stages import parse_config
from audiogen_jax.train.train_config import TrainConfig
from audiogen_jax.train.workdir import Workdir
from audiogen_jax.types import Contents, dtype_name

CONFIG, INPUTS, CHANGES = "config.json", "inputs.json", "changes.jsonl"
FREE = (
    r"steps|max_seconds|(log|checkpoint|export|sample|keep)_every|keep_checkpoints|needs_init",
    r"eval\.(every|batches)|guard\.limit|data\.(num_workers|num_threads|cache_bytes)",
    r"mesh\..*|sharding|remat|accumulate|stuck_seconds",
)
"""Settings that a training may go on with in another way: they decide when it does something, or
where, or how fast."""
GONE = ("gradient_dtype",)
"""Settings of earlier versions that decided nothing."""
_ENDS = 1 << 20

Value: TypeAlias = str | int | float | bool | None


class _Setting(NamedTuple):
    """A setting, and what it names if it names something."""

    value: Value
    contents: Contents | None


class Record:
    """The record of a training in its workdir."""

    def __init__(self, workdir: Workdir, config: ConfigDict, settings: TrainConfig):
        """Nothing is written before `write`.

        Args:
          workdir: of the training.
          config: of this start.
          settings: the same, checked.
        """
        self._workdir, self._checkpoints = workdir
        self._config = config
        self._settings = _flat(settings)
        self._changes: dict[str, tuple[Value, Value]] = {}

    @functools.cached_property
    def _inputs(self) -> dict[str, str]:
        """The hashes of all that is named and can be read."""
        return {
            key: digest
            for key, setting in self._settings.items()
            if setting.contents and (digest := _digest(str(setting.value), setting.contents))
        }

    def compare(self, allowed: Collection[str] = ()) -> None:
        """Compares this start with what stands in the workdir.

        Args:
          allowed: settings that may be others than before beside those in `FREE`, or groups of
            them ("optimizer").

        Raises:
          ValueError: another setting differs, or a file that the record names; or the record
            cannot be read.
        """
        for name in allowed:
            if not any(_is_in(key, name) for key in self._settings):
                raise ValueError(f"--allow-change {name!r}: no such setting")
        has_checkpoints = any(self._checkpoints.glob("[0-9]*"))
        if not has_checkpoints or not (self._workdir / CONFIG).is_file():
            return  # nothing to go on from, or from before there were records
        before, inputs = self._read()
        settings, digests = self._settings, self._inputs
        for key in sorted(before.keys() | settings.keys()):
            old, new = (each[key].value if key in each else None for each in (before, settings))
            if key in inputs and key in digests:  # wherever it stands
                old, new = (f"{v} ({d[:12]})" for v, d in ((old, inputs[key]), (new, digests[key])))
                if inputs[key] == digests[key]:
                    continue
            if old != new:
                self._changes[key] = old, new
        refused = [
            f"{key}: {old!r} -> {new!r}"
            for key, (old, new) in self._changes.items()
            if not any(re.fullmatch(pattern, key) for pattern in FREE)
            and not any(_is_in(key, name) for name in allowed)
        ]
        if refused:
            raise ValueError(
                f"{self._workdir} was begun with other settings: {'; '.join(refused)}. Go on with "
                "those in its config.json, choose another workdir, or allow it by --allow-change"
            )

    def write(self, step: int) -> None:
        """Writes the record of this start, and what has changed since the last one.

        Args:
          step: number of finished steps.

        Raises:
          OSError: it cannot be written.
        """
        for key, (old, new) in self._changes.items():
            logging.warning("%s: %r -> %r", key, old, new)
        if self._changes:
            append_rows(self._workdir / CHANGES, [{"step": step, "changes": self._changes}])
        path, text = self._workdir / CONFIG, self._config.to_json_best_effort(indent=2) + "\n"
        if not self._changes and path.is_file() and path.read_bytes() != text.encode():
            logging.warning("%s of an earlier start is replaced", path)
        write_text(path, text)
        write_object(self._workdir / INPUTS, self._inputs)

    def _read(self) -> tuple[dict[str, _Setting], Mapping[str, str]]:
        path, known = self._workdir / CONFIG, {f.name for f in dataclasses.fields(TrainConfig)}
        try:
            values = read_object(path)
            values = {name: values[name] for name in values if name in known or name not in GONE}
            before = _flat(parse_config(ConfigDict(values)))
        except ValueError as error:
            raise ValueError(
                f"{path} does not say what this training was begun with ({error}): restore it, or "
                "move it away to go on without a comparison"
            ) from error
        inputs = self._workdir / INPUTS
        return before, read_object(inputs) if inputs.exists() else {}  # 0.1 wrote none


def _is_in(key: str, group: str) -> bool:
    return key == group or key.startswith((f"{group}.", f"{group}["))


def _flat(settings: TrainConfig) -> dict[str, _Setting]:
    return dict(_leaves(settings, type(settings), ""))


def _leaves(value: object, hint: object, key: str) -> Iterator[tuple[str, _Setting]]:
    """The settings in a value by their keys: "optimizer.b1", "data.manifests[0][1]"."""
    if dataclasses.is_dataclass(value):
        hints = typing.get_type_hints(type(value), include_extras=True)
        for field in dataclasses.fields(value):
            name = f"{key}.{field.name}".lstrip(".")
            yield from _leaves(getattr(value, field.name), hints[field.name], name)
    elif isinstance(value, Mapping):
        for name, each in value.items():
            yield from _leaves(each, object, f"{key}.{name}")
    elif isinstance(value, list | tuple):
        items = get_args(hint)
        for index, each in enumerate(value):
            item = items[min(index, len(items) - 1)] if items else object
            yield from _leaves(each, items[0] if item is Ellipsis else item, f"{key}[{index}]")
    else:
        yield key, _Setting(_plain(value), _contents(hint) if value else None)


def _contents(hint: object) -> Contents | None:
    """What the annotation of a setting says that it names."""
    notes = get_args(hint)
    if get_origin(hint) is Annotated:
        return next((note for note in notes if isinstance(note, Contents)), None)
    return next(filter(None, map(_contents, notes)), None)


def _plain(value: object) -> Value:
    if isinstance(value, np.dtype):
        return dtype_name(value)
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _digest(source: str, contents: Contents) -> str:
    """The hash of what a setting names, empty if it cannot be read: whoever needs it says so."""
    try:
        if contents is Contents.CHECKPOINT:
            return checkpoint_sha256(find_checkpoint(source))
        if contents is Contents.LATENTS:
            return sha256(parse_path(source) / DATASET)
        path = parse_path(source)
        return _ends_sha256(path) if path.suffix == ".tar" else sha256(path)
    except (OSError, ValueError):
        return ""


def _ends_sha256(path: Path) -> str:
    """Of a tar file, which may be too large to read: its size, and its first and last MiB."""
    with path.open("rb") as file:
        size = path.stat().st_size
        first = file.read(_ENDS)
        file.seek(max(0, size - _ENDS))
        return hashlib.sha256(b"%d:" % size + first + file.read()).hexdigest()
