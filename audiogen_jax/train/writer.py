"""Metrics on disk: one JSON object per line, and TensorBoard. NaN is null, as JSON has none."""

import json
import logging
import math
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from tensorboardX import SummaryWriter

from audiogen_jax.files.atomic import write_bytes
from audiogen_jax.files.jsonl import parse_object


class MetricsWriter:
    """Appends rows to `metrics.jsonl` and to TensorBoard files."""

    def __init__(self, folder: Path, step: int):
        """Opens the files and drops rows of steps that are about to be run again.

        Args:
          folder: made if it does not exist.
          step: number of finished steps of the state that training goes on from.
        """
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "metrics.jsonl"
        write_bytes(path, b"".join(_past_rows(path, step)))
        self._lines = path.open("a", buffering=1)
        _warn_of_skew(folder / "tensorboard")
        self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Writes one row of metrics of step number `step` (the first step is 1)."""
        finite = {name: x if math.isfinite(x) else None for name, x in values.items()}
        try:
            self._lines.write(json.dumps({"step": step, **finite}, allow_nan=False) + "\n")
        except OSError as error:
            raise OSError(f"cannot write {self._lines.name}: {error.strerror}") from error
        for name, value in values.items():
            self._board.add_scalar(name, value, step)

    def write_clip(
        self,
        step: int,
        name: str,
        audio: Float[np.ndarray, "n a"],
        picture: UInt8[np.ndarray, "f t 3"],
        sample_rate: int,
    ) -> None:
        """Shows one clip in TensorBoard.

        Args:
          step: number of finished steps.
          name: of the clip.
          audio: its samples.
          picture: its spectrogram, height and width in pixels.
          sample_rate: Hz.
        """
        self._board.add_audio(name, audio, step, sample_rate=sample_rate)
        self._board.add_image(name, picture, step, dataformats="HWC")

    def close(self) -> None:
        self._lines.close()
        self._board.close()


def _past_rows(path: Path, step: int) -> list[bytes]:
    """The lines of finished steps; a file with others is kept beside, under another name."""
    if not path.exists():
        return []
    lines, past, damaged = path.read_bytes().splitlines(keepends=True), [], []
    for number, line in enumerate(lines, 1):
        try:
            if int(parse_object(line.decode())["step"]) <= step and line.endswith(b"\n"):
                past.append(line)
        except (ValueError, KeyError, TypeError):
            if line.endswith(b"\n"):  # others end where a process was killed
                damaged.append(number)
    if damaged:
        backup = path.with_name(f"{path.name}.damaged")
        shutil.copyfile(path, backup)
        logging.warning(
            "%s: lines %s are no rows of metrics and are left out; the file as it was is %s",
            path,
            damaged[:10],
            backup.name,
        )
    return past


def _warn_of_skew(folder: Path) -> None:
    """TensorBoard reads event files in the order of the times in their names."""
    names = [path.name.split(".") for path in folder.glob("events.out.tfevents.*")]
    times = [int(parts[3]) for parts in names if parts[3].isdecimal()]
    behind = max(times, default=0) - time.time()
    if behind > 1:
        logging.warning(
            "the clock of this host is %.0f s behind the one that wrote %s: TensorBoard may not "
            "show the steps from here on; metrics.jsonl is in order",
            behind,
            folder,
        )
