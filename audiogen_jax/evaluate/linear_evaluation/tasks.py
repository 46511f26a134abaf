"""The 22 public tasks of X-ARES as data (https://github.com/jimbozhang/xares, at 161f0ef).

Each names where it comes from, the column of its labels, how it is split, trained and scored.
"""

import dataclasses
from typing import Literal

Metric = Literal[
    "accuracy", "map", "segment_f1_macro", "segment_f1_micro", "recall_at_1", "word_accuracy"
]
Domain = Literal["speech", "sound", "music"]
Level = Literal["clip", "frame", "retrieval", "transcript"]


@dataclasses.dataclass(frozen=True)
class Given:
    """Splits that the data set gives.

    Attributes:
      train: names of its tar files, a glob.
      valid: of those that choose the epoch; as published it may be the test split.
      test: of those that are scored.
    """

    train: str
    valid: str
    test: str

    @property
    def files(self) -> tuple[str, ...]:
        """Each glob once."""
        return tuple(dict.fromkeys((self.train, self.valid, self.test)))


@dataclasses.dataclass(frozen=True)
class Folds:
    """Folds of cross-validation, each of which is the test set once.

    Attributes:
      files: glob of the tar files of each.
    """

    files: tuple[str, ...]

    @classmethod
    def of(cls, pattern: str, numbers: range) -> "Folds":
        """A fold for each number, put into the pattern by `str.format`."""
        return cls(tuple(pattern.format(number) for number in numbers))


@dataclasses.dataclass(frozen=True)
class Task:
    """A question to the embeddings of clips.

    Attributes:
      name: of the task.
      domain: of its sounds.
      classes: how many there are; 0 where there are none.
      label: column of the label in the json of a clip; several labels are joined by `separator`.
      splits: which clips train, choose and score.
      weight: in the published mean over tasks.
      zenodo: record of the data, zenodo.org/records/…, which names their licence.
      metric: that is published.
      level: what is classified: clips or their frames; retrieval of captions; transcripts.
      epochs: over the training clips.
      batch: clips of a training step.
      encode_batch: clips that are padded to the longest and encoded together as published.
      crop: seconds of the pieces that a clip is cut into; None: it is whole.
      separator: of many labels; None: a clip has one.
      positive_weight: of the positive terms of the binary loss.
      segment: seconds of the segments whose F1 is scored.
    """

    name: str
    domain: Domain
    classes: int
    label: str
    splits: Given | Folds
    weight: int
    zenodo: str
    metric: Metric = "accuracy"
    level: Level = "clip"
    epochs: int = 10
    batch: int = 32
    encode_batch: int = 16
    crop: float | None = None
    separator: str | None = None
    positive_weight: float = 1.0
    segment: float = 1.0

    @property
    def binary(self) -> bool:
        """Is each class a question of its own (binary cross-entropy), not one of all classes?"""
        return self.metric not in ("accuracy",)

    @property
    def in_words(self) -> bool:
        """Are captions or transcripts the answers, and no classes?"""
        return self.level in ("retrieval", "transcript")

    @property
    def neighbours(self) -> bool:
        """Is it scored by nearest neighbours too?"""
        return self.metric == "accuracy" and self.name != "fsdkaggle2018"


def _given(prefix: str, *names: str) -> Given:
    return Given(*(f"{prefix}{name}*.tar" for name in names))


_SPLITS = ("train", "valid", "test")
XARES = (
    Task("asvspoof2015", "speech", 2, "binary_spoof", _given("asvspoof_", "train", "valid", "eval"),
         2000, "14718430", epochs=5, batch=64),
    Task("crema_d", "speech", 6, "label", _given("wds-audio-", *_SPLITS), 1116, "14646870"),
    Task("fluentspeechcommands", "speech", 248, "transcription",
         _given("fluentspeechcommands_", *_SPLITS), 2000, "14722453", encode_batch=1),
    Task("libricount", "speech", 11, "num_speakers",
         Folds.of("libricount_fold{:02d}*.tar", range(5)), 1144, "14722478", batch=64),
    Task("librispeech_asr", "speech", 0, "trans",
         Given("train-clean-100*.tar", "dev-clean*.tar", "test-clean*.tar"), 10000, "14716252",
         metric="word_accuracy", level="transcript", batch=4),
    Task("librispeech_male_female", "speech", 2, "gender",
         Given("train-clean-100*.tar", "dev-clean*.tar", "test-clean*.tar"), 2620, "14716252",
         crop=5.0),
    Task("ravdess", "speech", 8, "emotion", Folds.of("ravdess_fold_{}_*.tar", range(4)), 360,
         "14722524"),
    Task("speechcommandsv1", "speech", 30, "labels", _given("wds-audio-", *_SPLITS), 2000,
         "14722647", batch=64),
    Task("vocalsound", "speech", 6, "label", _given("", *_SPLITS), 2000, "14722710"),
    Task("voxceleb1", "speech", 1251, "speakerid", _given("voxceleb1_", *_SPLITS), 2000, "14811963",
         crop=6.0),
    Task("voxlingua33", "speech", 33, "labels", Given("train_subset*.tar", "dev*.tar", "dev*.tar"),
         1609, "14812245", batch=64, crop=10.0),
    Task("vocalimitations", "sound", 302, "imitation",
         Folds.of("vocal_imitations_fold{:02d}_*.tar", range(3)), 1867, "14862060", epochs=20,
         encode_batch=1),
    Task("clotho", "sound", 0, "captions",
         _given("clotho_", "development", "evaluation", "validation"), 1045, "14856454",
         metric="recall_at_1", level="retrieval", epochs=20, batch=128, crop=30.0),
    Task("desed", "sound", 10, "label", Given("train*.tar", "wds-audio-eval*.tar",
         "wds-audio-eval*.tar"), 1153, "14808180", metric="segment_f1_macro", level="frame",
         separator=","),
    Task("esc50", "sound", 50, "label", Folds.of("wds-audio-fold-{}-*.tar", range(1, 6)), 400,
         "14614287"),
    Task("fsdkaggle2018", "sound", 41, "sound", _given("fsd18_", "train", "test", "test"), 1600,
         "14725117", epochs=3, batch=64),
    Task("fsd50k", "sound", 200, "soundevent", _given("fsd50k_", "train", "validation", "eval"),
         2000, "14868441", metric="map", batch=64, crop=10.0, separator=";"),
    Task("urbansound8k", "sound", 10, "soundevent",
         Folds.of("urbansound_fold{}_*.tar", range(1, 11)), 873, "14722683"),
    Task("freemusicarchive", "music", 8, "genre", _given("fma_small_", *_SPLITS), 800, "14725056",
         epochs=3, crop=10.0),
    Task("gtzan_genre", "music", 10, "genre", Folds.of("gtzan_fold_{}_*.tar", range(10)), 100,
         "14722472"),
    Task("maestro", "music", 87, "note", _given("maestro_", *_SPLITS), 65, "14858022",
         metric="segment_f1_micro", level="frame", epochs=50, batch=1, encode_batch=1,
         positive_weight=10.0, segment=0.1),
    Task("nsynth_instrument", "music", 11, "instrument_family_str", _given("nsynth_", *_SPLITS),
         2000, "14725174"),
)  # fmt: skip
"""In the order of the benchmark's table. `vocalsound` names its splits without a prefix."""
