"""Quantization: recipes, calibration, equalisation, simulated graphs, distillation, full-integer models."""
