"""Encoding job: manifests or tar files of audio to a folder of latents, on all local devices.

Threads decode the clips of the next batches while the devices encode one, and another thread writes
the ones before. The clips of a shard are encoded in the order of their lengths, so that a batch
holds little padding, and the shapes of batches are those of a short ladder: few programs.
"""

import collections
import concurrent.futures
import dataclasses
import functools
import math
import os
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import BFloat16, Float32

from audiogen_jax.files.jsonl import Row
from audiogen_jax.files.remote import parse_path, require_local
from audiogen_jax.infer.codec import Codec
from audiogen_jax.infer.layout import inference_mesh
from audiogen_jax.infer.noise import clip_keys
from audiogen_jax.infer.options import Sharding
from audiogen_jax.input.audio_cache import AudioCache
from audiogen_jax.input.crop_pad import pad_to
from audiogen_jax.input.latent_dataset import DatasetInfo
from audiogen_jax.input.latent_records import LatentRecord
from audiogen_jax.input.row_errors import check_tolerated
from audiogen_jax.jobs.clips_to_encode import Clip, ClipBatch, clip_batches, read_manifests
from audiogen_jax.jobs.encode_prompts import PromptEncoder
from audiogen_jax.jobs.job import Progress, Share
from audiogen_jax.jobs.latent_folder import LatentFolder, ShardWriter
from audiogen_jax.jobs.overlap import overlapped
from audiogen_jax.models.prompting import Prompts
from audiogen_jax.scalars import as_number, check_count
from audiogen_jax.types import compute_dtype, dtype_name

_BATCHES_AHEAD = 2
_SEED = 0
"""Of latents that are drawn, beside the clip's id."""
Posterior: TypeAlias = Literal["sample", "mean"]
"""Which latents are stored of a codec that makes a distribution of them."""


@dataclasses.dataclass(frozen=True)
class EncodeProgress(Progress):
    """How far an encoding job is.

    Attributes:
      missing_shards: of all processes, when this one is done; 0 if `dataset.json` is written.
    """

    missing_shards: int = 0


@dataclasses.dataclass(frozen=True)
class _Decoded:
    """A batch that has been read.

    Attributes:
      batch: what was asked for.
      audio: the clips that could be read, with their samples, and their prompts if any are read.
      errors: of the others, their rows of `errors.jsonl`.
    """

    batch: ClipBatch
    audio: list[tuple[Clip, Float32[np.ndarray, "n a"], Prompts]]
    errors: list[Row]


class _Submitted(NamedTuple):
    """Latents of the rows of a batch on the devices, and the prompts of its clips."""

    latents: jax.Array
    prompts: list[Prompts]


class _Made(NamedTuple):
    """What came of a batch: clips made, rows of `errors.jsonl`, samples of those made."""

    clips: int
    errors: list[Row]
    samples: int


def encode_dataset(
    manifests: Sequence[str | Path],
    output: str | Path,
    *,
    checkpoint: str | Path = "nano",
    revision: str | None = None,
    dtype: str = "float32",
    batch_size: int = 16,
    shard_size: int = 1024,
    max_seconds: float | None = None,
    pad_seconds: float | None = None,
    prompts_with: str | Path | None = None,
    posterior: Posterior | None = None,
    sharding: Sharding = "dp",
    share: Share | None = None,
    report: Callable[[EncodeProgress], None] = lambda progress: None,
) -> EncodeProgress:
    """Encodes the clips of manifests, or what is left of them.

    Clips are decoded as training decodes them: in the codec's channels, without digital silence at
    their ends.

    Args:
      manifests: manifests or tar files of audio, see `scan_clips`; about 1 kB of memory per clip.
      output: folder of the dataset, see `input.latent_dataset`.
      checkpoint, revision: of the codec, see `Codec.load`.
      dtype: of the computation, "float32" or "bfloat16"; latents are stored in bfloat16.
      batch_size: clips encoded together, over all local devices.
      shard_size: clips per shard, fewer in the last one and where clips cannot be read.
      max_seconds: only this much of a clip is kept, from its start; all of it if None.
      pad_seconds: silence follows shorter clips up to here, for models that know one length.
      prompts_with: a generator or its encoder whose frozen parts read the prompt of every clip,
        to be stored with it; see `PromptEncoder`.
      posterior: of a codec that makes a distribution of a clip's latents: "sample" draws some, by
        the clip's id alone, as the release of Audio-Omni trains and encodes; "mean" takes the
        likeliest. None is "sample" of such a codec.
      sharding: of the parameters over the devices, of the codec and of what reads prompts, see
        `Pipeline.load`.
      share: which shards to make, every n-th from i; of several processes each takes its own by
        default.
      report: called after every batch.

    Returns:
      The final progress. Malformed rows, and clips that cannot be decoded or are too short, are in
      `errors.jsonl`, which is written with `dataset.json` by the process that finds all shards
      there.

    Raises:
      ValueError: bad arguments, a manifest that cannot be read, an id that two manifests share, a
        folder of another job, too many bad clips, or none that can be encoded.
      OSError: a file cannot be written; shards that are there stay, and a restart goes on.
    """
    share = share or Share(jax.process_index(), jax.process_count())
    dtype = dtype_name(dtype)
    batch_size = check_count("batch_size", batch_size)
    shard_size = check_count("shard_size", shard_size)
    max_seconds = _seconds("max_seconds", max_seconds)
    pad_seconds = _seconds("pad_seconds", pad_seconds)
    output = require_local(output, "the dataset that is written")
    read = read_manifests([parse_path(manifest) for manifest in manifests])
    clips = read.clips
    mesh = inference_mesh(jax.local_devices(), sharding)
    codec = Codec.load(checkpoint, revision=revision, dtype=dtype, mesh=mesh)
    lengths = _Lengths(
        codec.min_samples,
        _samples(codec, "max_seconds", max_seconds),
        _samples(codec, "pad_seconds", pad_seconds),
    )
    if posterior is not None and not codec.varies:
        raise ValueError(
            f"posterior={posterior!r}: {checkpoint} makes one sequence of latents of a clip"
        )
    posterior = (posterior or "sample") if codec.varies else None
    prompter = None
    if prompts_with is not None:
        prompter = PromptEncoder.load(prompts_with, compute_dtype(dtype), sharding)
        several = sum(any(len(t) > 1 for t in clip.record.views.values()) for clip in clips)
        if several:
            warnings.warn(
                f"{several} of {len(clips)} clips have several phrasings of a view, of which the "
                "first alone is read as a prompt: to train on all, give each a row with an "
                "audio_id of its own",
                stacklevel=2,
            )
    info = DatasetInfo(
        tokenizer_sha256=codec.encoder_sha256,
        sample_rate=codec.sample_rate,
        latent_rate=codec.latent_rate,
        channels=codec.latent_dim,
        crop={"max_seconds": max_seconds},
        shards=(),
        posterior=posterior,
    )
    job = {
        "tokenizer_sha256": info.tokenizer_sha256,
        "dtype": dtype,
        "manifests_sha256": read.sha256,
        "max_seconds": max_seconds,
        "shard_size": shard_size,
    }
    if pad_seconds is not None:
        job["pad_seconds"] = info.crop["pad_seconds"] = pad_seconds
    if posterior is not None:
        job["posterior"] = posterior
    if sharding != "dp":
        job["sharding"] = sharding
    if prompter is not None:
        job["prompts"] = prompter.sha256
    shards = [clips[start : start + shard_size] for start in range(0, len(clips), shard_size)]
    with LatentFolder(output, job, share, len(shards)) as folder:
        mine = range(share.index, len(shards), share.count)
        before = [folder.counts(number) for number in mine if folder.has(number)]
        now = EncodeProgress(
            done=sum(made for made, _ in before),
            total=sum(len(shards[number]) for number in mine),
            errors=sum(failed for _, failed in before)
            + (len(read.malformed) if share.index == 0 else 0),
        )
        todo = [number for number in mine if not folder.has(number)]
        rows = -(-batch_size // codec.layout.rows) * codec.layout.rows
        batches = clip_batches(shards, todo, batch_size, max_seconds)
        started = time.monotonic()
        submit = functools.partial(_submit, codec, posterior == "sample", rows)
        for made in _encoded(codec, prompter, folder, batches, submit, lengths):
            now = dataclasses.replace(
                now,
                done=now.done + made.clips,
                made=now.made + made.clips,
                errors=now.errors + len(made.errors),
                audio_seconds=now.audio_seconds + made.samples / codec.sample_rate,
                seconds=time.monotonic() - started,
            )
            report(now)
            if made.errors:
                tried, example = now.done + now.errors, str(made.errors[0]["error"])
                check_tolerated(now.errors, tried, "clips", example)
        key = None if prompter is None else prompter.sha256
        missing = folder.finish(info, read.malformed, key)
        return dataclasses.replace(now, missing_shards=missing)


class _Lengths(NamedTuple):
    """Samples of a clip: fewest that can be encoded, most that are kept, fewest that are made."""

    least: int
    most: int | None
    padded: int | None


def _seconds(name: str, value: float | None) -> float | None:
    if value is None:
        return None
    if (seconds := as_number(value)) is None:
        raise ValueError(f"{name}={value!r}: expected seconds")
    return seconds


def _samples(codec: Codec, name: str, seconds: float | None) -> int | None:
    if seconds is None:
        return None
    samples = round(seconds * codec.sample_rate) if math.isfinite(seconds) else 0
    if samples < codec.min_samples:
        raise ValueError(f"{name}={seconds}: expected at least {codec.min_samples} samples")
    return samples


def _encoded(
    codec: Codec,
    prompter: PromptEncoder | None,
    folder: LatentFolder,
    batches: Iterable[ClipBatch],
    submit_audio: Callable[[Sequence[str], Sequence[Float32[np.ndarray, "n a"]]], jax.Array],
    lengths: _Lengths,
) -> Iterator[_Made]:
    """Encodes and writes batches."""
    cache = AudioCache(codec.sample_rate, max_bytes=0, channels=codec.channels)

    def decode(clip: Clip) -> tuple[Float32[np.ndarray, "n a"], Prompts]:
        record = clip.record
        audio = cache.load(record.path, record.member)[: lengths.most]
        count = len(audio)
        if count < lengths.least:
            raise ValueError(
                f"too short to encode: {count} samples, at least {lengths.least} are needed"
            )
        prompts = None
        if prompter is not None:
            prompts = prompter.read(record, clip.manifest.parent, audio, codec.sample_rate)
        return pad_to(audio, max(count, lengths.padded or 0)), prompts

    def submit(decoded: _Decoded) -> _Submitted | None:
        if not decoded.audio:
            return None
        names = [clip.record.audio_id for clip, _, _ in decoded.audio]
        latents = submit_audio(names, [audio for _, audio, _ in decoded.audio])
        prompts = [] if prompter is None else [prompter.submit(p) for _, _, p in decoded.audio]
        return _Submitted(latents, prompts)

    write = _Writer(folder, codec, prompter).write
    decoders = concurrent.futures.ThreadPoolExecutor(os.cpu_count())
    try:
        yield from overlapped(_decoded(decoders, decode, batches), submit, write)
    finally:
        decoders.shutdown(cancel_futures=True)


def _decoded(
    decoders: concurrent.futures.Executor,
    decode: Callable[[Clip], tuple[Float32[np.ndarray, "n a"], Prompts]],
    batches: Iterable[ClipBatch],
) -> Iterator[_Decoded]:
    """Batches with their audio, the next ones being decoded meanwhile."""
    ahead: collections.deque[tuple[ClipBatch, list[concurrent.futures.Future]]] = (
        collections.deque()
    )
    for batch in batches:
        ahead.append((batch, [decoders.submit(decode, clip) for clip in batch.clips]))
        if len(ahead) > _BATCHES_AHEAD:
            yield _collect(*ahead.popleft())
    while ahead:
        yield _collect(*ahead.popleft())


def _collect(batch: ClipBatch, decoding: Sequence[concurrent.futures.Future]) -> _Decoded:
    decoded = _Decoded(batch, [], [])
    for clip, future in zip(batch.clips, decoding, strict=True):
        try:
            decoded.audio.append((clip, *future.result()))
        except (ValueError, OSError, MemoryError) as error:
            decoded.errors.append(clip.error(str(error)))
    return decoded


def _submit(
    codec: Codec,
    draw: bool,
    rows: int,
    names: Sequence[str],
    audio: Sequence[Float32[np.ndarray, "n a"]],
) -> jax.Array:
    """Starts to encode clips, filled up to `rows` with copies of the last one."""
    numbers = [min(row, len(audio) - 1) for row in range(rows)]
    filled = [audio[row] for row in numbers]
    keys = clip_keys(_SEED, [names[row] for row in numbers]) if draw else None
    lengths = np.array([len(samples) for samples in filled])
    width = int(lengths.max())
    waveforms = np.stack([pad_to(samples, width) for samples in filled])
    return codec.encode_split(waveforms, lengths, keys).astype(jnp.bfloat16)


class _Writer:
    """Puts the clips of batches in their shards, in the order in which they come."""

    def __init__(self, folder: LatentFolder, codec: Codec, prompter: PromptEncoder | None):
        self._folder, self._codec, self._prompter = folder, codec, prompter
        self._shard: ShardWriter | None = None
        self._errors: list[Row] = []

    def write(self, decoded: _Decoded, submitted: _Submitted | None) -> _Made:
        """Waits for the latents of a batch, and commits the shard that ends with it."""
        if self._shard is None:
            self._shard, self._errors = self._folder.begin(decoded.batch.shard), []
        errors, samples, made = list(decoded.errors), 0, 0
        latents = np.asarray(submitted.latents) if submitted is not None else ()
        for row, (clip, audio, _) in enumerate(decoded.audio):
            frames: BFloat16[np.ndarray, "t c"] = latents[row][
                : self._codec.latent_length(len(audio))
            ]
            record, prompt = clip.record, {}
            try:
                if not np.isfinite(frames.astype(np.float32)).all():
                    raise ValueError("its latents are not finite")
                if self._prompter is not None and submitted is not None:
                    prompt = self._prompter.arrays(submitted.prompts[row])
            except ValueError as error:
                errors.append(clip.error(str(error)))
                continue
            self._shard.add(
                LatentRecord(record.audio_id, record.split, record.views, frames, prompt)
            )
            made, samples = made + 1, samples + len(audio)
        self._errors += errors
        if decoded.batch.last:
            self._shard.commit(self._errors)
            self._shard = None
        return _Made(made, errors, samples)
