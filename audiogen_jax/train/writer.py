"""Metrics on disk: one JSON object per line, and TensorBoard."""

import json
import logging
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from tensorboardX import SummaryWriter

from audiogen_jax.files.atomic import written_atomically


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
        rows = path.read_text().splitlines(keepends=True) if path.exists() else []
        past = [row for row in rows if row.endswith("\n") and json.loads(row)["step"] <= step]
        with written_atomically(path) as temporary:
            temporary.write_text("".join(past))
        self._lines = path.open("a", buffering=1)
        _warn_of_skew(folder / "tensorboard")
        self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Writes one row of metrics of step number `step` (the first step is 1)."""
        self._lines.write(json.dumps({"step": step, **values}) + "\n")
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


def _warn_of_skew(folder: Path) -> None:
    """TensorBoard reads event files in the order of the times in their names."""
    times = [int(path.name.split(".")[3]) for path in folder.glob("events.out.tfevents.*")]
    behind = max(times, default=0) - time.time()
    if behind > 1:
        logging.warning(
            "the clock of this host is %.0f s behind the one that wrote %s: TensorBoard may not "
            "show the steps from here on; metrics.jsonl is in order",
            behind,
            folder,
        )
