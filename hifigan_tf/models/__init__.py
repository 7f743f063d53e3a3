"""The networks: generator, discriminators, and the layers that they are made of."""
