"""The data sets, each with a setup that trains well on it."""

from benchmarks.faults.configuration import Task
from benchmarks.faults.tasks import images, patterns, responses, sequences, tabular

TASKS: dict[str, Task] = {
    task.name: task for task in (*tabular.TASKS, *images.TASKS, *sequences.TASKS, *responses.TASKS, *patterns.TASKS)
}
