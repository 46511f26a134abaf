"""A model as tools of an agent, by the Model Context Protocol (https://modelcontextprotocol.io)."""

import functools
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field

from audiogen_jax import __version__
from audiogen_jax.edit_kinds import EditKind
from audiogen_jax.files.atomic import check_writable
from audiogen_jax.files.audio import lossless_subtype, read_audio
from audiogen_jax.files.broadcast_wave import first_sample
from audiogen_jax.files.delivery import Delivery
from audiogen_jax.files.export import beside, check_clip, check_suffix
from audiogen_jax.files.marking import Marking
from audiogen_jax.files.provenance import Action, MadeWith
from audiogen_jax.infer.clip_files import made_with, write_clip
from audiogen_jax.infer.editing import NO_EDITOR
from audiogen_jax.infer.options import SamplingOptions
from audiogen_jax.infer.pipeline import Pipeline
from audiogen_jax.infer.requests import Clip
from audiogen_jax.refiner.refine import refine
from audiogen_jax.serve.warned import own_warnings

INSTRUCTIONS = """\
Makes, edits, questions and measures sound. Prompts are plain sentences; words to be spoken stand \
in double quotes. Files are written into one folder and never replaced: choose a new name."""
LONGEST_SECONDS = 60.0
Seed = Annotated[int, Field(ge=0, lt=2**32, description="another number is another take")]
Name = Annotated[str, Field(description="of the file to make, such as rain.wav or rain.flac")]
Recording = Annotated[str, Field(description="path of a recording, or a name in the folder")]


def create_tools(
    pipeline: Pipeline,
    folder: Path,
    understand: Callable[..., str] | None = None,
    options: SamplingOptions | None = None,
) -> MCPServer:
    """Builds the server; `run()` serves on stdin and stdout.

    Args:
      pipeline: the model; calls take turns.
      folder: that files are written into, made if it does not exist.
      understand: `Understanding.understand` of a model that answers questions; None: the tool is
        left out.
      options: how sounds are sampled.
    """
    tools = _Tools(pipeline, folder, understand, options or SamplingOptions())
    server = MCPServer("audiogen", version=__version__, instructions=INSTRUCTIONS)
    offered = [tools.generate, tools.score]
    offered += [tools.edit] if pipeline.edits else []
    offered += [tools.understand] if understand is not None else []
    for tool in offered:
        server.tool()(_telling(tool))
    return server


def _telling(tool: Callable) -> Callable:
    """A tool whose errors go back to the agent: others stay in the log of the server."""

    @functools.wraps(tool)
    def call(**arguments: object) -> object:
        try:
            return tool(**arguments)
        except (ValueError, OSError) as error:
            raise ToolError(str(error)) from error

    return call


def _in_turn(tool: Callable) -> Callable:
    """A tool that is done by one call after the other, from its checks to its file.

    A result with names holds what was warned of, such as words that the model does not read.
    """

    @functools.wraps(tool)
    def call(tools: "_Tools", *arguments: object, **named: object) -> object:
        with tools.turn, own_warnings() as told:
            result = tool(tools, *arguments, **named)
        return {**result, "warnings": told} if told and isinstance(result, dict) else result

    return call


class _Tools:
    """What agents call."""

    def __init__(
        self,
        pipeline: Pipeline,
        folder: Path,
        understand: Callable[..., str] | None,
        options: SamplingOptions,
    ):
        self._pipeline, self._folder, self._answer = pipeline, folder, understand
        self._sampling, self._options = options, vars(options)
        self.turn = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)

    @_in_turn
    def generate(
        self,
        prompt: Annotated[str, Field(description='a sentence; "quoted" words are spoken')],
        name: Name,
        duration: Annotated[
            float | None, Field(gt=0, le=LONGEST_SECONDS, description="seconds; null: as it needs")
        ] = None,
        seed: Seed = 0,
    ) -> dict[str, object]:
        """Make a sound of a sentence: speech, effects, music, ambience in one clip."""
        target = self._new(name)
        (clip,) = self._pipeline.generate(
            refine(prompt), seed=seed, duration=duration, **self._options
        )
        return self._written(target, clip, "generate", self._sampling, "PCM_16")

    @_in_turn
    def edit(
        self,
        recording: Recording,
        kind: EditKind,
        what: Annotated[str, Field(description="the sound that is meant, such as a dog barking")],
        name: Name,
        to: Annotated[str | None, Field(description="what it becomes, of restyle")] = None,
        between: Annotated[
            tuple[float, float] | None, Field(description="seconds; the rest stays as it is")
        ] = None,
        seed: Seed = 0,
    ) -> dict[str, object]:
        """Change a recording; it keeps its length, rate, channels and level."""
        if not self._pipeline.edits:
            raise ValueError(NO_EDITOR)
        target, source = self._new(name), self._existing(recording)
        audio = read_audio(source, None, None)
        check_clip(
            target.suffix.lower(), Delivery(), 1.0, audio.sample_rate, audio.samples.shape[1]
        )
        clip = self._pipeline.edit(
            kind,
            audio.samples,
            audio.sample_rate,
            what=what,
            to=to,
            between=between,
            seed=seed,
        )
        subtype = lossless_subtype(audio.subtype, target.suffix)
        options, first = self._pipeline.editing_options(kind), first_sample(source)
        return self._written(target, clip, "edit", options, subtype, first)

    @_in_turn
    def understand(
        self, recording: Recording, question: Annotated[str, Field(min_length=1)]
    ) -> str:
        """Answer a question about what is heard in a recording."""
        if self._answer is None:
            raise ValueError("no model that answers questions is served")
        audio = read_audio(self._existing(recording), None, None)
        return self._answer(question, audio=Clip(audio.samples, audio.sample_rate, "0", "", 0))

    def score(self, recording: Recording) -> dict[str, object]:
        """Measure a recording: length, level, and for speech how listeners would rate it (1 to 5).

        Ratings are those of DNSMOS P.835, where `speechmos` is installed; they mean nothing for
        music and effects.
        """
        from audiogen_jax.evaluate.recognisers.speech_quality import SpeechRatings
        from audiogen_jax.evaluate.recognisers.wheel_weights import NotInstalledError

        audio = read_audio(self._existing(recording), None, None)
        result: dict[str, object] = _measured(audio.samples, audio.sample_rate)
        try:
            ratings = SpeechRatings()
        except NotInstalledError as error:
            return {**result, "speech": None, "why": str(error)}
        mono = audio.samples.mean(axis=1)
        (rated,) = ratings.rate([mono / max(1.0, np.abs(mono).max())], audio.sample_rate)
        return {**result, "speech": rated._asdict()}

    def _new(self, name: str) -> Path:
        """Where a file of that name is to be written.

        Raises:
          ValueError: no plain name, or one that exists.
        """
        if not name or Path(name).name != name or name.startswith("."):
            raise ValueError(f"name {name!r:.60}: expected a file name alone, such as rain.wav")
        target = self._folder / name
        check_suffix(target, Marking())
        check_writable(target)
        if target.exists() or beside(target).exists():
            raise ValueError(f"{target} exists: choose another name")
        return target

    def _existing(self, recording: str) -> Path:
        for path in (self._folder / recording, Path(recording).expanduser()):
            if path.is_file():
                return path
        raise ValueError(f"no recording {recording!r:.200}, here or in {self._folder}")

    @functools.cached_property
    def _made_with(self) -> MadeWith:
        return made_with(self._pipeline)

    def _written(
        self,
        target: Path,
        clip: Clip,
        action: Action,
        options: SamplingOptions,
        subtype: str,
        time_reference: int = 0,
    ) -> dict[str, object]:
        write_clip(
            target,
            clip,
            self._made_with,
            options,
            action=action,
            subtype=subtype,
            time_reference=time_reference,
        )
        columns = clip.audio if clip.audio.ndim == 2 else clip.audio[:, None]
        measured = _measured(columns, clip.sample_rate)
        return {"file": str(target), "prompt": clip.prompt, "seed": clip.seed, **measured}


def _measured(samples: np.ndarray, sample_rate: int) -> dict[str, object]:
    """Length and level; dBFS is null for silence."""
    peak, mean = float(np.max(np.abs(samples))), float(np.mean(np.square(samples, dtype=float)))
    return {
        "seconds": round(len(samples) / sample_rate, 3),
        "sample_rate": sample_rate,
        "channels": samples.shape[1],
        "peak_dbfs": round(20 * np.log10(peak), 1) if peak > 0 else None,
        "rms_dbfs": round(10 * np.log10(mean), 1) if mean > 0 else None,
    }
