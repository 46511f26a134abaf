"""AdamW with warm-up, cosine decay, clipping, and parameters that are frozen by name."""

import dataclasses
import re
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import optax
from jaxtyping import PyTree

from audiogen_jax.types import Decay, NotNegative, Params, Positive, Whole, path_name

FINAL_FRACTION = 0.1
"""The cosine ends at this part of the peak learning rate."""


@dataclasses.dataclass(frozen=True)
class OptimizerConfig:
    """AdamW and its schedule.

    Attributes:
      learning_rate: the peak.
      warmup_steps: steps before it.
      b1: decay of the first moment.
      b2: decay of the second moment.
      weight_decay: of kernels.
      clip_norm: longest gradient.
      first_moment_dtype: of what is kept of the first moment: "bfloat16" takes half the memory,
        and rounds what each step adds to it; the second, which divides, is float32 in any.
    """

    learning_rate: Positive
    warmup_steps: Whole
    b1: Decay
    b2: Decay
    weight_decay: NotNegative
    clip_norm: Positive
    first_moment_dtype: str = "float32"

    def __post_init__(self):
        if self.first_moment_dtype not in ("float32", "bfloat16"):
            raise ValueError(
                f"optimizer.first_moment_dtype={self.first_moment_dtype!r}: expected float32 or "
                "bfloat16"
            )

    def schedule(self, total_steps: int) -> optax.Schedule:
        """The learning rate after so many steps that counted, of a training of so many."""
        return learning_rate_schedule(self.learning_rate, self.warmup_steps, total_steps)


def learning_rate_schedule(peak: float, warmup_steps: int, total_steps: int) -> optax.Schedule:
    """Linear warm-up to `peak`, then cosine decay to a tenth of it at `total_steps`.

    Raises:
      ValueError: the warm-up is not shorter than the training.
    """
    if not 0 <= warmup_steps < total_steps:
        raise ValueError(
            f"optimizer.warmup_steps={warmup_steps} must be from 0 to below steps={total_steps}"
        )
    return optax.warmup_cosine_decay_schedule(
        init_value=peak / (warmup_steps + 1),  # the first step learns too
        peak_value=peak,
        warmup_steps=warmup_steps,
        decay_steps=total_steps,
        end_value=FINAL_FRACTION * peak,
    )


def make_optimizer(
    config: OptimizerConfig,
    total_steps: int,
    frozen: Sequence[str] = (),
    frozen_after: Sequence[tuple[str, int]] = (),
) -> optax.GradientTransformation:
    """AdamW of the parameters that are not frozen; weight decay acts on kernels alone.

    Args:
      config: of AdamW.
      total_steps: length of the learning rate schedule.
      frozen: regular expressions of whole paths ("audio_encoder/.*") that never change.
      frozen_after: (expression, step) of paths that no longer change from that step on.

    Returns:
      The transformation; it keeps no moments of frozen parameters.

    Raises:
      ValueError: an expression matches no parameter (on init).
    """
    trained = optax.chain(
        optax.clip_by_global_norm(config.clip_norm),
        optax.adamw(
            config.schedule(total_steps),
            b1=config.b1,
            b2=config.b2,
            mu_dtype=config.first_moment_dtype,
            weight_decay=config.weight_decay,
            mask=lambda params: _matching(params, (r".*/?kernel",)),
        ),
        *(_stop_after(pattern, step) for pattern, step in frozen_after),
    )

    def labels(params: Params) -> Params:
        for pattern in frozen:
            if not any(jax.tree.leaves(_matching(params, (pattern,)))):
                raise ValueError(f"frozen={pattern!r} matches no parameter")
        return jax.tree.map(
            lambda is_frozen: "frozen" if is_frozen else "trained", _matching(params, frozen)
        )

    return optax.partition({"trained": trained, "frozen": optax.set_to_zero()}, labels)


def _stop_after(pattern: str, step: int) -> optax.GradientTransformation:
    """Zeroes whole updates, weight decay included, once `step` steps are done."""
    gate = optax.scale_by_schedule(lambda count: jnp.where(jnp.asarray(count) < step, 1.0, 0.0))
    return optax.masked(gate, lambda params: _matching(params, (pattern,)))


def _matching(params: PyTree, patterns: Sequence[str]) -> PyTree:
    """A tree of booleans: does the "/"-joined path match one of the expressions as a whole?"""

    def matches(path: tuple, _leaf: object) -> bool:
        return any(re.fullmatch(pattern, path_name(path)) for pattern in patterns)

    return jax.tree_util.tree_map_with_path(matches, params)
