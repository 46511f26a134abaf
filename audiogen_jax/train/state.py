"""Everything that one step reads and writes."""

from typing import Self, TypeVar

import flax.struct
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from audiogen_jax.types import Params


class Guard(flax.struct.PyTreeNode):
    """What decides whether a step counts.

    Attributes:
      norm: average gradient norm of the steps that counted.
      accepted: how many did.
      in_a_row: how many did not since the last that did.
    """

    norm: Float[Array, ""]
    accepted: Int[Array, ""]
    in_a_row: Int[Array, ""]

    @classmethod
    def new(cls) -> Self:
        """The guard before the first step."""
        return cls(jnp.zeros(()), jnp.zeros((), jnp.int32), jnp.zeros((), jnp.int32))


class DiscriminatorState(flax.struct.PyTreeNode):
    """Parameters and optimizer of the adversary of a GAN."""

    params: Params
    opt_state: optax.OptState

    def apply_gradients(self, gradients: Params, optimizer: optax.GradientTransformation) -> Self:
        """Moves the parameters."""
        return _applied(self, gradients, optimizer)


class TrainState(flax.struct.PyTreeNode):
    """The whole of a training that its next step depends on, beside the position in the data.

    Attributes:
      step: number of finished steps.
      params: what is trained.
      opt_state: moments and counters of the optimizer.
      guard: memory of the gradient norms.
      ema: average of the parameters, if the stage keeps one.
      discriminator: the adversary, if the stage has one.
    """

    step: Int[Array, ""]
    params: Params
    opt_state: optax.OptState
    guard: Guard
    ema: Params | None = None
    discriminator: DiscriminatorState | None = None

    @classmethod
    def new(
        cls,
        params: Params,
        optimizer: optax.GradientTransformation,
        *,
        average: bool,
        discriminator: DiscriminatorState | None = None,
    ) -> Self:
        """The state before the first step; with `average` it keeps one of the parameters."""
        return cls(
            step=jnp.zeros((), jnp.int32),
            params=params,
            opt_state=optimizer.init(params),
            guard=Guard.new(),
            # Buffers of their own: the state is donated.
            ema=jax.tree.map(jnp.copy, params) if average else None,
            discriminator=discriminator,
        )

    def apply_gradients(self, gradients: Params, optimizer: optax.GradientTransformation) -> Self:
        """Moves the parameters, and nothing else but the optimizer's state."""
        return _applied(self, gradients, optimizer)

    def average_params(self, decay: float) -> Self:
        """Moves the average towards the parameters: d ema + (1 - d) params.

        With d = min(decay, (1 + step) / (10 + step)) the start of a training does not weigh on a
        slow average.
        """
        assert self.ema is not None
        rate = 1 - jnp.minimum(decay, (1 + self.step) / (10 + self.step))
        return self.replace(ema=optax.incremental_update(self.params, self.ema, rate))


State = TypeVar("State", TrainState, DiscriminatorState)


def _applied(state: State, gradients: Params, optimizer: optax.GradientTransformation) -> State:
    updates, opt_state = optimizer.update(gradients, state.opt_state, state.params)
    return state.replace(params=optax.apply_updates(state.params, updates), opt_state=opt_state)
