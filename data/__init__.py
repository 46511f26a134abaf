"""Offline dataset building: recordings, manifests, synthetic speech and mixed scenes."""
