"""The HTTP interface of a model, as an ASGI app."""

import contextlib
from collections.abc import AsyncIterator, Callable

from fastapi import FastAPI
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.types import ASGIApp

from audiogen_jax.infer.options import SamplingOptions
from audiogen_jax.infer.pipeline import Pipeline
from audiogen_jax.serve.errors import ApiError, handle_errors
from audiogen_jax.serve.gate import Gate
from audiogen_jax.serve.hearing import hearing_routes
from audiogen_jax.serve.making import making_routes
from audiogen_jax.serve.metrics import Measured
from audiogen_jax.serve.service import Service
from audiogen_jax.serve.settings import ServeSettings


def create_app(
    pipeline: Pipeline,
    name: str = "nano",
    settings: ServeSettings | None = None,
    options: SamplingOptions | None = None,
    understand: Callable[..., str] | None = None,
    page: ASGIApp | None = None,
) -> FastAPI:
    """Builds the app; the thread that owns the models lives as long as the app does.

    Args:
      pipeline: the model; nothing else may use it while the app runs.
      name: of the model, for clients.
      settings: limits.
      options: how clips are sampled where clients do not say it.
      understand: `Understanding.understand` of a model that answers questions; that of the
        pipeline, if it does, where None.
      page: what is shown at `/` and below, but for the routes of the interface.
    """
    settings = settings or ServeSettings()
    if understand is None:
        with contextlib.suppress(ValueError):  # it generates alone
            understand = pipeline.understand
    service = Service.of(pipeline, name, settings, options or SamplingOptions(), understand)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service.batcher.start()
        yield
        service.batcher.close(0)  # what was accepted is finished, or cancelled with its request

    # The pages of FastAPI's docs fetch scripts from elsewhere.
    app = FastAPI(title="audiogen", docs_url=None, redoc_url=None, lifespan=lifespan)
    app.state.service = service
    handle_errors(app)
    app.include_router(making_routes(service))
    app.include_router(hearing_routes(service))

    @app.get("/v1/models")
    async def models() -> JSONResponse:
        """The model, by each of its names."""
        return JSONResponse({"object": "list", "data": [_model(service, n) for n in service.names]})

    @app.get("/v1/models/{model:path}")
    async def model(model: str) -> JSONResponse:
        """The model."""
        service.check_model(model)
        return JSONResponse(_model(service, model))

    @app.get("/health")
    async def health() -> JSONResponse:
        """Whether requests are worked on."""
        if not service.batcher.alive:
            raise ApiError(503, "the models are not at work", code="unavailable")
        return JSONResponse({"status": "ok", "waiting": service.batcher.waiting})

    @app.get("/metrics")
    async def metrics() -> PlainTextResponse:
        """Counts, for Prometheus."""
        return PlainTextResponse(service.metrics.text(), media_type="text/plain; version=0.0.4")

    if page is not None:
        app.mount("/", page)
    app.add_middleware(Gate, settings=settings)
    app.add_middleware(Measured, metrics=service.metrics)
    return app


def _model(service: Service, name: str) -> dict[str, object]:
    pipeline = service.pipeline
    return {
        "id": name,
        "object": "model",
        "created": service.started,
        "owned_by": "audiogen-jax",
        "sample_rate": pipeline.codec.sample_rate,
        "channels": pipeline.codec.channels,
        "max_seconds": service.settings.max_seconds,
        "timeline": pipeline.generator.timeline,
        "edits": pipeline.edits,
        "understanding": service.understand is not None,
    }
