"""The engine process: token ids in, token ids out. One thread owns MLX; nothing here knows text or HTTP."""
