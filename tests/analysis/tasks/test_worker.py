"""A worker answers by lines, whatever its tasks print."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from analysis.tasks.folder import TaskFolder
from analysis.tasks.work import Task

NOISY = """
from analysis.tasks import task


@task
def noisy(place, *, number):
    print("this is no answer", flush=True)
    if number == 2:
        raise ValueError("two")
    return number
"""


def test_one_answer_a_line_until_there_are_no_more_tasks(tmp_path: Path) -> None:
    (tmp_path / "noisy_work.py").write_text(NOISY)
    script = (
        "import json, sys\n"
        "from noisy_work import noisy\n"
        "from analysis.tasks import Task, TaskFolder\n"
        "folder = TaskFolder.planned(sys.argv[1], [Task.of(noisy, number=n) for n in (1, 2)])\n"
        "for t in folder.tasks:\n"
        "    asked = {'function': t.function, 'arguments': t.arguments, 'code': t.code}\n"
        "    print(json.dumps({'folder': sys.argv[1], **asked}))"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)])}
    asked = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "tasks")], env=env, check=True, capture_output=True
    ).stdout
    worker = subprocess.run(
        [sys.executable, "-c", "from analysis.tasks.worker import main; main()"],
        input=asked,
        env=env,
        check=True,
        capture_output=True,
        timeout=60,
    )
    first, second = map(json.loads, worker.stdout.decode().splitlines())
    assert first["failure"] is None
    assert second["failure"]["message"] == "two"
    assert worker.stderr.count(b"this is no answer") == 2
    tasks = [Task(a["function"], a["arguments"], a["code"]) for a in map(json.loads, asked.decode().splitlines())]
    assert [TaskFolder(tmp_path / "tasks").is_done(task) for task in tasks] == [True, False]
