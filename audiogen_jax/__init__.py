"""Text to coherent audio scenes in JAX/Flax: every verb of the command line, from Python.

>>> import audiogen_jax as ag
>>> prompt = ag.compose(caption="a dog barks in a quiet street", env="outdoors")
>>> clip = ag.load("nano").generate(prompt, seed=0)[0]  # clip.audio, clip.sample_rate
>>> latents = ag.load_tokenizer("nano").encode(clip.audio[None])

Names are listed in `__init__.pyi` and imported on first use: the command line's `--help` and data
workers, which import this package too, stay quick and off the accelerator.
"""

import lazy_loader

__version__ = "0.2.0"
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
