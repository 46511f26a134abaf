"""Training checkpoints: the state and the position in the data, written together or not at all."""

from pathlib import Path
from typing import Any

import grain
import jax
import orbax.checkpoint as ocp

from audiogen_jax.train.state import TrainState


class Checkpoints:
    """The last checkpoints of a training, named by the number of finished steps.

    orbax writes to a temporary name and renames, so a checkpoint with a plain number is whole;
    what a killed process left behind is removed on opening.
    """

    def __init__(self, folder: Path, keep: int):
        """Opens a folder of checkpoints.

        Args:
          folder: absolute; made if it does not exist.
          keep: number of checkpoints kept, the newest.
        """
        options = ocp.CheckpointManagerOptions(max_to_keep=keep, cleanup_tmp_directories=True)
        self._manager = ocp.CheckpointManager(folder, options=options)

    def latest_step(self) -> int | None:
        """Number of finished steps of the newest whole checkpoint, None if there is none."""
        return self._manager.latest_step()

    def save(self, step: int, state: TrainState, data: Any) -> None:
        """Starts to write a checkpoint; does nothing if this step is already saved.

        Args:
          step: number of finished steps.
          state: may be donated to the next step once this returns.
          data: grain iterator that has given exactly the batches of the finished steps.
        """
        if step == self._manager.latest_step():
            return
        args = ocp.args.Composite(
            state=ocp.args.StandardSave(state),  # pyright: ignore[reportCallIssue]
            data=grain.checkpoint.CheckpointSave(data),
        )
        self._manager.save(step, args=args)

    def restore(self, step: int, abstract: TrainState, data: Any, sharding: Any) -> TrainState:
        """Reads a checkpoint.

        Args:
          step: number of finished steps.
          abstract: shapes and dtypes of the state.
          data: grain iterator; moved to the saved position.
          sharding: placement of every array.

        Returns:
          The state.
        """
        target = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), abstract
        )
        args = ocp.args.Composite(
            state=ocp.args.StandardRestore(target),  # pyright: ignore[reportCallIssue]
            data=grain.checkpoint.CheckpointRestore(data),
        )
        return self._manager.restore(step, args=args)["state"]

    def close(self) -> None:
        """Waits for a write under way."""
        self._manager.wait_until_finished()
        self._manager.close()
