"""What an agent is asked to do with files and commands."""

from collections.abc import Callable
from random import Random
from typing import NamedTuple

from training import invent
from training.wording import join

Names = dict[str, str]  # of the tools' parameters, see file_tools.py


class Step(NamedTuple):
    thought: str
    tool: str
    arguments: dict[str, str]
    result: str


class Task(NamedTuple):
    ask: str
    steps: list[Step]
    end: str
    why: str


class Source(NamedTuple):
    """A small settings or code file, and one of its entries."""

    text: str
    key: str
    value: str
    line: str
    layout: str


def _literal(r: Random) -> str:
    return r.choice(
        [
            str(invent.number(r)),
            f'"{invent.word(r)}"',
            f'"{invent.code(r)}"',
            r.choice(["True", "False"]),
        ]
    )


def _source(r: Random) -> Source:
    names = invent.distinct(r, invent.ident, r.randint(2, 8))
    values = [_literal(r) for _ in names]
    if r.random() < 0.3:
        names = [name.upper() for name in names]
    i = r.randrange(len(names))
    layout = r.choice(["{} = {}", "{} = {}", "{}: {}", "{}={}"])
    lines = [layout.format(name, value) for name, value in zip(names, values, strict=True)]
    entry = lines[i]
    if r.random() < 0.4:
        f, a, b = invent.ident(r), invent.word(r), invent.word(r)
        lines += ["", f"def {f}({a}, {b}):", f"    return {a} {r.choice('+-*')} {b}"]
    return Source("\n".join(lines), names[i], values[i], entry, layout)


def _command(r: Random) -> tuple[str, str]:
    """A command and its output."""
    f, d, p = invent.path(r), invent.folder(r), invent.word(r)
    return r.choice(
        [
            (f"ls {d}", "\n".join(invent.distinct(r, invent.filename, 3))),
            (f"cat {f}", invent.phrase(r)),
            (f"wc -l {f}", f"{r.randint(1, 900)} {f}"),
            ("pwd", "/" + invent.folder(r).strip("./")),
            ("git status", "On branch " + invent.word(r)),
            (f"grep -r {p} {d}", f"{f}: {p}"),
            ("python --version", f"Python 3.{r.randint(8, 14)}.{r.randint(0, 9)}"),
            (f"python {f}", str(invent.number(r))),
            (f"mkdir {d}", ""),
            (f"echo {p}", p),
            ("date", invent.iso_date(r)),
            ("whoami", invent.first_name(r).lower()),
            ("pytest", f"{r.randint(1, 99)} passed"),
            (f'git commit -m "{invent.phrase(r)}"', f"[main {invent.code(r)}] ok"),
            ("uname -a", "Linux " + invent.pseudo(r)),
            (f"rm {f}", ""),
            (f"head -n {r.randint(1, 20)} {f}", invent.phrase(r)),
        ]
    )


def _read_value(r: Random, names: Names, path: str) -> Task:
    source = _source(r)
    key = source.key
    ask = r.choice(
        [
            f"Read {path} and tell me the value of {key}.",
            f"What is the value of {key} in {path}?",
            f"What is {key} set to in {path}?",
            f"Look into {path}. What is {key}?",
        ]
    )
    steps = [Step(f"I need to read {path}.", "read", {names["path"]: path}, source.text)]
    end = f"The value of {key} in {path} is {source.value}."
    return Task(ask, steps, end, f"The file says that {key} is {source.value}.")


def _list_files(r: Random, names: Names, path: str) -> Task:
    folder = invent.folder(r)
    files = invent.distinct(r, invent.filename, r.randint(2, 6))
    ask = r.choice(
        [
            f"What files are in {folder}?",
            f"List the files in {folder}.",
            f"Show me the content of the directory {folder}.",
            f"Which files does {folder} contain?",
        ]
    )
    steps = [Step(f"I need to list {folder}.", "list", {names["dir"]: folder}, "\n".join(files))]
    return Task(ask, steps, f"The files in {folder} are {join(files)}.", "I have the list of files.")


def _create_file(r: Random, names: Names, path: str) -> Task:
    text = r.choice(
        [
            invent.phrase(r),
            f'print("{invent.phrase(r)}")',
            _source(r).text,
            invent.phrase(r) + "\n" + invent.phrase(r),
        ]
    )
    ask = r.choice(
        [
            f"Create a file {path} with this content:\n{text}",
            f"Write this to {path}:\n\n{text}",
            f"Save the following text in {path}:\n{text}",
            f"Make a new file called {path} that contains:\n{text}",
        ]
    )
    result = r.choice(["ok", "File written.", f"Wrote {path}"])
    steps = [Step(f"I need to write {path}.", "write", {names["path"]: path, names["content"]: text}, result)]
    return Task(ask, steps, f"I created the file {path}.", "The file is written.")


def _replace_text(r: Random, names: Names, path: str) -> Task:
    old, new = invent.distinct(r, r.choice([invent.word, invent.ident, invent.phrase]), 2)
    ask = r.choice(
        [
            f'In {path}, replace "{old}" with "{new}".',
            f'Change "{old}" to "{new}" in {path}.',
            f'Edit {path}: replace "{old}" by "{new}".',
            f"Replace {old} with {new} in the file {path}.",
        ]
    )
    arguments = {names["path"]: path, names["old"]: old, names["new"]: new}
    result = r.choice(["ok", "File edited.", "1 replacement"])
    steps = [Step(f"I need to edit {path}.", "edit", arguments, result)]
    return Task(ask, steps, f"I replaced {old} with {new} in {path}.", "The edit worked.")


def _set_value(r: Random, names: Names, path: str) -> Task:
    source = _source(r)
    key, line = source.key, source.line
    value = r.choice([str(invent.number(r)), f'"{invent.word(r)}"'])
    ask = r.choice(
        [
            f"Set {key} to {value} in {path}.",
            f"Change the value of {key} in {path} to {value}.",
            f"Open {path} and set {key} to {value}.",
        ]
    )
    edit = {names["path"]: path, names["old"]: line, names["new"]: source.layout.format(key, value)}
    steps = [
        Step(f"First I read {path}.", "read", {names["path"]: path}, source.text),
        Step(f"The line is {line}. I replace it.", "edit", edit, r.choice(["ok", "File edited."])),
    ]
    return Task(ask, steps, f"I set {key} to {value} in {path}.", "The edit worked.")


def _run_command(r: Random, names: Names, path: str) -> Task:
    command, output = _command(r)
    ask = r.choice(
        [
            f"Run `{command}`.",
            f"Execute the command {command}",
            f"Run the command `{command}` and tell me the output.",
            f"Run {command} in the shell",
            f"Please run: {command}",
        ]
    )
    steps = [Step("I need to run a command.", "bash", {names["command"]: command}, output)]
    end = f"The output is: {output}" if output else "The command finished without output."
    return Task(ask, steps, end, "The command has run.")


def _search_text(r: Random, names: Names, path: str) -> Task:
    pattern, folder = invent.ident(r), invent.folder(r)
    hit, line = invent.path(r), r.randint(1, 300)
    ask = r.choice(
        [
            f"Search for {pattern} in {folder}.",
            f'Find "{pattern}" in {folder}.',
            f"Where is {pattern} used in {folder}?",
            f"Which file in {folder} contains {pattern}?",
        ]
    )
    arguments = {names["pattern"]: pattern, names["dir"]: folder}
    steps = [Step(f"I need to search for {pattern}.", "search", arguments, f"{hit}:{line}: {pattern}")]
    return Task(ask, steps, f"{pattern} is in {hit} on line {line}.", "I have the search result.")


def _find_and_read(r: Random, names: Names, path: str) -> Task:
    folder = invent.folder(r)
    files = invent.distinct(r, invent.filename, r.randint(2, 5))
    wanted = r.choice(files)
    kind = wanted.rsplit(".", 1)[1]
    files = [name for name in files if name == wanted or not name.endswith("." + kind)]
    source = _source(r)
    key, found = source.key, f"{folder}/{wanted}"
    steps = [
        Step(f"First I list {folder}.", "list", {names["dir"]: folder}, "\n".join(files)),
        Step(f"The {kind} file is {wanted}. I read it.", "read", {names["path"]: found}, source.text),
    ]
    ask = f"Find the {kind} file in {folder} and tell me the value of {key} in it."
    end = f"The value of {key} in {found} is {source.value}."
    return Task(ask, steps, end, f"The file says that {key} is {source.value}.")


TASKS: list[Callable[[Random, Names, str], Task]] = [
    _read_value,
    _list_files,
    _create_file,
    _replace_text,
    _set_value,
    _set_value,
    _run_command,
    _search_text,
    _find_and_read,
]
