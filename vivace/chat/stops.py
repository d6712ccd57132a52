"""Stop strings in visible text."""

from collections.abc import Sequence


class StopMatcher:
    """Passes text on up to the stop string that ends first; holds back only what may be the beginning of one."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stop for stop in stops if stop)
        self._held = ""
        self.matched: str | None = None

    @property
    def held(self) -> bool:
        return bool(self._held)

    def feed(self, text: str) -> str:
        """The text that is certain to be visible; nothing after a match."""
        if not self._stops:
            return text
        buffer = self._held + text
        found = [(buffer.find(stop) + len(stop), buffer.find(stop), stop) for stop in self._stops if stop in buffer]
        if found:
            _, start, self.matched = min(found)
            self._held = ""
            return buffer[:start]
        split = len(buffer) - max(_overlap(buffer, stop) for stop in self._stops)
        self._held = buffer[split:]
        return buffer[:split]

    def flush(self) -> str:
        """What was held back and turned out to be no stop string."""
        held, self._held = self._held, ""
        return held


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of `text` that is a proper beginning of `stop`."""
    tail = text[-(len(stop) - 1) :] if len(stop) > 1 else ""
    at = tail.find(stop[0]) if tail else -1
    while at >= 0:
        if stop.startswith(tail[at:]):
            return len(tail) - at
        at = tail.find(stop[0], at + 1)
    return 0
