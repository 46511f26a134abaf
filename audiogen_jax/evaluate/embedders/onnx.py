"""Any network that was exported to ONNX, as an embedder."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from audiogen_jax.evaluate.embedders.embedder import Embeddings, Identity
from audiogen_jax.evaluate.embedders.front_ends import FRONT_ENDS
from audiogen_jax.evaluate.embedders.onnx_graph import OnnxGraph
from audiogen_jax.evaluate.embedders.weights import find_file
from audiogen_jax.evaluate.waveforms import RESAMPLER, clips_at
from audiogen_jax.files.json_object import read_object
from audiogen_jax.train.typed_config import typed
from audiogen_jax.types import AtLeastOne, Positive

WAVEFORM = "waveform"


@dataclasses.dataclass(frozen=True)
class OnnxSpec:
    """What the file of a graph does not say of it; stands beside it as FILE.json.

    Attributes:
      name: of the network.
      sample_rate: that it hears, Hz.
      front_end: "waveform", or one of `FRONT_ENDS`.
      output: of the graph, [d], [1 d] or [1 t d]; its first one if empty.
      layer: what this output is; its name if empty.
      window: seconds that the graph hears at a time; None: the whole clip.
      hop: seconds between windows; None: a window. The last one ends with the clip.
    """

    name: str
    sample_rate: AtLeastOne
    front_end: str = WAVEFORM
    output: str = ""
    layer: str = ""
    window: Positive | None = None
    hop: Positive | None = None

    def __post_init__(self):
        if self.front_end != WAVEFORM and self.front_end not in FRONT_ENDS:
            raise ValueError(
                f"front_end={self.front_end!r}: expected {', '.join([WAVEFORM, *FRONT_ENDS])}"
            )
        if self.hop is not None and (self.window is None or self.hop > self.window):
            raise ValueError(f"hop={self.hop}: expected no more than window={self.window}")
        known = FRONT_ENDS.get(self.front_end)
        if known and self.sample_rate != known.sample_rate:
            raise ValueError(
                f"sample_rate={self.sample_rate}: {self.front_end} is of {known.sample_rate} Hz"
            )
        if known and (self.window is None or self.window > known.seconds):
            raise ValueError(
                f"window={self.window}: expected seconds, at most the {known.seconds:g} that "
                f"{self.front_end} hears"
            )


class OnnxEmbedder:
    """A graph that reads one window and gives a vector, frames of them, or a number: a rating such
    as UTMOS is an embedding of one value.

    Each window is run alone, so that nothing but a clip decides its embedding.
    """

    def __init__(self, source: str | Path, spec: OnnxSpec | None = None):
        """Reads the graph.

        Args:
          source: of `find_file`, .onnx.
          spec: of the graph; that of FILE.json if None.

        Raises:
          ValueError: it is no graph that onnxruntime runs, has several inputs or not this output;
            or nothing says what it hears.
          OSError: a file cannot be read.
        """
        path = find_file(source)
        self.spec = spec or _read_spec(path)
        self._graph = OnnxGraph(path)
        if len(self._graph.inputs) != 1:
            raise ValueError(f"{path} reads {', '.join(self._graph.inputs)}: expected one input")
        self._output = self.spec.output or self._graph.outputs[0]
        if self._output not in self._graph.outputs:
            raise ValueError(
                f"{path} has no output {self._output!r}: it has {', '.join(self._graph.outputs)}"
            )
        layer = f"{self.spec.layer} ({self._output})" if self.spec.layer else self._output
        self.identity = Identity(
            name=self.spec.name,
            weights_sha256=self._graph.sha256,
            sample_rate=self.spec.sample_rate,
            resampler=RESAMPLER,
            layer=f"{layer} of {self.spec.front_end}",
            pooling=_pooling(self.spec),
        )

    def embed(self, clips: Sequence[Float[np.ndarray, " n"]], sample_rate: int) -> Embeddings:
        """The mean over frames and windows of each clip.

        Args:
          clips: mono, float [n] each.
          sample_rate: of the clips, Hz.

        Raises:
          ValueError: there are no clips, or one is no mono clip of finite floats, or not what the
            graph takes.
        """
        means = []
        for clip in clips_at(self.spec.sample_rate, clips, sample_rate):
            rows = [self._run(window) for window in self._windows(clip)]
            means.append(np.mean(rows, axis=0))
        return Embeddings(np.stack(means), self.identity)

    def _run(self, window: Float[np.ndarray, " n"]) -> Float[np.ndarray, " d"]:
        known = FRONT_ENDS.get(self.spec.front_end)
        heard = known.compute(window) if known else window
        result = self._graph.run(self._output, {self._graph.inputs[0]: heard})
        if result.ndim > 3 or (result.ndim == 3 and len(result) != 1):
            raise ValueError(
                f"{self._graph.path} gives {self._output} {list(result.shape)} of a window: "
                "expected [d], [1 d] or [1 t d]"
            )
        result = np.atleast_1d(result).astype(np.float64)
        return result.reshape(-1, result.shape[-1]).mean(axis=0)

    def _windows(self, clip: Float[np.ndarray, " n"]) -> Iterator[Float[np.ndarray, " m"]]:
        if self.spec.window is None:
            yield clip
            return
        size = max(1, round(self.spec.window * self.spec.sample_rate))
        if self.spec.front_end == WAVEFORM:  # others fill up windows as their authors do
            clip = np.pad(clip, (0, max(0, size - len(clip))))
        hop = max(1, round((self.spec.hop or self.spec.window) * self.spec.sample_rate))
        last = max(0, len(clip) - size)
        for start in sorted({*range(0, last, hop), last}):
            yield clip[start : start + size]


def _read_spec(path: Path) -> OnnxSpec:
    beside = path.with_suffix(".json")
    if not beside.is_file():
        fields = ", ".join(field.name for field in dataclasses.fields(OnnxSpec))
        raise ValueError(f"{beside} is missing, which says of {path.name}: {fields}")
    try:
        return typed(OnnxSpec, read_object(beside))
    except ValueError as error:
        raise ValueError(f"{beside}: {error}") from None


def _pooling(spec: OnnxSpec) -> str:
    if spec.window is None:
        return "the whole clip; mean of frames"
    hop = spec.hop or spec.window
    return f"mean of windows of {spec.window:g} s, {hop:g} s apart, the last one at the end"
