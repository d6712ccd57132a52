"""Written arithmetic, digit by digit from the right, as a person would do it on paper."""


def add_steps(a: int, b: int) -> str:
    """Column addition, written out from the last digit."""
    x, y = str(a)[::-1], str(b)[::-1]
    n = max(len(x), len(y))
    x, y = x.ljust(n, "0"), y.ljust(n, "0")
    carry, out, steps = 0, "", []
    for i in range(n):
        t = int(x[i]) + int(y[i]) + carry
        steps.append(
            f"{x[i]} + {y[i]}"
            + (f" + {carry}" if carry else "")
            + f" = {t}"
            + (f", write {t % 10} carry 1" if t > 9 else f", write {t}")
        )
        out += str(t % 10)
        carry = t // 10
    if carry:
        steps.append("write 1")
        out += "1"
    return (
        f"{a} + {b}: digits {' '.join(x)} and {' '.join(y)}. "
        + "; ".join(steps)
        + f". Digits {' '.join(out)}, so {a} + {b} = {a + b}."
    )


def subtract_steps(a: int, b: int) -> str:
    """Column subtraction, a >= b."""
    x = str(a)[::-1]
    y = str(b)[::-1].ljust(len(x), "0")
    borrow, out, steps = 0, "", []
    for i in range(len(x)):
        t = int(x[i]) - int(y[i]) - borrow
        head = f"{x[i]} - {y[i]}" + (" - 1" if borrow else "")
        if t < 0:
            steps.append(f"{head} = {t}, borrow, write {t + 10}")
            t, borrow = t + 10, 1
        else:
            steps.append(f"{head} = {t}, write {t}")
            borrow = 0
        out += str(t)
    return (
        f"{a} - {b}: digits {' '.join(x)} and {' '.join(y)}. "
        + "; ".join(steps)
        + f". Digits {' '.join(out)}, so {a} - {b} = {a - b}."
    )


def digit_steps(a: int, d: int) -> str:
    """A number times one digit."""
    if d in (0, 1) or a == 0:
        return f"{a} * {d} = {a * d}."
    carry, out, steps = 0, "", []
    x = str(a)[::-1]
    for c in x:
        t = int(c) * d + carry
        steps.append(
            f"{c} * {d}"
            + (f" + {carry}" if carry else "")
            + f" = {t}, write {t % 10}"
            + (f" carry {t // 10}" if t > 9 else "")
        )
        out += str(t % 10)
        carry = t // 10
    if carry:
        steps.append(f"write {carry}")
        out += str(carry)
    return (
        f"{a} * {d}: digits {' '.join(x)}. " + "; ".join(steps) + f". Digits {' '.join(out)}, so {a} * {d} = {a * d}."
    )


def multiply_steps(a: int, b: int) -> str:
    """A row for each digit of the shorter number, then the rows added up."""
    if len(str(b)) > len(str(a)):
        a, b = b, a
    if b < 10:
        return digit_steps(a, b)
    lines: list[str] = []
    rows: list[int] = []
    for i, digit in enumerate(str(b)[::-1]):
        if digit == "0":
            continue
        lines.append(digit_steps(a, int(digit)))
        row = a * int(digit) * 10**i
        if i:
            lines.append(f"With {i} zero{'s' if i > 1 else ''}: {row}.")
        rows.append(row)
    total = rows[0] if rows else 0
    for row in rows[1:]:
        lines.append(add_steps(total, row))
        total += row
    return "\n".join(lines)
