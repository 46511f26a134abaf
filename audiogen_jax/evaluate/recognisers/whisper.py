"""Whisper, by the encoder and decoder of an export to ONNX."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from audiogen_jax.evaluate.embedders.embedder import Identity
from audiogen_jax.evaluate.embedders.front_ends import whisper_log_mel
from audiogen_jax.evaluate.embedders.onnx_graph import OnnxGraph
from audiogen_jax.evaluate.embedders.weights import find_folder
from audiogen_jax.evaluate.waveforms import RESAMPLER, clips_at
from audiogen_jax.files.json_object import read_object

SAMPLE_RATE = 16000
WINDOW = 30 * SAMPLE_RATE
ENCODER, DECODER = "onnx/encoder_model.onnx", "onnx/decoder_model.onnx"
TOKENIZER, CONFIG, GENERATION = "tokenizer.json", "config.json", "generation_config.json"


class WhisperTranscriber:
    """Whisper (Radford et al. 2023, arXiv:2212.04356): the likeliest token after the other.

    A `Transcriber`. Without beams, other temperatures and timestamps: longer clips are cut every
    30 s, in a word if it happens, so it is meant for sentences. Tokens that the release suppresses
    are left out.
    """

    def __init__(self, source: str | Path, language: str = "en"):
        """Reads both graphs.

        Args:
          source: of `find_folder`, laid out as onnx-community/whisper-base is: config.json,
            generation_config.json, tokenizer.json and in onnx/ encoder_model.onnx and
            decoder_model.onnx, the decoder without a cache.
          language: in Whisper's codes.

        Raises:
          ValueError: there is no such folder, it holds other graphs, or does not know the language.
          OSError: a file is missing or cannot be read.
        """
        import tokenizers

        patterns = [TOKENIZER, CONFIG, GENERATION, f"{ENCODER}*", f"{DECODER}*"]
        folder = find_folder(source, patterns)
        self._encoder, self._decoder = OnnxGraph(folder / ENCODER), OnnxGraph(folder / DECODER)
        if not (folder / TOKENIZER).is_file():
            raise FileNotFoundError(f"no file at {folder / TOKENIZER}")
        self._tokenizer = tokenizers.Tokenizer.from_file(str(folder / TOKENIZER))
        config, generation = read_object(folder / CONFIG), read_object(folder / GENERATION)
        try:
            self._n_mels = int(config["num_mel_bins"])
            self._end = int(generation["eos_token_id"])
            self._prompt = _prompt(generation, language)
            self._suppressed = [int(token) for token in generation.get("suppress_tokens") or ()]
            self._not_first = [
                int(token) for token in generation.get("begin_suppress_tokens") or ()
            ]
            # Half of the context is for the text before, which is not given.
            self._longest = int(generation["max_length"]) // 2
        except KeyError as error:
            raise ValueError(f"{folder}: {error} is missing in {CONFIG} or {GENERATION}") from None
        graphs = f"{self._encoder.sha256} {self._decoder.sha256}"
        self.identity = Identity(
            name="Whisper",
            weights_sha256=hashlib.sha256(graphs.encode()).hexdigest(),
            sample_rate=SAMPLE_RATE,
            resampler=RESAMPLER,
            layer=f"greedy text, {language}",
            pooling="windows of 30 s one after the other",
        )

    def transcribe(self, clips: Sequence[Float[np.ndarray, " n"]], sample_rate: int) -> list[str]:
        """The words that are spoken in mono clips.

        Args:
          clips: float [n] each.
          sample_rate: of the clips, Hz.

        Raises:
          ValueError: there are no clips, or one is no mono clip of finite floats.
        """
        texts = []
        for clip in clips_at(SAMPLE_RATE, clips, sample_rate):
            windows = (clip[start : start + WINDOW] for start in range(0, len(clip), WINDOW))
            texts.append(" ".join(filter(None, map(self._window, windows))))
        return texts

    def _window(self, samples: Float[np.ndarray, " n"]) -> str:
        mel = {"input_features": whisper_log_mel(samples, self._n_mels)}
        heard = self._encoder.run("last_hidden_state", mel)
        tokens = list(self._prompt)
        while len(tokens) < len(self._prompt) + self._longest:
            ids = np.array(tokens, np.int64)
            fed = {"input_ids": ids, "encoder_hidden_states": heard}
            logits = self._decoder.run("logits", fed)[0, -1].copy()
            logits[self._suppressed] = -np.inf
            logits[self._prompt[-1] :] = -np.inf  # timestamps, which begin there
            if len(tokens) == len(self._prompt):
                logits[self._not_first] = -np.inf
            token = int(logits.argmax())
            if token == self._end:
                break
            tokens.append(token)
        return self._tokenizer.decode(tokens[len(self._prompt) :]).strip()


def _prompt(generation: Mapping, language: str) -> list[int]:
    """Tokens before the text: of a model of all languages, which one it is and what to do."""
    prompt = [generation["decoder_start_token_id"]]
    if generation.get("is_multilingual", True):
        languages = {
            token.strip("<|>"): number for token, number in generation["lang_to_id"].items()
        }
        if language not in languages:
            raise ValueError(f"language {language!r}: this Whisper knows {', '.join(languages)}")
        prompt += [languages[language], generation["task_to_id"]["transcribe"]]
    elif language != "en":
        raise ValueError(f"language {language!r}: this Whisper knows en alone")
    return [int(token) for token in (*prompt, generation["no_timestamps_token_id"])]
