"""A node of ComfyUI that asks a running `audiogen serve` for a scene.

Copy this file into `ComfyUI/custom_nodes/`, start `audiogen serve`, and add the node "Audio scene"
(category audio); its output is what "Save Audio" and "Preview Audio" take.
"""

import io
import json
import os
import urllib.error
import urllib.request
import wave

import numpy as np

SERVER, TIMEOUT = "http://127.0.0.1:8000", 3600
"""Its address, and seconds without a word from it; it has a deadline of its own."""
VIEWS = ("caption", "speech", "asr", "sfx", "music", "env")
DELIVERY = {
    "loudness": ("FLOAT", {"default": 0.0, "min": -70.0, "max": 0.0, "step": 0.1}),
    "true_peak": ("FLOAT", {"default": 0.0, "min": -60.0, "max": 0.0, "step": 0.1}),
    "sample_rate": ("INT", {"default": 0, "min": 0, "max": 192_000}),
    "channels": ("INT", {"default": 0, "min": 0, "max": 2}),
    **dict.fromkeys(("fade", "loop"), ("FLOAT", {"default": 0.0, "min": 0.0, "max": 60.0})),
}
"""How the server delivers a scene: LUFS, dBTP, Hz, channels, seconds; 0 leaves it as it is."""


def scene(server: str, body: dict[str, object]) -> tuple[np.ndarray, int]:
    """The samples of a scene, float32 [channels n], and their rate in Hz.

    Args:
      server: address of `audiogen serve`; its key is read from AUDIOGEN_API_KEY.
      body: of `POST /v1/audio/scenes`.

    Raises:
      RuntimeError: the server refuses; says why.
      OSError: it cannot be reached.
    """
    headers = {"Content-Type": "application/json"}
    if key := os.environ.get("AUDIOGEN_API_KEY"):
        headers["Authorization"] = f"Bearer {key}"
    data = json.dumps({**body, "response_format": "wav"}).encode()
    request = urllib.request.Request(f"{server}/v1/audio/scenes", data, headers)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            contents = answer.read()
    except urllib.error.HTTPError as error:
        with error:
            said = error.read()
        try:
            message = json.loads(said)["error"]["message"]
        except (ValueError, LookupError, TypeError):  # of a proxy before it
            message = f"{server} answers {error.code}: {said[:80]!r}"
        raise RuntimeError(message) from error
    with wave.open(io.BytesIO(contents)) as file:
        channels, rate = file.getnchannels(), file.getframerate()
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    return samples.reshape(-1, channels).T.astype(np.float32) / 2**15, rate


def asked(duration: float, **given: str | float) -> dict[str, object]:
    """What the fields of the node ask for, without those that are empty or 0."""
    body = {"duration": duration, **given}
    return {name: value for name, value in body.items() if value and str(value).strip()}


class AudioScene:
    """Six views, a seed and a delivery to a sound."""

    CATEGORY = "audio"
    FUNCTION = "make"
    RETURN_TYPES = ("AUDIO",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, object]:
        """What the node shows."""
        text = {view: ("STRING", {"default": "", "multiline": view == "caption"}) for view in VIEWS}
        numbers = {
            "duration": ("FLOAT", {"default": 5.0, "min": 0.0, "max": 600.0, "step": 0.1}),
            "seed": ("INT", {"default": 0, "min": 0, "max": 2**32 - 1}),
        }
        return {
            "required": {**text, **numbers},
            "optional": {**DELIVERY, "server": ("STRING", {"default": SERVER})},
        }

    def make(
        self, duration: float, seed: int, server: str = SERVER, **given: str | float
    ) -> tuple[dict[str, object]]:
        """The sound as ComfyUI has it, a waveform [1 channels n] and its rate; 0 s: as it needs."""
        import torch  # noqa: TID251 (ComfyUI's)

        samples, rate = scene(server, {**asked(duration, **given), "seed": seed})
        return ({"waveform": torch.from_numpy(samples)[None], "sample_rate": rate},)


NODE_CLASS_MAPPINGS = {"AudiogenScene": AudioScene}
NODE_DISPLAY_NAME_MAPPINGS = {"AudiogenScene": "Audio scene"}
