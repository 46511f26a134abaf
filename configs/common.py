"""What the configs share: the loop, the mesh, AdamW, and what makes a check of two steps."""

from collections.abc import Sequence
from typing import Any

from ml_collections import ConfigDict, config_dict


def training(objective: str, steps: int, **changes: Any) -> ConfigDict:
    """The settings of a training on all devices, each holding all parameters.

    Args:
      objective: a stage of `audiogen_jax.train.stages`.
      steps: length of the training and of its schedules.
      **changes: of the settings below; `eval` holds changes of its own settings.
    """
    config = ConfigDict(
        dict(
            objective=objective,
            seed=0,
            steps=steps,
            max_seconds=0.0,  # > 0: stop with a checkpoint after this time
            stuck_seconds=600.0,  # a process without progress for so long ends; 0: never
            mesh=dict(data=-1, fsdp=1, tensor=1, dcn_data=1),  # -1: all devices
            sharding="dp",
            remat=config_dict.placeholder(
                str
            ),  # "nothing_saveable": a second forward pass for less memory
            accumulate=1,
            guard=dict(spike=0.0, limit=0),  # 0: stop at the first bad step
            log_every=20,
            checkpoint_every=500,
            export_every=1000,
            keep_checkpoints=2,
            keep_every=0,
            sample_every=0,
            eval=dict(every=500, batches=8, seed=0),
        )
    )
    config.update(changes)
    return config


def adamw(learning_rate: float, warmup_steps: int, **changes: float) -> ConfigDict:
    """AdamW with the moments, decay and clipping of most stages, or `changes` of them."""
    config = ConfigDict(dict(learning_rate=learning_rate, warmup_steps=warmup_steps))
    config.update(dict(b1=0.9, b2=0.95, weight_decay=0.01, clip_norm=1.0) | changes)
    return config


def adapters(rank: int = 0) -> ConfigDict:
    """Low-rank adapters of the network, trained in its place; rank 0: the network is trained."""
    return ConfigDict(
        dict(
            rank=rank,
            alpha=float(rank),
            init=config_dict.placeholder(str),  # adapters to go on from
        )
    )


def on_a_pod(config: ConfigDict) -> None:
    """Cuts parameters over all devices, skips bad steps, and keeps checkpoints for good."""
    config.mesh.update(data=1, fsdp=-1)
    config.sharding = "fsdp"
    config.guard.update(spike=10.0, limit=20)  # steps that are skipped, and when to stop
    config.checkpoint_every, config.keep_every = 2000, 100_000


def smoke(config: ConfigDict) -> None:
    """Makes a config a check of two steps on eight short clips."""
    config.steps = 2
    config.data.buckets, config.data.batch_sizes = (1.0,), (8,)
    config.optimizer.warmup_steps = 0
    config.log_every = config.eval.batches = 1


def check_argument(arg: str, known: Sequence[str]) -> None:
    """Refuses FILE:ARG with an argument that the config does not know.

    Raises:
      ValueError: it is not one of `known`.
    """
    if arg not in known:
        raise ValueError(f"unknown config argument {arg!r}: expected one of {list(known)}")
