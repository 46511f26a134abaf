"""How noise becomes latents: one place for defaults, choices and what they mean.

The command line makes its options from this class (`cli.options`), its help from the docstring. So
that `--help` answers at once, nothing here imports jax before it samples.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, Self, get_args

from audiogen_jax.caption import PARTS, StructuredCaption
from audiogen_jax.models.quirks import Quirks
from audiogen_jax.scalars import as_integer, as_interval, as_number

if TYPE_CHECKING:  # the command line reads the fields of this file without waiting for jax
    from audiogen_jax.flow.flow_map import Distilled
    from audiogen_jax.flow.guidance import Guidance
    from audiogen_jax.flow.solvers import Plan

FEW = (2, 4, 8)
"""Steps for which a generator that has a form of few steps is sampled by it."""
USUAL_STEPS, DISTILLED_STEPS = 25, 8
"""Where nobody says how many: the release's number, and that of a form of few steps."""
Schedule = Literal["sway", "linear", "logistic"]
Solver = Literal["euler", "midpoint", "heun", "ab2", "dpmpp2m", "unipc"]
Sharding = Literal["dp", "fsdp", "tensor"]
"""What several devices do with the parameters: hold all of them each ("dp"), or cut them: "fsdp"
gathers a layer when it is its turn, "tensor" computes every layer together."""


@dataclasses.dataclass(frozen=True)
class SamplingOptions:
    """How noise becomes latents; checked when made.

    Attributes:
      steps: solver steps, at least 1; 2, 4 and 8 are taken by the form of the model that was
        trained for few, where it has one and no other solver, negative prompt or the like is given.
        Where that form predicts guided velocities, they are of unipc on logistic levels. None: 8 of
        that form where it can take them, else 25.
      guidance: scale of classifier-free guidance, at least 0; 1 turns it off.
      schedule: the noise levels to step through.
      solver: midpoint and heun evaluate the velocity twice per step, the others once.
      negative: tagged string to be guided away from, in the place of no text.
      view_guidance: a guidance scale of its own for speech, sfx, music or env; each costs another
        evaluation per step.
      guidance_interval: lowest and highest noise level, within 0 and 1, at which guidance acts.
      guidance_rescale: share of the way by which guided velocities are brought back to the spread
        of the prompt's own, within 0 and 1; against harsh sound at high guidance.
      shift: above 1 steps through more noise, for models trained with such a shift; of levels s it
        makes shift s / (1 + (shift - 1) s).
      compat: "release" repeats the quirks of the PyTorch release: timesteps lose their fractions,
        the sway schedule ends in a step that moves nothing, padding is sampled along.
    """

    steps: int | None = None
    guidance: float = 5.0
    schedule: Schedule = "sway"
    solver: Solver = "euler"
    negative: str | None = None
    view_guidance: Mapping[str, float] = dataclasses.field(default_factory=dict)
    guidance_interval: tuple[float, float] = (0.0, 1.0)
    guidance_rescale: float = 0.0
    shift: float = 1.0
    compat: Literal["release"] | None = None

    def __post_init__(self):
        steps = None if self.steps is None else as_integer(self.steps)
        guidance = as_number(self.guidance)
        if self.steps is not None and (steps is None or steps < 1):
            raise ValueError(f"steps={self.steps!r} must be an integer of at least 1")
        if guidance is None or not (math.isfinite(guidance) and guidance >= 0):
            raise ValueError(f"guidance={self.guidance!r} must be a finite number of at least 0")
        _check_choice("schedule", self.schedule, Schedule)
        _check_choice("solver", self.solver, Solver)
        if self.negative is not None:
            if not isinstance(self.negative, str):
                raise ValueError(f"negative={self.negative!r}: expected a tagged string")
            negative = StructuredCaption.parse(self.negative).format()
            object.__setattr__(self, "negative", negative)
        scales = {view: as_number(scale) for view, scale in self.view_guidance.items()}
        for view, scale in scales.items():
            if view not in PARTS:
                raise ValueError(f"view_guidance={view!r}: expected one of {PARTS}")
            if scale is None or not (math.isfinite(scale) and scale >= 0):
                raise ValueError(
                    f"view_guidance {view}={self.view_guidance[view]!r} must be finite and at "
                    "least 0"
                )
        interval = as_interval(self.guidance_interval)
        if interval is None or not 0 <= interval[0] < interval[1] <= 1:
            raise ValueError(
                f"guidance_interval={self.guidance_interval} must be (lowest, highest) noise level "
                "within 0 and 1"
            )
        rescale = as_number(self.guidance_rescale)
        if rescale is None or not 0 <= rescale <= 1:
            raise ValueError(f"guidance_rescale={self.guidance_rescale!r} must be within 0 and 1")
        shift = as_number(self.shift)
        if shift is None or not 0.01 <= shift <= 100:
            raise ValueError(f"shift={self.shift!r} must be between 0.01 and 100")
        Quirks.of(self.compat)
        for name, value in (
            ("steps", steps),
            ("guidance", guidance),
            ("view_guidance", scales),
            ("guidance_interval", interval),
            ("guidance_rescale", rescale),
            ("shift", shift),
        ):
            object.__setattr__(self, name, value)

    @property
    def quirks(self) -> Quirks:
        """What is done as the PyTorch release does it."""
        return Quirks.of(self.compat)

    def classifier_free(self) -> "Guidance":
        """How velocities are combined; none but the prompt's where that comes to the same."""
        from audiogen_jax.flow.guidance import Guidance

        scales = tuple(self.view_guidance.values())
        if self.guidance == 1 and self.negative is None and not scales:
            return Guidance.off()
        everywhere = self.guidance_interval == (0.0, 1.0)
        interval = None if everywhere else self.guidance_interval
        return Guidance.classifier_free(self.guidance, scales, interval, self.guidance_rescale)

    def beyond(self, distilled: "Distilled") -> list[str]:
        """Names of what is asked for and a network that was distilled so cannot do."""
        if not distilled:
            return []
        plain = SamplingOptions(self.steps, self.guidance, self.schedule)
        if distilled == "guided":
            plain = dataclasses.replace(plain, solver=self.solver, shift=self.shift)
        names = [field.name for field in dataclasses.fields(self)]
        return [name for name in names if getattr(self, name) != getattr(plain, name)]

    def guidance_of(self, distilled: "Distilled") -> "Guidance":
        """How a generator is guided, which may be distilled.

        Raises:
          ValueError: such a one cannot do what is asked for; names it.
        """
        if not distilled:
            return self.classifier_free()
        from audiogen_jax.flow.guidance import Guidance

        if changed := self.beyond(distilled):
            kind = {"guided": "is told one guidance scale", "flow_map": "is a flow map"}[distilled]
            raise ValueError(
                f"{', '.join(changed)}: the model {kind}, and was not trained for this; leave it "
                "out, or use the model that it was distilled from"
            )
        return Guidance.told(self.guidance)

    def settled(self, distilled: "Distilled") -> Self:
        """The same with a number of steps, which suits a network distilled so if nobody says."""
        if self.steps is not None:
            return self
        return dataclasses.replace(self, steps=DISTILLED_STEPS if distilled else USUAL_STEPS)

    def in_few_steps(self, distilled: "Distilled") -> Self:
        """The same by the solver and levels that suit few steps of a network distilled so."""
        settled = self.settled(distilled)
        usual = self.schedule == "sway" and not self.beyond("flow_map")
        if not distilled or settled.steps not in FEW or not usual:
            return settled
        from audiogen_jax.flow.flow_map import FEW_STEP_SAMPLING

        solver, schedule = FEW_STEP_SAMPLING[distilled]
        return dataclasses.replace(settled, solver=solver, schedule=schedule)

    def plan(self, sigma: float = 1.0) -> "Plan":
        """Solver and noise levels from `sigma` to 0."""
        import numpy as np

        from audiogen_jax.flow.path import shift_levels
        from audiogen_jax.flow.schedules import SCHEDULES, release_sway
        from audiogen_jax.flow.solvers import SOLVERS

        released = self.quirks.extra_sway_level and self.schedule == "sway"
        steps = self.settled("").steps
        assert steps is not None
        sigmas = release_sway(steps) if released else SCHEDULES[self.schedule](steps)
        if self.shift != 1:
            sigmas = shift_levels(sigmas, self.shift)
        return SOLVERS[self.solver](np.float32(sigma) * sigmas)


def _check_choice(name: str, value: str, choices: Any) -> None:
    if value not in get_args(choices):
        raise ValueError(f"{name}={value!r} must be one of {sorted(get_args(choices))}")
