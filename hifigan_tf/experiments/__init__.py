"""Experiments of the paper that need no corpus."""
