"""Live KV of running sequences: slabs, and the batch view over them that needs no padding."""
