"""Signals that ask a command to end: Ctrl-C, a scheduler's SIGTERM, and SIGHUP, which comes when its terminal is closed."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any


class HungUp(KeyboardInterrupt):
    """The terminal was closed."""


def is_hang_up(number: int) -> bool:
    """Whether a signal says that the terminal was closed; Windows has none that does."""
    return number == getattr(signal, "SIGHUP", None)


@contextlib.contextmanager
def hearing(handler: Callable[[int, Any], object] | int, *others: int) -> Iterator[None]:
    """Hear SIGHUP and `others` inside a block; threads other than the main one cannot.

    Who starts a command with `nohup` wants it to go on: where SIGHUP is ignored, it stays so.
    """
    hang_up = getattr(signal, "SIGHUP", None)
    numbers = list(others)
    if hang_up is not None and signal.getsignal(hang_up) != signal.SIG_IGN:
        numbers.append(hang_up)
    if threading.current_thread() is not threading.main_thread():
        numbers = []
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, handler_before in before.items():
            signal.signal(number, handler_before)
