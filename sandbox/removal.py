"""Removes a folder that commands filled, whatever they did to it."""

import shutil
import subprocess
from pathlib import Path

REMOVE_S = 120.0


def remove_tree(folder: Path) -> None:
    """Nothing runs in it any more. Folders that may not be entered are opened first; too deep ones take a program that
    does not call itself. Does nothing when it is not there.
    """
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        return
    except (OSError, RecursionError):
        for command in (["chmod", "-R", "u+rwX", "--", str(folder)], ["rm", "-rf", "--", str(folder)]):
            subprocess.run(command, stderr=subprocess.DEVNULL, timeout=REMOVE_S, check=False)
