"""A small model behind its HTTP interface, in this process."""

import contextlib
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

import audiogen_jax as ag
from audiogen_jax.infer import compile
from audiogen_jax.infer.options import SamplingOptions
from audiogen_jax.serve.app import create_app
from audiogen_jax.serve.settings import ServeSettings

QUICK = SamplingOptions(steps=1)
KEY = "a key, ключ"


@pytest.fixture(scope="package")
def pipeline(tiny_checkpoint) -> Iterator[ag.Pipeline]:
    yield ag.load(tiny_checkpoint)
    compile.keep_programs(compile.MAX_PROGRAMS)


@contextlib.contextmanager
def serving(pipeline: ag.Pipeline, **settings: object) -> Iterator[TestClient]:
    """A client of an app that runs."""
    limits = {"max_seconds": 30.0, "max_body_mb": 0.25, "aliases": ("tts-1",), **settings}
    app = create_app(pipeline, "nano", ServeSettings(**limits), QUICK)  # type: ignore[arg-type]
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="package")
def client(pipeline) -> Iterator[TestClient]:
    with serving(pipeline) as client:
        yield client
