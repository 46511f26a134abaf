"""The training loop, top to bottom: data, objective, state, steps."""

import contextlib
import functools
import itertools
import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from audiogen_jax.sharding.distributed import any_process, to_host
from audiogen_jax.sharding.mesh import MeshConfig, make_mesh, shard_batch
from audiogen_jax.sharding.placement import large_replicated, tree_shardings
from audiogen_jax.train.batches import open_batches, valid_frames
from audiogen_jax.train.checkpoint import Checkpoints
from audiogen_jax.train.flops import matmul_flops
from audiogen_jax.train.interruption import Interruption
from audiogen_jax.train.metrics import SPEED, MetricsWriter, StepMetrics
from audiogen_jax.train.objectives.generator_stage import flow_matching
from audiogen_jax.train.objectives.masked_autoencoding import masked_autoencoder
from audiogen_jax.train.objectives.tokenizer_gan import tokenizer
from audiogen_jax.train.profiling import Profile
from audiogen_jax.train.progress import training_progress
from audiogen_jax.train.samples import write_samples
from audiogen_jax.train.state import Objective, StepFn, TrainState
from audiogen_jax.types import Params

OBJECTIVES: dict[str, Callable[[Any, Callable[[], Iterable[dict]]], Objective]] = {
    "masked_autoencoder": masked_autoencoder,
    "tokenizer": tokenizer,
    "flow_matching": flow_matching,
}
AGREE_EVERY = 10
"""Steps between which several processes do not ask each other whether to stop."""


def train_model(
    config: Any, workdir: str | Path, profile_steps: tuple[int, int] | None = None
) -> TrainState:
    """Trains from the newest checkpoint in `workdir`, or from the start, to `config.steps`.

    Stops early, with a checkpoint, on SIGTERM, SIGINT or after `config.max_seconds`. Going on is
    exact: the same losses as without the stop, on any number of devices and processes.

    Args:
      config: the ConfigDict that a file in `configs/` returns.
      workdir: receives checkpoints/, metrics.jsonl, tensorboard/, config.json and export/; common
        to all processes.
      profile_steps: (first, last) step of a trace, written to `workdir`/profile.

    Returns:
      The last state.

    Raises:
      ValueError: the config contradicts itself or the data.
      DivergedError: too many steps in a row were not finite, or spikes.
      OSError: the last checkpoint could not be written.
    """
    started = time.monotonic()
    workdir = Path(workdir).absolute()
    workdir.mkdir(parents=True, exist_ok=True)
    if config.objective not in OBJECTIVES:
        raise ValueError(f"objective={config.objective!r}: expected one of {sorted(OBJECTIVES)}")
    first = jax.process_index() == 0  # the process that writes

    # ------------------------------------------------------ objective, data
    mesh = make_mesh(MeshConfig(**config.mesh))
    # Statistics are measured on the same clips by every process.
    objective = OBJECTIVES[config.objective](
        config, lambda: open_batches(config, "train", config.seed)
    )
    place = jax.process_index(), jax.process_count(), objective.facts.get("tokenizer", "")
    batches = open_batches(config, "train", config.seed, *place)
    validation = list(
        itertools.islice(open_batches(config, "val", config.eval.seed, *place), config.eval.batches)
    )

    # ---------------------------------------------------------------- state
    key = jax.random.key(config.seed)
    abstract = jax.eval_shape(objective.init_state, key)
    shardings = tree_shardings(abstract, mesh, config.sharding, objective.axes)
    for array in large_replicated(abstract, shardings):
        logging.info("on every device: %s %s, %.1f MB", array.name, array.shape, array.bytes / 1e6)
    checkpoints = Checkpoints(
        workdir / "checkpoints", config.keep_checkpoints, config.keep_every, objective.facts
    )
    placed = jax.tree.map(
        lambda leaf, at: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=at),
        abstract,
        shardings,
    )
    step, state = checkpoints.restore_newest(placed, batches) or (0, None)
    if state is None:
        init = jax.jit(objective.init_state, out_shardings=shardings)
        state = jax.device_put(objective.prepare(init(key)), shardings)
    frozen = jax.device_put(
        objective.frozen, tree_shardings(objective.frozen, mesh, config.sharding, objective.axes)
    )
    count = sum(leaf.size for leaf in jax.tree.leaves(state.params))
    logging.info("%d parameters, from step %d on %s", count, step, dict(mesh.shape))

    # ---------------------------------------------------------------- steps
    writer = None
    if first:
        (workdir / "config.json").write_text(config.to_json_best_effort(indent=2) + "\n")
        writer = MetricsWriter(workdir, step)
    meter, flops = StepMetrics(config.guard.limit), {}

    @functools.cache
    def compiled(step_fn: StepFn) -> Any:
        # The state comes back where it was: it is donated, and the next step expects it there.
        return jax.jit(step_fn, donate_argnums=0, out_shardings=(shardings, None))

    profile = Profile(workdir / "profile", profile_steps)
    with (
        contextlib.closing(checkpoints),
        contextlib.closing(writer) if writer else contextlib.nullcontext(),
        contextlib.closing(profile),
        Interruption() as interruption,
        training_progress(first) as progress,
    ):
        bar = progress.add_task(
            config.objective, total=config.steps, completed=step, loss=math.nan, rate=0.0
        )
        stop = step >= config.steps
        while not stop:
            with meter.time("data"):
                host_batch = next(batches)
                batch = shard_batch(mesh, _arrays(host_batch))
            step_fn = compiled(objective.step_at(step))
            profile.before(step)
            with jax.set_mesh(mesh), profile.step(step):
                shapes = step_fn, *(array.shape for array in batch.values())
                if shapes not in flops:
                    plain = (objective.plain_step_at or objective.step_at)(step)
                    flops[shapes] = matmul_flops(compiled(plain), state, batch, frozen)
                state, metrics = step_fn(state, batch, frozen)
            step += 1
            ids = [str(name) for name in host_batch["id"]]
            meter.submit(step, metrics, ids, valid_frames(host_batch), flops[shapes])

            out_of_time = 0 < config.max_seconds <= time.monotonic() - started
            stop = interruption.requested or out_of_time
            if jax.process_count() > 1:
                stop = step % AGREE_EVERY == 0 and any_process(stop)
            stop |= step >= config.steps
            saving = stop or step % config.checkpoint_every == 0
            evaluating = step >= config.steps or step % config.eval.every == 0
            if saving or evaluating or step % config.log_every == 0:
                meter.settle()
                row = {}
                if evaluating and validation:
                    with meter.time("eval"):
                        row = _evaluate(objective, state, frozen, mesh, validation)
                if saving:
                    with meter.time("checkpoint"):
                        checkpoints.save(step, state, batches)
                row = meter.drain() | row
                if writer:
                    writer.write(step, row)
                progress.update(
                    bar, loss=row.get("loss", math.nan), rate=row[SPEED + "clips_per_second"]
                )
            sampling = objective.sample and validation and config.sample_every
            if sampling and step % config.sample_every == 0:
                with meter.time("eval"):
                    write_samples(objective, state, frozen, mesh, validation[0], writer, step)
            if step % config.export_every == 0 and not stop:
                _export(objective, state, workdir)
            progress.update(bar, completed=step)

        if not any_process(interruption.requested):  # whoever sent a signal gives little time
            _export(objective, state, workdir)
    return state


def _arrays(batch: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The part of a batch that goes to the devices."""
    return {name: np.asarray(value) for name, value in batch.items() if name != "id"}


def _evaluate(
    objective: Objective, state: TrainState, frozen: Params, mesh: Mesh, batches: Sequence[dict]
) -> dict[str, float]:
    """Means over the validation batches, named "val_..."."""
    with jax.set_mesh(mesh):
        rows = [
            objective.evaluate(state, shard_batch(mesh, _arrays(batch)), frozen, index)
            for index, batch in enumerate(batches)
        ]
    return {f"val_{name}": float(np.mean([row[name] for row in rows])) for name in rows[0]}


def _export(objective: Objective, state: TrainState, workdir: Path) -> None:
    params = to_host(objective.exported(state))
    if jax.process_index() == 0:
        objective.export(params, workdir / "export")
