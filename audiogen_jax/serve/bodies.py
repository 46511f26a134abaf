"""What clients send."""

import dataclasses
from typing import Annotated, Literal, Self

from fastapi import UploadFile
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from audiogen_jax.edit_kinds import EditKind
from audiogen_jax.files.delivery import Delivery
from audiogen_jax.serve.formats import Format


class _Strict(BaseModel):
    """Unknown keys and other types are errors, and so are NaN and infinity."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class _Form(BaseModel):
    """Fields of a form, which are texts that are read."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class _Delivered(BaseModel):
    """What is done to a clip before it is sent: the fields of `Delivery`, which checks them.

    One that is missing here is an error when this is imported.
    """

    loudness: float | None = None
    true_peak: float | None = None
    sample_rate: int | None = None
    channels: int | None = None
    fade: float = 0.0
    loop: float = 0.0

    @field_validator(*(field.name for field in dataclasses.fields(Delivery)))
    @classmethod
    def _each(cls, value: float | None, info: ValidationInfo) -> float | None:
        Delivery(**{str(info.field_name): value})  # pyright: ignore[reportArgumentType]
        return value

    @model_validator(mode="after")
    def _together(self) -> Self:
        _ = self.delivery
        return self

    @property
    def delivery(self) -> Delivery:
        """All of it."""
        return Delivery(**{f.name: getattr(self, f.name) for f in dataclasses.fields(Delivery)})


Seed = Annotated[int, Field(ge=0, lt=2**32)]
Guidance = Annotated[float, Field(ge=0, le=100)]


def _words(text: str) -> str:
    if not text.strip():
        raise ValueError("expected words")
    return text


Text = Annotated[str, AfterValidator(_words)]


class SpeechBody(_Strict):
    """`POST /v1/audio/speech`, as OpenAI's clients send it; what follows stream_format is ours."""

    model: str
    input: Text
    voice: Text
    instructions: str | None = None
    response_format: Format = "mp3"
    speed: Annotated[float, Field(ge=0.25, le=4.0)] = 1.0
    stream_format: Literal["audio", "sse"] = "audio"
    seed: Seed = 0
    steps: int | None = Field(None, ge=1)
    guidance: Guidance | None = None
    duration: float | None = Field(None, gt=0)


class TimelineEntry(_Strict):
    """When something sounds."""

    start: float
    end: float
    view: str
    text: str | None = None


class RefineBody(_Strict):
    """`POST /v1/prompts/refine`."""

    text: Text


class SceneBody(_Strict, _Delivered):
    """`POST /v1/audio/scenes`: `prompt`, a sentence or a tagged string, or views, or a timeline."""

    model: str | None = None
    prompt: Text | None = None
    refine: bool = False
    caption: Text | None = None
    speech: str | None = None
    asr: str | None = None
    sfx: str | None = None
    music: str | None = None
    env: str | None = None
    timeline: Annotated[list[TimelineEntry], Field(max_length=1000)] = []
    seed: Seed = 0
    steps: int | None = Field(None, ge=1)
    guidance: Guidance | None = None
    view_guidance: dict[Literal["speech", "sfx", "music", "env"], Guidance] = {}
    duration: float | None = Field(None, gt=0)
    response_format: Format = "wav"
    stream: bool = False


class EditForm(_Form, _Delivered):
    """`POST /v1/audio/edits`."""

    file: UploadFile
    kind: EditKind
    what: Text
    to: Text | None = None
    between: str | None = None
    model: str | None = None
    seed: Seed = 0
    steps: int | None = Field(None, ge=1)
    guidance: Guidance | None = None
    response_format: Format = "wav"


class QuestionForm(_Form):
    """`POST /v1/audio/understanding`."""

    file: UploadFile
    question: Text
    model: str | None = None
    max_tokens: Annotated[int, Field(ge=1, le=4096)] = 256
    temperature: Annotated[float, Field(ge=0, le=10)] = 0.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    seed: Seed = 0
