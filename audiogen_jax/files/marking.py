"""How files say what made them: metadata, a watermark in the sound, a signature of the file.

The command line makes options from `Marking`; what a mark needs is imported when it is asked for.
"""

import dataclasses
import functools
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float32

WATERMARKS = ("audioseal",)
SIGNED = {".wav": "audio/wav", ".flac": "audio/flac", ".mp3": "audio/mpeg"}
"""Formats that C2PA knows, and their media types."""
_ALGORITHMS = ("es256", "es384", "es512", "ps256", "ps384", "ps512", "ed25519")
_AUDIOSEAL_RATE = 16000
_Record = Mapping[str, object]


class Marker(Protocol):
    """Something that puts a mark on what leaves; one of its methods may leave all as it is.

    Attributes:
      name: of the mark.
    """

    name: str

    def mark_audio(
        self, samples: "Float32[np.ndarray, 'n a']", sample_rate: int, record: _Record
    ) -> "Float32[np.ndarray, 'n a']":
        """The samples with a mark; `record` is what made them."""
        ...

    def mark_file(self, contents: bytes, suffix: str, record: _Record) -> bytes:
        """The finished file with a mark."""
        ...


@dataclasses.dataclass(frozen=True)
class Marking:
    """Which marks files get.

    Attributes:
      provenance: say in the metadata, and in a JSON file beside it, what made a file.
      watermark: of the sound, inaudible: audioseal, where that is installed.
      c2pa_certificate: PEM file of a chain of certificates: with it and its key files are signed.
      c2pa_key: PEM file of the private key.
    """

    provenance: bool = True
    watermark: str | None = None
    c2pa_certificate: Path | None = None
    c2pa_key: Path | None = None

    def __post_init__(self):
        if self.watermark is not None and self.watermark not in WATERMARKS:
            raise ValueError(f"watermark={self.watermark!r}: expected one of {WATERMARKS}")
        if (self.c2pa_certificate is None) != (self.c2pa_key is None):
            raise ValueError("a C2PA signature needs both a certificate and its key")
        if self.signs and not self.provenance:
            raise ValueError("a C2PA signature says what made a file: it needs the provenance")

    @property
    def signs(self) -> bool:
        """Are files signed? Then no two are the same: a signature holds random numbers."""
        return self.c2pa_certificate is not None

    @functools.cached_property
    def markers(self) -> tuple[Marker, ...]:
        """What puts the marks on, watermarks first.

        Raises:
          ValueError: one is not installed; says what installs it.
          OSError: a certificate or key cannot be read.
        """
        markers: list[Marker] = [AudioSeal()] if self.watermark else []
        if self.c2pa_certificate is not None and self.c2pa_key is not None:
            markers.append(C2pa(self.c2pa_certificate, self.c2pa_key))
        return tuple(markers)


class AudioSeal:
    """A localised watermark of 16 bits (San Roman et al. 2024), by the package of its authors.

    The bits are the first of the checkpoint's hash. It is made at 16 kHz of the average of the
    channels and added to each.
    """

    name = "audioseal"

    def __init__(self):
        """Loads its generator, which AudioSeal downloads on its first use.

        Raises:
          ValueError: AudioSeal is not installed, or has no weights.
        """
        try:
            import audioseal  # pyright: ignore[reportMissingImports]
        except ImportError as error:
            raise ValueError(
                f"watermark 'audioseal' is not installed ({error}): pip install audioseal, which "
                "brings PyTorch along"
            ) from None
        try:
            generator = audioseal.AudioSeal.load_generator("audioseal_wm_16bits")
        except Exception as error:  # of whatever it downloads with
            raise ValueError(f"the weights of AudioSeal cannot be loaded: {error}") from error
        self._generator = generator.eval().requires_grad_(False)  # else it keeps every activation

    def mark_audio(
        self, samples: "Float32[np.ndarray, 'n a']", sample_rate: int, record: _Record
    ) -> "Float32[np.ndarray, 'n a']":
        """Adds the watermark."""
        import numpy as np

        from audiogen_jax.files.audio import convert

        number = int(str(record["checkpoint_sha256"])[:4], 16)
        bits = np.array([[number >> shift & 1 for shift in range(15, -1, -1)]], np.float32)
        mono, _ = convert(samples, sample_rate, _AUDIOSEAL_RATE, 1)
        tensor = next(self._generator.parameters()).new_tensor  # on its device
        mark = self._generator.get_watermark(
            tensor(mono.T[None]), _AUDIOSEAL_RATE, message=tensor(bits)
        )
        added = mark.detach().cpu().numpy()[0].T.astype(np.float32)
        added, _ = convert(added, _AUDIOSEAL_RATE, sample_rate)
        count = len(samples)
        return samples + np.pad(added[:count], ((0, max(0, count - len(added))), (0, 0)))

    def mark_file(self, contents: bytes, suffix: str, record: _Record) -> bytes:
        """The mark is in the sound."""
        return contents


class C2pa:
    """A signed manifest in the file (C2PA 2), by the Content Authenticity Initiative's library."""

    name = "c2pa"

    def __init__(self, certificate: Path, key: Path):
        """Reads both files.

        Args:
          certificate: PEM of the chain, that of the signer first.
          key: PEM of its private key.

        Raises:
          ValueError: c2pa-python is not installed, or these do not belong together.
          OSError: a file cannot be read.
        """
        try:
            import c2pa
        except ImportError as error:
            raise ValueError(
                f"C2PA is not installed ({error}): pip install 'audiogen-jax[c2pa]'"
            ) from None
        self._c2pa = c2pa
        self._chain, self._key = certificate.read_bytes(), key.read_bytes()
        reasons: list[str] = []
        for algorithm in _ALGORITHMS:  # neither file says which
            try:
                self._signer(algorithm).close()
            except c2pa.C2paError as error:
                reasons.append(str(error))
            else:
                self._algorithm = algorithm
                return
        raise ValueError(f"{certificate} and {key} sign nothing: {reasons[0]}")

    def _signer(self, algorithm: str):
        information = self._c2pa.C2paSignerInfo(algorithm, self._chain, self._key, None)
        return self._c2pa.Signer.from_info(information)

    def mark_audio(
        self, samples: "Float32[np.ndarray, 'n a']", sample_rate: int, record: _Record
    ) -> "Float32[np.ndarray, 'n a']":
        """The mark is in the file."""
        return samples

    def mark_file(self, contents: bytes, suffix: str, record: _Record) -> bytes:
        """Signs a file.

        Raises:
          ValueError: of another format than `SIGNED`, or the library refuses.
        """
        name, _, version = str(record["software"]).rpartition(" ")
        action = {
            "action": "c2pa.created",
            "digitalSourceType": record["digitalSourceType"],
            "softwareAgent": {"name": name, "version": version},
        }
        assertions = [
            {"label": "c2pa.actions.v2", "data": {"actions": [action]}},
            {"label": "org.audiogen-jax.provenance", "data": dict(record)},
        ]
        manifest = {
            "claim_generator_info": [{"name": name, "version": version}],
            "title": str(record["statement"]),
            "assertions": assertions,
        }
        signed = io.BytesIO()
        try:
            with (
                self._signer(self._algorithm) as signer,
                self._c2pa.Builder(json.dumps(manifest)) as builder,
            ):
                builder.sign(signer, SIGNED[suffix], io.BytesIO(contents), signed)
        except self._c2pa.C2paError as error:
            raise ValueError(f"C2PA does not sign the file: {error}") from error
        return signed.getvalue()
