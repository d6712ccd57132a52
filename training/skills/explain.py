"""Short explanations of a few subjects."""

from random import Random

from training.sample import Sample, bot, user
from training.wording import polite

EXPLAIN = {
    "rain": [
        "Rain starts with water that the sun warms in seas, lakes and rivers.",
        "The warm water rises into the air as vapor.",
        "High in the sky the air is cold, and the vapor turns into tiny drops.",
        "Many drops together form a cloud.",
        "When the drops become heavy, they fall to the ground.",
        "That falling water is what we call rain.",
        "Then the cycle begins again.",
    ],
    "computers": [
        "A computer is a machine that follows instructions.",
        "The instructions are called a program.",
        "The processor reads each instruction and carries it out.",
        "The memory holds the data that the program needs right now.",
        "The disk keeps data when the power is off.",
        "A screen and a keyboard let people talk to the machine.",
        "Even complex programs are made of many simple steps.",
    ],
    "language models": [
        "A language model is a program that predicts the next piece of text.",
        "It learns from many examples.",
        "During training it changes its numbers, called weights, to make better predictions.",
        "Text is cut into small pieces called tokens.",
        "To answer, the model adds one token after another.",
        "A small model is fast, but it knows less than a large one.",
        "That is why its answers should be checked.",
    ],
    "trees": [
        "A tree is a tall plant with a wooden trunk.",
        "Its roots take water from the ground.",
        "The leaves use sunlight to make food.",
        "This process also gives oxygen to the air.",
        "Every year the trunk grows a new ring.",
        "Many animals live in trees.",
        "Some trees become hundreds of years old.",
    ],
    "the moon": [
        "The moon travels around the Earth.",
        "One trip takes about a month.",
        "It does not make its own light.",
        "We see it because the sun shines on it.",
        "Its shape seems to change, because we see a different part of the lit side each night.",
        "The pull of the moon causes the tides.",
        "People first walked on it in 1969.",
    ],
    "bread": [
        "Bread is made from flour, water, salt and yeast.",
        "First you mix everything into a dough.",
        "Then you knead the dough until it is smooth.",
        "The yeast makes small bubbles, so the dough rises.",
        "After an hour you shape the loaf.",
        "The oven should be hot before the loaf goes in.",
        "When the crust is brown, the bread is done.",
    ],
    "bees": [
        "Bees are small insects that live together in a hive.",
        "One queen lays all the eggs.",
        "The workers collect nectar from flowers.",
        "Back in the hive they turn it into honey.",
        "While they fly, they carry pollen from flower to flower.",
        "Without this work many plants could not make fruit.",
        "Bees tell each other where flowers are by a kind of dance.",
    ],
    "caching": [
        "A cache keeps results that may be needed again.",
        "Reading from a cache is faster than doing the work twice.",
        "In a language model server, the prompt cache keeps the state of the text already read.",
        "A new request with the same beginning can then start from that state.",
        "When the cache is full, old entries are removed.",
        "A good cache saves time and energy.",
    ],
    "sleep": [
        "Sleep gives the body time to rest.",
        "During sleep the brain sorts what happened in the day.",
        "Most adults need seven to nine hours.",
        "A dark and quiet room helps.",
        "Bright screens late at night make it harder to fall asleep.",
        "Good sleep makes it easier to learn and to stay healthy.",
    ],
    "bicycles": [
        "A bicycle has two wheels and a frame.",
        "The rider pushes the pedals with the feet.",
        "A chain carries the power to the rear wheel.",
        "Gears make it easier to climb hills.",
        "The brakes press on the wheels to slow down.",
        "Riding is healthy, cheap and quiet.",
    ],
    "rivers": [
        "A river begins at a spring, a lake or a glacier.",
        "The water always flows downhill.",
        "Small streams join it on the way, so it becomes wider.",
        "Over many years the water cuts a valley into the land.",
        "At the end the river reaches a lake or the sea.",
        "Towns were often built near rivers, because people need water.",
    ],
    "tool calling": [
        "Tool calling lets a language model use programs.",
        "The request lists the tools with their names and parameters.",
        "When a tool helps, the model writes a call with its arguments.",
        "The application runs the tool and sends the result back.",
        "The model then reads the result and answers the user.",
        "This way even a small model can do useful work.",
    ],
    "winter": [
        "Winter is the coldest season of the year.",
        "The days are short and the nights are long.",
        "In many places snow covers the ground.",
        "Some animals sleep until spring, others fly to warmer lands.",
        "People wear warm coats and heat their houses.",
        "Slowly the days become longer again, and spring returns.",
    ],
    "money": [
        "Money makes it easier to trade.",
        "Without it, people would have to swap one thing for another.",
        "Coins and notes have a value that everyone accepts.",
        "Today much money exists only as numbers in a bank.",
        "Saving means keeping some money for later.",
        "A budget helps to plan what to spend.",
    ],
}


def explain(r: Random) -> Sample:
    """The first sentence and most of the others, as prose or as a numbered list."""
    topic = r.choice(list(EXPLAIN))
    body = EXPLAIN[topic]
    keep = sorted(r.sample(range(1, len(body)), r.randint(len(body) - 3, len(body) - 1)))
    text = [body[0], *(body[i] for i in keep)]
    if r.random() < 0.25:
        ask = f"Explain {topic} in a numbered list."
        answer = "\n".join(f"{i}. {x}" for i, x in enumerate(text, 1))
    else:
        ask = r.choice(_requests(topic))
        step = r.choice([3, 4, 10])
        answer = "\n\n".join(" ".join(text[i : i + step]) for i in range(0, len(text), step))
    why = f"The user wants to know about {topic}. I will explain it step by step."
    return Sample("story", [user(polite(r, ask) if ask.endswith(".") else ask), bot(answer, why)], check=("long", 25))


def _requests(topic: str) -> list[str]:
    return [
        f"Explain {topic}.",
        f"Tell me about {topic}.",
        f"Write a short text about {topic}.",
        f"What can you tell me about {topic}?",
        f"Explain {topic} in simple words.",
        f"Describe {topic}.",
    ]
