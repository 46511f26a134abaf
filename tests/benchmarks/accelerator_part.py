"""What the parts of `accelerator` share: sizes, the clock, and results written as they come."""

import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

Record: TypeAlias = Callable[..., None]
"""Adds keys to the result of a part, which is on disk when it returns."""
FRAMES, LATENTS_PER_SECOND = 250, 25


class Size(NamedTuple):
    """What is run.

    Attributes:
      train: changes of `AudioGenConfig` for the training step.
      generate: the same for clips.
      text: changes of `T5Config`.
      codec: changes of `TokenizerConfig`.
      clips: in a training step.
      frames: of each clip.
      tokens: of each text.
      steps: of the sampler.
      repeats: of what is timed.
    """

    train: Mapping[str, Any]
    generate: Mapping[str, Any]
    text: Mapping[str, Any]
    codec: Mapping[str, Any]
    clips: int
    frames: int
    tokens: int
    steps: int
    repeats: int


_TINY = dict(
    latent_dim=16,
    content_dim=16,
    task_instruction_dim=16,
    instruction_seq_len=1,
    adapter_num_heads=2,
    duration_predictor_filter_channels=8,
    duration_predictor_n_layers=1,
    dit_embed_dim=32,
    dit_depth=2,
    dit_num_heads=2,
    dit_mlp_ratio=1.0,
    dit_in_chans=16,
    dit_out_chans=16,
    dit_context_dim=16,
    dit_ta_context_dim=16,
)
SIZES = {
    "full": Size({"dit_depth": 12}, {}, {}, {}, 32, FRAMES, 256, 25, 10),
    "small": Size(
        _TINY,
        _TINY,
        dict(vocab_size=300, d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2),
        dict(
            embed_dim=16,
            depth=1,
            num_heads=2,
            decoder_embed_dim=16,
            decoder_depth=1,
            decoder_intermediate_size=32,
        ),
        2,
        10,
        8,
        2,
        2,
    ),
}


def median_seconds(run: Callable[[], None], repeats: int) -> dict[str, Any]:
    """How long `run` takes until its result is there, after one that is not counted."""
    run()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return {"median": statistics.median(times), "all": times}


def run(functions: Mapping[str, Callable[[Size, Record], None]]) -> None:
    """The main of a module of parts: FUNCTION SIZE FILE."""
    function, size, path = sys.argv[1:]
    result: dict[str, Any] = {}

    def record(**values: Any) -> None:
        result.update(values)
        Path(path).write_text(json.dumps(result))

    functions[function](SIZES[size], record)
