"""Stories and poems."""

from random import Random

from training import invent, lexicon
from training.sample import Sample, bot, user
from training.wording import an, polite


def story_sentences(r: Random, hero: str | None = None, place: str | None = None) -> list[str]:
    h = hero or r.choice(lexicon.ANIMALS[::2])
    n = r.choice(lexicon.FIRST[::2])
    p = place or r.choice(lexicon.NOUNS)
    o, o2, a, a2, c = (
        r.choice(lexicon.OBJECTS),
        r.choice(lexicon.OBJECTS),
        r.choice(lexicon.ADJECTIVES),
        r.choice(lexicon.ADJECTIVES),
        r.choice(lexicon.COLORS),
    )
    friend, fn = r.choice([x for x in lexicon.ANIMALS[1::2] if x != h]), r.choice(lexicon.FIRST[1::2])
    who = f"{an(a)} {h} named {n}"
    parts = [
        r.choice(
            [
                f"Once upon a time there was {who}. {n} lived near the {p}.",
                f"There once lived {who} close to a {p}.",
                f"Long ago, {who} lived beside the {p}.",
            ]
        ),
        r.choice(
            [
                f"Every morning {n} walked to the {p} to look for something new.",
                f"{n} loved the quiet mornings and the smell of the {p}.",
                f"Most days were calm, and {n} was happy with simple things.",
            ]
        ),
        r.choice(
            [
                f"One {r.choice(['day', 'morning', 'evening'])} {n} found {an(c)} {o} on the path.",
                f"Then, one {r.choice(['rainy', 'sunny', 'windy'])} day, {an(c)} {o} lay in front of the door.",
                f"One night a strange sound came from the {p}, and there stood {an(c)} {o}.",
            ]
        ),
        r.choice(
            [
                f'"What {an(a2)} {o}," said {n}. "Who could have lost it?"',
                f'{n} looked at it for a long time. "This must belong to someone," {n} thought.',
                f'"I have never seen such {an(a2)} {o}," whispered {n}.',
            ]
        ),
        r.choice(
            [
                f"On the way {n} met {an(friend)} called {fn}, who was carrying {an(o2)}.",
                f"{an(friend).capitalize()} named {fn} came along and asked what was wrong.",
                f"Soon {n} met {fn}, {an(friend)} who knew every corner of the {p}.",
            ]
        ),
        r.choice(
            [
                f'"Let us look together," said {fn}. So the two friends set out.',
                f'{fn} smiled and said, "Two can search better than one."',
                f'"I will help you," said {fn}, and they started at once.',
            ]
        ),
        r.choice(
            [
                (
                    f"They asked at the {r.choice(lexicon.NOUNS)}, they asked at the "
                    f"{r.choice(lexicon.NOUNS)}, but nobody knew the answer."
                ),
                (
                    f"They walked past the {r.choice(lexicon.NOUNS)} and over the {r.choice(lexicon.NOUNS)} "
                    "until the sun went down."
                ),
                "The road was long, and the wind was cold, but they did not give up.",
            ]
        ),
        r.choice(
            [
                f"At last they found a small house where {an(r.choice(lexicon.JOBS))} was looking for the {o}.",
                f"Finally, an old {r.choice(lexicon.JOBS)} opened a door and cried with joy when the {o} came back.",
                f"In the end they learned that the {o} belonged to the {r.choice(lexicon.JOBS)} of the village.",
            ]
        ),
        r.choice(
            [
                f"As a thank you, both got a warm meal and {an(o2)}.",
                "Everyone laughed, and there was soup and bread for all.",
                "They sat by the fire and told the whole story again.",
            ]
        ),
        r.choice(
            [
                f"From that day on, {n} and {fn} were the best of friends.",
                f"{n} went home happy, for a good deed makes every day {r.choice(['brighter', 'lighter', 'warmer'])}.",
                f"And {n} never forgot that kindness always finds its way.",
            ]
        ),
    ]
    optional = r.sample([1, 3, 6, 8], r.randint(0, 4))
    return [x for i, x in enumerate(parts) if i not in optional]


_HEROES = [*lexicon.ANIMALS, *lexicon.JOBS[:12], "robot", "dragon", "knight", "pirate", "princess", "wizard", "ghost"]


def story(r: Random) -> Sample:
    """With a given hero, with a hero and a place, or free."""
    hero, place = r.choice(_HEROES), invent.noun(r)
    k = r.randrange(3)
    verb = r.choice(["Write", "Tell me"])
    requests = [
        f"{verb} a {r.choice(['short ', '', ''])}story about {an(hero)}.",
        f"Tell me a story about {an(hero)} and {an(place)}.",
        r.choice(
            ["Tell me a story.", "Write a short story.", "Can you tell me a story?", "I would like to hear a story."]
        ),
    ]
    text = story_sentences(r, hero if k < 2 else None, place if k == 1 else None)
    step = r.randint(2, 4)
    answer = "\n\n".join(" ".join(text[i : i + step]) for i in range(0, len(text), step))
    ask = polite(r, requests[k]) if k < 2 else requests[k]
    why = f"The user wants a story{' about ' + an(hero) if k < 2 else ''}. I will invent a friendly one."
    return Sample("story", [user(ask), bot(answer, why)], check=("long", 60))


def poem(r: Random) -> Sample:
    c, n, a, an, s = (
        r.choice(lexicon.COLORS),
        r.choice(lexicon.NOUNS),
        r.choice(lexicon.ADJECTIVES),
        r.choice(lexicon.ANIMALS),
        r.choice(lexicon.SEASONS),
    )
    topic = r.choice([n, s, an])
    lines = [
        r.choice([f"The {a} {topic} wakes,", f"Soft light on the {topic},", f"A {c} sky above the {topic},"]),
        r.choice(
            [
                f"a {an} sings to the {c} day,",
                "the wind goes gently on its way,",
                f"the {r.choice(lexicon.NOUNS)} is far away,",
            ]
        ),
        r.choice(["and all the world is still.", "and quiet fills the hill.", f"and {s} sleeps at will."]),
    ]
    if r.random() < 0.5:
        lines += [
            r.choice(["The night comes slow and deep,", "A little star looks down,"]),
            r.choice([f"the {n} begins to dream,", f"and paints the {n} brown,"]),
            r.choice(["and silver is the stream.", "above the sleeping town."]),
        ]
    q = r.choice(
        [
            f"Write a poem about {topic}.",
            f"Write a short poem about the {topic}.",
            f"Can you write a poem about {topic}?",
            f"Write a haiku about {topic}.",
        ]
    )
    return Sample(
        "story", [user(q), bot("\n".join(lines), f"The user wants a poem about {topic}.")], check=("long", 12)
    )
