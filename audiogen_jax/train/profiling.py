"""A trace of some steps, for TensorBoard's profiler or Perfetto."""

import contextlib
from pathlib import Path

import jax


class Profile:
    """Traces steps `first` to `last` of this process; does nothing without them."""

    def __init__(self, folder: Path, steps: tuple[int, int] | None):
        """Plans a trace.

        Args:
          folder: receives it.
          steps: (first, last), counted from 1.

        Raises:
          ValueError: there is no step between them.
        """
        if steps and not 1 <= steps[0] <= steps[1]:
            raise ValueError(f"profile steps {steps[0]}:{steps[1]}: expected first:last from 1")
        self._folder, self._steps = folder, steps
        self._running = False

    def before(self, finished: int) -> None:
        """Starts or stops the trace between two steps."""
        if not self._steps:
            return
        if finished + 1 == self._steps[0]:
            jax.profiler.start_trace(str(self._folder))
            self._running = True
        elif finished >= self._steps[1]:
            self.close()

    def step(self, finished: int) -> contextlib.AbstractContextManager:
        """Marks one step in the trace."""
        return jax.profiler.StepTraceAnnotation("train", step_num=finished + 1)

    def close(self) -> None:
        """Ends a trace under way."""
        if self._running:
            self._running = False
            jax.profiler.stop_trace()
