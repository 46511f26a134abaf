"""`audiogen serve` with what it cannot take: one line, before a model is loaded."""

import socket

import pytest

from audiogen_jax.cli import main


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--port", "taken"), "cannot listen at 127.0.0.1:"),
        (("--host", "a host"), "cannot listen at a host:8000"),
        (("--port", "99999"), "port=99999: expected 0 to 65535"),
        (("--max-batch", "0"), "max_batch=0: expected at least 1"),
        (("--deadline", "nan"), "deadline=nan: expected more than 0"),
        (("--api-key", " "), "the API key is empty"),
    ],
)
def test_what_is_refused(arguments: tuple[str, str], message: str, capfd):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        values = [port if value == "taken" else value for value in arguments]
        with pytest.raises(SystemExit) as ended:
            main(["serve", "--checkpoint", "absent", *values])
    assert ended.value.code == 2
    err = capfd.readouterr().err
    assert message in err and len(err.splitlines()) == 1
