"""`/v1/audio/speech`, `/v1/audio/scenes` and `/v1/prompts/refine`."""

import asyncio
import dataclasses
from collections.abc import Iterator

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from jaxtyping import Float32

from audiogen_jax.caption import VIEWS, StructuredCaption
from audiogen_jax.files.audio import convert
from audiogen_jax.files.provenance import Provenance
from audiogen_jax.files.streaming import check_streamed
from audiogen_jax.infer.clip_files import clip_provenance
from audiogen_jax.infer.continuation import continued
from audiogen_jax.infer.requests import Clip, check_duration
from audiogen_jax.infer.storyboard import asked_seconds
from audiogen_jax.refiner.refine import refine
from audiogen_jax.serve.answers import audio_answer, event_answer, header, streamed_answer
from audiogen_jax.serve.bodies import RefineBody, SceneBody, SpeechBody
from audiogen_jax.serve.clips import ClipOrder
from audiogen_jax.serve.errors import ApiError
from audiogen_jax.serve.formats import (
    SPEECH_PCM_RATE,
    check_delivery,
    check_format,
    undeliverable,
)
from audiogen_jax.serve.service import Service, blaming
from audiogen_jax.serve.voices import describe, spoken
from audiogen_jax.timeline import Timeline, parse_timeline


def making_routes(service: Service) -> APIRouter:
    """The routes that make clips."""
    router = APIRouter()

    @router.post("/v1/audio/speech", response_class=Response)
    async def speech(request: Request, body: SpeechBody) -> Response:
        """Speech, as OpenAI's clients ask for it."""
        service.check_model(body.model)
        check_format(body.response_format)
        service.check_texts(input=body.input, voice=body.voice, instructions=body.instructions)
        service.check_seconds(body.duration)
        if body.speed != 1:
            raise ApiError(
                400,
                f"speed={body.speed:g}: this model speaks at its own speed, leave it at 1, or "
                "ask for a pace in instructions",
                "speed",
                "unsupported_value",
            )
        voice, options = (
            describe(body.voice, body.instructions),
            service.sampling(body.steps, body.guidance),
        )
        with blaming("input"):
            if service.pipeline.inputs.reader is None:
                caption, transcript = spoken(body.input.strip(), voice), None
            else:
                caption, transcript = StructuredCaption(voice), body.input
        order = ClipOrder(caption, options, body.seed, body.duration, (), transcript)
        clip = await service.make(request, order)
        if body.response_format == "pcm":
            clip = _at_openai_rate(clip)
        made = clip_provenance(clip, service.made_with, options)
        answer = await audio_answer(clip, body.response_format, made, {"X-Seed": str(body.seed)})
        return event_answer(bytes(answer.body)) if body.stream_format == "sse" else answer

    @router.post("/v1/audio/scenes", response_class=Response)
    async def scenes(request: Request, body: SceneBody) -> Response:
        """A scene from a sentence, from views, or from captions with times."""
        service.check_model(body.model)
        check_format(body.response_format)
        service.check_texts(**{name: getattr(body, name) for name in ("prompt", *VIEWS)})
        service.check_texts(timeline="".join(entry.text or "" for entry in body.timeline))
        options = service.sampling(
            body.steps,
            body.guidance,
            view_guidance={str(view): scale for view, scale in body.view_guidance.items()},
        )
        with blaming("timeline"):
            entries = [entry.model_dump(exclude_none=True) for entry in body.timeline]
            timeline = parse_timeline(entries)
        with blaming("caption" if body.prompt is None else "prompt"):
            caption = await asyncio.to_thread(_caption, body, timeline)
        seconds = body.duration
        if seconds is None:
            seconds = asked_seconds(timeline)
        service.check_seconds(seconds)
        codec = service.pipeline.codec
        check_delivery(
            body.response_format, body.delivery, seconds, codec.sample_rate, codec.channels
        )
        order = ClipOrder(caption, options, body.seed, seconds, timeline)
        if body.stream:
            return await _streamed(service, request, body, order)
        clip = await service.make(request, order)
        headers = {"X-Seed": str(body.seed), "X-Prompt": header(clip.prompt)}
        made = clip_provenance(clip, service.made_with, options)
        return await audio_answer(clip, body.response_format, made, headers, delivery=body.delivery)

    @router.post("/v1/prompts/refine")
    async def refined(body: RefineBody) -> JSONResponse:
        """The views of a sentence."""
        service.check_texts(text=body.text)
        with blaming("text"):
            scene = await asyncio.to_thread(refine, body.text)
        views = {view: getattr(scene, view) for view in VIEWS}
        return JSONResponse({view: text for view, text in views.items() if text is not None})

    return router


def _caption(body: SceneBody, timeline: Timeline) -> StructuredCaption | None:
    """What is heard; None: the timeline says it."""
    views = {view: getattr(body, view) for view in VIEWS}
    given = [view for view, text in views.items() if text is not None]
    if body.prompt is not None and given:
        raise ValueError(f"give either a prompt, or views ({', '.join(given)})")
    if body.refine:
        sentence = body.prompt or body.caption
        if sentence is None or given not in ([], ["caption"]):
            raise ValueError("refine makes the views of one sentence: give a prompt alone")
        return refine(sentence)
    if body.prompt is not None:
        return StructuredCaption.parse(body.prompt)
    if not given and any(event.view == "caption" for event in timeline):
        return None
    if body.caption is None:
        raise ValueError("nothing to make: give a prompt, a caption, or a timeline of captions")
    return StructuredCaption(**views)


async def _streamed(
    service: Service, request: Request, body: SceneBody, order: ClipOrder
) -> Response:
    """A scene window by window."""
    pipeline = service.pipeline
    rate = pipeline.codec.sample_rate
    if body.response_format not in ("wav", "pcm"):
        raise ApiError(
            400,
            f"stream with response_format={body.response_format!r}: wav and pcm are streamed",
            "response_format",
            "unsupported_value",
        )
    if order.seconds is None:
        raise ApiError(400, "stream needs a duration", "duration", "missing_required_parameter")
    with blaming("duration"):
        check_duration(order.seconds, pipeline.generator.latent_rate)
    try:
        check_streamed(body.delivery)
    except ValueError as error:
        raise undeliverable(error) from error
    prompt = None if order.caption is None else order.caption.format()
    made = Provenance(
        "generate",
        service.made_with,
        prompt,
        order.seed,
        options=dataclasses.asdict(order.options),
        timeline=order.timeline,
    )
    return await streamed_answer(
        request,
        service.batcher,
        _windows(service, order, order.seconds),
        round(order.seconds * rate),
        rate,
        body.response_format,
        service.settings.deadline,
        made,
        body.delivery,
    )


def _windows(
    service: Service, order: ClipOrder, seconds: float
) -> Iterator[Float32[np.ndarray, "n ..."]]:
    """A scene window by window, if it could be made as a whole, too."""
    service.maker.check(order)
    yield from continued(
        service.pipeline, order.caption, seconds, order.seed, order.options, order.timeline
    )


def _at_openai_rate(clip: Clip) -> Clip:
    """Mono at the rate that clients take raw samples to have."""
    columns = clip.audio if clip.audio.ndim == 2 else clip.audio[:, None]
    columns, _ = convert(columns, clip.sample_rate, SPEECH_PCM_RATE, 1)
    clip.audio, clip.sample_rate = columns[:, 0], SPEECH_PCM_RATE
    return clip
