"""The same ten turns in other frameworks, installed for the occasion: figures of one machine, one hour, one run."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PEERS = {
    "Inspect AI": ("inspect-ai==0.3.285", HERE / "peer_inspect_ai.py"),
    "mini-swe-agent": ("mini-swe-agent==2.4.6", HERE / "peer_mini_swe_agent.py"),
}
"""What to install, and the program that prints its figures as JSON."""


def measured() -> dict[str, dict[str, Any]]:
    """Figures by peer and version. One that cannot be installed here is left out, with the reason on stderr."""
    found = {}
    for name, (requirement, program) in PEERS.items():
        uv = [Path(sys.executable).parent / "uv", "run", "--no-project", "--isolated", "--quiet"]
        command = [*uv, "--python", sys.executable, "--with", requirement, "python", program]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        if ran.returncode == 0:
            found[f"{name} {requirement.rpartition('=')[2]}"] = json.loads(ran.stdout.splitlines()[-1])
        else:
            print(f"{name} left out: {ran.stderr.strip()[-300:]}", file=sys.stderr)
    return found
