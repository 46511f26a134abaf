"""What the steps since the last row gave, and where the time went."""

import contextlib
import itertools
import logging
import math
import sys
import time
from collections.abc import Iterator, Mapping, Sequence

import jax

from audiogen_jax.hardware import chip_of
from audiogen_jax.sharding.distributed import over_processes
from audiogen_jax.train.gradients import Metrics

SPEED = "speed/"
"""Prefix of the metrics that depend on the clock, not on the training."""


class StepMetrics:
    """Means of the metrics of the steps since the last row, and where the time went.

    It holds a queue of one: the metrics of a step are read from the device when the next step has
    been dispatched, so that reading never leaves the device idle.

    Attributes:
      skipped_in_a_row: steps up to the last one read that did not count.
      skipped: what those of them said that this process has run, and on which clips.
    """

    skipped_in_a_row: int
    skipped: list[str]

    def __init__(self) -> None:
        """Starts the clock."""
        self._pending: tuple[int, Metrics, Sequence[str]] | None = None
        self.skipped_in_a_row, self.skipped = 0, []
        self._warned: set[str] = set()
        self._reset()

    def _reset(self) -> None:
        self._values: dict[str, list[float]] = {}
        self._seconds: dict[str, float] = {}
        self._steps = self._skips = self._clips = 0
        self._replaced = self._frames = self._flops = 0.0
        self._since = time.monotonic()

    @contextlib.contextmanager
    def time(self, activity: str) -> Iterator[None]:
        """Counts the time of a block to what is done in it: "data", "checkpoint" or "eval"."""
        start = time.monotonic()
        try:
            yield
        finally:
            spent = time.monotonic() - start
            self._seconds[activity] = self._seconds.get(activity, 0.0) + spent

    def submit(
        self,
        step: int,
        metrics: Metrics,
        clip_ids: Sequence[str],
        clips: int,
        frames: float = 0.0,
        flops: float = 0.0,
    ) -> None:
        """Takes the metrics of a dispatched step and reads those of the one before it.

        Args:
          step: its number.
          metrics: on the device.
          clip_ids: of the clips that this process put into the batch.
          clips: in the batch, over all processes.
          frames: valid latent frames of these clips, as many for each as this process has seen.
          flops: of the model in this step, over all devices.
        """
        self.settle()
        self._pending = (step, metrics, clip_ids)
        self._clips += clips
        self._frames += frames
        self._flops += flops

    def warn_of(
        self, replaced: Sequence[Sequence[str]], loaders: Sequence[int] | None = None
    ) -> None:
        """Says once of each clip that it could not be read, and counts those that others replace.

        Args:
          replaced: of a batch, see `HostBatch`.
          loaders: by how many processes each clip of the batch is loaded; None does not count.
        """
        if loaders is not None:
            self._replaced += sum(
                len(reasons) / count for reasons, count in zip(replaced, loaders, strict=False)
            )
        for message in itertools.chain.from_iterable(replaced):
            if message not in self._warned:
                self._warned.add(message)
                logging.warning("another clip takes its place: %s", message)

    def settle(self) -> None:
        """Waits for the last step that was submitted."""
        if self._pending is None:
            return
        step, metrics, clip_ids = self._pending
        self._pending = None
        values = {name: float(value) for name, value in metrics.items()}
        self.skipped_in_a_row = int(values.pop("skipped", 0))
        self._steps += 1
        if not self.skipped_in_a_row:
            self.skipped.clear()
            for name, value in values.items():
                self._values.setdefault(name, []).append(value)
            return
        self._skips += 1
        shown = {name: values[name] for name in ("loss", "gradient_norm") if name in values}
        self.skipped.append(f"step {step}: {shown} on clips {list(clip_ids)}")
        logging.warning("skipped %s", self.skipped[-1])

    def drain(self) -> dict[str, float]:
        """Means and speed since the last call; all processes must call it."""
        row = {name: math.fsum(values) / len(values) for name, values in self._values.items()}
        row["skipped_steps"] = float(self._skips)
        row["replaced_clips"] = round(over_processes(self._replaced), 3)
        seconds = max(time.monotonic() - self._since, 1e-9)
        speed = {
            "clips_per_second": self._clips / seconds,
            "steps_per_second": self._steps / seconds,
            "frames_per_second": self._frames / seconds,
            "memory_gib": memory_in_use() / 2**30,
        }
        speed |= {f"share_{name}": spent / seconds for name, spent in self._seconds.items()}
        speed["share_step"] = max(0.0, 1.0 - sum(self._seconds.values()) / seconds)
        if self._flops:
            rate = self._flops / seconds / jax.device_count()
            speed["tflops_per_device"] = rate / 1e12
            if chip := chip_of(jax.devices()[0].device_kind):
                speed["mfu"] = rate / chip.flops
        self._reset()
        return row | {SPEED + name: value for name, value in speed.items()}


def summary(row: Mapping[str, float]) -> str:
    """A row of metrics as a few words of a log."""
    shown = {"loss": "loss {:.4f}", "val_loss": "val_loss {:.4f}", "learning_rate": "lr {:.3g}"}
    shown |= {
        "gradient_norm": "gradient_norm {:.3g}",
        SPEED + "steps_per_second": "{:.3g} steps/s",
        SPEED + "clips_per_second": "{:.3g} clips/s",
        SPEED + "share_data": "{:.0%} of the time waiting for data",
    }
    return ", ".join(words.format(row[name]) for name, words in shown.items() if name in row)


def memory_in_use() -> float:
    """Peak bytes of the fullest device; of the process itself where devices cannot say, or 0."""
    stats = [device.memory_stats() or {} for device in jax.local_devices()]
    peaks = [each["peak_bytes_in_use"] for each in stats if "peak_bytes_in_use" in each]
    if peaks:
        return float(max(peaks))
    try:
        import resource
    except ImportError:  # Windows has none
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak if sys.platform == "darwin" else peak * 1024)
