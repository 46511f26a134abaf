"""The generator under jit: token ids to predicted lengths, and noise to latents."""

import math
from collections.abc import Sequence

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from audiogen_jax.config import AudioGenConfig, T5Config
from audiogen_jax.flow.guidance import guide
from audiogen_jax.flow.sampler import sample
from audiogen_jax.flow.schedules import SCHEDULES, release_sway
from audiogen_jax.flow.solvers import SOLVERS
from audiogen_jax.models.audiogen import AudioGen, Condition, condition, velocity_fn
from audiogen_jax.models.durations import global_latent_lengths
from audiogen_jax.models.t5 import T5Encoder
from audiogen_jax.ops.masks import length_mask
from audiogen_jax.types import Latents, Params, TokenIds, TokenMask


def check_options(steps: int, guidance: float, schedule: str, solver: str) -> None:
    """Raises ValueError naming the first sampling option that is out of range."""
    if isinstance(steps, bool) or not isinstance(steps, int | np.integer) or steps < 1:
        raise ValueError(f"steps={steps!r} must be an integer of at least 1")
    if not (math.isfinite(guidance) and guidance >= 0):
        raise ValueError(f"guidance={guidance!r} must be a finite number of at least 0")
    if schedule not in SCHEDULES:
        raise ValueError(f"schedule={schedule!r} must be one of {sorted(SCHEDULES)}")
    if solver not in SOLVERS:
        raise ValueError(f"solver={solver!r} must be one of {sorted(SOLVERS)}")


class Sampler:
    """Text encoder and generator with their weights; compiles once per set of shapes.

    Attributes:
      config: configuration of the generator.
    """

    def __init__(
        self,
        config: AudioGenConfig,
        params: Params,
        t5_config: T5Config,
        t5_params: Params,
        special_token_ids: Sequence[int] = (),
    ):
        self.config = config
        self._model = AudioGen(config, text_dim=t5_config.d_model)
        self._text_encoder = T5Encoder(t5_config)
        self._special_token_ids = tuple(special_token_ids)
        self._params = jax.device_put({"text_encoder": t5_params, "audiogen": params})
        self._log_duration = jax.jit(self._predict)
        self._sample = jax.jit(self._integrate, static_argnames=("guided", "solver", "compat"))

    def frames(
        self, token_ids: Int[np.ndarray, "b l"], token_mask: Bool[np.ndarray, "b l"]
    ) -> Int[np.ndarray, " b"]:
        """The latent frames that the model gives each text; may be out of range, 0 included.

        Raises:
          ValueError: a prediction is not finite.
        """
        log_duration = np.asarray(self._log_duration(self._params, token_ids, token_mask))
        if not np.isfinite(log_duration).all():
            raise ValueError(f"predicted durations are not finite: ln(s + offset) = {log_duration}")
        return global_latent_lengths(log_duration, self.config)

    def sample(
        self,
        token_ids: Int[np.ndarray, "b l"],
        token_mask: Bool[np.ndarray, "b l"],
        frames: Int[np.ndarray, " b"],
        noise: Latents,
        *,
        steps: int,
        guidance: float,
        schedule: str,
        solver: str = "euler",
        compat: str | None = None,
    ) -> Latents:
        """Carries noise to latents along the guided flow.

        Args:
          token_ids: int [b l].
          token_mask: bool [b l].
          frames: latent frames of each clip, at most t.
          noise: float [b t c].
          steps, guidance, schedule, solver, compat: see `Pipeline`.

        Returns:
          Float32 [b t c]; frames past the end of a clip are 0, but sampled along under "release".
        """
        if compat == "release" and schedule == "sway":
            sigmas = release_sway(steps)
        else:
            sigmas = SCHEDULES[schedule](steps)
        return self._sample(
            self._params,
            token_ids,
            token_mask,
            frames,
            noise,
            sigmas,
            guidance,
            guided=guidance > 1,
            solver=solver,
            compat=compat,
        )

    def _condition(self, params: Params, token_ids: TokenIds, token_mask: TokenMask) -> Condition:
        return condition(
            self._model, self._text_encoder, params, token_ids, token_mask, self._special_token_ids
        )

    def _predict(
        self, params: Params, token_ids: TokenIds, token_mask: TokenMask
    ) -> Float[Array, " b"]:
        return self._condition(params, token_ids, token_mask).log_duration

    def _integrate(
        self,
        params: Params,
        token_ids: TokenIds,
        token_mask: TokenMask,
        frames: Int[Array, " b"],
        noise: Latents,
        sigmas: Float[Array, " k"],
        guidance: Float[Array, ""],
        guided: bool,
        solver: str,
        compat: str | None,
    ) -> Latents:
        mask = length_mask(frames, noise.shape[1])
        conditioned = self._condition(params, token_ids, token_mask)
        velocity = velocity_fn(self._model, params, conditioned, mask, guided, compat)
        if guided:
            velocity = guide(velocity, guidance)  # type: ignore[arg-type]
        kept = None if compat == "release" else mask
        return sample(velocity, noise, sigmas, kept, SOLVERS[solver])
