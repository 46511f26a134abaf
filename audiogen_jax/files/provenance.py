"""What made a file of audio, as the file itself says it.

The words are those of the IPTC for kinds of digital sources, which C2PA takes too. What is said
depends on the clip alone: the date is told only where SOURCE_DATE_EPOCH gives it, so that the same
clip is the same file.
"""

import dataclasses
import datetime
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import soundfile

import audiogen_jax
from audiogen_jax.files.audio_encoding import reason
from audiogen_jax.files.broadcast_wave import read_info
from audiogen_jax.files.jsonl import parse_object
from audiogen_jax.timeline import Timeline, to_json

_KIND = "digitalSourceType"
"""What only a record of ours has."""
IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"
Action = Literal["generate", "edit", "stems", "decode", "reconstruct"]
STATEMENTS: dict[Action, tuple[str, str]] = {
    "generate": ("AI-generated audio", "trainedAlgorithmicMedia"),
    "edit": ("audio edited with AI", "compositeWithTrainedAlgorithmicMedia"),
    "stems": ("stem separated with AI", "compositeWithTrainedAlgorithmicMedia"),
    "decode": ("audio synthesised by a neural codec", "compositeWithTrainedAlgorithmicMedia"),
    "reconstruct": ("recording through a neural codec", "compositeWithTrainedAlgorithmicMedia"),
}
"""What is said of each, and the kind of source: only what comes from words alone is all of it made
by a model; latents may be those of a recording."""


@dataclasses.dataclass(frozen=True)
class MadeWith:
    """A checkpoint.

    Attributes:
      name: "nano", of a hub repository, or of a folder, whose path is nobody's business.
      sha256: over all its files, see `files.fingerprint`.
    """

    name: str
    sha256: str

    @classmethod
    def of_folder(cls, folder: Path, sha256: str) -> "MadeWith":
        """A checkpoint by its folder, which may be one of the hub's cache."""
        if folder.parent.name == "snapshots":
            repository = folder.parent.parent.name.removeprefix("models--")
            return cls(repository.replace("--", "/"), sha256)
        if (folder.parent / "config.json").is_file():  # the codec of a generator
            return cls(f"{cls.of_folder(folder.parent, sha256).name}/{folder.name}", sha256)
        return cls(folder.name, sha256)


@dataclasses.dataclass(frozen=True)
class Provenance:
    """What made a clip.

    Attributes:
      action: of the command or function.
      made_with: the checkpoint.
      prompt: that was asked for.
      seed: that with the id fixes the noise.
      id: of the clip.
      options: of sampling.
      timeline: what sounds when.
      recording: does it hold parts of a recording?
    """

    action: Action
    made_with: MadeWith
    prompt: str | None = None
    seed: int | None = None
    id: str | None = None
    options: Mapping[str, object] = dataclasses.field(default_factory=dict)
    timeline: Timeline = ()
    recording: bool = False

    @property
    def statement(self) -> str:
        """One line for people."""
        return "audio made with AI from a recording" if self._mixed else STATEMENTS[self.action][0]

    @property
    def source_type(self) -> str:
        """The IPTC's address of the kind of source."""
        kind = STATEMENTS["edit" if self._mixed else self.action][1]
        return f"{IPTC}{kind}"

    @property
    def _mixed(self) -> bool:
        return self.recording and self.action == "generate"

    def record(self) -> dict[str, object]:
        """All of it, for JSON; what is not known is left out."""
        known = {
            "statement": self.statement,
            _KIND: self.source_type,
            "software": software(),
            "action": self.action,
            "checkpoint": self.made_with.name,
            "checkpoint_sha256": self.made_with.sha256,
            "prompt": self.prompt,
            "seed": self.seed,
            "id": self.id,
            "options": dict(self.options) or None,
            "timeline": to_json(self.timeline) or None,
        }
        return {name: value for name, value in known.items() if value is not None}


def software() -> str:
    """The name and version that files are signed with."""
    return f"audiogen-jax {audiogen_jax.__version__}"


def as_text(record: Mapping[str, object]) -> str:
    """A record on one line of ASCII: some tags (ID3's, of libsndfile) hold nothing else."""
    return json.dumps(record, ensure_ascii=True)


def reference(record: Mapping[str, object]) -> str:
    """32 characters that tell one record from another."""
    return hashlib.sha256(as_text(record).encode()).hexdigest()[:32]


def dated() -> tuple[str, str]:
    """Date and time of SOURCE_DATE_EPOCH, in UTC; empty without it.

    Raises:
      ValueError: it is no number of seconds.
    """
    text = os.environ.get("SOURCE_DATE_EPOCH")
    if not text:
        return "", ""
    try:
        moment = datetime.datetime.fromtimestamp(int(text), datetime.UTC)
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"SOURCE_DATE_EPOCH={text!r:.60}: expected seconds since 1970") from None
    return moment.strftime("%Y-%m-%d"), moment.strftime("%H:%M:%S")


def read_provenance(path: str | Path) -> dict[str, object] | None:
    """What a file of audio says of its making; None where it says nothing that we wrote.

    Raises:
      OSError: it cannot be read.
      ValueError: it is no audio, or what it says is damaged or cut off.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no audio file at {path}")
    comment = _comment(path)
    try:
        record = parse_object(comment)
    except ValueError as error:
        if _KIND in comment:
            raise ValueError(f"{path}: what it says of its making is damaged: {error}") from None
        return None
    return record if _KIND in record else None


def _comment(path: Path) -> str:
    with path.open("rb") as file:
        try:
            if file.read(4) in (b"RIFF", b"RF64", b"BW64"):
                return next((text for name, text in read_info(file) if name == "ICMT"), "")
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
        file.seek(0)
        try:
            with soundfile.SoundFile(file) as audio:
                return audio.comment
        except (soundfile.SoundFileError, TypeError) as error:  # TypeError: .raw, without a header
            raise ValueError(
                f"{path} is not audio that libsndfile reads: {reason(error)}"
            ) from None
