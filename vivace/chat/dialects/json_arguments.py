"""Arguments that the model writes as JSON, streamed while they come."""

import json
from collections.abc import Callable, Collection

from vivace.chat.dialects.base import UNDECIDED_LIMIT
from vivace.chat.dialects.json_scanner import JsonScanner
from vivace.chat.dialects.lexer import Lexeme, Marker
from vivace.chat.dialects.reader import END, Reading
from vivace.chat.dialects.scan import Scan

NO_OBJECT = "the arguments were no object"
ENCODED = "the arguments were JSON within a string"


def read_json(
    scan: Scan,
    stops: Collection[Marker],
    write: Callable[[str], None],
    scanner: JsonScanner | None = None,
    mark: Marker | None = None,
) -> Reading[None]:
    """Reads one JSON value. Markers among `stops` end it; one that is spelled within a string does so only if nothing
    behind it closes the string. `mark`: a marker that stands for a quote."""
    scanner = scanner or JsonScanner()
    while not scanner.done:
        lexeme = yield from scan.peek()
        stops_here = lexeme.marker in stops
        if lexeme is END or (stops_here and (lexeme.token or not (scanner.in_string or scanner.in_raw))):
            write(scanner.finish())
        elif mark and lexeme.marker == mark and not scanner.in_string:
            scan.take()
            write(scanner.mark(lexeme.text, lexeme.token))
        elif stops_here and scanner.in_string:
            scanner = yield from _past_closer(scan, scanner, stops, write)
        else:
            json_text, length = scanner.feed(lexeme.text)
            if length:
                scan.take(length)
            write(json_text)
    scan.repair(scanner.repaired)


def _past_closer(
    scan: Scan, scanner: JsonScanner, stops: Collection[Marker], write: Callable[[str], None]
) -> Reading[JsonScanner]:
    """The scanner behind a spelled closer that belongs to the string, or one that is done before it."""
    past = scanner.fork()
    held: list[Lexeme] = []
    parts: list[str] = []
    size = 0
    while past.in_value and size <= UNDECIDED_LIMIT:
        lexeme = yield from scan.peek()
        if lexeme is END:
            scan.rewind(held)
            write(scanner.finish())
            return scanner
        if held and lexeme.marker in stops:
            break
        json_text, length = past.feed(lexeme.text[: past.stride(lexeme.text)])
        if length:
            held.append(scan.take(length))
        size += length
        parts.append(json_text)
    write("".join(parts))
    return past


def read_arguments(scan: Scan, stops: Collection[Marker], write: Callable[[str], None]) -> Reading[None]:
    """Reads the object of arguments; writes an empty one where something else stands."""
    yield from scan.space()
    char = yield from scan.char()
    if char == "{":
        yield from read_json(scan, stops, write)
    elif char == '"':
        scan.repair(ENCODED)
        decoder = _Decoder(write)
        yield from read_json(scan, stops, decoder.feed)
        decoder.finish()
    else:
        parts: list[str] = []
        if char and char not in ",}]":
            yield from read_json(scan, stops, parts.append)
        if "".join(parts) not in ("null", ""):
            scan.repair(NO_OBJECT)
        write("{}")


class _Decoder:
    """Takes the JSON of a string in pieces (escapes whole), and writes the JSON object that the string holds."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._inner = JsonScanner()
        self._start = 1  # of the text in the next piece: behind the opening quote
        self._newest = ""  # waits, since it may end with the closing quote
        self._is_object: bool | None = None

    def feed(self, piece: str) -> None:
        if piece:
            self._take(self._newest)
            self._newest = piece

    def finish(self) -> None:
        self._take(self._newest, end=-1)
        self._write(self._inner.finish() if self._is_object else "{}")

    def _take(self, piece: str, end: int | None = None) -> None:
        if not piece:
            return
        text = json.loads(f'"{piece[self._start : end]}"')
        self._start = 0
        if self._is_object is None:
            text = text.lstrip()
            self._is_object = text[0] == "{" if text else None
        if self._is_object and not self._inner.done:
            self._write(self._inner.feed(text)[0])
