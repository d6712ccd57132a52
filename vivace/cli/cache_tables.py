"""What `vivace cache` finds, for people."""

from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from vivace.cli.terminal import printable, size

JSON = dict[str, Any]
_ORIGINS = {
    "running": "a running request",
    "idle": "a conversation in memory",
    "ram": "blocks in memory",
    "ssd": "the disk",
}

NO_DISK = "none (--no-ssd-cache, a size of 0, or a folder that cannot be used: see the log)"


def print_stats(reply: JSON) -> None:
    tokens, ram, ssd = reply["tokens"], reply["ram"], reply["ssd"]
    share = f" ({tokens['cached'] / tokens['prompt']:.0%})" if tokens["prompt"] else ""
    kept = f"{ram['conversations']} conversations, {ram['blocks']} blocks, {ram['snapshots']} snapshots"
    lines = [
        ("model", reply["model"]),
        ("prompt tokens", f"{tokens['prompt']:,}, of them {tokens['cached']:,} from the cache{share}"),
        ("memory", f"{size(ram['bytes'])} of at most {size(ram['limit_bytes'])} now: {kept}"),
        ("made room", f"{ram['evicted']:,} times"),
        *(
            _disk_lines(ssd)
            if ssd
            else [("disk", "none (--no-ssd-cache, a size of 0, or a folder that cannot be used: see the log)")]
        ),
    ]
    if reply["problem"]:
        lines.append(("nothing is kept", reply["problem"]))
    _print_lines(lines)


def _disk_lines(ssd: JSON) -> list[tuple[str, str]]:
    folder = f"{size(ssd['folder_bytes'])} of at most {size(ssd['limit_bytes'])} with all models"
    lost = f"{ssd['dropped']:,} not written, {ssd['missing']:,} not readable, {ssd['corrupt']:,} of them damaged"
    speed = f"{size(ssd['read_bytes_per_s'])}/s" if ssd["read_bytes_per_s"] else "not measured yet"
    lines = [
        ("disk", f"{size(ssd['nbytes'])} in {ssd['entries']:,} entries; {folder}"),
        ("written", f"{size(ssd['written_bytes'])}, {size(ssd['queued_bytes'])} waiting; evicted {ssd['evicted']:,}"),
        ("lost", lost),
        ("reading", speed),
    ]
    return [*lines, ("disk trouble", ssd["problem"])] if ssd["problem"] else lines


def print_folder(use: JSON) -> None:
    console = Console(highlight=False, soft_wrap=True)
    if use["models"]:
        table = Table("model", "id", "entries", "size", "last use", box=None, pad_edge=False, header_style="bold")
        for model in use["models"]:
            cells = model["label"], model["fingerprint"][:8], f"{model['entries']:,}", size(model["nbytes"])
            table.add_row(*map(Text, (*cells, _when(model["last_use_s"]))))
        console.print(table)
        console.print()
    amount = f"{size(use['nbytes'])} in {use['segments']} files" if use["nbytes"] else "nothing"
    console.print(Text(f"{use['folder']}: {amount}, {size(use['free_bytes'])} free on the disk"))


def _when(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s).strftime("%Y-%m-%d %H:%M") if unix_s else "–"


def print_verified(found: JSON) -> None:
    for where in found["damaged"]:
        print(f"damaged: {where}")
    print(f"{found['sound']:,} sound, {len(found['damaged']):,} damaged")


def print_explanation(reply: JSON) -> None:
    Console(highlight=False, soft_wrap=True).print(Text(reply["message"], "bold"))
    came = [f"{count:,} from {_ORIGINS[name]}" for name, count in reply["cached_from"].items() if count]
    text = reply["text"]
    lines = [
        (
            "cached",
            f"{reply['cached_tokens']:,} of {reply['prompt_tokens']:,}" + (": " + ", ".join(came) if came else ""),
        ),
        ("parts at token", f"{reply['agreed_tokens']:,}"),
        ("before it", _quoted(text["before"])),
        ("the prompt", _quoted(text["prompt"])),
        ("what is kept", _quoted(text["stored"]) if text["stored"] else "ends there"),
    ]
    _print_lines(lines)


def _quoted(text: str) -> str:
    """On one line."""
    shown = printable(text).replace("\n", "⏎")
    return f"“{shown}”"


def _print_lines(lines: list[tuple[str, str]]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    for name, value in lines:
        console.print(Text.assemble((f"{name:<17}", "bold"), value))
