"""Agents that work on files, one or two steps at a time."""

from random import Random

from training import invent
from training.sample import JSON, Check, Sample, bot, tool, user
from training.tools.file_tasks import TASKS, Task
from training.tools.file_tools import FileTools, draw_file_tools
from training.tools.toolbox import toolbox


def _played(task: Task, tools: FileTools, stop: int) -> tuple[list[JSON], Check]:
    """The conversation up to step `stop`, or to the final answer."""
    messages = [user(task.ask)]
    for i, step in enumerate(task.steps):
        call = {"name": tools.names[step.tool], "arguments": step.arguments}
        messages.append(bot("", step.thought, [call]))
        if i == stop:
            return messages, ("calls", [call])
        messages.append(tool(step.result))
    messages.append(bot(task.end, task.why))
    return messages, ("contains", [task.end])


def agent(r: Random) -> Sample:
    """Judged by one of the calls or by the final answer."""
    tools = draw_file_tools(r)
    path = invent.path(r)
    task = r.choice(TASKS)(r, tools.parameters, path)
    messages, check = _played(task, tools, r.randrange(len(task.steps) + 1))
    needed = {step.tool for step in task.steps}
    offered = [tools.schemas[key] for key in tools.schemas if key in needed or r.random() < 0.6]
    if r.random() < 0.3:
        offered += toolbox(r, [], set(), {"search", "note"}, 1, 2)
    r.shuffle(offered)
    return Sample("agent", messages, offered, check, plain=False)
