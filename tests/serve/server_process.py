"""`audiogen serve` as a process of its own, for tests and benchmarks."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Self

KEY = "secret"
_COMMAND = "import sys; from audiogen_jax.cli import main; main(sys.argv[1:])"


class ServerProcess:
    """A server of the embedded model that has been warmed up.

    Attributes:
      process: its process.
      url: of it.
    """

    def __init__(self, *arguments: str, log: Path):
        """Starts it and waits until it listens.

        Args:
          arguments: of `audiogen serve`.
          log: file that its stderr goes to.
        """
        self._log = log.open("w")
        self.process = subprocess.Popen(
            [sys.executable, "-c", _COMMAND, "serve", *arguments],
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env={**os.environ, "AUDIOGEN_API_KEY": KEY},
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        address = re.match(r"serving at (http://\S+)$", line)
        if address is None:
            self.process.kill()
            raise RuntimeError(f"the server did not start: {line!r} {log.read_text()}")
        self.url = address[1]

    @property
    def port(self) -> int:
        """That it listens at."""
        return int(self.url.rpartition(":")[2])

    @property
    def resident_mb(self) -> float:
        """Its memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        (kilobytes,) = re.findall(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
        return int(kilobytes) / 1024

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.process.kill()
        self.process.communicate()
        self._log.close()
