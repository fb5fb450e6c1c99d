"""Run by `peers` with an interpreter that has mini-swe-agent: ten turns of a scripted model and a no-op environment."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ["MSWEA_SILENT_STARTUP"] = "1"
from minisweagent.agents.default import DefaultAgent
from minisweagent.exceptions import Submitted
from minisweagent.models.test_models import DeterministicModel, make_output

ROLLOUTS, STRETCH = 240, 40
REPLIES = [make_output("thinking", [{"command": "noop"}], cost=0.0)] * 9
REPLIES += [make_output("done", [{"command": "submit"}], cost=0.0)]


class Noop:
    """An environment in this process that does nothing."""

    def execute(self, action):
        if action["command"] == "submit":
            end = {"role": "exit", "content": "", "extra": {"exit_status": "Submitted", "submission": ""}}
            raise Submitted(end)
        return {"output": "ok", "returncode": 0, "exception_info": ""}

    def get_template_vars(self, **_):
        return {}

    def serialize(self):
        return {}


def rollout(path):
    model = DeterministicModel(outputs=REPLIES)
    words = {"system_template": "You are an agent.", "instance_template": "{{task}}"}
    agent = DefaultAgent(model, Noop(), output_path=path, **words)
    assert agent.run("Call nothing.")["exit_status"] == "Submitted"


def import_s():
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import minisweagent.agents.default"], check=True, capture_output=True)
    return time.perf_counter() - began


def peak_mb():
    """Of this program alone: `ru_maxrss` would count whoever started it."""
    [line] = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


with tempfile.TemporaryDirectory() as folder:
    rollout(Path(folder) / "warm.json")
    times = [time.perf_counter()]
    for number in range(ROLLOUTS):
        rollout(Path(folder) / f"{number}.json")
        times.append(time.perf_counter())
    fastest = min(late - early for early, late in zip(times, times[STRETCH:], strict=False))
    figures = {
        "ms_per_turn_1": 1e3 * fastest / STRETCH / 10,
        "rollouts_per_s_64": STRETCH / fastest,
        "bytes_per_rollout": (Path(folder) / "0.json").stat().st_size,
        "peak_rss_mb": peak_mb(),
        "cli_help_s": import_s(),
    }
print(json.dumps(figures))
