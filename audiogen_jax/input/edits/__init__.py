"""Pairs of clips and instructions, mixed of single recordings or read from manifests."""
