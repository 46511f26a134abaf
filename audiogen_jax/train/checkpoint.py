"""Training checkpoints: the state and the position in the data, written together or not at all.

The hashes of all files are written with them, and checked before anything is read: a bit that flips
on a disk would give other weights without a word.
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import jax
import orbax.checkpoint as ocp
from jax.experimental import multihost_utils
from jaxtyping import PyTree

from audiogen_jax.files.content_hashes import HASHES, check_contents, record_contents
from audiogen_jax.files.json_object import read_object
from audiogen_jax.files.remote import parse_path
from audiogen_jax.sharding.distributed import any_process
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
        self,
        folder: Path,
        keep: int,
        keep_every: int = 0,
        facts: Mapping[str, str] | None = None,
        start_over: bool = False,
    ):
        """Opens a folder of checkpoints.

        Args:
          folder: absolute; made if it does not exist.
          keep: number of checkpoints kept, the newest.
          keep_every: steps whose multiples are kept for good; 0: none.
          facts: what a checkpoint must have in common with this training (tokenizer, seed ..);
            written beside it and compared when it is read.
          start_over: where all checkpoints are damaged, begin at step 0.
        """
        self._folder, self._facts = folder, dict(facts or {})
        self._start_over, self._saving = start_over, -1
        options = ocp.CheckpointManagerOptions(
            max_to_keep=keep,
            keep_period=keep_every or None,
            cleanup_tmp_directories=True,
            async_options=ocp.options.AsyncOptions(post_finalization_callback=self._record),
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
        self._saving = step
        try:
            self._manager.save(step, args=args)
        except OSError as error:
            logging.error("checkpoint of step %d was not written: %s", step, error)

    def restore_newest(self, abstract: TrainState, data: Position) -> tuple[int, TrainState] | None:
        """Reads the newest checkpoint whose files are those that were written.

        One whose files are not is renamed to "N.damaged", and the one before it is read. All
        processes must call it.

        Args:
          abstract: shapes, dtypes and shardings of the state, for any mesh.
          data: grain iterator; moved to the saved position, for any number of processes.

        Returns:
          (number of finished steps, state); None if there is no checkpoint at all.

        Raises:
          ValueError: the newest one is of another training or cannot be read, though its files are
            as they were written; or all are damaged.
        """
        for step in sorted(self._manager.all_steps(), reverse=True):
            if not self._is_damaged(step):
                return step, self._restore(step, abstract, data)
            self._set_aside(step)
        damaged = sorted(path.name for path in self._folder.glob("*.damaged*"))
        if damaged and not self._start_over:
            raise ValueError(
                f"{self._folder}: no checkpoint is whole, {damaged} are damaged. Put back whole "
                "files, or ask for a start at step 0 with --start-over"
            )
        return None

    def _record(self) -> None:
        """Hashes the files of the checkpoint that is being written, before it gets its name."""
        unnamed = self._folder.glob(f"{self._saving}.orbax-checkpoint-tmp*")
        folder = next(unnamed, self._folder / str(self._saving))  # of object stores
        # What else stands there, orbax still changes; nothing of it is read.
        record_contents(folder, [path.name for path in folder.iterdir() if path.is_dir()])

    def _is_damaged(self, step: int) -> bool:
        """Are files of a checkpoint not those that were written? Processes share the reading."""
        folder, damaged = parse_path(self._folder / str(step)), False
        if not (folder / HASHES).exists():
            logging.info("checkpoint of step %d has no hashes, as those of version 0.1", step)
            return any_process(False)
        try:
            names = sorted(read_object(folder / HASHES))
            check_contents(folder, names[jax.process_index() :: jax.process_count()])
        except ValueError as error:
            logging.error("checkpoint of step %d is damaged: %s", step, error)
            damaged = True
        return any_process(damaged)

    def _restore(self, step: int, abstract: TrainState, data: Position) -> TrainState:
        try:
            return self._read(step, abstract, data)
        except _OtherTrainingError:
            raise
        except Exception as error:  # orbax and tensorstore raise many kinds
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise ValueError(
                f"{self._folder / str(step)} cannot be restored: {reason}. Nothing was changed: "
                "start again when the cause is gone, or move that folder away to go on from the "
                "checkpoint before it"
            ) from error

    def _read(self, step: int, abstract: TrainState, data: Position) -> TrainState:
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
            logging.error("%s was renamed to %s", folder, target.name)
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
