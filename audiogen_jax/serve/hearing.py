"""`/v1/audio/edits` and `/v1/audio/understanding`: what begins with a recording."""

import asyncio
import io
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import JSONResponse, Response

from audiogen_jax.files.audio import Audio, read_audio
from audiogen_jax.files.broadcast_wave import first_sample
from audiogen_jax.infer.clip_files import clip_provenance
from audiogen_jax.infer.editing import NO_EDITOR
from audiogen_jax.infer.requests import Clip
from audiogen_jax.serve.answers import accepted, audio_answer, finished, header
from audiogen_jax.serve.bodies import EditForm, QuestionForm
from audiogen_jax.serve.errors import ApiError
from audiogen_jax.serve.formats import check_delivery, check_format
from audiogen_jax.serve.service import Service, blaming
from audiogen_jax.serve.warned import own_warnings


def hearing_routes(service: Service) -> APIRouter:
    """The routes that take recordings."""
    router = APIRouter()

    @router.post("/v1/audio/edits", response_class=Response)
    async def edits(request: Request, form: Annotated[EditForm, Form()]) -> Response:
        """A recording that is changed by instruction."""
        service.check_model(form.model)
        check_format(form.response_format)
        service.check_texts(what=form.what, to=form.to)
        pipeline = service.pipeline
        if not pipeline.edits:
            raise ApiError(501, NO_EDITOR, "model", "not_supported")
        if (form.kind == "restyle") != (form.to is not None):
            raise ApiError(400, "restyle, and it alone, needs to=", "to", "invalid_value")
        usual = pipeline.editing_options(form.kind)
        options = service.sampling(form.steps, form.guidance, usual)
        between = _interval(form.between)
        contents = await form.file.read()
        recording = await _read(service, form.file.filename, contents)
        count, channels = recording.samples.shape
        check_delivery(
            form.response_format,
            form.delivery,
            count / recording.sample_rate,
            recording.sample_rate,
            channels,
        )

        def edit() -> tuple[Clip, list[str]]:
            with own_warnings() as told:
                clip = pipeline.edit(
                    form.kind,
                    recording.samples,
                    recording.sample_rate,
                    what=form.what,
                    to=form.to,
                    between=between,
                    seed=form.seed,
                    options=options,
                )
            return clip, told

        future = accepted(lambda: service.batcher.call(edit))
        clip, told = await finished(request, future, service.settings.deadline)
        service.metrics.of_audio(len(clip.audio) / clip.sample_rate)
        headers = {"X-Seed": str(form.seed)}
        if told:
            headers["X-Warning"] = header("; ".join(told))
        made = clip_provenance(clip, service.made_with, options, "edit")
        return await audio_answer(
            clip,
            form.response_format,
            made,
            headers,
            recording.subtype,
            form.delivery,
            first_sample(io.BytesIO(contents)),
        )

    @router.post("/v1/audio/understanding")
    async def understanding(
        request: Request, form: Annotated[QuestionForm, Form()]
    ) -> JSONResponse:
        """An answer to a question about a recording."""
        service.check_model(form.model)
        service.check_texts(question=form.question)
        understand = service.understand
        if understand is None:
            raise ApiError(
                501,
                f"{service.name} answers no questions: start the server with --understanding",
                "model",
                "not_supported",
            )
        recording = await _read(service, form.file.filename, await form.file.read())
        clip = Clip(recording.samples, recording.sample_rate, "0", "", 0)

        def answer() -> str:
            return understand(
                form.question,
                audio=clip,
                max_tokens=form.max_tokens,
                temperature=form.temperature,
                top_p=form.top_p,
                seed=form.seed,
            )

        future = accepted(lambda: service.batcher.call(answer))
        text = await finished(request, future, service.settings.deadline)
        return JSONResponse({"text": text})

    return router


async def _read(service: Service, filename: str | None, contents: bytes) -> Audio:
    """A recording; its name is only repeated in errors."""
    name = (filename or "file").replace("\\", "/").rpartition("/")[2][:80]
    with blaming("file"):
        if not contents:
            raise ValueError(f"{name} is an empty file (0 bytes)")
        return await asyncio.to_thread(
            read_audio, io.BytesIO(contents), None, None, name, service.settings.max_seconds
        )


def _interval(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    try:
        start, end = (float(number) for number in text.split(":"))
    except ValueError:
        raise ApiError(
            400,
            f"between {text!r:.60}: expected START:END in seconds, such as 0.5:2",
            "between",
            "invalid_value",
        ) from None
    return start, end
