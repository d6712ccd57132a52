"""Contacts, notes, users, orders, databases and news."""

from random import Random

from training import invent
from training.sample import dumps
from training.tools.typical.tool import INTEGER, TEXT, Arguments, Parameter, Result, TypicalTool, enum


def _get_user_result(r: Random, a: Arguments) -> Result:
    n, m = invent.full_name(r), invent.email(r)
    return (dumps({"id": a["user_id"], "name": n, "email": m}), f"User {a['user_id']} is {n} with the email {m}.")


def _track_order_result(r: Random, a: Arguments) -> Result:
    v = r.choice(["shipped", "delivered", "delayed", "packed", "cancelled"])
    return (dumps({"order": a["order_id"], "status": v}), f"Order {a['order_id']} is {v}.")


def _run_sql_result(r: Random, a: Arguments) -> Result:
    v = r.randint(0, 500)
    return (dumps({"rows": v}), f"The query returned {v} rows.")


def _get_distance_result(r: Random, a: Arguments) -> Result:
    v = r.randint(20, 9000)
    return (dumps({"km": v}), f"The distance from {a['start']} to {a['end']} is {v} kilometers.")


def _random_number_result(r: Random, a: Arguments) -> Result:
    v = r.randint(a["min"], a["max"])
    return (str(v), f"The random number is {v}.")


def _get_news_result(r: Random, a: Arguments) -> Result:
    v = invent.phrase(r, 5)
    return (dumps([v]), f"The latest news: {v}.")


TOOLS = [
    TypicalTool(
        "note",
        "create_note|add_note|save_note",
        "Save a note.",
        [
            Parameter("title|name", TEXT, "Title", invent.word, True),
            Parameter("content|text|body", TEXT, "Text of the note", invent.phrase, True),
            Parameter(
                "tags|labels",
                {"type": "array", "items": {"type": "string"}},
                "Tags",
                lambda r: invent.distinct(r, invent.word, r.randint(1, 3)),
                False,
            ),
        ],
        [
            'create a note called {title} with the text "{content}"[ and the tags {tags}]',
            'save a note "{title}": {content}[, tags {tags}]',
        ],
        "save a note",
        lambda r, a: ("saved", f"I saved the note {a['title']}."),
    ),
    TypicalTool(
        "todo",
        "add_todo|add_task|create_task|todo_add",
        "Add a task to the to-do list.",
        [
            Parameter("task|title|item", TEXT, "The task", invent.phrase, True),
            Parameter(
                "priority|importance",
                enum("low", "medium", "high"),
                "Priority",
                lambda r: r.choice(["low", "medium", "high"]),
                False,
            ),
        ],
        [
            'add "{task}" to my to-do list[ with {priority} priority]',
            "new task: {task}[, {priority} priority]",
            "put {task} on my list[ with {priority} priority]",
        ],
        "add a task",
        lambda r, a: ("added", f"I added {a['task']} to your list."),
    ),
    TypicalTool(
        "user",
        "get_user|find_user|lookup_user|user_info",
        "Get a user by id.",
        [Parameter("user_id|id", INTEGER, "Numeric id", lambda r: r.randint(1, 99999), True)],
        [
            "get the user with id {user_id}",
            "show me user {user_id}",
            "who is user number {user_id}?",
            "look up user {user_id}",
        ],
        "see user {user_id}",
        _get_user_result,
    ),
    TypicalTool(
        "order",
        "track_order|order_status|get_order",
        "Get the status of an order.",
        [Parameter("order_id|id|number", TEXT, "Order number", invent.code, True)],
        [
            "where is my order {order_id}?",
            "what is the status of order {order_id}?",
            "track order {order_id}",
            "check order {order_id}",
        ],
        "know the status of order {order_id}",
        _track_order_result,
    ),
    TypicalTool(
        "sql",
        "run_sql|query_database|sql|execute_query",
        "Run an SQL query.",
        [
            Parameter(
                "query|sql|statement",
                TEXT,
                "The SQL query",
                lambda r: r.choice(
                    [
                        f"SELECT * FROM {invent.word(r)}",
                        f"SELECT {invent.word(r)} FROM {invent.word(r)} WHERE id = {r.randint(1, 999)}",
                        f"DELETE FROM {invent.word(r)} WHERE {invent.word(r)} = {r.randint(1, 99)}",
                        f"SELECT COUNT(*) FROM {invent.word(r)}",
                    ]
                ),
                True,
            )
        ],
        ["run the query {query}", "execute this SQL: {query}", "run {query} on the database"],
        "run a query",
        _run_sql_result,
    ),
    TypicalTool(
        "distance",
        "get_distance|distance|route_length",
        "Get the distance between two cities in kilometers.",
        [
            Parameter("start|origin|from", TEXT, "Start city", invent.city, True),
            Parameter("end|destination|to", TEXT, "End city", invent.city, True),
        ],
        [
            "how far is it from {start} to {end}?",
            "what is the distance between {start} and {end}?",
            "distance from {start} to {end}",
        ],
        "know the distance from {start} to {end}",
        _get_distance_result,
    ),
    TypicalTool(
        "random",
        "random_number|roll|generate_number",
        "Generate a random number.",
        [
            Parameter("min|low|minimum", INTEGER, "Smallest value", lambda r: r.randint(0, 50), True),
            Parameter("max|high|maximum", INTEGER, "Largest value", lambda r: r.randint(51, 1000), True),
        ],
        [
            "give me a random number between {min} and {max}",
            "pick a random number from {min} to {max}",
            "random number {min} to {max}",
        ],
        "get a random number",
        _random_number_result,
    ),
    TypicalTool(
        "news",
        "get_news|news|latest_news",
        "Get the latest news about a topic.",
        [
            Parameter(
                "topic|subject|category",
                TEXT,
                "Topic",
                lambda r: r.choice(["sports", "politics", "science", "music", invent.word(r)]),
                True,
            ),
            Parameter("language|lang", TEXT, "Language", lambda r: r.choice(["English", "French", "German"]), False),
        ],
        [
            "what is the latest news about {topic}[ in {language}]?",
            "show me news on {topic}[ in {language}]",
            "news about {topic}[ in {language}]",
        ],
        "read news about {topic}",
        _get_news_result,
    ),
]
