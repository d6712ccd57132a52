"""One operation per file: array programs that are right everywhere and quick where stock MLX is not."""
