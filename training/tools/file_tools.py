"""File and shell tools, named as several agents name them."""

from random import Random
from typing import NamedTuple

from training.sample import JSON
from training.tools.case import text_schema


class FileTools(NamedTuple):
    """Schemas, tool names and parameter names, by what they do."""

    schemas: dict[str, JSON]
    names: dict[str, str]
    parameters: dict[str, str]


_KEYS = ("read", "write", "edit", "bash", "list", "search")
_STYLES = [
    ("read_file", "write_file", "edit_file", "bash", "list_dir", "search"),
    ("Read", "Write", "Edit", "Bash", "LS", "Grep"),
    ("read", "write", "edit", "bash", "list", "grep"),
    ("view_file", "create_file", "str_replace", "run_command", "list_files", "search_files"),
]
_REPLACE = [
    ("old_string", "new_string"),
    ("old", "new"),
    ("oldString", "newString"),
    ("old_str", "new_str"),
    ("old_text", "new_text"),
]
_READ = [
    "Read a file.",
    "Reads a file from the local filesystem.",
    "Read the contents of a file. Use this tool to look at any file.",
]
_BASH = [
    "Run a shell command.",
    "Executes a given bash command and returns its output.",
    "Run a command in the terminal.",
]


def _parameters(r: Random) -> dict[str, str]:
    names = {
        "path": r.choice(["path", "path", "file_path", "filePath", "filename"]),
        "dir": r.choice(["path", "path", "directory", "dir"]),
        "content": r.choice(["content", "content", "text", "contents"]),
        "command": r.choice(["command", "command", "cmd"]),
        "pattern": r.choice(["pattern", "pattern", "query"]),
    }
    old, new = r.choice(_REPLACE)
    return {**names, "old": old, "new": new}


def draw_file_tools(r: Random) -> FileTools:
    """Six tools in one of four naming styles."""
    names = dict(zip(_KEYS, r.choice(_STYLES), strict=True))
    p = _parameters(r)
    path = {p["path"]: "Path of the file"}
    replaced = {p["old"]: "Text to replace", p["new"]: "New text"}
    searched = {p["pattern"]: "Text to search", p["dir"]: "Where to search"}
    schemas = {
        "read": text_schema(r, names["read"], r.choice(_READ), path),
        "write": text_schema(r, names["write"], "Write text to a file.", {**path, p["content"]: "Text to write"}),
        "edit": text_schema(r, names["edit"], "Replace a text in a file.", {**path, **replaced}),
        "bash": text_schema(r, names["bash"], r.choice(_BASH), {p["command"]: "The command"}),
        "list": text_schema(r, names["list"], "List the files of a directory.", {p["dir"]: "Directory"}),
        "search": text_schema(r, names["search"], "Search for a text in files.", searched),
    }
    return FileTools(schemas, names, p)
