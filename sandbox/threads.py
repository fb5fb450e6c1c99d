"""Threads in which the engine's calls block, so that the event loop does not."""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

T = TypeVar("T")


@cache
def creators() -> ThreadPoolExecutor:
    """Starting does not get faster beyond this many at a time, only each start slower."""
    return ThreadPoolExecutor(2 * (os.cpu_count() or 1), thread_name_prefix="outlay-start")


@cache
def callers() -> ThreadPoolExecutor:
    """For commands of containers without a guest: apart, so that none waits behind a start."""
    return ThreadPoolExecutor(4 * (os.cpu_count() or 1), thread_name_prefix="outlay-exec")


@cache
def removers() -> ThreadPoolExecutor:
    """Their own, so that no removal waits behind a start."""
    return ThreadPoolExecutor(4 * (os.cpu_count() or 1), thread_name_prefix="outlay-remove")


async def in_thread(threads: ThreadPoolExecutor, call: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(threads, call)
