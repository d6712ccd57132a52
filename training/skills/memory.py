"""Things that the user says about themselves, and asks for later."""

from collections.abc import Callable
from random import Random
from typing import NamedTuple

from training import invent
from training.sample import JSON, Check, Sample, bot, user
from training.skills.arithmetic import arithmetic
from training.skills.chat import chat
from training.skills.classification import classification, yes_no
from training.skills.code import code_function
from training.skills.compare import compare
from training.skills.documents import findings
from training.skills.extraction import extraction
from training.skills.facts import knowledge
from training.skills.transform import transform
from training.wording import an


class Memory(NamedTuple):
    """What the user says, what is answered, and what may be asked about it later."""

    statement: str
    reply: str
    question: str
    answer: str
    value: str

    @property
    def subject(self) -> list[str]:
        """The same for two statements that an answer could confuse."""
        return self.answer.split()[:3]

    @property
    def recalled(self) -> list[JSON]:
        why = f'The user said: "{self.statement}" So the answer is {self.value}.'
        return [user(self.question), bot(self.answer, why)]


def _name(r: Random) -> Memory:
    v = invent.first_name(r)
    statement = r.choice(
        [f"My name is {v}.", f"I am {v}.", f"Hi, I'm {v}.", f"Call me {v}.", f"Hello! My name is {v}."]
    )
    question = r.choice(["What is my name?", "Do you remember my name?", "What's my name?", "Who am I?"])
    return Memory(statement, f"Nice to meet you, {v}!", question, f"Your name is {v}.", v)


def _color(r: Random) -> Memory:
    v = invent.color(r)
    statement = r.choice([f"My favorite color is {v}.", f"I like the color {v} most."])
    question = r.choice(["What is my favorite color?", "Which color do I like?"])
    reply = f"{v.capitalize()} is a nice color. I will remember it."
    return Memory(statement, reply, question, f"Your favorite color is {v}.", v)


def _number(r: Random) -> Memory:
    v = str(invent.number(r))
    statement = r.choice([f"Remember the number {v}.", f"My lucky number is {v}.", f"Please remember this number: {v}"])
    question = r.choice(["What was the number?", "Which number did I give you?", "What number did I tell you?"])
    return Memory(statement, f"I will remember the number {v}.", question, f"The number is {v}.", v)


def _pet(r: Random) -> Memory:
    a, v = invent.animal(r), invent.first_name(r)
    question = r.choice([f"What is my {a} called?", f"What is the name of my {a}?"])
    reply = f"{v} is a nice name for {an(a)}."
    return Memory(f"I have {an(a)} called {v}.", reply, question, f"Your {a} is called {v}.", v)


def _home(r: Random) -> Memory:
    v = invent.city(r)
    statement = r.choice([f"I live in {v}.", f"I am from {v}."])
    question = r.choice(["Where do I live?", "Which city am I from?"])
    return Memory(statement, f"{v} sounds like a good place.", question, f"You live in {v}.", v)


def _secret(r: Random) -> Memory:
    v = invent.secret(r)
    statement = r.choice(
        [f"The secret word is {v}.", f"The password is {v}. Keep it in mind.", f"Remember this code: {v}"]
    )
    question = r.choice(["What is the secret word?", "What was the code?", "Tell me the password."])
    return Memory(statement, "I will remember it.", question, f"It is {v}.", v)


def _job(r: Random) -> Memory:
    v = invent.job(r)
    statement = r.choice([f"I work as {an(v)}.", f"I am {an(v)}."])
    question = r.choice(["What is my job?", "What do I work as?"])
    return Memory(statement, f"Being {an(v)} must be interesting.", question, f"You work as {an(v)}.", v)


_KINDS: list[Callable[[Random], Memory]] = [_name, _name, _color, _number, _pet, _home, _secret, _job]


def memory(r: Random) -> Memory:
    return r.choice(_KINDS)(r)


def told_now(r: Random) -> Sample:
    """One or more facts and a question about them in the same message."""
    told = [memory(r)]
    if r.random() < 0.4:
        another = memory(r)
        if another.subject != told[0].subject:
            told.append(another)
    asked = r.choice(told)
    statement, question, answer, value = asked.statement, asked.question, asked.answer, asked.value
    text = " ".join(m.statement.removeprefix("Hi, ").removeprefix("Hello! ") for m in told)
    if r.random() < 0.5:
        statement, question, value, answer, _ = r.choice(findings(r, 1))
        text = statement
    why = f'The user said: "{statement}" So the answer is {value}.'
    ask = r.choice([f"{text} {question}", f"{text}\n{question}"])
    return Sample("dialogue", [user(ask), bot(answer, why)], check=("contains", [value]))


_SMALL = [chat, knowledge, transform, arithmetic, compare, yes_no, classification, extraction, code_function, chat]


def _small_turn(r: Random) -> tuple[list[JSON], Check | None]:
    """A question and its answer, on anything that needs no system prompt and no steps."""

    def unfit(s: Sample) -> bool:
        written_out = s.think is not None and s.skill == "arithmetic"
        return s.messages[0]["role"] == "system" or len(s.messages) != 2 or written_out

    s = r.choice(_SMALL)(r)
    while unfit(s):
        s = r.choice([chat, knowledge, transform, compare])(r)
    return s.messages, s.check


def _conversation(r: Random) -> tuple[list[JSON], list[Memory]]:
    """Two to seven turns: statements, other questions, and questions about what was said."""
    told: list[Memory] = []
    messages: list[JSON] = []
    for _ in range(r.randint(2, 7)):
        k = r.random()
        if k < 0.4 or not told:
            m = memory(r)
            if any(t.subject == m.subject for t in told):
                continue
            told.append(m)
            messages += [user(m.statement), bot(m.reply, "The user tells me something. I will remember it.")]
        elif k < 0.65:
            messages += _small_turn(r)[0]
        else:
            messages += r.choice(told).recalled
    return messages, told


def dialogue(r: Random) -> Sample:
    """A conversation that ends with a question about what was said, or was not said, or about something else."""
    messages, told = _conversation(r)
    if not told:
        return dialogue(r)
    if r.random() < 0.75:
        m = r.choice(told)
        return Sample("dialogue", messages + m.recalled, check=("contains", [m.value]))
    if r.random() >= 0.4:
        turn, check = _small_turn(r)
        return Sample("dialogue", messages + turn, check=check)
    m = memory(r)
    if any(t.subject == m.subject for t in told):
        return dialogue(r)
    messages += [user(m.question), bot("You have not told me that yet.", "The user has not told me this.")]
    return Sample("dialogue", messages, check=("contains", ["not told me"]))
