"""Training: losses, optimizers, the GAN step, the loop, run folders, and TensorBoard logs."""
