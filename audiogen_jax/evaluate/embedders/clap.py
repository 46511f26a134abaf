"""CLAP: texts and clips in one space, by the two towers of an export to ONNX."""

import dataclasses
import hashlib
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from audiogen_jax.evaluate.embedders.embedder import Embeddings, Identity
from audiogen_jax.evaluate.embedders.front_ends import clap_log_mel
from audiogen_jax.evaluate.embedders.onnx_graph import OnnxGraph
from audiogen_jax.evaluate.embedders.weights import find_folder
from audiogen_jax.evaluate.waveforms import RESAMPLER, clips_at
from audiogen_jax.files.fingerprint import sha256
from audiogen_jax.files.json_object import read_object

SAMPLE_RATE = 48000
WINDOW = 10 * SAMPLE_RATE
MAX_TOKENS = 77
"""Longest text that the network was trained with; later tokens are cut off, as its authors do."""
AUDIO, TEXT = "onnx/audio_model.onnx", "onnx/text_model.onnx"
TOKENIZER, SETTINGS = "tokenizer.json", "preprocessor_config.json"
FEATURES = {
    "sampling_rate": SAMPLE_RATE,
    "feature_size": 64,
    "fft_window_size": 1024,
    "hop_length": 480,
    "frequency_min": 50,
    "frequency_max": 14000,
    "truncation": "rand_trunc",
    "padding": "repeatpad",
}
"""Of the log-mel that is computed here; the "fused" checkpoints hear another."""


class ClapEmbedder:
    """LAION's CLAP (Wu et al. 2023, arXiv:2211.06687), "unfused" checkpoints.

    Clips of up to ten seconds are heard as its authors hear them. Of longer ones they take ten
    seconds at random; here it is the mean of all, in windows of which the last ends with the clip.
    """

    def __init__(self, source: str | Path):
        """Reads both towers.

        Args:
          source: of `find_folder`, laid out as Xenova/clap-htsat-unfused is: tokenizer.json,
            preprocessor_config.json and in onnx/ audio_model.onnx, text_model.onnx.

        Raises:
          ValueError: there is no such folder, it holds other graphs, or one that hears otherwise.
          OSError: a file is missing or cannot be read.
        """
        import tokenizers

        folder = find_folder(source, [TOKENIZER, SETTINGS, f"{AUDIO}*", f"{TEXT}*"])
        settings = read_object(folder / SETTINGS)
        if other := {k: settings.get(k) for k, v in FEATURES.items() if settings.get(k) != v}:
            raise ValueError(
                f"{folder / SETTINGS}: {other}: expected {[FEATURES[name] for name in other]}"
            )
        self._audio, self._text = OnnxGraph(folder / AUDIO), OnnxGraph(folder / TEXT)
        if not (folder / TOKENIZER).is_file():
            raise FileNotFoundError(f"no file at {folder / TOKENIZER}")
        self._tokenizer = tokenizers.Tokenizer.from_file(str(folder / TOKENIZER))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(MAX_TOKENS)
        towers = f"{self._audio.sha256} {self._text.sha256} {sha256(folder / TOKENIZER)}"
        self.identity = Identity(
            name="LAION CLAP",
            weights_sha256=hashlib.sha256(towers.encode()).hexdigest(),
            sample_rate=SAMPLE_RATE,
            resampler=RESAMPLER,
            layer="audio_embeds, of length 1",
            pooling="mean of 10 s windows, the last one at the end, of length 1",
        )

    def embed(self, clips: Sequence[Float[np.ndarray, " n"]], sample_rate: int) -> Embeddings:
        """Embeddings [b d] of clips, of length 1; see `Embedder`."""
        rows = []
        for clip in clips_at(SAMPLE_RATE, clips, sample_rate):
            last = max(0, len(clip) - WINDOW)
            heard = [
                self._audio.run(
                    "audio_embeds", {"input_features": clap_log_mel(clip[start : start + WINDOW])}
                )
                for start in sorted({*range(0, last, WINDOW), last})
            ]
            rows.append(_unit(_unit(np.concatenate(heard)).mean(axis=0, keepdims=True)))
        return Embeddings(np.concatenate(rows), self.identity)

    def embed_texts(self, texts: Sequence[str]) -> Embeddings:
        """Embeddings [b d] of texts, of length 1, to compare with those of clips (`clap_scores`).

        Raises:
          ValueError: there are no texts.
        """
        if not len(texts):
            raise ValueError("no texts to embed")
        rows, cut = [], 0
        for text in texts:
            tokens = self._tokenizer.encode(text)
            cut += bool(tokens.overflowing)
            ids, mask = (np.array(each, np.int64) for each in (tokens.ids, tokens.attention_mask))
            fed = {"input_ids": ids, "attention_mask": mask}
            rows.append(_unit(self._text.run("text_embeds", fed)))
        if cut:
            warnings.warn(
                f"{cut} of {len(texts)} texts have more than the {MAX_TOKENS} tokens that CLAP "
                "reads: their ends do not count",
                stacklevel=2,
            )
        identity = dataclasses.replace(
            self.identity, layer="text_embeds, of length 1", pooling="the whole text"
        )
        return Embeddings(np.concatenate(rows), identity)


def _unit(values: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
    values = values.astype(np.float64)
    return values / np.linalg.norm(values, axis=-1, keepdims=True)
