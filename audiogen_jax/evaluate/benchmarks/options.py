"""What `audiogen evaluate --suite` is asked to score."""

import dataclasses

from audiogen_jax.evaluate.benchmarks.table import benchmark

FEWEST_DRAWS = 20


@dataclasses.dataclass(frozen=True)
class SuiteOptions:
    """What is scored, beside which references, and how.

    Attributes:
      suite: of `table.BENCHMARKS`.
      audio: folder or list of clips that any system made, see `read_clip_files`; None where a
        checkpoint is to make them.
      prompts: of the clips, see `read_prompts`.
      references: recordings, as a folder or a list.
      embedders: names, see `embedders.registry`.
      transcripts: what a recogniser heard, see `read_transcripts`; or the recogniser, see
        `transcriber`.
      scores: of other judges, see `read_scores`; or an embedder of one value, as "utmos=FILE".
      partial: score the clips that have all of these.
      draws: resamples for the intervals of distances of sets.
      seed: in [0, 2**32); draws resamples, splits, and the noise of what a checkpoint makes.
      system: what made the clips, for the table; the name of the folder or checkpoint if None.
      judge: who listens, "understand" or the address of an endpoint; see `listening.load`.
      judge_model: its model.
    """

    suite: str
    audio: str | None = None
    prompts: str | None = None
    references: str | None = None
    embedders: tuple[str, ...] = ()
    transcripts: str | None = None
    scores: tuple[str, ...] = ()
    partial: bool = False
    draws: int = 100
    seed: int = 0
    system: str | None = None
    judge: str | None = None
    judge_model: str | None = None

    def __post_init__(self):
        benchmark(self.suite)
        if self.draws < FEWEST_DRAWS:
            raise ValueError(f"draws={self.draws}: an interval needs at least {FEWEST_DRAWS}")
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"seed={self.seed} must be in [0, 2**32)")
        if len(set(self.embedders)) < len(self.embedders):
            raise ValueError(f"embedders {list(self.embedders)}: name each once")
        if self.judge is not None and self.prompts is None:
            raise ValueError("a judge needs --prompts, to know what the clips should be")
