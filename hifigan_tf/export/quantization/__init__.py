"""All that is 8 and 16 bits: recipes, equalisation, simulation, distillation, full-integer models."""
