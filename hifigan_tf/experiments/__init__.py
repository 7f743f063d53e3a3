"""Experiments with the networks, and the recordings of the voice."""
