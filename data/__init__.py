"""Offline dataset building: recordings, manifests, synthetic speech and mixed scenes."""

SAMPLE_RATE = 16000
"""Hz of every clip that this package writes."""
