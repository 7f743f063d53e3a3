"""Metrics, and pictures of them."""
