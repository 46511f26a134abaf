"""Scenes that are mixed of single recordings while a training runs."""
