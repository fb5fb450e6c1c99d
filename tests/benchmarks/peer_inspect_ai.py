"""Run by `peers` with an interpreter that has Inspect AI: its `react` agent, `mockllm` and a no-op tool, ten turns."""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from inspect_ai import Task, eval
from inspect_ai.agent import react
from inspect_ai.dataset import Sample
from inspect_ai.model import ModelOutput, ModelUsage, get_model
from inspect_ai.scorer import Score, accuracy, scorer
from inspect_ai.tool import tool

ROLLOUTS, ROUNDS = 32, 3


@tool
def noop():
    async def execute() -> str:
        """Does nothing."""
        return "ok"

    return execute


@scorer(metrics=[accuracy()])
def accept():
    async def score(_state, _target):
        return Score(value=1.0)

    return score


def reply(messages, _tools, _choice, _config):
    turn = sum(message.role == "assistant" for message in messages)
    name, arguments = ("noop", {}) if turn < 9 else ("submit", {"answer": "x"})
    output = ModelOutput.for_tool_call("mockllm/model", name, arguments)
    output.usage = ModelUsage(input_tokens=100, output_tokens=10, total_tokens=110)
    return output


def seconds(rollouts, at_once, folder):
    samples = [Sample(input="Call nothing.", target="x") for _ in range(rollouts)]
    task = Task(dataset=samples, solver=react(tools=[noop()]), scorer=accept())
    model = get_model("mockllm/model", custom_outputs=reply, memoize=False)
    began = time.perf_counter()
    [log] = eval(task, model=model, max_samples=at_once, display="none", log_dir=folder, log_level="error")
    took = time.perf_counter() - began
    assert log.status == "success", log.error
    assert all(len(sample.output.choices) == 1 and sample.model_usage for sample in log.samples)
    assert {sum(m.role == "assistant" for m in sample.messages) for sample in log.samples} == {10}
    return took


def help_s():
    began = time.perf_counter()
    subprocess.run([Path(sys.executable).parent / "inspect", "--help"], check=True, capture_output=True)
    return time.perf_counter() - began


def peak_mb():
    """Of this program alone: `ru_maxrss` would count whoever started it."""
    [line] = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


with tempfile.TemporaryDirectory() as folder:
    seconds(2, 1, folder)
    one, many = (min(seconds(ROLLOUTS, at_once, f"{folder}/{at_once}") for _ in range(ROUNDS)) for at_once in (1, 64))
    figures = {
        "ms_per_turn_1": 1e3 * one / ROLLOUTS / 10,
        "ms_per_turn_64": 1e3 * many / ROLLOUTS / 10,
        "rollouts_per_s_64": ROLLOUTS / many,
        "bytes_per_rollout": sum(p.stat().st_size for p in Path(folder, "64").iterdir()) / ROLLOUTS / ROUNDS,
        "peak_rss_mb": peak_mb(),
        "cli_help_s": help_s(),
    }
print(json.dumps(figures))
