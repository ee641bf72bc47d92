"""What a local worker runs: tasks by lines on its standard input, outcomes by lines on what was its standard output."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

from analysis.processes import not_outliving
from analysis.tasks.folder import TaskFolder
from analysis.tasks.perform import perform
from analysis.tasks.work import Task


def main() -> None:
    """Do tasks until there are no more lines, or the parent is gone."""
    # Ctrl-C is for the parent, which then ends its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    # What a task prints must not be taken for an answer.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    with not_outliving(os.getppid()):
        for line in sys.stdin:
            asked = json.loads(line)
            task = Task(asked["function"], asked["arguments"], asked["code"])
            outcome = perform(TaskFolder(Path(asked["folder"])), task)
            failure = None if outcome.failure is None else outcome.failure.to_dict()
            answers.write(json.dumps({"key": outcome.key, "failure": failure}) + "\n")
            answers.flush()
