"""The training loop, top to bottom: data, objective, state, steps."""

import contextlib
import functools
import itertools
import logging
import math
import sys
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import jax
import numpy as np
from jax.sharding import Mesh
from ml_collections import ConfigDict
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from audiogen_jax.files.atomic import check_writable, recover_folder, replace_folder, staging_folder
from audiogen_jax.files.lock import locked
from audiogen_jax.sharding.distributed import any_process, on_first_process
from audiogen_jax.sharding.mesh import make_mesh, process_rows, row_loaders, shard_batch
from audiogen_jax.sharding.placement import large_replicated, tree_shardings
from audiogen_jax.sharding.transfer import put_tree, to_host
from audiogen_jax.sharding.watchdog import Watchdog, closed_in_time
from audiogen_jax.train.batches import Batch, HostBatch, host_batch, open_batches
from audiogen_jax.train.checkpoint import Checkpoints
from audiogen_jax.train.flops import matmul_flops
from audiogen_jax.train.gradients import Metrics
from audiogen_jax.train.interruption import Interruption, StopVote
from audiogen_jax.train.meter import SPEED, StepMetrics, summary
from audiogen_jax.train.objective import Objective, SamplingObjective, StepFn
from audiogen_jax.train.profiling import Profile
from audiogen_jax.train.record import Record
from audiogen_jax.train.samples import Samples
from audiogen_jax.train.stages import load_objective, parse_config
from audiogen_jax.train.start import start_state
from audiogen_jax.train.state import TrainState
from audiogen_jax.train.train_config import TrainConfig
from audiogen_jax.train.workdir import Workdir, open_workdir
from audiogen_jax.train.writer import MetricsWriter
from audiogen_jax.types import Params, path_name

EXPORT = "export"


class DivergedError(ValueError):
    """Too many steps in a row had a loss or gradient that is not finite, or a spike."""


def train_model(
    config: ConfigDict,
    workdir: str | Path,
    profile_steps: tuple[int, int] | None = None,
    *,
    allow_changes: Collection[str] = (),
    start_over: bool = False,
) -> TrainState:
    """Trains from the newest checkpoint in `workdir`, or from the start, to `config.steps`.

    Stops early, with a checkpoint, on SIGTERM, SIGINT or after `config.max_seconds`. Going on is
    exact: the same losses as without the stop, on any number of devices and processes.

    Args:
      config: what `load_config` returns.
      workdir: receives checkpoints/, metrics.jsonl, tensorboard/, config.json and export/; common
        to all processes; it may be in an object store, see `workdir`.
      profile_steps: (first, last) step of a trace, written to `workdir`/profile.
      allow_changes: settings that may be others than those that the training was begun with; see
        `record`.
      start_over: begin at step 0 where all checkpoints in `workdir` are damaged.

    Returns:
      The last state.

    Raises:
      ValueError: a key of the config is unknown or of another type, or the config contradicts
        itself, the data, or what the training was begun with.
      DivergedError: too many steps in a row were not finite, or spikes, or the parameters are not.
      OSError: the last checkpoint could not be written, or another training runs in `workdir`.
    """
    settings = parse_config(config)
    busy = f"{workdir}: another training is running there, choose another workdir"
    with (
        open_workdir(workdir) as where,
        Watchdog(settings.stuck_seconds) as watchdog,
        contextlib.ExitStack() as stack,
    ):
        on_first_process(lambda: check_writable(where.folder / ".lock"))
        on_first_process(lambda: stack.enter_context(locked(where.folder / ".lock", busy)))
        record = Record(where, config, settings)
        watchdog.beat("comparing with what the training was begun with")
        on_first_process(lambda: record.compare(allow_changes))
        return _train(settings, record, where, profile_steps, start_over, watchdog)


def _train(
    settings: TrainConfig,
    record: Record,
    where: Workdir,
    profile_steps: tuple[int, int] | None,
    start_over: bool,
    watchdog: Watchdog,
) -> TrainState:
    started, workdir = time.monotonic(), where.folder
    is_writer = jax.process_index() == 0

    # ------------------------------------------------------ objective, data
    mesh = make_mesh(settings.mesh)
    watchdog.beat("opening the data", together=False)
    objective = load_objective(settings)
    open_split = functools.partial(
        open_batches,
        objective.config.data,
        rows=functools.partial(process_rows, mesh),
        encoder_sha256=objective.facts.get("tokenizer", ""),
        prompts_sha256=objective.facts.get("prompts", ""),
    )
    batches = open_split("train", settings.seed)
    validation: list[HostBatch] = []
    if settings.eval.batches:
        held_out = itertools.islice(open_split("val", settings.eval.seed), settings.eval.batches)
        validation = [host_batch(fields) for fields in held_out]

    # ---------------------------------------------------------------- state
    watchdog.beat("making or restoring the state")
    key = jax.random.key(settings.seed)
    abstract = jax.eval_shape(objective.init_state, key)
    shardings = tree_shardings(abstract, mesh, settings.sharding, objective.axes)
    for array in large_replicated(abstract, shardings) if mesh.size > 1 else ():
        logging.info("on every device: %s %s, %.1f MB", array.name, array.shape, array.bytes / 1e6)
    checkpoints = Checkpoints(
        where.checkpoints,
        settings.keep_checkpoints,
        settings.keep_every,
        objective.facts,
        start_over,
    )
    placed = jax.tree.map(
        lambda leaf, at: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=at),
        abstract,
        shardings,
    )
    step, state = checkpoints.restore_newest(placed, batches) or (0, None)
    if state is None:
        state = start_state(objective, key, abstract, shardings)
    frozen = put_tree(
        objective.frozen,
        tree_shardings(objective.frozen, mesh, settings.sharding, objective.axes),
    )
    count = sum(leaf.size for leaf in jax.tree.leaves(state.params))
    logging.info("%d parameters, from step %d on %s", count, step, dict(mesh.shape))

    # ---------------------------------------------------------------- steps
    writer = None
    if is_writer:
        recover_folder(workdir / EXPORT)
        record.write(step)
        writer = MetricsWriter(workdir, step)
    meter, flops, plain = StepMetrics(), {}, objective.without_remat()
    for batch in validation:
        meter.warn_of(batch.replaced)
    learning_rate = settings.optimizer.schedule(settings.steps)
    evaluate = jax.jit(objective.evaluate)
    samples = None
    if isinstance(objective, SamplingObjective) and settings.sample_every and validation:
        samples = Samples(objective, mesh, validation[0], writer)

    @functools.cache
    def compiled(step_fn: StepFn) -> jax.stages.Wrapped:
        # The state comes back where it was: it is donated, and the next step expects it there.
        return jax.jit(step_fn, donate_argnums=0, out_shardings=(shardings, None))

    profile = Profile(workdir / "profile", profile_steps)
    with (
        contextlib.closing(checkpoints),
        contextlib.closing(writer) if writer else contextlib.nullcontext(),
        contextlib.closing(profile),
        Interruption() as interruption,
        _progress(is_writer and sys.stderr.isatty()) as progress,
        closed_in_time(),
    ):
        bar = progress.add_task(
            settings.objective, total=settings.steps, completed=step, loss=math.nan, rate=0.0
        )
        stop, vote = step >= settings.steps, StopVote(step)
        while not stop:
            watchdog.beat(f"loading the data of step {step + 1}", together=False)
            with meter.time("data"):
                clip_ids, arrays, replaced = host_batch(next(batches))
                batch = shard_batch(mesh, arrays)
                clips = len(jax.tree.leaves(batch)[0])
                meter.warn_of(replaced, row_loaders(mesh, clips) if any(replaced) else None)
            watchdog.beat(f"running step {step + 1}")
            step_fn = compiled(objective.step_at(step))
            profile.before(step)
            with jax.set_mesh(mesh), profile.step(step):
                shapes = step_fn, *(array.shape for array in jax.tree.leaves(batch))
                if shapes not in flops:
                    logging.info("compiling the step for batches of %s", arrays[0].shape)
                    plain_step = compiled(plain.step_at(step))
                    flops[shapes] = matmul_flops(plain_step, state, batch, frozen)
                state, metrics = step_fn(state, batch, frozen)
            step += 1
            frames = clips * float(np.mean(objective.frame_lengths(arrays)))
            meter.submit(step, metrics, clip_ids, clips, frames, flops[shapes])
            _check_steps_count(meter, settings.guard.limit)

            out_of_time = 0 < settings.max_seconds <= time.monotonic() - started
            stop = vote(step, interruption.requested or out_of_time)
            stop |= step >= settings.steps
            saving = stop or step % settings.checkpoint_every == 0
            evaluating = step >= settings.steps or step % settings.eval.every == 0
            if saving or evaluating or step % settings.log_every == 0:
                meter.settle()
                _check_steps_count(meter, settings.guard.limit)
                watchdog.expect_steps()
                row = {}
                if evaluating and validation:
                    watchdog.beat(f"evaluating after step {step}")
                    with meter.time("eval"):
                        row = _evaluate(evaluate, state, frozen, mesh, validation)
                if saving:
                    watchdog.beat(f"writing the checkpoint of step {step}")
                    with meter.time("checkpoint"):
                        checkpoints.save(step, state, batches)
                row = meter.drain() | row
                counted = max(0, int(state.guard.accepted) - 1)
                row["learning_rate"] = float(np.asarray(learning_rate(counted)))
                if writer:
                    writer.write(step, row)
                    if progress.disable:
                        logging.info("step %d of %d: %s", step, settings.steps, summary(row))
                progress.update(
                    bar, loss=row.get("loss", math.nan), rate=row[SPEED + "clips_per_second"]
                )
            if samples and step % settings.sample_every == 0:
                watchdog.beat(f"making samples after step {step}")
                with meter.time("eval"):
                    samples.write(step, state, frozen)
            if step % settings.export_every == 0 and not stop:
                watchdog.beat(f"exporting after step {step}")
                _export(objective, state, workdir)
            progress.update(bar, completed=step)

        watchdog.beat("exporting")
        if not any_process(interruption.requested):  # whoever sent a signal gives little time
            _export(objective, state, workdir)
    return state


def _check_steps_count(meter: StepMetrics, limit: int) -> None:
    """Ends a training of which too many steps in a row did not count."""
    if meter.skipped_in_a_row > limit:
        raise DivergedError(
            f"{meter.skipped_in_a_row} steps in a row did not count (guard.limit={limit}): "
            + "; ".join(meter.skipped)
            + ". Look at these clips or lower optimizer.learning_rate, then start again: "
            "training goes on from the last checkpoint"
        )


def _evaluate(
    evaluate: Callable[[TrainState, Batch, Params, int], Metrics],
    state: TrainState,
    frozen: Params,
    mesh: Mesh,
    validation: Sequence[HostBatch],
) -> dict[str, float]:
    """Means over the validation batches, named "val_..."."""
    with jax.set_mesh(mesh):
        rows = [
            evaluate(state, shard_batch(mesh, batch.arrays), frozen, index)
            for index, batch in enumerate(validation)
        ]
    return {f"val_{name}": float(np.mean([row[name] for row in rows])) for name in rows[0]}


def _export(objective: Objective, state: TrainState, workdir: Path) -> None:
    """Puts a new export in the place of the one before, whole."""
    params = to_host(objective.exported(state))
    arrays = jax.tree_util.tree_leaves_with_path(params)
    if bad := [path_name(name) for name, array in arrays if not np.isfinite(array).all()]:
        raise DivergedError(
            f"after step {int(state.step)} {len(bad)} of {len(arrays)} arrays hold NaN or infinite "
            f"values: {bad[:3]}. They are not exported; the checkpoints stay as they are. Lower "
            "optimizer.learning_rate and begin in another workdir"
        )
    if jax.process_index() == 0:
        with staging_folder(workdir) as staging:
            objective.export(params, staging / EXPORT)
            replace_folder(staging / EXPORT, workdir / EXPORT)


def _progress(shown: bool) -> Progress:
    """A bar on stderr whose tasks have the fields `loss` and `rate` (clips per second)."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]:.4f}"),
        TextColumn("{task.fields[rate]:.1f} clips/s"),
        TimeRemainingColumn(elapsed_when_finished=True),
        console=Console(stderr=True),
        disable=not shown,
    )
