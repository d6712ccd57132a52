"""The mixture of all skills. `sample(seed)` draws one; training and held-out data differ by their seeds only."""

from random import Random

from training import invent
from training.sample import JSON, Check, Maker, Sample, system
from training.skills.arithmetic import arithmetic
from training.skills.chat import NAME, chat, persona
from training.skills.classification import classification, yes_no
from training.skills.code import code_function, code_rename
from training.skills.compare import compare
from training.skills.documents import filler
from training.skills.explain import explain
from training.skills.extraction import extraction, extraction_list
from training.skills.facts import knowledge
from training.skills.form import form
from training.skills.limits import image, unknown, unsupported
from training.skills.memory import dialogue, told_now
from training.skills.retrieval import retrieval
from training.skills.story import poem, story
from training.skills.transform import transform
from training.tools.agent import agent
from training.tools.chain import chain
from training.tools.dialogues import call_and_answer, error_result, no_tool
from training.tools.parallel import parallel_calls
from training.tools.requests import domain_call, random_call
from training.tools.toolbox import unrelated_tools

MIXTURE: list[tuple[float, Maker]] = [
    (4, chat),
    (1.5, persona),
    (2, unknown),
    (0.4, image),
    (4, knowledge),
    (16, arithmetic),
    (9, compare),
    (15, retrieval),
    (8, extraction),
    (2, extraction_list),
    (4, classification),
    (5, yes_no),
    (14, transform),
    (2, form),
    (3, code_function),
    (4, code_rename),
    (3, story),
    (1.5, explain),
    (1, poem),
    (7, dialogue),
    (3, told_now),
    (1.5, unsupported),
    (12, random_call),
    (9, domain_call),
    (7, parallel_calls),
    (4, call_and_answer),
    (6, agent),
    (2, chain),
    (2.5, no_tool),
    (1.5, error_result),
]
_WEIGHTS = [weight for weight, _ in MIXTURE]
_MAKERS = [maker for _, maker in MIXTURE]

SYSTEM_PROMPTS = [
    "You are a helpful assistant.",
    "You are a helpful assistant.",
    "You are a concise assistant.",
    "Be brief and correct.",
    "You are a friendly assistant. Answer politely.",
    "You are a careful assistant that follows instructions.",
    "Answer the user's questions.",
    "You are an AI assistant running on a local server.",
    "You help people with small tasks.",
    f"You are {NAME}, a small local model.",
    "You are a coding assistant.",
    "You are an agent. Use the tools when they help.",
    "You are a helpful AI assistant. Think before you answer.",
    "Follow the user's request exactly.",
]


_RULES = [
    "Write clean code.",
    "Be brief.",
    "Use short sentences.",
    "Never invent facts.",
    "Check your work.",
    "Answer in English.",
    "Be polite.",
    "Do not repeat yourself.",
    "Keep answers to the point.",
    "Use the tools when they help.",
    "Read a file before you edit it.",
    "Ask only when it is needed.",
    "Prefer simple solutions.",
    "Follow the style of the project.",
    "Do not use emojis.",
]


def guidelines(r: Random) -> str:
    """A longer system prompt, as agents have: rules and facts that do not change the answer."""
    facts = [
        f"The working directory is /{invent.folder(r).strip('./')}.",
        f"Today is {invent.iso_date(r)}.",
        f"The platform is {r.choice(['linux', 'macos', 'windows'])}.",
        f"The user's name is {invent.full_name(r)}.",
        f"The project is called {invent.pseudo(r)}.",
        f"The current time is {invent.clock(r)}.",
        f"The user lives in {invent.city(r)}.",
        f"You work for {invent.company(r)}.",
    ]
    n = r.choice([2, 4, 8, 16, 40])
    lines = r.sample(_RULES, min(n, len(_RULES))) + r.sample(facts, min(n // 2, len(facts)))
    lines += [filler(r) for _ in range(max(0, n - 10))]
    r.shuffle(lines)
    layouts = [
        " ".join(lines),
        "\n".join("- " + x for x in lines),
        "# Rules\n\n" + "\n".join(f"{i}. {x}" for i, x in enumerate(lines, 1)),
    ]
    body = r.choice(layouts)
    return r.choice(SYSTEM_PROMPTS) + "\n\n" + body


def _opener(r: Random) -> str:
    return r.choice(
        [
            "Sure!",
            "Okay.",
            "Ahoy!",
            "Here you go:",
            "Of course.",
            invent.pseudo(r).capitalize() + "!",
            invent.word(r).capitalize() + ".",
        ]
    )


def _check_with_opener(check: Check | None, opener: str, answer: str) -> Check:
    kind, *rest = check or ("",)
    if kind == "exact":
        return ("contains", [answer])
    return ("contains", [opener] + (rest[0] if kind == "contains" else []))


def _demand_opener(r: Random, s: Sample) -> None:
    """The system prompt wants every answer to begin with certain words."""
    opener = _opener(r)
    last = s.messages[-1]
    if last.get("tool_calls") or len(s.messages) != 2:
        return
    rules = [
        f'Begin every reply with "{opener}"',
        f'Start each answer with the words "{opener}"',
        f"Always begin your answer with: {opener}",
    ]
    s.messages.insert(0, system(r.choice(rules)))
    last["content"] = f"{opener} {last['content']}"
    s.check = _check_with_opener(s.check, opener, last["content"])


def _has_system(s: Sample) -> bool:
    return bool(s.messages[0]["role"] == "system")


def _forget_reasoning(messages: list[JSON]) -> None:
    for message in messages:
        message.pop("reasoning_content", None)


def finish(r: Random, s: Sample) -> Sample:
    """Choose the reasoning mode and, for plain chats, add a system prompt, a style rule or unrelated tools."""
    if s.think is None:
        s.think = r.random() < 0.45
    if s.plain and not _has_system(s) and r.random() < 0.05:
        _demand_opener(r, s)
    if s.plain and not s.tools and r.random() < 0.12:
        s.tools = unrelated_tools(r)
    if not _has_system(s) and r.random() < 0.3:
        s.messages.insert(0, system(r.choice(SYSTEM_PROMPTS) if r.random() < 0.85 else guidelines(r)))
    if s.think and r.random() < 0.3:  # clients often do not send earlier reasoning back
        _forget_reasoning(s.messages[:-1])
    if not s.think:
        _forget_reasoning(s.messages)
    return s


def sample(seed: int, maker: Maker | None = None) -> Sample:
    """The conversation with this seed: of `maker`'s skill, or of one drawn from the mixture."""
    r = Random(seed)
    return finish(r, (maker or r.choices(_MAKERS, _WEIGHTS)[0])(r))
