"""What all routes of a server share."""

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping

from fastapi import Request

from audiogen_jax.files.provenance import MadeWith
from audiogen_jax.infer.clip_files import made_with
from audiogen_jax.infer.options import SamplingOptions
from audiogen_jax.infer.pipeline import Pipeline
from audiogen_jax.infer.requests import Clip
from audiogen_jax.serve.answers import accepted, finished
from audiogen_jax.serve.batcher import Batcher
from audiogen_jax.serve.clips import ClipMaker, ClipOrder, ReadyClip
from audiogen_jax.serve.errors import ApiError
from audiogen_jax.serve.metrics import Metrics
from audiogen_jax.serve.settings import ServeSettings


@dataclasses.dataclass(frozen=True)
class Service:
    """A model behind a queue.

    Attributes:
      pipeline: the model; only the thread of the batcher uses it.
      name: of the model, for clients.
      settings: limits.
      options: how clips are sampled where clients do not say it.
      understand: (question, audio=clip, …) -> answer; None: nothing here answers questions.
      metrics: what is counted.
      maker: of the batcher.
      batcher: the queue.
      started: seconds since 1970.
      made_with: the checkpoint, as files name it.
    """

    pipeline: Pipeline
    name: str
    settings: ServeSettings
    options: SamplingOptions
    understand: Callable[..., str] | None
    metrics: Metrics
    maker: ClipMaker
    batcher: Batcher[ClipOrder, ReadyClip, Clip]
    started: int
    made_with: MadeWith

    @classmethod
    def of(
        cls,
        pipeline: Pipeline,
        name: str,
        settings: ServeSettings,
        options: SamplingOptions,
        understand: Callable[..., str] | None,
    ) -> "Service":
        """With a queue, whose thread is not started."""
        metrics = Metrics()
        maker = ClipMaker(pipeline, settings.max_seconds)
        batcher = Batcher(maker, settings, metrics)
        metrics.watch_queue(lambda: batcher.waiting)
        now = int(time.time())
        return cls(
            pipeline,
            name,
            settings,
            options,
            understand,
            metrics,
            maker,
            batcher,
            now,
            made_with(pipeline),
        )

    @property
    def names(self) -> tuple[str, ...]:
        """That clients may call the model by."""
        return self.name, *self.settings.aliases

    def check_model(self, name: str | None) -> None:
        """Raises ApiError for another model's name."""
        if name is not None and name not in self.names:
            raise ApiError(
                404,
                f"no model {name!r:.60} here: take {', '.join(self.names)}",
                "model",
                "model_not_found",
            )

    def check_texts(self, **texts: str | None) -> None:
        """Raises ApiError for a text that is too long."""
        for name, text in texts.items():
            if text is not None and len(text) > self.settings.max_text:
                raise ApiError(
                    400,
                    f"{name} has {len(text)} characters: at most {self.settings.max_text}",
                    name,
                    "string_above_max_length",
                )

    def check_seconds(self, seconds: float | None) -> None:
        """Raises ApiError for a duration that is too long."""
        if seconds is not None and seconds > self.settings.max_seconds:
            raise ApiError(
                400,
                f"duration={seconds:g}: at most {self.settings.max_seconds:g} s",
                "duration",
                "invalid_value",
            )

    def sampling(
        self,
        steps: int | None,
        guidance: float | None,
        usual: SamplingOptions | None = None,
        view_guidance: Mapping[str, float] | None = None,
    ) -> SamplingOptions:
        """The options of a clip: those of the server, or `usual`, but for what is given."""
        if steps is not None and steps > self.settings.max_steps:
            raise ApiError(
                400, f"steps={steps}: at most {self.settings.max_steps}", "steps", "invalid_value"
            )
        given = {"steps": steps, "guidance": guidance, "view_guidance": view_guidance or None}
        changes = {name: value for name, value in given.items() if value is not None}
        return self.pipeline.settled(dataclasses.replace(usual or self.options, **changes))

    async def make(self, request: Request, order: ClipOrder) -> Clip:
        """Has a clip made, along with those of other clients."""
        future = accepted(lambda: self.batcher.submit(order))
        clip = await finished(request, future, self.settings.deadline)
        self.metrics.of_audio(len(clip.audio) / clip.sample_rate)
        return clip


@contextlib.contextmanager
def blaming(param: str | None) -> Iterator[None]:
    """Turns bad values into answers that name the parameter."""
    try:
        yield
    except (ValueError, OSError) as error:
        raise ApiError(400, str(error), param, "invalid_value") from error
