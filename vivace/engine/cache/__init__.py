"""KV and recurrent state: live slabs and the batch view over them, and the prefix cache with its RAM and SSD tiers."""
