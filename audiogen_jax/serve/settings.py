"""What a server takes, and how long it waits."""

import dataclasses

LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclasses.dataclass(frozen=True)
class ServeSettings:
    """Limits of a server; checked when made.

    Attributes:
      host: address that it listens on.
      port: 0 takes a free one.
      api_key: that clients have to send; None: none is asked for.
      aliases: other names that clients may call the model by.
      max_batch: clips sampled together, at most.
      max_waiting: requests that are accepted at a time; further ones are refused with 429.
      gather_ms: what an idle server waits for other clips to sample along with the first.
      deadline: seconds in which a request is answered, or refused with 504.
      max_body_mb: size of a request.
      body_timeout: seconds in which the body of a request has to arrive.
      max_text: characters of each text.
      max_seconds: of a clip that is made or edited.
      max_steps: solver steps that a client may ask for.
      drain: seconds that accepted requests get after SIGTERM.

    Raises:
      ValueError: a number that is too small, or an empty key.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    api_key: str | None = None
    aliases: tuple[str, ...] = ()
    max_batch: int = 8
    max_waiting: int = 64
    gather_ms: float = 5.0
    deadline: float = 300.0
    max_body_mb: float = 32.0
    body_timeout: float = 30.0
    max_text: int = 4096
    max_seconds: float = 120.0
    max_steps: int = 100
    drain: float = 30.0

    def __post_init__(self):
        for name in ("max_batch", "max_waiting", "max_text", "max_steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}: expected at least 1")
        for name in ("deadline", "max_body_mb", "body_timeout", "max_seconds"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}={getattr(self, name)}: expected more than 0")
        for name in ("gather_ms", "drain"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name}={getattr(self, name)}: expected at least 0")
        if not 0 <= self.port < 65536:
            raise ValueError(f"port={self.port}: expected 0 to 65535")
        if self.api_key is not None and not self.api_key.strip():
            raise ValueError("the API key is empty: give one, or none at all")

    @property
    def max_body(self) -> int:
        """Bytes of a request."""
        return int(self.max_body_mb * 2**20)

    @property
    def open_to_all(self) -> bool:
        """Can other machines use it without a key?"""
        return self.api_key is None and self.host not in LOOPBACK
