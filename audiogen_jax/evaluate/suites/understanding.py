"""What a linear head can tell from the encoder's frames: X-ARES, and what stands for it here."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import jax

from audiogen_jax.checkpoints.qwen2 import LoadedQwen2, downloaded_qwen2, load_qwen2
from audiogen_jax.checkpoints.releases import QWEN2, about
from audiogen_jax.evaluate.embedders.codec import CodecEmbedder
from audiogen_jax.evaluate.embedders.embedder import FrameEmbedder
from audiogen_jax.evaluate.linear_evaluation.examples import MODES, Mode, embed_clips
from audiogen_jax.evaluate.linear_evaluation.measure import measure_tasks
from audiogen_jax.evaluate.linear_evaluation.published_tars import has_data, read_task
from audiogen_jax.evaluate.linear_evaluation.recognition import measure_transcripts
from audiogen_jax.evaluate.linear_evaluation.recorded_tasks import RECORDED
from audiogen_jax.evaluate.linear_evaluation.retrieval import measure_retrieval
from audiogen_jax.evaluate.linear_evaluation.scores import TaskScore
from audiogen_jax.evaluate.linear_evaluation.tasks import XARES
from audiogen_jax.evaluate.metrics.means import Mean, mean_difference
from audiogen_jax.evaluate.recordings import Recording
from audiogen_jax.evaluate.suite import Context, Measurement, Model, Table
from audiogen_jax.files.fingerprint import checkpoint_sha256

NO_QWEN = (
    f"librispeech_asr needs {about(next(iter(QWEN2)))}, frozen behind an adapter: name it, or its "
    f"folder (--qwen), or download it with `hf download {next(iter(QWEN2))}`"
)


@dataclasses.dataclass(frozen=True)
class Understanding:
    """Linear evaluation of each layer of the encoder, on the tasks that there are clips for.

    Attributes:
      mode: "strict", or "paper", which follows X-ARES with its traps.
      head_seeds: how many seeds each head is trained with.
      xares: folder of X-ARES data, one folder a task, see `published_tars`; None: of no task.
      bert: `tokenizer.json` of bert-base-uncased, by which the captions of clotho are read.
      qwen: Qwen2.5-0.5B, which writes the transcripts of librispeech_asr: a folder or the name of a
        hub repository; None: if it has been downloaded.
    """

    mode: Mode = "strict"
    head_seeds: int = 3
    xares: str | None = None
    bert: str | None = None
    qwen: str | None = None
    name: ClassVar[str] = "understanding"
    needs_generator: ClassVar[bool] = False

    def __post_init__(self):
        if self.mode not in MODES:
            raise ValueError(f"mode={self.mode!r}: expected one of {MODES}")
        if self.head_seeds < 1:
            raise ValueError(f"head_seeds={self.head_seeds} must be at least 1")
        for name, path in (("xares", self.xares), ("bert", self.bert)):
            if path is not None and not Path(path).exists():
                raise ValueError(f"{name}={path!r}: no such file or folder")

    def run(self, model: Model, recordings: Sequence[Recording], context: Context) -> Measurement:
        """Scores by layer and task; see `Suite.run`.

        Returns:
          Layer -> task -> `TaskScore`; "differences" of accuracy of two layers on the same clips;
          of X-ARES the mean over tasks by the published weights.
        """
        codec = model.codec
        embedders: dict[str, FrameEmbedder] = {
            layer: CodecEmbedder(codec, layer) for layer in codec.layers
        }
        seeds = [context.seed + number for number in range(self.head_seeds)]
        language = self._language_model()
        results: dict[str, dict[str, TaskScore]] = {}
        missing: list[str] = []
        for layer, embedder in embedders.items():
            results[layer], missing = self._layer(embedder, recordings, seeds, context, language)
        tasks = list(next(iter(results.values())))
        protocol: dict[str, object] = {
            "mode": self.mode,
            "seeds": seeds,
            "head": "LayerNorm and Linear on the mean frame; Adam 1e-3, cosine to a tenth, best "
            "epoch of validation",
            "embedders": {name: embedder.identity for name, embedder in embedders.items()},
            "tasks": tasks,
            "published_tasks_without_data": [
                {"task": task.name, "data": f"https://zenodo.org/records/{task.zenodo}"}
                for task in XARES
                if task.name not in tasks
            ],
        }
        if language is not None:
            protocol["language_model"] = {
                "sha256": checkpoint_sha256(language.folder),
                "layers": language.decoder.config.num_hidden_layers,
                "width": language.decoder.config.hidden_size,
                "dtype": "float32",
            }
        missing += _heard(next(iter(results.values())))
        note = "\n".join(f"{self.name}: {line}" for line in missing)
        if not tasks:
            return Measurement(protocol, {}, (), note)
        everything: dict[str, object] = {
            "layers": {
                layer: {task: _reported(score) for task, score in scores.items()}
                for layer, scores in results.items()
            },
            "differences": _differences(results),
            "weighted_means": {layer: _weighted(each) for layer, each in results.items()},
        }
        return Measurement(protocol, everything, _tables(results, self.mode), note)

    def _language_model(self) -> LoadedQwen2 | None:
        """What writes transcripts, if there are any to write and it is there.

        Raises:
          ValueError: it is not what was named.
        """
        asked = (task for task in XARES if task.level == "transcript" and self.xares is not None)
        if not any(has_data(task, str(self.xares)) for task in asked):
            return None
        source = self.qwen or downloaded_qwen2()
        return None if source is None else load_qwen2(source, jax.device_put)

    def _layer(
        self,
        embedder: FrameEmbedder,
        recordings: Sequence[Recording],
        seeds: Sequence[int],
        context: Context,
        language: LoadedQwen2 | None,
    ) -> tuple[dict[str, TaskScore], list[str]]:
        """Scores of all tasks that there are, and why others are missing."""
        rate = embedder.identity.sample_rate
        cache = context.cache / "frames"
        missing, examples, scores = [], {}, {}
        for recorded in RECORDED:
            question = recorded.clips(recordings)
            if isinstance(question, str):
                missing.append(question)
                continue
            examples[question[0]] = embed_clips(*question, embedder, self.mode, cache)
        absent = []
        for task in XARES:
            if self.xares is None or not has_data(task, self.xares):
                absent.append(task.name)
            elif task.level == "transcript" and language is None:
                missing.append(NO_QWEN)
            else:
                clips = read_task(task, self.xares, rate)
                made = embed_clips(task, clips, embedder, self.mode, cache)
                if task.level == "retrieval":
                    scores[task.name] = measure_retrieval(task, made, self.mode, seeds, self.bert)
                elif language is not None and task.level == "transcript":
                    scores[task.name] = measure_transcripts(task, made, self.mode, seeds, language)
                else:
                    examples[task] = made
        if absent:
            missing.append(
                f"{len(absent)} of the {len(XARES)} tasks of X-ARES have no data here "
                f"(--xares FOLDER): {', '.join(absent)}"
            )
        if examples:
            scores = measure_tasks(examples, self.mode, seeds, embedder.frame_rate) | scores
        return scores, missing


def _differences(
    results: Mapping[str, Mapping[str, TaskScore]],
) -> dict[str, dict[str, Mean | None]]:
    """Of the last layer and each of the others, where both say how often each clip is right."""
    *others, last = results
    differences: dict[str, dict[str, Mean | None]] = {}
    for other in others:
        row = differences.setdefault(f"{last} - {other}", {})
        for task, score in results[last].items():
            first, second = (
                [share for fold in each.clip_scores for share in fold]
                for each in (score, results[other][task])
            )
            if first:
                row[task] = mean_difference(first, second)
    return differences


def _weighted(scores: Mapping[str, TaskScore]) -> dict[str, float | int] | None:
    """The published mean over the tasks of X-ARES that there are."""
    known = [(task.weight, scores[task.name].score.value) for task in XARES if task.name in scores]
    if not known:
        return None
    weights = sum(weight for weight, _ in known)
    return {"mean": sum(w * score for w, score in known) / weights, "tasks": len(known)}


def _reported(score: TaskScore) -> dict[str, object]:
    """All but what each clip was worth, and tested clips heard in training if there are none."""
    left_out = {"clip_scores", *(() if score.heard_in_training else ("heard_in_training",))}
    return {name: value for name, value in vars(score).items() if name not in left_out}


def _heard(scores: Mapping[str, TaskScore]) -> list[str]:
    return [
        f"{task}: {score.heard_in_training} of {score.clips} tested clips are trained on too, or "
        "are cut from recordings that are: the score is too high (strict mode refuses)"
        for task, score in scores.items()
        if score.heard_in_training
    ]


def _tables(results: Mapping[str, Mapping[str, TaskScore]], mode: str) -> list[Table]:
    heads, nearest = [], []
    for task, first in next(iter(results.values())).items():
        scores = [each[task] for each in results.values()]
        cells = [
            f"{value:.3f}" + ("" if low is None else f" [{low:.3f}, {high:.3f}]")
            for value, low, high in (each.score for each in scores)
        ]
        heads.append([f"{task}, {first.metric}", *cells, first.chance, first.majority])
        if first.neighbours is not None:
            nearest.append([task, *(score.neighbours for score in scores)])
    return [
        Table(f"Linear evaluation, {mode}", ["task", *results, "chance", "most frequent"], heads),
        Table(f"Nearest neighbours, {mode}", ["task", *results], nearest),
    ]
