"""Batch job: a file of prompts to a folder of clips, on all local devices, stopped and resumed.

While the devices work on one batch of clips, the one before is encoded and written by a thread.
Batches are planned from the whole prompt file, whatever is done already: the same clips share a
batch at every start, and so come out with the same bits.
"""

import dataclasses
import functools
import hashlib
import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import jax
import numpy as np

from audiogen_jax.caption import StructuredCaption
from audiogen_jax.files.audio import FORMATS
from audiogen_jax.files.delivery import Delivery
from audiogen_jax.files.export import Exported, export
from audiogen_jax.files.jsonl import Row
from audiogen_jax.files.marking import Marking
from audiogen_jax.files.provenance import MadeWith
from audiogen_jax.files.remote import local_copy, parse_path, require_local
from audiogen_jax.infer.clip_files import clip_provenance
from audiogen_jax.infer.options import SamplingOptions, Sharding
from audiogen_jax.infer.pipeline import Pipeline
from audiogen_jax.infer.requests import (
    MAX_BATCH,
    MAX_SECONDS,
    Clip,
    ClipError,
    Request,
    batches,
    check_durations,
    check_seed,
)
from audiogen_jax.infer.submitted import Submitted
from audiogen_jax.input.prompts import PromptRecord, parse_prompts
from audiogen_jax.jobs.clip_folder import ClipFolder, check_free
from audiogen_jax.jobs.file_names import file_names
from audiogen_jax.jobs.job import Progress, Share
from audiogen_jax.jobs.overlap import overlapped
from audiogen_jax.jobs.prompt_inputs import read_inputs
from audiogen_jax.refiner.refine import refine
from audiogen_jax.scalars import as_number, check_count
from audiogen_jax.timeline import to_json
from audiogen_jax.types import dtype_name

WINDOW = 32
"""Batches whose prompts are conditioned and grouped by length together: their conditions wait on
the devices, about a MB a clip, however long the prompt file is. The more batches, the fewer are cut
short by the end of a window."""
_CONDITIONED_TOGETHER = 64


_ADDED = {
    "sharding": "dp",
    "guidance_rescale": 0.0,
    "shift": 1.0,
    "refine": False,
    "delivery": {},
    "provenance": True,
    "watermark": None,
}
"""Settings that the first version had not, and how it sampled: they are said where they differ."""


def _without_added(settings: dict[str, object]) -> dict[str, object]:
    return {k: v for k, v in settings.items() if k not in _ADDED or v != _ADDED[k]}


@dataclasses.dataclass(frozen=True)
class BatchSettings:
    """What decides the bits of clips, beside their prompts, the checkpoint and the devices.

    Attributes:
      options: how to sample.
      seed: with its id it fixes the noise of a clip.
      duration: seconds of every clip; None lets the model decide each.
      dtype: of the computation, see `Pipeline.load`.
      param_dtype: of the weights in memory.
      batch_size: clips sampled together, over all local devices.
      suffix: of the files, ".wav" or ".flac", 16-bit.
      sharding: of the parameters over the devices, see `Pipeline.load`.
      refine: give rows that hold a caption alone the views that it speaks of, see `refiner`.
      delivery: what is done to clips before they are written.
      marking: which marks the files get, but for signatures.
    """

    options: SamplingOptions = dataclasses.field(default_factory=SamplingOptions)
    seed: int = 0
    duration: float | None = None
    dtype: str = "float32"
    param_dtype: str = "float32"
    batch_size: int = MAX_BATCH
    suffix: str = ".wav"
    sharding: Sharding = "dp"
    refine: bool = False
    delivery: Delivery = dataclasses.field(default_factory=Delivery)
    marking: Marking = dataclasses.field(default_factory=Marking)

    def __post_init__(self):
        if self.marking.signs:
            raise ValueError("a batch is not signed (C2PA): started again, it makes the same files")
        if self.suffix not in FORMATS:
            raise ValueError(f"format {self.suffix!r}: expected one of {FORMATS}")
        object.__setattr__(self, "batch_size", check_count("batch_size", self.batch_size))
        object.__setattr__(self, "seed", check_seed(self.seed))
        if self.duration is not None:
            duration = as_number(self.duration)
            if duration is None or not 0 < duration <= MAX_SECONDS:
                limits = f"above 0 and at most {MAX_SECONDS:g} seconds"
                raise ValueError(f"duration={self.duration!r} must be {limits}")
            object.__setattr__(self, "duration", duration)
        object.__setattr__(self, "refine", bool(self.refine))
        for name in ("dtype", "param_dtype"):
            object.__setattr__(self, name, dtype_name(getattr(self, name), name))

    def how(self) -> dict[str, object]:
        """How a clip is made, as its row in the manifest says it."""
        options = dataclasses.asdict(self.options)
        files = {
            "delivery": self.delivery.settings,
            "provenance": self.marking.provenance,
            "watermark": self.marking.watermark,
        }
        return _without_added({**options, "duration": self.duration, "dtype": self.dtype, **files})

    def job(self) -> dict[str, object]:
        """The settings as `job.json` says them."""
        settings = {
            **self.how(),
            "param_dtype": self.param_dtype,
            "seed": self.seed,
            "batch_size": self.batch_size,
            "format": self.suffix,
            "sharding": self.sharding,
            "refine": self.refine,
        }
        return _without_added(settings)


def run_batch(
    prompts: str | Path,
    output: str | Path,
    settings: BatchSettings | None = None,
    *,
    checkpoint: str | Path = "nano",
    revision: str | None = None,
    share: Share | None = None,
    retry_errors: bool = False,
    report: Callable[[Progress], None] = lambda progress: None,
) -> Progress:
    """Generates a clip for every row of a prompt file, or what is left of them.

    Args:
      prompts: .jsonl, .csv, .tsv or .parquet, see `input.prompts`; files that it names are relative
        to its folder.
      output: folder of the clips, `manifest.jsonl`, `errors.jsonl` and `job.json`.
      settings: what decides the bits of the clips.
      checkpoint, revision: see `Pipeline.load`.
      share: which of the rows to make, every n-th from i; of several processes each takes its own
        by default.
      retry_errors: try clips again that failed at an earlier start.
      report: called after every batch.

    Returns:
      The final progress. Malformed rows, and clips that came out silent or not finite, are in
      `errors.jsonl`.

    Raises:
      ValueError: bad arguments, a prompt file that cannot be read or repeats an id, a folder of
        another job or with files that are not its own, or too much that failed.
      OSError: a file cannot be written; what was committed stays, and a restart goes on.
    """
    settings = settings or BatchSettings()
    share = share or Share(jax.process_index(), jax.process_count())
    beside = parse_path(prompts).parent
    prompts, output = local_copy(prompts), require_local(output, "the folder of the clips")
    if not prompts.is_file():
        raise FileNotFoundError(f"no prompt file at {prompts}")
    contents = prompts.read_bytes()  # once: it may change while the model loads
    records, malformed = parse_prompts(contents, prompts)
    if settings.refine:
        records = [_refined(record) for record in records]
    mine = records[share.index :: share.count]
    names = file_names([record.audio_id for record in records], settings.suffix)
    check_free(output, share, [names[record.audio_id] for record in mine])
    pipeline = Pipeline.load(
        checkpoint,
        revision=revision,
        dtype=settings.dtype,
        param_dtype=settings.param_dtype,
        devices=jax.local_devices(),
        sharding=settings.sharding,
    ).for_options(settings.options)
    options = settings.options.settled(pipeline.generator.distilled)
    settings = dataclasses.replace(settings, options=options)
    if pipeline.inputs.reader is None:
        mine = _captions_alone(mine, prompts)
    check_durations(settings.duration, 1, pipeline.generator.latent_rate)
    seconds, codec = settings.duration or math.inf, pipeline.codec
    settings.delivery.check(seconds, codec.sample_rate, codec.channels)
    checkpoint_sha256 = pipeline.checkpoint_sha256()
    made_by = MadeWith.of_folder(pipeline.loaded.folders[0], checkpoint_sha256)
    job = {
        **settings.job(),
        "shards": share.count,
        "devices": jax.local_device_count(),
        "prompts_sha256": hashlib.sha256(contents).hexdigest(),
        "checkpoint": str(checkpoint),
        "checkpoint_sha256": checkpoint_sha256,
    }
    with ClipFolder(output, job, share) as folder:
        if retry_errors:
            folder.forget_errors()
        if share.index == 0:
            folder.fail([{"row": row.row, "error": row.message} for row in malformed])

        submit = functools.partial(pipeline.submit, seed=settings.seed, options=options)

        def finish(_: Sequence[Request], submitted: Submitted) -> float:
            return _write(folder, pipeline.collect(submitted), names, settings, made_by)

        first, started, audio_seconds = len(folder.done), time.monotonic(), 0.0

        def progress() -> Progress:
            return Progress(
                done=len(folder.done),
                total=len(mine),
                errors=len(folder.failed),
                made=len(folder.done) - first,
                audio_seconds=audio_seconds,
                seconds=time.monotonic() - started,
            )

        todo = _batches(pipeline, folder, mine, settings, beside)
        for seconds in overlapped(todo, submit, finish):
            audio_seconds += seconds
            report(progress())
            folder.check_failed()
        return progress()


def _refined(record: PromptRecord) -> PromptRecord:
    """A record with the views that its caption speaks of, if it has no other."""
    if record.caption is None or record.caption != StructuredCaption(record.caption.caption):
        return record
    return dataclasses.replace(record, caption=refine(record.caption.caption))


def _batches(
    pipeline: Pipeline,
    folder: ClipFolder,
    records: Sequence[PromptRecord],
    settings: BatchSettings,
    beside: Path,
) -> Iterator[list[Request]]:
    """The batches in which a clip is neither done nor failed; of all clips, whatever is done."""

    def left(ids: Sequence[str]) -> bool:
        return any(clip_id not in folder.done and clip_id not in folder.failed for clip_id in ids)

    size = WINDOW * settings.batch_size
    for start in range(0, len(records), size):
        window = records[start : start + size]
        if not left([record.audio_id for record in window]):
            continue
        requests, errors = _requests(pipeline, [r for r in window if not r.inputs], settings)
        for record in (record for record in window if record.inputs):
            try:
                requests.append(_request(pipeline, record, settings, beside))
            except (ValueError, OSError) as error:
                errors.append({"id": record.audio_id, "error": str(error)})
        folder.fail(errors)
        for batch in batches(requests, settings.batch_size):
            if left([request.id for request in batch]):
                yield batch


def _requests(
    pipeline: Pipeline, records: Sequence[PromptRecord], settings: BatchSettings
) -> tuple[list[Request], list[Row]]:
    """Requests with their lengths, and errors for the clips of which there can be none."""

    def request(some: Sequence[PromptRecord]) -> list[Request]:
        return pipeline.requests(
            [record.caption for record in some],
            [record.audio_id for record in some],
            settings.duration,
            settings.options,
            [record.category for record in some],
            [record.timeline for record in some],
        )

    requests: list[Request] = []
    errors: list[Row] = []
    for start in range(0, len(records), _CONDITIONED_TOGETHER):
        some = records[start : start + _CONDITIONED_TOGETHER]
        try:
            requests += request(some)
        except ValueError:  # of a clip whose length the model cannot tell: which?
            for record in some:
                try:
                    requests += request([record])
                except ValueError as error:
                    errors.append({"id": record.audio_id, "error": str(error)})
    return requests, errors


def _captions_alone(records: Sequence[PromptRecord], path: Path) -> list[PromptRecord]:
    """Rows for a model that reads captions; those without one stay, and fail."""
    ignored = {name for record in records if record.caption for name in record.inputs}
    if ignored:
        warnings.warn(
            f"{path}: this model reads captions alone, no {sorted(ignored)}", stacklevel=3
        )
    return [
        dataclasses.replace(record, inputs={}) if record.caption else record for record in records
    ]


def _request(
    pipeline: Pipeline, record: PromptRecord, settings: BatchSettings, beside: Path
) -> Request:
    """A request with more than a caption; its files are named relative to the prompt file's."""
    inputs = read_inputs(record.inputs, record.caption, beside)
    names, seconds = [record.audio_id], [settings.duration]
    (request,) = pipeline.inputs.make(names, [inputs], seconds, settings.options)
    return dataclasses.replace(request, category=record.category)


def _write(
    folder: ClipFolder,
    clips: Sequence[Clip | ClipError],
    names: Mapping[str, str],
    settings: BatchSettings,
    made_by: MadeWith,
) -> float:
    """Commits those clips of a batch that are not done; returns their seconds."""
    files: dict[str, bytes] = {}
    rows, errors = [], []
    for clip in clips:
        if isinstance(clip, ClipError):
            errors.append({"id": clip.id, "error": str(clip)})
        elif clip.id not in folder.done:
            name = names[clip.id]
            try:
                made = export(
                    clip.audio,
                    clip.sample_rate,
                    settings.suffix,
                    clip_provenance(clip, made_by, settings.options),
                    settings.delivery,
                    settings.marking,
                )
            except ValueError as error:  # too short for its loop, say
                errors.append({"id": clip.id, "error": str(error)})
                continue
            files[name] = made.contents
            rows.append(
                {
                    "id": clip.id,
                    "file": name,
                    "prompt": clip.prompt,
                    **({"timeline": to_json(clip.timeline)} if clip.timeline else {}),
                    "category": clip.category,
                    "seed": clip.seed,
                    **settings.how(),
                    **_measured(clip, made),
                    "sha256": hashlib.sha256(made.contents).hexdigest(),
                    "checkpoint_sha256": made_by.sha256,
                }
            )
    folder.fail(errors)
    folder.commit(files, rows)
    return sum(row["duration"] for row in rows)


def _measured(clip: Clip, made: Exported) -> dict[str, object]:
    """Of the file; what was done on the way to it is named where there is something."""
    power, gain_db = float(np.mean(np.square(made.samples))), made.gain_db
    measured: dict[str, object] = {
        "duration": len(made.samples) / made.sample_rate,
        "sample_rate": made.sample_rate,
        "peak": round(float(np.abs(made.samples).max()) * 10 ** (gain_db / 20), 5),
        "rms_dbfs": round(10 * float(np.log10(power + 1e-12)) + gain_db, 2),
    }
    if gain_db:
        measured["gain_db"] = round(gain_db, 2)
    if made.changes:
        measured["changes"] = list(made.changes)
    if clip.lost_views:
        measured["lost_views"] = clip.lost_views
    return measured
