"""The training loop, top to bottom: data, objective, state, steps."""

import contextlib
import dataclasses
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

from audiogen_jax.input.pipeline import DataConfig, make_iterator
from audiogen_jax.sharding.mesh import make_mesh, replicated, shard_batch
from audiogen_jax.train.checkpoint import Checkpoints
from audiogen_jax.train.flow_step import flow_matching
from audiogen_jax.train.interruption import Interruption
from audiogen_jax.train.mae_step import masked_autoencoder
from audiogen_jax.train.metrics import MetricsWriter, StepMetrics
from audiogen_jax.train.progress import training_progress
from audiogen_jax.train.state import Objective, TrainState
from audiogen_jax.train.tokenizer_step import tokenizer
from audiogen_jax.types import Params

OBJECTIVES: dict[str, Callable[[Any, Callable[[], Iterable[dict]]], Objective]] = {
    "masked_autoencoder": masked_autoencoder,
    "tokenizer": tokenizer,
    "flow_matching": flow_matching,
}


def train(config: Any, workdir: str | Path) -> TrainState:
    """Trains from the newest checkpoint in `workdir`, or from the start, to `config.steps`.

    Stops early, with a checkpoint, on SIGTERM, SIGINT or after `config.max_seconds`. Going on is
    exact: the same losses as without the stop.

    Args:
      config: the ConfigDict that a file in `configs/` returns.
      workdir: receives checkpoints/, metrics.jsonl, tensorboard/, config.json and export/.

    Returns:
      The last state.

    Raises:
      ValueError: the config contradicts itself or the data.
      NonFiniteLossError: the loss became NaN or infinite.
    """
    started = time.monotonic()
    workdir = Path(workdir).absolute()
    workdir.mkdir(parents=True, exist_ok=True)
    if config.objective not in OBJECTIVES:
        raise ValueError(f"objective={config.objective!r}: expected one of {sorted(OBJECTIVES)}")

    # ---------------------------------------------------------------- data
    mesh = make_mesh(config.mesh.data)
    data_config = DataConfig(**config.data, seed=config.seed)
    process, processes = jax.process_index(), jax.process_count()
    batches = make_iterator(data_config, process, processes)
    validation_config = dataclasses.replace(data_config, split="val", seed=config.eval.seed)
    validation = [
        _arrays(batch)
        for batch in itertools.islice(make_iterator(validation_config), config.eval.batches)
    ]

    # ----------------------------------------------------- objective, state
    # Statistics are measured on the same clips by every process.
    objective = OBJECTIVES[config.objective](config, lambda: make_iterator(data_config))
    checkpoints = Checkpoints(workdir / "checkpoints", keep=config.keep_checkpoints)
    key = jax.random.key(config.seed)
    start = checkpoints.latest_step()
    if start is None:
        init = jax.jit(objective.init_state, out_shardings=replicated(mesh))
        state = jax.device_put(objective.prepare(init(key)), replicated(mesh))
    else:
        abstract = jax.eval_shape(objective.init_state, key)
        state = checkpoints.restore(start, abstract, batches, replicated(mesh))
    frozen = jax.device_put(objective.frozen, replicated(mesh))
    step = start or 0
    (workdir / "config.json").write_text(config.to_json_best_effort(indent=2) + "\n")
    count = sum(leaf.size for leaf in jax.tree.leaves(state.params))
    logging.info("%d parameters, from step %d on %d devices", count, step, mesh.size)

    # ---------------------------------------------------------------- steps
    writer = MetricsWriter(workdir, step)
    meter = StepMetrics()
    with (
        contextlib.closing(checkpoints),
        contextlib.closing(writer),
        jax.set_mesh(mesh),
        Interruption() as interruption,
        training_progress() as progress,
    ):
        bar = progress.add_task(
            config.objective, total=config.steps, completed=step, loss=math.nan, rate=0.0
        )
        stop = step >= config.steps
        while not stop:
            batch = next(batches)
            ids = [str(name) for name in batch["id"]]
            step_fn = objective.step_at(step)
            state, metrics = step_fn(state, shard_batch(mesh, _arrays(batch)), frozen)
            step += 1
            meter.submit(step, metrics, ids)

            out_of_time = 0 < config.max_seconds <= time.monotonic() - started
            stop = step >= config.steps or out_of_time or interruption.requested
            saving = stop or step % config.checkpoint_every == 0
            evaluating = step >= config.steps or step % config.eval.every == 0
            if saving or evaluating or step % config.log_every == 0:
                meter.settle()  # a state is saved only once its loss is known to be finite
                row = meter.drain()
                if evaluating and validation:
                    row |= _evaluate(objective, state, frozen, mesh, validation)
                writer.write(step, row)
                progress.update(bar, loss=row["loss"], rate=row["clips_per_second"])
            if saving:
                checkpoints.save(step, state, batches)
            if step % config.export_every == 0 and not stop:
                objective.export(state, workdir / "export")
            progress.update(bar, completed=step)

        if not interruption.requested:  # whoever sent a signal gives little time
            objective.export(state, workdir / "export")
    return state


def _arrays(batch: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The part of a batch that goes to the devices."""
    return {name: np.asarray(value) for name, value in batch.items() if name != "id"}


def _evaluate(
    objective: Objective, state: TrainState, frozen: Params, mesh: Mesh, batches: Sequence[dict]
) -> dict[str, float]:
    """Means over the validation batches, named "val_..."."""
    rows = [
        objective.evaluate(state, shard_batch(mesh, batch), frozen, index)
        for index, batch in enumerate(batches)
    ]
    return {f"val_{name}": float(np.mean([row[name] for row in rows])) for name in rows[0]}
