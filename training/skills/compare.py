"""Larger, smaller, sorted, average."""

from random import Random

from training.sample import Sample, bot, user
from training.wording import join, polite


def compare(r: Random) -> Sample:
    """Questions about the order or the mean of two to eight numbers."""
    n = r.choice([2, 2, 3, 4, 5, 6, 8])
    top = r.choice([20, 100, 1000, 10000])
    numbers = r.sample(range(top), n)
    k = r.randrange(6)
    if n == 2:
        return _larger_of_two(r, *numbers) if k < 3 else _yes_or_no(r, *numbers)
    if k < 2:
        return _extreme(r, numbers)
    if k < 5:
        return _sort(r, numbers)
    return _average(r)


def _listed(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers))


def _larger_of_two(r: Random, a: int, b: int) -> Sample:
    low, high = sorted((a, b))
    ask, value = r.choice(
        [
            (f"Which is larger, {a} or {b}?", high),
            (f"Which number is bigger: {a} or {b}?", high),
            (f"Which is smaller, {a} or {b}?", low),
            (f"Which is greater, {a} or {b}?", high),
        ]
    )
    why = f"Compare {a} and {b}. The larger is {high}, the smaller is {low}."
    answer = f"{value} is {'larger' if value == high else 'smaller'}."
    return Sample("compare", [user(ask), bot(answer, why)], check=("number", str(value)))


def _yes_or_no(r: Random, a: int, b: int) -> Sample:
    ask, yes = r.choice(
        [
            (f"Is {a} greater than {b}?", a > b),
            (f"Is {a} less than {b}?", a < b),
            (f"Is {a} larger than {b}?", a > b),
        ]
    )
    relation, word = "greater" if a > b else "less", "Yes" if yes else "No"
    answer = bot(f"{word}, {a} is {relation} than {b}.", f"{a} is {relation} than {b}.")
    return Sample("compare", [user(ask), answer], check=("contains", [word]))


def _extreme(r: Random, numbers: list[int]) -> Sample:
    big = r.random() < 0.5
    value, name = (max(numbers), "largest") if big else (min(numbers), "smallest")
    asked = r.choice(["largest", "biggest", "maximum", "highest"] if big else ["smallest", "minimum", "lowest"])
    listing = join(numbers)
    ask = r.choice(
        [
            f"What is the {asked} of {listing}?",
            f"Find the {asked} number: {_listed(numbers)}",
            f"Which of these numbers is the {asked}: {listing}?",
        ]
    )
    answer = bot(f"The {name} number is {value}.", f"The numbers are {listing}. The {name} is {value}.")
    return Sample("compare", [user(ask), answer], check=("number", str(value)))


def _sort(r: Random, numbers: list[int]) -> Sample:
    down = r.random() < 0.35
    order = "in descending order" if down else r.choice(["", "in ascending order", "from small to large"])
    ask = polite(r, f"Sort these numbers {order}".strip() + f": {_listed(numbers)}")
    ordered = sorted(numbers, reverse=down)
    why = f"Sort {'down' if down else 'up'}: " + "; ".join(f"next {y}" for y in ordered) + "."
    return Sample("compare", [user(ask), bot(_listed(ordered), why)], check=("exact", _listed(ordered)))


def _numbers_with_mean(r: Random) -> tuple[list[int], int]:
    """Two to five numbers whose mean is whole; the last may be negative."""
    n = r.randint(2, 5)
    mean = r.randint(2, 40)
    numbers = [mean + r.randint(-min(mean, 12), 12) for _ in range(n - 1)]
    return [*numbers, mean * n - sum(numbers)], mean


def _sum_in_steps(numbers: list[int]) -> tuple[str, int]:
    total, steps = numbers[0], []
    for y in numbers[1:]:
        steps.append(f"{total} + {y} = {total + y}")
        total += y
    return "; ".join(steps), total


def _average(r: Random) -> Sample:
    numbers, mean = _numbers_with_mean(r)
    if numbers[-1] < 0:
        return compare(r)
    steps, total = _sum_in_steps(numbers)
    ask = r.choice(
        [
            f"What is the average of {join(numbers)}?",
            f"Calculate the mean of {_listed(numbers)}.",
            f"Find the average: {_listed(numbers)}",
        ]
    )
    n = len(numbers)
    work, check = f"{steps}. There are {n} numbers. {total} / {n} = {mean}.", ("number", str(mean))
    if r.random() < 0.25:
        return Sample("arithmetic", [user(ask), bot(f"{work}\nThe answer is {mean}.")], check=check, think=False)
    return Sample("arithmetic", [user(ask), bot(f"The average is {mean}.", work)], check=check, think=True)
