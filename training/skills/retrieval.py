"""Questions about a document in the prompt, from 60 to about 7,200 tokens long."""

from random import Random
from typing import NamedTuple

from training import invent
from training.sample import JSON, Check, Sample, bot, system, user
from training.skills.documents import Finding, document


class Turn(NamedTuple):
    question: str
    answer: str
    why: str
    check: Check


def document_length(r: Random) -> int:
    """Tokens: mostly short, sometimes up to about 7500."""
    k = r.random()
    if k < 0.50:
        return r.randint(60, 400)
    if k < 0.78:
        return r.randint(400, 1500)
    if k < 0.92:
        return r.randint(1500, 3500)
    return r.randint(3500, 7200)


def _stranger(r: Random, subject: str, known: set[str]) -> str:
    """A subject of the same kind that the document does not have."""
    other = subject
    while other in known:
        other = invent.full_name(r) if subject[:1].isupper() else invent.pseudo(r)
    return other


def _absent(r: Random, label: str, f: Finding, known: set[str]) -> Turn:
    other = _stranger(r, f.subject, known)
    answer, why = f"The {label} does not mention that.", f"I look for {other}. The {label} does not mention it."
    return Turn(f.question.replace(f.subject, other), answer, why, ("contains", ["does not mention"]))


def _present(r: Random, label: str, f: Finding) -> Turn:
    quote = f'The {label} says: "{f.sentence}"'
    if r.random() >= 0.3:
        return Turn(f.question, f.full, quote, ("contains", [f.short]))
    tail = r.choice(["Answer with only the value.", "Reply with just the answer.", "Only the answer, please."])
    return Turn(f"{f.question} {tail}", f.short, f"{quote} So the answer is {f.short}.", ("exact", f.short))


def _opening(r: Random, label: str, text: str, ask: str) -> list[JSON]:
    """The document in the question, in the system prompt, or in a message before the question."""
    k = r.random()
    if k < 0.35:
        return [user(r.choice(_together(label, text, ask)))]
    if k < 0.65:
        prompts = [
            f"Answer questions about this {label}.\n\n{text}",
            f"You are a helpful assistant. Use this {label}:\n\n{text}",
            f"{label.capitalize()}:\n{text}",
        ]
        return [system(r.choice(prompts)), user(ask)]
    announced = r.choice(
        [f"Here is a {label}. Remember it.\n\n{text}", f"I will ask you about this {label}:\n\n{text}"]
    )
    ready = bot(
        f"I have read the {label}. What do you want to know?", f"The user gives me a {label} and will ask later."
    )
    return [user(announced), ready, user(ask)]


def _together(label: str, text: str, ask: str) -> list[str]:
    return [
        f"Here is a {label}:\n\n{text}\n\n{ask}",
        f"Read this {label} and answer the question.\n\n{text}\n\nQuestion: {ask}",
        f"{text}\n\n{ask}",
        f"{label.capitalize()}:\n{text}\n\nQuestion: {ask}",
        f"Use the {label} below to answer: {ask}\n\n{text}",
    ]


def _unambiguous(found: list[Finding]) -> list[Finding]:
    """The facts whose subject has only one; all of them if there is none such."""
    by_subject: dict[str, list[Finding]] = {}
    for f in found:
        by_subject.setdefault(f.subject, []).append(f)
    return [group[0] for group in by_subject.values() if len(group) == 1] or found


def retrieval(r: Random, tokens: int | None = None) -> Sample:
    """One to three questions; in 13 % of the cases about something that is not there."""
    tokens = tokens or document_length(r)
    text, found = document(r, tokens)
    label = r.choice(["text", "notes", "document", "file", "log", "report", "page"])
    absent = r.random() < 0.13
    known = {f.subject for f in found}
    candidates = _unambiguous(found)
    asked = r.sample(candidates, min(len(candidates), r.choice([1, 1, 1, 2, 3])))
    turns = [_absent(r, label, f, known) if absent else _present(r, label, f) for f in asked]
    messages = _opening(r, label, text, turns[0].question)
    messages.append(bot(turns[0].answer, turns[0].why))
    for turn in turns[1:]:
        messages += [user(turn.question), bot(turn.answer, turn.why)]
    return Sample("retrieval", messages, check=turns[-1].check, plain=False, tags={"doc_tokens": tokens})
