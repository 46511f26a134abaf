"""Training checkpoints: the state and the position in the data, written together or not at all."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import jax
import orbax.checkpoint as ocp
from jax.experimental import multihost_utils
from jaxtyping import PyTree

from audiogen_jax.train.state import TrainState
from audiogen_jax.types import path_name

SHARED_WRITE_BYTES = 1 << 20


class Position(Protocol):
    """Where a training stands in its data: a grain iterator, as far as it is needed here."""

    def get_state(self) -> dict: ...
    def set_state(self, state: dict) -> None: ...


class Checkpoints:
    """The checkpoints of a training, named by the number of finished steps.

    Writing goes on in the background. orbax writes to a temporary name and renames, so a
    checkpoint with a plain number is whole; what a killed process left behind is removed on
    opening.
    """

    def __init__(
        self, folder: Path, keep: int, keep_every: int = 0, facts: Mapping[str, str] | None = None
    ):
        """Opens a folder of checkpoints.

        Args:
          folder: absolute; made if it does not exist.
          keep: number of checkpoints kept, the newest.
          keep_every: steps whose multiples are kept for good; 0: none.
          facts: what a checkpoint must have in common with this training (tokenizer, seed ..);
            written beside it and compared when it is read.
        """
        self._folder, self._facts = folder, dict(facts or {})
        options = ocp.CheckpointManagerOptions(
            max_to_keep=keep, keep_period=keep_every or None, cleanup_tmp_directories=True
        )
        registry = ocp.handlers.DefaultCheckpointHandlerRegistry()
        # Equal copies share the writing of large arrays only: to cut up small ones takes longer.
        array_handler = ocp.type_handlers.ArrayHandler(
            min_slice_bytes_for_replica_parallel=SHARED_WRITE_BYTES
        )
        arrays = ocp.PyTreeCheckpointHandler(
            type_handler_registry=ocp.type_handlers.create_type_handler_registry(
                (jax.Array, array_handler)
            )
        )
        json = ocp.JsonCheckpointHandler()
        for item, handler, kinds in (
            ("state", arrays, (ocp.args.PyTreeSave, ocp.args.PyTreeRestore)),
            ("data", json, (ocp.args.JsonSave, ocp.args.JsonRestore)),
            ("facts", json, (ocp.args.JsonSave, ocp.args.JsonRestore)),
        ):
            for kind in kinds:
                registry.add(item, kind, handler)
        self._manager = ocp.CheckpointManager(folder, options=options, handler_registry=registry)

    def save(self, step: int, state: TrainState, data: Position) -> None:
        """Starts to write a checkpoint; does nothing if this step is already saved.

        A write that failed since the last call (a full disk) is reported and forgotten: training
        goes on, and this call tries again with the newer state.

        Args:
          step: number of finished steps.
          state: may be donated to the next step once this returns.
          data: grain iterator that has given exactly the batches of the finished steps; all
            processes are at the same position.
        """
        self._report_failure()
        if step in self._manager.all_steps():
            return
        args = ocp.args.Composite(
            state=ocp.args.PyTreeSave(state),  # pyright: ignore[reportCallIssue]
            data=ocp.args.JsonSave(data.get_state()),  # pyright: ignore[reportCallIssue]
            facts=ocp.args.JsonSave(self._facts),  # pyright: ignore[reportCallIssue]
        )
        try:
            self._manager.save(step, args=args)
        except OSError as error:
            logging.error("checkpoint of step %d was not written: %s", step, error)

    def restore_newest(self, abstract: TrainState, data: Position) -> tuple[int, TrainState] | None:
        """Reads the newest checkpoint that can be read.

        One that cannot is renamed to "N.damaged" and the one before it is tried.

        Args:
          abstract: shapes, dtypes and shardings of the state, for any mesh.
          data: grain iterator; moved to the saved position, for any number of processes.

        Returns:
          (number of finished steps, state); None if there is no checkpoint at all.

        Raises:
          ValueError: the newest one is of another training, or none can be read.
        """
        steps = sorted(self._manager.all_steps(), reverse=True)
        for step in steps:
            try:
                return step, self._restore(step, abstract, data)
            except _OtherTrainingError:
                raise
            except Exception as error:  # orbax and tensorstore raise many kinds
                first_line = str(error).strip().splitlines()[:1]
                logging.error("checkpoint of step %d cannot be read: %s", step, first_line)
                self._set_aside(step)
        if steps:
            raise ValueError(
                f"{self._folder}: none of the checkpoints {steps} can be read; they were renamed "
                "to N.damaged. Start again to train from the beginning"
            )
        return None

    def _restore(self, step: int, abstract: TrainState, data: Position) -> TrainState:
        metadata = self._manager.item_metadata(step)["state"]
        if metadata is None:
            raise ValueError("its state is missing")
        self._check_tree(step, metadata, abstract)
        args = ocp.args.Composite(
            state=ocp.args.PyTreeRestore(  # pyright: ignore[reportCallIssue]
                abstract, ocp.checkpoint_utils.construct_restore_args(abstract)
            ),
            data=ocp.args.JsonRestore(),
            facts=ocp.args.JsonRestore(),
        )
        restored = self._manager.restore(step, args=args)
        if restored["facts"] != self._facts:
            raise _OtherTrainingError(
                f"{self._folder}/{step} was written with {restored['facts']}, this training has "
                f"{self._facts}: choose another workdir"
            )
        if int(restored["state"].step) != step:
            raise ValueError(f"it holds the state of step {int(restored['state'].step)}")
        data.set_state(restored["data"])
        return restored["state"]

    def _check_tree(self, step: int, metadata: PyTree, abstract: TrainState) -> None:
        """Compares names and shapes before anything is read."""
        saved = _shapes(getattr(metadata, "tree", metadata))
        expected = _shapes(abstract)
        differences = [
            f"{name}: {saved.get(name, 'none')} in the checkpoint, {expected.get(name, 'none')} now"
            for name in sorted(saved.keys() | expected.keys())
            if saved.get(name) != expected.get(name)
        ]
        if differences:
            raise _OtherTrainingError(
                f"{self._folder}/{step} is of another model, {len(differences)} arrays differ: "
                f"{differences[:5]}. Choose another workdir or the config that wrote it"
            )

    def _set_aside(self, step: int) -> None:
        """Renames a damaged checkpoint, so that its step can be saved again."""
        if jax.process_index() == 0:
            folder = self._folder / str(step)
            target = folder.with_name(f"{step}.damaged")
            for attempt in range(2, 100):
                if not target.exists():
                    break
                target = folder.with_name(f"{step}.damaged{attempt}")
            folder.rename(target)
        if jax.process_count() > 1:
            multihost_utils.sync_global_devices("damaged checkpoint set aside")
        self._manager.reload()

    def _report_failure(self) -> None:
        try:
            self._manager.wait_until_finished()
        except Exception as error:  # of the background write, any kind
            logging.error("the last checkpoint was not written: %s", error)
            self._manager.reload()

    def close(self) -> None:
        """Waits for a write under way.

        Raises:
          OSError: it failed.
        """
        try:
            self._manager.wait_until_finished()
        except Exception as error:
            raise OSError(
                f"{self._folder}: the last checkpoint was not written ({error}); "
                f"those of steps {self._manager.all_steps()} are whole"
            ) from error
        finally:
            self._manager.close()


class _OtherTrainingError(ValueError):
    """The checkpoint is whole, but does not belong to this training."""


def _shapes(tree: PyTree) -> dict[str, tuple[int, ...]]:
    """Shape of every array by its path, fields and keys written alike."""
    rows = jax.tree_util.tree_flatten_with_path(tree)[0]
    return {path_name(path): tuple(leaf.shape) for path, leaf in rows}
