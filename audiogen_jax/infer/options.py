"""How noise becomes latents: one place for defaults, choices and what they mean."""

import dataclasses
import math
from collections.abc import Mapping

import numpy as np

from audiogen_jax.flow.schedules import SCHEDULES, release_sway
from audiogen_jax.flow.solvers import SOLVERS, Plan

GUIDED_VIEWS = ("speech", "sfx", "music", "env")
"""Parts of a scene that can have a guidance scale of their own; "speech" takes "asr" along."""


@dataclasses.dataclass(frozen=True)
class SamplingOptions:
    """How noise becomes latents; checked when made.

    Attributes:
      steps: solver steps, at least 1.
      guidance: classifier-free guidance scale, at least 0; 1 turns it off.
      schedule: noise levels, "sway", "linear" or "logistic".
      solver: "euler", "ab2", "dpmpp2m" and "unipc" evaluate the velocity once per step,
        "midpoint" and "heun" twice.
      negative: a tagged string to be guided away from, in the place of no text at all.
      view_guidance: view to guidance scale of its own; one of `GUIDED_VIEWS`. Each costs another
        evaluation per step.
      guidance_interval: noise levels (lowest, highest) in which guidance acts.
      compat: "release" follows the PyTorch release to the bit of its timesteps: they are cut to
        integers, the sway schedule ends in a step that moves nothing, and frames beyond a clip's
        length are sampled along.
    """

    steps: int = 25
    guidance: float = 5.0
    schedule: str = "sway"
    solver: str = "euler"
    negative: str | None = None
    view_guidance: Mapping[str, float] = dataclasses.field(default_factory=dict)
    guidance_interval: tuple[float, float] = (0.0, 1.0)
    compat: str | None = None

    def __post_init__(self):
        steps, guidance = self.steps, self.guidance
        if isinstance(steps, bool) or not isinstance(steps, int | np.integer) or steps < 1:
            raise ValueError(f"steps={steps!r} must be an integer of at least 1")
        if not (math.isfinite(guidance) and guidance >= 0):
            raise ValueError(f"guidance={guidance!r} must be a finite number of at least 0")
        if self.schedule not in SCHEDULES:
            raise ValueError(f"schedule={self.schedule!r} must be one of {sorted(SCHEDULES)}")
        if self.solver not in SOLVERS:
            raise ValueError(f"solver={self.solver!r} must be one of {sorted(SOLVERS)}")
        for view, scale in self.view_guidance.items():
            if view not in GUIDED_VIEWS:
                raise ValueError(f"view_guidance={view!r}: expected one of {GUIDED_VIEWS}")
            if not (math.isfinite(scale) and scale >= 0):
                raise ValueError(f"view_guidance {view}={scale!r} must be finite and at least 0")
        low, high = self.guidance_interval
        if not 0 <= low < high <= 1:
            raise ValueError(
                f"guidance_interval={self.guidance_interval} must be (lowest, highest) noise level "
                "within 0 and 1"
            )
        if self.compat not in (None, "release"):
            raise ValueError(f"compat={self.compat!r} must be None or 'release'")

    def plan(self, noise_level: float = 1.0) -> Plan:
        """Solver and noise levels from `noise_level` to 0."""
        released = self.compat == "release" and self.schedule == "sway"
        sigmas = release_sway(self.steps) if released else SCHEDULES[self.schedule](self.steps)
        return SOLVERS[self.solver](np.float32(noise_level) * sigmas)
