"""A model as tools of an agent, by the Model Context Protocol (https://modelcontextprotocol.io)."""

import functools
import inspect
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import CallToolResult, InputRequiredResult
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
from audiogen_jax.signatures import by_fields, documented_fields

INSTRUCTIONS = """\
Makes, edits, questions and measures sound. Prompts are plain sentences; words to be spoken stand \
in double quotes. Files are written into one folder and never replaced: choose a new name."""
LONGEST_SECONDS = 60.0
Seed = Annotated[int, Field(ge=0, lt=2**32, description="another number is another take")]
Name = Annotated[str, Field(description="of the file to make, such as rain.wav or rain.flac")]
_AS_IT_IS = Delivery()
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
    tools = _Tools(pipeline, folder, understand, pipeline.settled(options or SamplingOptions()))
    server = _Server("audiogen", version=__version__, instructions=INSTRUCTIONS)
    offered = [_delivering(tools.generate), tools.score]
    offered += [_delivering(tools.edit)] if pipeline.edits else []
    offered += [tools.understand] if understand is not None else []
    for tool in offered:
        server.tool()(_telling(tool))
    return server


class _Server(MCPServer):
    """One that drops no argument without a word."""

    async def call_tool(
        self, name: str, arguments: dict[str, object], context: Context | None = None
    ) -> CallToolResult | InputRequiredResult:
        """As of `MCPServer`, which leaves out what a tool does not take."""
        for tool in await self.list_tools():
            known = tool.input_schema["properties"]
            if tool.name == name and (unknown := sorted(arguments.keys() - known.keys())):
                raise ToolError(f"{name} takes no {', '.join(unknown)}, but {', '.join(known)}")
        return await super().call_tool(name, arguments, context)


def _delivering(tool: Callable) -> Callable:
    """A tool that takes the fields of `Delivery`, as the command line does."""
    fields = [
        inspect.Parameter(
            each.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=each.default,
            annotation=Annotated[each.type, Field(description=each.text)],
        )
        for each in documented_fields(Delivery)
    ]
    return by_fields(tool, "delivery", fields, Delivery)


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
        delivery: Delivery = _AS_IT_IS,
    ) -> dict[str, object]:
        """Make a sound of a sentence: speech, effects, music, ambience in one clip."""
        target, codec = self._new(name, delivery), self._pipeline.codec
        if duration is not None:
            suffix = target.suffix.lower()
            check_clip(suffix, delivery, duration, codec.sample_rate, codec.channels)
        (clip,) = self._pipeline.generate(
            refine(prompt), seed=seed, duration=duration, **self._options
        )
        return self._written(target, clip, "generate", self._sampling, delivery)

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
        delivery: Delivery = _AS_IT_IS,
    ) -> dict[str, object]:
        """Change a recording; it keeps its length, rate, channels and level unless asked."""
        if not self._pipeline.edits:
            raise ValueError(NO_EDITOR)
        target, source = self._new(name, delivery), self._existing(recording)
        audio = read_audio(source, None, None)
        (count, channels), rate = audio.samples.shape, audio.sample_rate
        check_clip(target.suffix.lower(), delivery, count / rate, rate, channels)
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
        return self._written(target, clip, "edit", options, delivery, subtype, first)

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

    def _new(self, name: str, delivery: Delivery) -> Path:
        """Where a file of that name is to be written.

        Raises:
          ValueError: no plain name, one that exists, or a format that cannot be delivered so.
        """
        if not name or Path(name).name != name or name.startswith("."):
            raise ValueError(f"name {name!r:.60}: expected a file name alone, such as rain.wav")
        target = self._folder / name
        check_suffix(target, Marking(), delivery)
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
        delivery: Delivery,
        subtype: str = "PCM_16",
        time_reference: int = 0,
    ) -> dict[str, object]:
        made = write_clip(
            target,
            clip,
            self._made_with,
            options,
            action=action,
            delivery=delivery,
            subtype=subtype,
            time_reference=time_reference,
        )
        measured = _measured(made.samples, made.sample_rate)
        if made.changes:
            measured["changes"] = list(made.changes)
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
