"""What `claims` trains on and asks for: clips as latents, captions as a text encoder reads them."""

import functools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from audiogen_jax.checkpoints.registry import LoadedGenerator, open_codec
from audiogen_jax.files.audio import read_audio
from audiogen_jax.input.crop_pad import crop_window, pad_to
from audiogen_jax.input.latent_batches import LatentDataConfig
from audiogen_jax.input.manifest import AudioRecord, read_manifest
from audiogen_jax.layers.apply import apply
from audiogen_jax.models.dasheng.audio_encoder import AudioEncoder, EncoderBlock
from audiogen_jax.models.dasheng.codec import DashengCodec
from audiogen_jax.models.dasheng.tokenizer import PATCH_FRAMES
from audiogen_jax.models.t5.encoder import T5Encoder
from audiogen_jax.ops.masks import length_mask
from audiogen_jax.ops.mel import log_mel
from audiogen_jax.types import Latents, Params, Tokens

MANIFESTS = {"digits": "fsdd.jsonl", "sounds": "esc10.jsonl"}
"""Judge's task -> its clips."""
SECONDS = 0.64
"""Longest clip: of longer ones, windows of it."""
WINDOWS = 2
"""Of each longer clip."""
MAX_TOKENS = 72
"""As nano_generator."""
ROWS = 64
"""Clips or texts that are encoded together."""
SETS = ("whole", "view alone", "caption alone")
"""What of a held-out clip's views is asked for: all; what is said or heard; the sentence."""
_CONTENT = ("asr", "sfx", "env")


class Clips(NamedTuple):
    """Training clips, on the device.

    Attributes:
      latents: zero-padded.
      lengths: valid frames.
      texts: rows of `Texts`, the wordings of each clip.
    """

    latents: Float[Array, "n t c"]
    lengths: Int[Array, " n"]
    texts: Int[Array, "n k"]


class Texts(NamedTuple):
    """Encoded texts: hidden states float16 [m l d] and True at tokens."""

    hidden: Float[Array, "m l d"]
    mask: Bool[Array, "m l"]

    def prompts(self) -> Tokens:
        """As `claims_train.EncodedTexts` reads them."""
        return Tokens(self.hidden.astype(jnp.float32), self.mask)  # pyright: ignore


class Prompt(NamedTuple):
    """A held-out clip to ask for.

    Attributes:
      id: of the clip.
      group: "digits" or "sounds".
      label: its class.
      views: one phrasing of each.
      frames: how long it is.
    """

    id: str
    group: str
    label: str
    views: dict[str, str]
    frames: int

    def text(self, which: str, tags: bool) -> str:
        """One of `SETS`, tagged or as a plain caption."""
        views = self.views
        if which != "whole":
            kept = "caption" if which == "caption alone" else _content(views)
            views = {kept: views[kept]}
        text = " ".join(f"<|{view}|> {words}" for view, words in views.items())
        return text if tags else plain(text)


class Tokenizer(NamedTuple):
    """The encoding half of an audio tokenizer, and what training sees of it.

    Attributes:
      codec: the tokenizer.
      params: of its encoding half.
      wide: see `wide_latents`; the latents if False.
    """

    codec: DashengCodec
    params: Params
    wide: bool

    @classmethod
    def load(cls, source: str | Path, wide: bool) -> "Tokenizer":
        """Reads a folder, or "nano"."""
        loaded = open_codec(source, dtype="float32", param_dtype="float32")
        if not isinstance(loaded.codec, DashengCodec):
            raise ValueError(f"{source}: expected a DashengTokenizer")
        return cls(loaded.codec, loaded.read(loaded.codec.encoder, jax.device_put), wide)

    @property
    def frames(self) -> int:
        """Of the longest clip."""
        return self.codec.latent_length(round(SECONDS * self.codec.sample_rate))

    def encode(
        self, audio: Float[np.ndarray, "n s"], lengths: Int[np.ndarray, " n"]
    ) -> Float[np.ndarray, "n t c"]:
        """Latents of zero-padded clips, or wide ones; zeros past the end."""
        function = wide_latents if self.wide else _latents
        program = jax.jit(functools.partial(function, self.codec))
        rows = -len(audio) % ROWS  # one program for all
        audio = np.pad(audio, ((0, rows), (0, 0)))
        valid = np.pad(lengths, (0, rows), constant_values=audio.shape[1])
        parts = [
            np.asarray(program(self.params, audio[i : i + ROWS, :, None], valid[i : i + ROWS]))
            for i in range(0, len(audio), ROWS)
        ]
        return np.concatenate(parts)[: len(lengths)]

    def unified(self, values: Float[np.ndarray, "... c"]) -> Float[np.ndarray, "... e"]:
        """The latents that the decoder reads."""
        if not self.wide:
            return values
        c = self.codec.config
        semantic = values[..., c.depth * c.embed_dim :][..., : c.embed_dim]
        acoustic = values[..., (c.depth + 1) * c.embed_dim :][..., : c.embed_dim]
        return semantic + acoustic


def _latents(codec: DashengCodec, params: Params, audio: Array, lengths: Array) -> Latents:
    return codec.encode(params, audio, lengths)


def wide_latents(
    codec: DashengCodec,
    params: Params,
    audio: Float[Array, "b n 1"],
    lengths: Int[Array, " b"],
) -> Latents:
    """All that the encoder knows of each frame, side by side: 1280 values of nano's.

    Embedded patches and the results of the blocks, the last after the norm, as latents have it
    (5 x 128); the acoustic injection (128); and the log-mel patch it is made from (4 x 128).

    Args:
      codec: the tokenizer.
      params: of its encoding half.
      audio: zero-padded.
      lengths: valid samples.
    """
    c, mono = codec.config, audio[:, :, 0]
    encoder, weights = AudioEncoder(c), params["audio_encoder"]
    x = apply(encoder, weights, mono, lengths, method="patches")
    x = apply(encoder, weights, x, method="embed")
    mask = length_mask(jnp.asarray(codec.latent_length(lengths)), x.shape[1])
    layers = [x]
    for number in range(c.depth - 1):
        block = jax.tree.map(lambda leaf, number=number: leaf[number], weights["blocks"])
        x, _ = apply(EncoderBlock(c.num_heads), block, x, None, mask)
        layers.append(x)
    layers += [codec.encode_layer(params, audio, lengths, name) for name in codec.layers[:2]]
    mel = log_mel(mono, c.n_mels_patch, lengths)[:, : x.shape[1] * PATCH_FRAMES]
    layers.append(mel.reshape(*x.shape[:2], -1))
    return jnp.where(mask[..., None], jnp.concatenate(layers, axis=-1), 0)


def read_records(folder: Path, split: str, clips: int | None) -> list[tuple[str, AudioRecord]]:
    """Digits and sounds of a split with their group, `clips` of each at most, evenly of all."""
    found = []
    for group, name in MANIFESTS.items():
        records = [record for record in read_manifest(folder / name) if record.split == split]
        count = min(clips or len(records), len(records))
        rows = np.linspace(0, len(records) - 1, count).round().astype(int)
        found += [(group, records[row]) for row in rows]
    return found


def read_windows(
    records: Sequence[AudioRecord], sample_rate: int
) -> tuple[Float[np.ndarray, "n s"], Int[np.ndarray, " n"], Int[np.ndarray, " n"]]:
    """Audio of all clips, zero-padded; of long ones loud windows.

    Returns:
      Samples, valid samples, and which clip each row is of.
    """
    longest, rng = round(SECONDS * sample_rate), np.random.default_rng(0)
    rows, lengths, owners = [], [], []
    for owner, record in enumerate(records):
        samples = read_audio(record.path, sample_rate).samples
        for _ in range(WINDOWS if len(samples) > longest else 1):
            window = crop_window(samples, longest, "loud", rng)
            rows.append(pad_to(window, longest)[:, 0])
            lengths.append(len(window))
            owners.append(owner)
    return np.stack(rows), np.array(lengths, np.int32), np.array(owners)


def draw_wordings(
    records: Sequence[AudioRecord], count: int, view_dropout: float, tags: bool, *, whole: bool
) -> tuple[list[str], Int[np.ndarray, "n k"]]:
    """Texts as the input pipeline draws them: one phrasing of each view, some views dropped.

    Args:
      records: clips.
      count: draws of each clip.
      view_dropout: probability of each view but the caption.
      tags: whether views are tagged.
      whole: not only what is said or heard, as "view alone" of `SETS`.

    Returns:
      The different texts, and the rows of those of each clip.
    """
    data = LatentDataConfig(
        datasets=(("clips", 1.0),), view_dropout=view_dropout, text_tokenizer="tokenizer.json"
    )
    rng, rows = np.random.default_rng(1), {}

    def draw(views: Mapping[str, Sequence[str]]) -> str:
        if whole:
            return data.draw_condition(views, rng)[0]
        return f"<|{_content(views)}|> {rng.choice(views[_content(views)])}"

    drawn = [[draw(record.views) for _ in range(count)] for record in records]
    chosen = [
        [rows.setdefault(text if tags else plain(text), len(rows)) for text in texts]
        for texts in drawn
    ]
    return list(rows), np.array(chosen, np.int32)


def encode_texts(texts: Sequence[str], nano: LoadedGenerator) -> Texts:
    """Reads texts with the frozen text encoder, each once."""
    tokens = nano.tokenize(list(texts))
    longest = min(int(np.asarray(tokens.mask).sum(axis=1).max()), MAX_TOKENS)
    ids, mask = np.asarray(tokens.ids)[:, :longest], np.asarray(tokens.mask)[:, :longest]
    encoder = T5Encoder(nano.generator.text)  # pyright: ignore[reportAttributeAccessIssue]
    program = jax.jit(
        lambda params, ids, mask: apply(encoder, params, ids, mask).astype(jnp.float16)
    )
    rows = -len(ids) % ROWS
    ids, padded = np.pad(ids, ((0, rows), (0, 0))), np.pad(mask, ((0, rows), (0, 0)))
    hidden = [
        program(nano.params["text_encoder"], ids[i : i + ROWS], padded[i : i + ROWS])
        for i in range(0, len(ids), ROWS)
    ]
    return Texts(jnp.concatenate(hidden)[: len(mask)], jnp.asarray(mask))


def held_out_prompts(folder: Path, per_class: dict[str, int], codec: DashengCodec) -> list[Prompt]:
    """So many clips of the validation split of each class, in one phrasing of each view."""
    rng, taken, prompts = np.random.default_rng(2), {}, []
    records = read_records(folder, "val", None)
    for row in rng.permutation(len(records)):
        group, record = records[row]
        assert record.label is not None
        number = taken[record.label] = taken.get(record.label, 0) + 1
        if number > per_class[group]:
            continue
        samples = round(min(record.duration, SECONDS) * codec.sample_rate)
        views = {view: str(rng.choice(texts)) for view, texts in record.views.items()}
        frames = int(codec.latent_length(samples))
        prompts.append(Prompt(record.audio_id, group, record.label, views, frames))
    return sorted(prompts)


def plain(text: str) -> str:
    """The texts of all views of a tagged string, joined by spaces."""
    return re.sub(r"<\|\w+\|> ", "", text)


def _content(views: Mapping[str, object]) -> str:
    return next(view for view in _CONTENT if view in views)
