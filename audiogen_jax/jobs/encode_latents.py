"""Encoding job: manifests or tar files of audio to a folder of latents, on all local devices.

Threads decode the clips of the next batches while the devices encode one, and another thread writes
the ones before. The clips of a shard are encoded in the order of their lengths, so that a batch
holds little padding, and the shapes of batches are those of a short ladder: few programs.
"""

import collections
import concurrent.futures
import dataclasses
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from jaxtyping import BFloat16, Int16

from audiogen_jax.files.fingerprint import sha256
from audiogen_jax.infer.codec import Codec
from audiogen_jax.infer.pipeline import DTYPES
from audiogen_jax.input.audio_cache import AudioCache
from audiogen_jax.input.clips import read_clips
from audiogen_jax.input.crop_pad import to_float
from audiogen_jax.input.latent_dataset import DatasetInfo
from audiogen_jax.input.latent_records import LatentRecord
from audiogen_jax.input.manifest import AudioRecord
from audiogen_jax.jobs.job import Progress, Shard
from audiogen_jax.jobs.latent_folder import LatentStore, ShardWriter
from audiogen_jax.models.dasheng.tokenizer import MIN_SAMPLES, latent_length

_BATCHES_AHEAD = 2


@dataclasses.dataclass(frozen=True)
class EncodeProgress(Progress):
    """How far an encoding job is.

    Attributes:
      missing_shards: of all processes, when this one is done; 0 if `dataset.json` is written.
    """

    missing_shards: int = 0


@dataclasses.dataclass(frozen=True)
class _Clip:
    """A clip to encode, and the manifest that names it."""

    manifest: Path
    record: AudioRecord

    def error(self, message: str) -> dict[str, Any]:
        """Its row of `errors.jsonl`."""
        return {
            "manifest": str(self.manifest),
            "line": self.record.line,
            "audio_id": self.record.audio_id,
            "path": str(self.record.path),
            "error": message,
        }


@dataclasses.dataclass(frozen=True)
class _Batch:
    """Clips of one shard that are encoded together, and whether they are its last."""

    shard: int
    clips: list[_Clip]
    last: bool


_Audio = Int16[np.ndarray, " n"] | str
"""A decoded clip, or why there is none."""


def encode_dataset(
    manifests: Sequence[str | Path],
    output: str | Path,
    *,
    checkpoint: str | Path = "nano",
    revision: str | None = None,
    dtype: str = "fp32",
    batch_size: int = 16,
    shard_size: int = 1024,
    max_seconds: float | None = None,
    part: Shard | None = None,
    report: Callable[[EncodeProgress], None] = lambda progress: None,
) -> EncodeProgress:
    """Encodes the clips of manifests, or what is left of them.

    Clips are decoded as training decodes them: mono, without digital silence at their ends.

    Args:
      manifests: manifests or tar files of audio, see `input.clips`; about 1 kB of memory per clip.
      output: folder of the dataset, see `input.latent_dataset`.
      checkpoint, revision: of the tokenizer, see `Codec.load`.
      dtype: of the computation, "fp32" or "bf16"; latents are stored in bfloat16.
      batch_size: clips encoded together, over all local devices.
      shard_size: clips per shard, fewer in the last one and where clips cannot be read.
      max_seconds: only this much of a clip is kept, from its start; all of it if None.
      part: which shards to make, every n-th from i; of several processes each takes its own by
        default.
      report: called after every batch.

    Returns:
      The final progress. Clips that cannot be decoded or are too short are in `errors.jsonl`,
      which is written with `dataset.json` by the process that finds all shards there.

    Raises:
      ValueError: bad arguments, a malformed manifest, an id that two manifests share, a folder of
        another job, or no clip that can be encoded.
      OSError: a file cannot be written; shards that are there stay, and a restart goes on.
    """
    part = part or Shard(jax.process_index(), jax.process_count())
    if dtype not in DTYPES:
        raise ValueError(f"dtype={dtype!r} must be one of {sorted(DTYPES)}")
    for name, value in (("batch_size", batch_size), ("shard_size", shard_size)):
        if value < 1:
            raise ValueError(f"{name}={value}: expected at least 1")
    clips = _read_manifests([Path(manifest) for manifest in manifests])
    mesh = Mesh(np.array(jax.local_devices()), ("data",))
    tokenizer = Codec.load(checkpoint, revision=revision, dtype=DTYPES[dtype])
    tokenizer.sharding = NamedSharding(mesh, P())
    max_samples = None if max_seconds is None else round(max_seconds * tokenizer.sample_rate)
    if max_samples is not None and max_samples < MIN_SAMPLES:
        raise ValueError(f"max_seconds={max_seconds}: expected at least {MIN_SAMPLES} samples")
    info = DatasetInfo(
        tokenizer_sha256=tokenizer.encoder_sha256,
        sample_rate=tokenizer.sample_rate,
        latent_rate=tokenizer.sample_rate / tokenizer.samples_per_latent,
        channels=tokenizer.config.embed_dim,
        crop={"max_seconds": max_seconds},
        shards=(),
    )
    job = {
        "tokenizer_sha256": info.tokenizer_sha256,
        "dtype": dtype,
        "manifests_sha256": [sha256(Path(manifest)) for manifest in manifests],
        "max_seconds": max_seconds,
        "shard_size": shard_size,
    }
    shards = [clips[start : start + shard_size] for start in range(0, len(clips), shard_size)]
    with LatentStore(Path(output), job, part, len(shards)) as store:
        mine = range(part.index, len(shards), part.count)
        todo = [k for k in mine if not store.has(k)]
        before = [store.counts(k) for k in mine if store.has(k)]
        now = EncodeProgress(
            done=sum(made for made, _ in before),
            total=sum(len(shards[k]) for k in mine),
            errors=sum(failed for _, failed in before),
        )
        rows = -(-batch_size // mesh.size) * mesh.size
        batches = _batches(shards, todo, batch_size, max_seconds)
        started = time.monotonic()
        for made, failed, samples in _encoded(tokenizer, store, batches, rows, max_samples):
            now = dataclasses.replace(
                now,
                done=now.done + made,
                made=now.made + made,
                errors=now.errors + failed,
                audio_seconds=now.audio_seconds + samples / tokenizer.sample_rate,
                seconds=time.monotonic() - started,
            )
            report(now)
        return dataclasses.replace(now, missing_shards=store.finish(info))


def _read_manifests(manifests: Sequence[Path]) -> list[_Clip]:
    if not manifests:
        raise ValueError("no manifest given: expected at least one")
    clips = [_Clip(path, record) for path in manifests for record in read_clips(path)]
    seen: dict[str, Path] = {}
    for clip in clips:
        audio_id = clip.record.audio_id
        if audio_id in seen:
            raise ValueError(
                f"audio_id {audio_id!r} is in both {seen[audio_id]} and {clip.manifest}: give each "
                "clip an id of its own, or encode the manifests to folders of their own"
            )
        seen[audio_id] = clip.manifest
    return clips


def _batches(
    shards: Sequence[Sequence[_Clip]], todo: Iterable[int], size: int, max_seconds: float | None
) -> Iterator[_Batch]:
    """The clips of each shard in the order of their lengths; a function of the manifests alone."""
    for number in todo:
        longest = max_seconds or float("inf")
        clips = sorted(shards[number], key=lambda clip: min(clip.record.duration, longest))
        for start in range(0, len(clips), size):
            end = start + size
            yield _Batch(number, clips[start:end], last=end >= len(clips))


def _encoded(
    tokenizer: Codec,
    store: LatentStore,
    batches: Iterable[_Batch],
    rows: int,
    max_samples: int | None,
) -> Iterator[tuple[int, int, int]]:
    """Encodes and writes batches; yields their clips made, clips failed and samples made."""
    cache = AudioCache(tokenizer.sample_rate, max_bytes=0)

    def decode(clip: _Clip) -> _Audio:
        try:
            audio = cache.load(clip.record.path, clip.record.member)[:max_samples]
        except (ValueError, OSError) as error:
            return str(error)
        if len(audio) < MIN_SAMPLES:
            return f"too short to encode: {len(audio)} samples, at least {MIN_SAMPLES} are needed"
        return audio

    writing: collections.deque[concurrent.futures.Future] = collections.deque()
    decoders = concurrent.futures.ThreadPoolExecutor(os.cpu_count())
    writers = concurrent.futures.ThreadPoolExecutor(max_workers=1)
    writer = _Writer(store)
    try:
        for batch, audio in _decoded(decoders, decode, batches):
            latents = _submit(
                tokenizer, [clip for clip in audio if not isinstance(clip, str)], rows
            )
            writing.append(writers.submit(writer.write, batch, audio, latents))
            if len(writing) > 1:
                yield writing.popleft().result()
        while writing:
            yield writing.popleft().result()
    finally:
        for executor in (decoders, writers):
            executor.shutdown(cancel_futures=True)


def _decoded(
    decoders: concurrent.futures.Executor,
    decode: Callable[[_Clip], _Audio],
    batches: Iterable[_Batch],
) -> Iterator[tuple[_Batch, list[_Audio]]]:
    """Batches with their audio, the next ones being decoded meanwhile."""
    ahead: collections.deque = collections.deque()
    for batch in batches:
        ahead.append((batch, [decoders.submit(decode, clip) for clip in batch.clips]))
        if len(ahead) > _BATCHES_AHEAD:
            batch, audio = ahead.popleft()
            yield batch, [future.result() for future in audio]
    for batch, audio in ahead:
        yield batch, [future.result() for future in audio]


def _submit(
    tokenizer: Codec, audio: Sequence[Int16[np.ndarray, " n"]], rows: int
) -> jax.Array | None:
    """Starts to encode clips, filled up to `rows` with copies of the last one."""
    if not audio:
        return None
    filled = [audio[min(row, len(audio) - 1)] for row in range(rows)]
    lengths = np.array([len(samples) for samples in filled])
    width = int(lengths.max())
    waveforms = np.stack([to_float(samples, width) for samples in filled])
    return tokenizer.encode_split(waveforms, lengths).astype(jnp.bfloat16)


class _Writer:
    """Puts the clips of batches in their shards, in the order in which they come."""

    def __init__(self, store: LatentStore):
        self._store = store
        self._shard: ShardWriter | None = None
        self._errors: list[dict[str, Any]] = []

    def write(
        self, batch: _Batch, audio: Sequence[_Audio], submitted: jax.Array | None
    ) -> tuple[int, int, int]:
        """Waits for the latents of a batch, and commits the shard that ends with it.

        Returns:
          Clips made, clips failed, samples of those made.
        """
        if self._shard is None:
            self._shard, self._errors = self._store.begin(batch.shard), []
        latents = iter(() if submitted is None else np.asarray(submitted))
        before, made, samples = len(self._errors), 0, 0
        for clip, decoded in zip(batch.clips, audio, strict=True):
            if isinstance(decoded, str):
                self._errors.append(clip.error(decoded))
                continue
            frames: BFloat16[np.ndarray, "t c"] = next(latents)[: latent_length(len(decoded))]
            if not np.isfinite(frames.astype(np.float32)).all():
                self._errors.append(clip.error("its latents are not finite"))
                continue
            record = clip.record
            self._shard.add(LatentRecord(record.audio_id, record.split, record.views, frames))
            made, samples = made + 1, samples + len(decoded)
        if batch.last:
            self._shard.commit(self._errors)
            self._shard = None
        return made, len(self._errors) - before, samples
