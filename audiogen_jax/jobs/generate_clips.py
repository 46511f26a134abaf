"""Batch job: a file of prompts to a folder of clips, on all local devices, stopped and resumed.

While the devices work on one batch of clips, the one before is encoded and written by a thread.
Batches are planned from the whole prompt file, whatever is done already: the same clips share a
batch at every start, and so come out with the same bits.
"""

import concurrent.futures
import dataclasses
import hashlib
import io
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import soundfile

from audiogen_jax.caption import StructuredCaption
from audiogen_jax.files.audio import FORMATS
from audiogen_jax.files.fingerprint import sha256
from audiogen_jax.infer.options import SamplingOptions
from audiogen_jax.infer.pipeline import Pipeline
from audiogen_jax.infer.requests import MAX_BATCH, Clip, ClipError, Request, batches
from audiogen_jax.input.prompts import PromptRecord, scan_prompts
from audiogen_jax.jobs.clip_folder import BatchStore, file_name
from audiogen_jax.jobs.job import Progress, Shard

_PREDICTED_TOGETHER = 64


def run_batch(
    prompts: str | Path,
    output: str | Path,
    *,
    checkpoint: str | Path = "nano",
    revision: str | None = None,
    dtype: str = "fp32",
    param_dtype: str = "fp32",
    options: SamplingOptions | None = None,
    seed: int = 0,
    duration: float | None = None,
    batch_size: int = MAX_BATCH,
    shard: Shard | None = None,
    suffix: str = ".wav",
    retry_errors: bool = False,
    report: Callable[[Progress], None] = lambda progress: None,
) -> Progress:
    """Generates a clip for every row of a prompt file, or what is left of them.

    Args:
      prompts: .jsonl, .csv or .parquet, see `input.prompts`.
      output: folder of the clips, `manifest.jsonl`, `errors.jsonl` and `job.json`.
      checkpoint, revision, dtype, param_dtype: see `Pipeline.load`.
      options: how to sample.
      seed: with its id it fixes the noise of a clip.
      duration: seconds of every clip; None lets the model decide each.
      batch_size: clips sampled together, over all local devices.
      shard: which part of the rows to make; of several processes each takes its own by default.
      suffix: ".wav" or ".flac", 16-bit.
      retry_errors: try clips again that failed at an earlier start.
      report: called after every batch.

    Returns:
      The final progress. Malformed rows, and clips that came out silent or not finite, are in
      `errors.jsonl`.

    Raises:
      ValueError: bad arguments, a prompt file that cannot be read or repeats an id, or a folder
        of another job.
      OSError: a file cannot be written; what was committed stays, and a restart goes on.
    """
    options = options or SamplingOptions()
    shard = shard or Shard(jax.process_index(), jax.process_count())
    if suffix not in FORMATS:
        raise ValueError(f"format {suffix!r}: expected one of {FORMATS}")
    prompts, output = Path(prompts), Path(output)
    records, malformed = scan_prompts(prompts)
    mine = records[shard.index :: shard.count]
    pipeline = Pipeline.load(
        checkpoint,
        revision=revision,
        dtype=dtype,
        param_dtype=param_dtype,
        devices=jax.local_devices(),
    )
    how = {**dataclasses.asdict(options), "duration": duration, "dtype": dtype}
    job = {
        **how,
        "param_dtype": param_dtype,
        "seed": seed,
        "batch_size": batch_size,
        "format": suffix,
        "shards": shard.count,
        "devices": jax.local_device_count(),
        "prompts_sha256": sha256(prompts),
        "checkpoint": str(checkpoint),
        "checkpoint_sha256": pipeline.checkpoint_sha256(),
    }
    with BatchStore(output, job, shard) as store:
        store.forget_errors(keep_clips=not retry_errors)
        if shard.index == 0:
            store.fail([{"row": row.row, "error": row.message} for row in malformed])
        named, unnamed = _named(mine, suffix)
        store.fail([one for one in unnamed if one["id"] not in store.failed])
        planned, unplanned = _plan(pipeline, named, duration)
        store.fail([one for one in unplanned if one["id"] not in store.failed])
        groups = batches(planned, batch_size)
        categories = {record.audio_id: record.category for record in mine}

        def write(clips: Sequence[Clip | ClipError]) -> float:
            new = [clip for clip in clips if clip.id not in store.done]
            failed = [clip for clip in new if isinstance(clip, ClipError)]
            store.fail(
                [
                    {"id": clip.id, "error": str(clip)}
                    for clip in failed
                    if clip.id not in store.failed
                ]
            )
            files, rows = {}, []
            for clip in new:
                if isinstance(clip, Clip):
                    name = file_name(clip.id, suffix)
                    files[name] = _encode(clip, suffix)
                    rows.append(
                        _row(clip, name, files[name], categories[clip.id], how)
                        | {"checkpoint_sha256": job["checkpoint_sha256"]}
                    )
            store.commit(files, rows)
            return sum(row["duration"] for row in rows)

        def progress(audio_seconds: float, since: float) -> Progress:
            return Progress(
                done=len(store.done),
                total=len(mine),
                errors=len(store.failed) + len(malformed) * (shard.index == 0),
                made=len(store.done) - before,
                audio_seconds=audio_seconds,
                seconds=time.monotonic() - since,
            )

        before, made, started = len(store.done), 0.0, time.monotonic()
        todo = [
            group
            for group in groups
            if not {one.id for one in group} <= store.done | store.failed.keys()
        ]
        for seconds in _overlapped(pipeline, todo, seed, options, write):
            made += seconds
            report(progress(made, started))
        return progress(made, started)


def _overlapped(
    pipeline: Pipeline,
    groups: Sequence[Sequence[Request]],
    seed: int,
    options: SamplingOptions,
    write: Callable[[Sequence[Clip | ClipError]], float],
) -> Iterator[float]:
    """Submits a batch before the last one is collected, and that before the last is written."""
    with concurrent.futures.ThreadPoolExecutor(max_workers=1) as writer:
        submitted, writing = None, None
        for group in [*groups, None]:
            following = None if group is None else pipeline.submit(group, seed, options)
            if submitted is not None:
                clips = pipeline.collect(submitted)
                if writing is not None:
                    yield writing.result()
                writing = writer.submit(write, clips)
            submitted = following
        if writing is not None:
            yield writing.result()


def _named(
    records: Sequence[PromptRecord], suffix: str
) -> tuple[list[PromptRecord], list[dict[str, Any]]]:
    """Records whose ids make file names, and errors for the others."""
    good, bad = [], []
    for record in records:
        try:
            file_name(record.audio_id, suffix)
            good.append(record)
        except ValueError as error:
            bad.append({"id": record.audio_id, "error": str(error)})
    return good, bad


def _plan(
    pipeline: Pipeline, records: Sequence[PromptRecord], duration: float | None
) -> tuple[list[Request], list[dict[str, Any]]]:
    """Requests with their lengths; a clip whose length the model cannot tell is an error."""

    def ask(some: Sequence[PromptRecord]) -> list[Request]:
        captions: list[StructuredCaption | str] = [record.caption for record in some]
        return pipeline.requests(captions, [record.audio_id for record in some], duration)

    planned: list[Request] = []
    errors = []
    for start in range(0, len(records), _PREDICTED_TOGETHER):
        some = records[start : start + _PREDICTED_TOGETHER]
        try:
            planned += ask(some)
        except ValueError:
            for record in some:
                try:
                    planned += ask([record])
                except ValueError as error:
                    errors.append({"id": record.audio_id, "error": str(error)})
    return planned, errors


def _encode(clip: Clip, suffix: str) -> bytes:
    buffer = io.BytesIO()
    samples = np.clip(clip.audio, -1.0, 1.0)
    soundfile.write(buffer, samples, clip.sample_rate, "PCM_16", format=suffix[1:])
    return buffer.getvalue()


def _row(
    clip: Clip, name: str, contents: bytes, category: str | None, how: dict[str, Any]
) -> dict[str, Any]:
    return {
        "id": clip.id,
        "file": name,
        "prompt": clip.prompt,
        "category": category,
        "seed": clip.seed,
        **how,
        "duration": len(clip.audio) / clip.sample_rate,
        "sample_rate": clip.sample_rate,
        "peak": round(float(np.abs(clip.audio).max()), 5),
        "rms_dbfs": round(float(10 * np.log10(np.mean(np.square(clip.audio)) + 1e-12)), 2),
        "sha256": hashlib.sha256(contents).hexdigest(),
    }
