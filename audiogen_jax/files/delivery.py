"""How a clip is delivered: loudness, true peak, rate, channels, fades, and loops without a seam.

The command line makes options from `Delivery`; so that `--help` answers at once, numpy is imported
when a clip is there.
"""

import dataclasses
import math
from typing import TYPE_CHECKING, NamedTuple

from audiogen_jax.scalars import as_integer, as_number

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float, Float32

DEFAULT_TRUE_PEAK = -1.0
"""dBTP where a loudness is asked for and no peak (EBU R 128)."""
LIMITING_DB = 24.0
"""Most that the limiter may take from a peak: beyond it, a clip stays below its loudness."""
TOLERANCE = 0.05
"""LU between what is asked for and what is reached."""
_HEADROOM_DB = 0.2
"""That peaks stay below the limit: other meters filter otherwise, and files round."""
_ROUNDS = 12
_LIMITS = {
    "loudness": (-70.0, 0.0),
    "true_peak": (-60.0, 0.0),
    "sample_rate": (8000, 192_000),
    "channels": (1, 2),
    "fade": (0.0, 60.0),
    "loop": (0.0, 60.0),
}


class Delivered(NamedTuple):
    """A clip as it is delivered.

    Attributes:
      samples: float32 [n a].
      sample_rate: Hz.
      changes: what was done, one phrase each.
      loudness: LUFS, where one was asked for and the clip has one.
      true_peak: dBTP, where it was measured.
    """

    samples: "Float32[np.ndarray, 'n a']"
    sample_rate: int
    changes: tuple[str, ...] = ()
    loudness: float | None = None
    true_peak: float | None = None


@dataclasses.dataclass(frozen=True)
class Delivery:
    """What is done to a clip before it is written; by default nothing.

    Attributes:
      loudness: LUFS, gated over the clip (ITU-R BS.1770), such as -16 for podcasts or -23 for
        broadcasts; peaks in its way are limited.
      true_peak: dBTP that peaks stay below; -1 where a loudness is given. Without a loudness all of
        the clip is made quieter if it has to be.
      sample_rate: Hz of the file.
      channels: of the file; 1 averages, 2 repeats mono.
      fade: seconds of a fade at either end.
      loop: seconds in which the end is faded into the beginning, so that the clip repeats without a
        seam; it is so much shorter.
    """

    loudness: float | None = None
    true_peak: float | None = None
    sample_rate: int | None = None
    channels: int | None = None
    fade: float = 0.0
    loop: float = 0.0

    def __post_init__(self):
        for name, (low, high) in _LIMITS.items():
            value, whole = getattr(self, name), isinstance(low, int)
            if value is None and name not in ("fade", "loop"):
                continue
            number = as_integer(value) if whole else as_number(value)
            if number is None or not low <= number <= high:
                kind = "a whole number" if whole else "a number"
                raise ValueError(f"{name}={value!r}: expected {kind} from {low:g} to {high:g}")
            object.__setattr__(self, name, number)
        if self.fade and self.loop:
            raise ValueError(
                f"fade={self.fade:g} and loop={self.loop:g}: a loop has no ends to fade, give one"
            )

    @property
    def settings(self) -> dict[str, object]:
        """What is asked for: the fields that are not as by default."""
        plain = Delivery()
        values = dataclasses.asdict(self)
        return {name: value for name, value in values.items() if value != getattr(plain, name)}

    def check(self, seconds: float, sample_rate: int, channels: int) -> None:
        """Checks what can be known of a clip before it is made.

        Args:
          seconds: of the clip.
          sample_rate: Hz of it.
          channels: of it.

        Raises:
          ValueError: it is too short for its loop, has channels that cannot be converted, or a
            loudness that cannot be measured.
        """
        if self.loop and 2 * self.loop > seconds:
            raise ValueError(
                f"loop={self.loop:g}: a clip of {seconds:.2f} s is shorter than two crossfades; "
                "give a shorter one"
            )
        if self.channels not in (None, 1, channels) and channels != 1:
            raise ValueError(
                f"channels={self.channels} of a clip of {channels}: only mono is repeated, and "
                "others averaged to 1"
            )
        if self.loudness is not None:
            from audiogen_jax.files.loudness import check_measurable

            check_measurable(self.sample_rate or sample_rate, self.channels or channels)

    def apply(self, audio: "Float[np.ndarray, 'n ...']", sample_rate: int) -> Delivered:
        """Makes a clip what is asked for: rate and channels first, then ends, then levels.

        Silence has no loudness and stays silent; what is shorter than a block of 400 ms is measured
        as if it were repeated; both are told.

        Args:
          audio: float [n] or [n a].
          sample_rate: Hz of it.

        Raises:
          ValueError: no samples, NaN, infinite or immense ones, or see `check`.
        """
        import numpy as np

        from audiogen_jax.files.audio import convert
        from audiogen_jax.types import as_float32

        samples = as_float32(audio, "audio to deliver")
        samples = samples[:, None] if samples.ndim == 1 else samples
        if samples.ndim != 2 or not len(samples):
            raise ValueError(f"audio to deliver has shape {samples.shape}: expected [n] or [n a]")
        if not np.isfinite(samples).all():
            raise ValueError("audio to deliver holds NaN or infinite samples")
        self.check(len(samples) / sample_rate, sample_rate, samples.shape[1])
        rate = self.sample_rate or sample_rate
        samples, changes = convert(samples, sample_rate, rate, self.channels, "audio to deliver")
        samples, ends = self._with_ends(samples, rate)
        samples, levels, loudness, peak = self._at_level(samples, rate)
        return Delivered(samples, rate, (*changes, *ends, *levels), loudness, peak)

    def _with_ends(
        self, samples: "Float32[np.ndarray, 'n a']", rate: int
    ) -> "tuple[Float32[np.ndarray, 'm a'], list[str]]":
        """Faded at both ends, or the end into the beginning."""
        count = len(samples)
        if self.loop:
            size = max(1, min(round(self.loop * rate), count // 2))
            rising = _ramp(size)
            samples, tail = samples[:-size].copy(), samples[-size:]
            # Equal power: the end and the beginning of a clip are not alike.
            samples[:size] = rising**0.5 * samples[:size] + (1 - rising) ** 0.5 * tail
            return samples, [f"end faded into the beginning over {size / rate:g} s"]
        if size := min(round(self.fade * rate), count // 2):
            samples = samples.copy()
            samples[:size] *= _ramp(size)
            samples[-size:] *= _ramp(size)[::-1]
            return samples, [f"faded over {size / rate:g} s at either end"]
        return samples, []

    def _at_level(
        self, samples: "Float32[np.ndarray, 'n a']", rate: int
    ) -> "tuple[Float32[np.ndarray, 'n a'], list[str], float | None, float | None]":
        """At the loudness, below the peak; what was done, and what both are now."""
        import numpy as np

        from audiogen_jax.files.audio import SILENCE
        from audiogen_jax.files.loudness import GATE_SECONDS, true_peaks

        if self.loudness is None and self.true_peak is None:
            return samples, [], None, None
        if float(np.abs(samples).max()) < SILENCE:
            return samples, ["silent: it has no level to set"], None, None
        peak = float(true_peaks(samples, rate, bool(self.loop)).max())
        if not math.isfinite(peak):
            raise ValueError("audio to deliver holds samples too large for their peak to be known")
        limit = DEFAULT_TRUE_PEAK if self.true_peak is None else self.true_peak
        ceiling = 10 ** ((limit - _HEADROOM_DB) / 20)
        changes, loudness = [], None
        if self.loudness is not None:
            samples, changes, loudness = self._at_loudness(samples, rate, ceiling, peak)
            if loudness is not None and len(samples) < GATE_SECONDS * rate:
                changes.append("its loudness is that of the clip repeated: it is below 400 ms")
            peak = float(true_peaks(samples, rate, bool(self.loop)).max())
        if peak > 1.0001 * ceiling:  # the limiter rounds
            samples, over = samples * np.float32(ceiling / peak), 20 * math.log10(peak / ceiling)
            changes.append(f"{over:.1f} dB quieter for a true peak of {limit:g} dBTP")
            loudness, peak = None if loudness is None else loudness - over, ceiling
        return samples, changes, loudness, 20 * math.log10(peak)

    def _at_loudness(
        self, samples: "Float32[np.ndarray, 'n a']", rate: int, ceiling: float, peak: float
    ) -> "tuple[Float32[np.ndarray, 'n a'], list[str], float | None]":
        """Gain, limiter and meter in turn, until the meter shows what is asked for."""
        import numpy as np

        from audiogen_jax.files.loudness import integrated_loudness, limited

        loops, target = bool(self.loop), self.loudness or 0.0
        # From full scale, as the gate of -70 LUFS drops what is quiet before it is made louder.
        full = samples / np.float32(peak)
        measured = integrated_loudness(full, rate)
        if math.isinf(measured):
            return samples, ["its loudness is not set: all of it is below the gate"], None
        highest = 20 * math.log10(ceiling) + LIMITING_DB
        gain, made = min(target - measured, highest), full
        for _ in range(_ROUNDS):
            made = limited(full * np.float32(10 ** (gain / 20)), rate, ceiling, loops)
            measured = integrated_loudness(made, rate)
            if abs(target - measured) < TOLERANCE or (gain == highest and measured < target):
                break
            gain = min(gain + target - measured, highest)
        changes = [f"{gain - 20 * math.log10(peak):+.1f} dB to {measured:.1f} LUFS"]
        if (taken := gain - 20 * math.log10(ceiling)) > 0:
            changes.append(f"peaks limited by up to {taken:.1f} dB")
        if abs(target - measured) >= 0.5:
            changes.append(
                f"{measured - target:+.1f} LU from {target:g} LUFS, as the limiter takes at most "
                f"{LIMITING_DB:g} dB: allow a higher true peak or ask for less"
            )
        return made, changes, measured


def _ramp(count: int) -> "Float32[np.ndarray, 'n 1']":
    """From 0 towards 1, as half of a raised cosine: [n 1]."""
    import numpy as np

    steps = np.arange(count) / count
    return (0.5 - 0.5 * np.cos(np.pi * steps)).astype(np.float32)[:, None]
