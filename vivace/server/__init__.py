"""The gateway: routes, keys, limits, streams. Wires translate client APIs; `generation` asks the models."""
