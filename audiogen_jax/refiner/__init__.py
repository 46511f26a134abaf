"""Plain sentences to structured captions, offline."""
