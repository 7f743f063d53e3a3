"""Reads checkpoints of other projects."""
