"""Frames of a source that sampling keeps."""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from audiogen_jax.types import Latents


class EditArrays(NamedTuple):
    """Sources of a batch in latent time.

    Attributes:
      latents: of the source, 0 where it has none.
      keep: True at frames that end as they are in the source.
    """

    latents: Latents
    keep: Bool[Array, "b t"]

    def at(self, sigma: Float[Array, ""], noise: Latents) -> Latents:
        """The source on the straight path to the noise."""
        return (1 - sigma) * self.latents + sigma * noise

    def constraint(self, noise: Latents) -> Callable[[Latents, Float[Array, ""]], Latents]:
        """Puts kept frames back on their own path after each step.

        As RePaint (Lugmayr et al. 2022, equation 8) without resampling, and with one noise for
        the whole path, which is the straight one of the flow.
        """

        def constrain(x: Latents, sigma: Float[Array, ""]) -> Latents:
            return jnp.where(self.keep[:, :, None], self.at(sigma, noise), x)

        return constrain
