"""The layers of the Qwen3.5 text architecture, for packed rows: no document sees another one of its row."""
