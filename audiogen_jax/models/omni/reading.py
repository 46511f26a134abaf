"""Captions, transcripts, voices and edits as Audio-Omni reads them."""

import dataclasses
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from audiogen_jax.caption import StructuredCaption
from audiogen_jax.files.audio import convert
from audiogen_jax.files.video import video_times
from audiogen_jax.files.windowed_sinc import windowed_sinc
from audiogen_jax.models.language_model import Recording, TextReader
from audiogen_jax.models.omni.conditioners.characters import tokens, transcript_ids
from audiogen_jax.models.omni.config import OmniConfig
from audiogen_jax.models.omni.instructions import INSTRUCTIONS, Instruction
from audiogen_jax.models.omni.prompts import OmniPrompts
from audiogen_jax.models.omni.synchformer import SynchformerConfig
from audiogen_jax.models.omni.thinker.chat import chat
from audiogen_jax.models.omni.thinker.inputs import Part, Pictures
from audiogen_jax.models.omni.thinker.inputs import Sound as ThinkerSound
from audiogen_jax.models.omni.thinker.thinker import Thinker
from audiogen_jax.models.omni.video import read_seen_film, read_sync_frames
from audiogen_jax.models.prompting import Edit, PromptInputs, ReadPrompt, Sound
from audiogen_jax.models.quirks import NO_QUIRKS, Quirks
from audiogen_jax.types import Tokens

VOICE = 0.6
"""Most of the reference that a voice takes, of which the end is heard: 6 of 10 seconds, as the
release has it; what is said fills the rest."""
_SMALLEST_PROMPT = 64
"""Tokens of the shortest padded instruction: few lengths, few compiled programs."""


@dataclasses.dataclass(frozen=True, eq=False)
class OmniReader:
    """A `models.prompting.PromptReader`.

    Attributes:
      config: sizes.
      thinker: reads instructions.
      text: its text tokenizer.
      instructions: wording of every task.
      see: frames of a video, 25 a second in [-1, 1], to visual features; None without Synchformer.
      frame_size: of those frames.
    """

    config: OmniConfig
    thinker: Thinker
    text: TextReader
    instructions: Mapping[str, Instruction] = dataclasses.field(
        default_factory=lambda: INSTRUCTIONS
    )
    see: Callable[[Float32[np.ndarray, "t y x 3"]], Float32[np.ndarray, "s d"]] | None = None
    frame_size: SynchformerConfig = SynchformerConfig()

    @property
    def reference_seconds(self) -> float:
        return self.config.reference_samples / self.config.sample_rate

    def read(
        self, inputs: PromptInputs, start: float = 0.0, quirks: Quirks = NO_QUIRKS
    ) -> ReadPrompt:
        """See `PromptReader.read`.

        Raises:
          ValueError: a source that is longer than `reference_seconds`.
        """
        words = inputs.transcript
        if words is None and inputs.caption is not None:
            words = inputs.caption.asr
        reference, lead = np.zeros(self.config.reference_samples, np.float32), 0.0
        if inputs.edit is not None:
            heard = self._mono(inputs.edit.source, quirks)
            if len(heard) > len(reference):
                raise ValueError(
                    f"a source of {len(heard) / self.config.sample_rate:.2f} s: at most "
                    f"{self.reference_seconds:g} s are edited at once"
                )
            reference[: len(heard)] = heard
        if inputs.voice is not None:
            heard = self._mono(inputs.voice, quirks)[-round(VOICE * len(reference)) :]
            reference[: len(heard)] = heard
            lead = len(heard) / self.config.sample_rate
            words = f"{inputs.voice_text}. {words}"
        sync = np.zeros((self.config.sync_length, self.config.sync_dim), np.float32)
        seconds = None
        if inputs.video is not None:
            sync, seconds = self._seen(inputs.video, start, quirks), _duration(inputs.video)
        instruction = self._instruction(inputs, words, start, quirks)
        length = self.thinker.prompt_length(instruction)
        padded = _SMALLEST_PROMPT * -(-length // _SMALLEST_PROMPT)
        count, most = len(tokens(words or "")), self.config.text_length
        if count > most:
            warnings.warn(
                f"{count} characters and syllables of words to say are more than the {most} that "
                "the model reads: the end is lost",
                stacklevel=2,
            )
        prompts = OmniPrompts(
            self.thinker.inputs([instruction], padded),
            transcript_ids([words or ""], most),
            np.array([words is not None]),
            reference[None],
            sync[None],
        )
        return ReadPrompt(prompts, lead, seconds, ("asr",) if count > most else ())

    def read_example(self, inputs: PromptInputs, sound: Sound) -> OmniPrompts:
        """See `PromptReader.read_example`.

        The start of a source is heard, and of a clip with words its own start, as the voice.

        Raises:
          ValueError: see `read`; a voice, in whose place the clip itself is heard.
        """
        if inputs.voice is not None:
            raise ValueError("a voice is for generating: in training it is that of the clip")
        if inputs.edit is not None:
            source, most = inputs.edit.source, self.reference_seconds
            cut = Sound(source.samples[: int(most * source.sample_rate)], source.sample_rate)
            inputs = PromptInputs(edit=dataclasses.replace(inputs.edit, source=cut))
        prompts = self.read(inputs).prompts
        if prompts.has_transcript[0]:
            heard = self._mono(sound)[: prompts.audio.shape[1]]
            prompts.audio[0, : len(heard)] = heard
        return prompts

    def tokens(self, texts: Sequence[str], most: int) -> Tokens:
        """Instructions of tagged strings alone, padded to one length.

        Args:
          texts: tagged strings.
          most: tokens.

        Raises:
          ValueError: an instruction of more tokens.
        """
        ids, mask = np.zeros((len(texts), most), np.int32), np.zeros((len(texts), most), bool)
        for row, text in enumerate(texts):
            parts = self._instruction(PromptInputs(StructuredCaption.parse(text)), None)
            read = [token for part in parts for token in _text_ids(part)]
            if len(read) > most:
                raise ValueError(f"a prompt of {len(read)} tokens: the model reads {most}")
            ids[row, : len(read)], mask[row, : len(read)] = read, True
        return Tokens(ids, mask)

    def _instruction(
        self,
        inputs: PromptInputs,
        words: str | None,
        start: float = 0.0,
        quirks: Quirks = NO_QUIRKS,
    ) -> list[Part]:
        """What the thinker is told."""
        if inputs.edit is not None:
            task, fields = inputs.edit.kind, _named(inputs.edit)
        else:
            text = "" if inputs.caption is None else description(inputs.caption)
            task, fields = _task(inputs.caption, words), {"text": text, "what": "", "to": ""}
            if inputs.video is not None:
                task = "video_music" if task == "music" else "video_sound"
        system, wording = self.instructions[task]
        user: list[str | ThinkerSound | Pictures] = [wording.format(**fields)]
        if inputs.video is not None:
            seconds, vision = self.reference_seconds, self.thinker.config.vision
            film = read_seen_film(inputs.video, seconds, vision, quirks, start)
            user.append(self.thinker.pictures(film))
        if inputs.audio is not None:
            mono = _at_rate(inputs.audio, self.thinker.sample_rate, quirks)
            user.append(self.thinker.sound(Recording(mono)))
        return chat(self.text, user, system)

    def _seen(self, video: str | Path, start: float, quirks: Quirks) -> Float32[np.ndarray, "s d"]:
        """Visual features of some seconds of a video."""
        if self.see is None:
            raise ValueError(
                f"{video}: no weights of Synchformer beside those of the model: put "
                "synchformer_state_dict.pth of HKUSTAudio/Audio-Omni (of it 0.5 GB are read; "
                "CC BY-NC 4.0, not for commercial use) in its folder: `hf download "
                "HKUSTAudio/Audio-Omni synchformer_state_dict.pth --local-dir FOLDER`"
            )
        size, seconds = self.frame_size, self.reference_seconds
        frames = read_sync_frames(video, seconds, size, quirks, start)
        features = self.see(frames)
        expected = (self.config.sync_length, self.config.sync_dim)
        if features.shape != expected:
            raise ValueError(f"{video}: visual features {features.shape}: expected {expected}")
        return features

    def _mono(self, sound: Sound, quirks: Quirks = NO_QUIRKS) -> Float32[np.ndarray, " n"]:
        return _at_rate(sound, self.config.sample_rate, quirks)


def description(caption: StructuredCaption) -> str:
    """The views of a caption as sentences, without the words that are spoken."""
    views = (caption.caption, caption.speech, caption.sfx, caption.music, caption.env)
    return ". ".join(view.rstrip(".") for view in dict.fromkeys(filter(None, views)))


def _duration(video: str | Path) -> float | None:
    """Of the sound of a video; None for a picture."""
    times = video_times(video)
    return None if times.still else times.duration


def _task(caption: StructuredCaption | None, words: str | None) -> str:
    if caption is None or (words is not None and caption.sfx is None and caption.music is None):
        return "speech"
    music_alone = caption.music is not None and caption.sfx is None and words is None
    return "music" if music_alone else "sound"


def _text_ids(part: Part) -> Sequence[int]:
    assert isinstance(part, Sequence)
    return part


def _named(edit: Edit) -> dict[str, str]:
    return {"text": "", "what": edit.what, "to": edit.to or ""}


def _at_rate(sound: Sound, rate: int, quirks: Quirks) -> Float32[np.ndarray, " n"]:
    samples, given = sound.samples, sound.sample_rate
    if quirks.short_resampling and given != rate:
        samples, given = windowed_sinc(samples, given, rate), rate
    return convert(samples, given, rate, 1, "audio")[0][:, 0]
