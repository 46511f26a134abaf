"""Metrics on disk: one JSON object per line, and TensorBoard."""

import json
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tensorboardX import SummaryWriter

from audiogen_jax.train.state import Metrics


class NonFiniteLossError(ValueError):
    """The loss of a step is NaN or infinite; the state after it is not worth keeping."""


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
        self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Writes one row of metrics of step number `step` (the first step is 1)."""
        self._lines.write(json.dumps({"step": step, **values}) + "\n")
        for name, value in values.items():
            self._board.add_scalar(name, value, step)

    def close(self) -> None:
        self._lines.close()
        self._board.close()


class StepMetrics:
    """Means of the metrics of the steps since the last row.

    It holds a queue of one: the metrics of a step are read from the device when the next step has
    been dispatched, so that reading never leaves the device idle.
    """

    def __init__(self) -> None:
        self._pending: tuple[int, Metrics, Sequence[str]] | None = None
        self._values: dict[str, list[float]] = {}
        self._steps = self._clips = 0
        self._since = time.monotonic()

    def submit(self, step: int, metrics: Metrics, ids: Sequence[str]) -> None:
        """Takes the metrics of a dispatched step and reads those of the one before it.

        Raises:
          NonFiniteLossError: see `settle`.
        """
        self.settle()
        self._pending = (step, metrics, ids)

    def settle(self) -> None:
        """Waits for the last step that was submitted.

        Raises:
          NonFiniteLossError: one of its metrics is NaN or infinite.
        """
        if self._pending is None:
            return
        step, metrics, ids = self._pending
        self._pending = None
        values = {name: float(value) for name, value in metrics.items()}
        check_finite(step, values, ids)
        for name, value in values.items():
            self._values.setdefault(name, []).append(value)
        self._steps += 1
        self._clips += len(ids)

    def drain(self) -> dict[str, float]:
        """Means and speed since the last call."""
        row = {name: math.fsum(values) / len(values) for name, values in self._values.items()}
        seconds = max(time.monotonic() - self._since, 1e-9)
        row |= {
            "clips_per_second": self._clips / seconds,
            "steps_per_second": self._steps / seconds,
        }
        self._values, self._steps, self._clips = {}, 0, 0
        self._since = time.monotonic()
        return row


def check_finite(step: int, values: Mapping[str, float], ids: Sequence[str]) -> None:
    """Stops a training that has gone wrong.

    Raises:
      NonFiniteLossError: a metric is NaN or infinite; names the step, the metrics and the clips.
    """
    bad = {name: value for name, value in values.items() if not math.isfinite(value)}
    if bad:
        raise NonFiniteLossError(
            f"step {step}: {bad} on clips {list(ids)}; no checkpoint was written for this state. "
            "Lower optimizer.learning_rate or look at these clips, then start again"
        )
