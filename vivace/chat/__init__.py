"""Text in, text out: templates, tokenizers, dialects and the events they produce. Knows no HTTP and no mlx."""
