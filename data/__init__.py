"""Offline dataset building: recordings, manifests, synthetic speech and edit pairs."""

SAMPLE_RATE = 16000
"""Hz of every clip that this package writes."""
