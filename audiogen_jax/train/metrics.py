"""Metrics on disk: one JSON object per line, and TensorBoard."""

import contextlib
import json
import logging
import math
import resource
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import jax
import numpy as np
from tensorboardX import SummaryWriter

from audiogen_jax.hardware import chip_of
from audiogen_jax.train.state import Metrics

SPEED = "speed/"
"""Prefix of the metrics that depend on the clock, not on the training."""


class DivergedError(ValueError):
    """Too many steps in a row had a loss or gradient that is not finite, or a spike."""


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
        kept = [row for row in rows if row.endswith("\n") and json.loads(row)["step"] <= step]
        temporary = path.with_suffix(".tmp")
        temporary.write_text("".join(kept))
        temporary.replace(path)
        self._lines = path.open("a", buffering=1)
        _warn_of_skew(folder / "tensorboard")
        self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Writes one row of metrics of step number `step` (the first step is 1)."""
        self._lines.write(json.dumps({"step": step, **values}) + "\n")
        for name, value in values.items():
            self._board.add_scalar(name, value, step)

    def write_clip(
        self, step: int, name: str, audio: np.ndarray, picture: np.ndarray, rate: int
    ) -> None:
        """Shows one clip in TensorBoard.

        Args:
          step: number of finished steps.
          name: of the clip.
          audio: float [n].
          picture: its spectrogram, uint8 [height width 3].
          rate: Hz.
        """
        self._board.add_audio(name, audio, step, sample_rate=rate)
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


class StepMetrics:
    """Means of the metrics of the steps since the last row, and where the time went.

    It holds a queue of one: the metrics of a step are read from the device when the next step has
    been dispatched, so that reading never leaves the device idle.
    """

    def __init__(self, skip_limit: int) -> None:
        """Starts the clock.

        Args:
          skip_limit: how many steps in a row may fail to count before the training stops.
        """
        self._limit = skip_limit
        self._pending: tuple[int, Metrics, Sequence[str]] | None = None
        self._bad: list[str] = []
        self._reset()

    def _reset(self) -> None:
        self._values: dict[str, list[float]] = {}
        self._seconds: dict[str, float] = {}
        self._steps = self._skipped = self._clips = self._frames = 0
        self._flops = 0.0
        self._since = time.monotonic()

    @contextlib.contextmanager
    def time(self, part: str) -> Iterator[None]:
        """Counts the time of a block to a part of the loop: "data", "checkpoint" or "eval"."""
        start = time.monotonic()
        try:
            yield
        finally:
            spent = time.monotonic() - start
            self._seconds[part] = self._seconds.get(part, 0.0) + spent

    def submit(
        self, step: int, metrics: Metrics, ids: Sequence[str], frames: int = 0, flops: float = 0.0
    ) -> None:
        """Takes the metrics of a dispatched step and reads those of the one before it.

        Args:
          step: its number.
          metrics: on the device.
          ids: of the clips that this process put into the batch.
          frames: valid latent frames of these clips.
          flops: of the model in this step, over all devices.

        Raises:
          DivergedError: see `settle`.
        """
        self.settle()
        self._pending = (step, metrics, ids)
        self._clips += len(ids)
        self._frames += frames
        self._flops += flops

    def settle(self) -> None:
        """Waits for the last step that was submitted.

        Raises:
          DivergedError: more steps in a row than allowed did not count; names them and their clips.
        """
        if self._pending is None:
            return
        step, metrics, ids = self._pending
        self._pending = None
        values = {name: float(value) for name, value in metrics.items()}
        in_a_row = int(values.pop("skipped", 0))
        self._steps += 1
        if not in_a_row:
            self._bad.clear()
            for name, value in values.items():
                self._values.setdefault(name, []).append(value)
            return
        self._skipped += 1
        shown = {name: values[name] for name in ("loss", "gradient_norm") if name in values}
        self._bad.append(f"step {step}: {shown} on clips {list(ids)}")
        logging.warning("skipped %s", self._bad[-1])
        if in_a_row > self._limit:
            raise DivergedError(
                f"{in_a_row} steps in a row did not count (guard.limit={self._limit}): "
                + "; ".join(self._bad)
                + ". Look at these clips or lower optimizer.learning_rate, then start again: "
                "training goes on from the last checkpoint"
            )

    def drain(self) -> dict[str, float]:
        """Means and speed since the last call."""
        row = {name: math.fsum(values) / len(values) for name, values in self._values.items()}
        row["skipped_steps"] = float(self._skipped)
        seconds = max(time.monotonic() - self._since, 1e-9)
        processes = jax.process_count()
        speed = {
            "clips_per_second": processes * self._clips / seconds,
            "steps_per_second": self._steps / seconds,
            "frames_per_second": processes * self._frames / seconds,
            "memory_gib": memory_in_use() / 2**30,
        }
        speed |= {f"share_{part}": spent / seconds for part, spent in self._seconds.items()}
        speed["share_step"] = max(0.0, 1.0 - sum(self._seconds.values()) / seconds)
        if self._flops:
            rate = self._flops / seconds / jax.device_count()
            speed["tflops_per_device"] = rate / 1e12
            if chip := chip_of(jax.devices()[0].device_kind):
                speed["mfu"] = rate / chip.flops
        self._reset()
        return row | {SPEED + name: value for name, value in speed.items()}


def memory_in_use() -> float:
    """Peak bytes of the fullest device; of the process itself where devices cannot say."""
    stats = [device.memory_stats() or {} for device in jax.local_devices()]
    if peaks := [found["peak_bytes_in_use"] for found in stats if "peak_bytes_in_use" in found]:
        return float(max(peaks))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak if sys.platform == "darwin" else peak * 1024)
