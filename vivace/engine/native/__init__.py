"""Models of mlx-lm on the kernels of `native/`: single layers, and whole blocks where the class is known."""
