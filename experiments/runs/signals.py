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


_heard: list[type[KeyboardInterrupt]] = []


def interrupt(number: int, frame: object) -> None:
    """End what is running, and remember that it was asked for."""
    _heard.append(HungUp if is_hang_up(number) else KeyboardInterrupt)
    check()


def check() -> None:
    """Raise once more what `interrupt` raised: NumPy drops exceptions that reach it while it compares texts.

    To be called between the weeks of a run, so that an interruption is a week late at worst.
    """
    if _heard:
        raise _heard[-1]


@contextlib.contextmanager
def hearing(handler: Callable[[int, Any], object] | int, *others: int) -> Iterator[None]:
    """Hear SIGHUP and `others` inside a block; threads other than the main one cannot.

    What is ignored stays so: `nohup` ignores SIGHUP, and a shell Ctrl-C for what it starts in the background.
    """
    hang_up = getattr(signal, "SIGHUP", None)
    wanted = others if hang_up is None else (*others, hang_up)
    if threading.current_thread() is not threading.main_thread():
        wanted = ()
    numbers = [number for number in wanted if signal.getsignal(number) != signal.SIG_IGN]
    before, heard_before = {number: signal.signal(number, handler) for number in numbers}, len(_heard)
    try:
        yield
    finally:
        del _heard[heard_before:]
        for number, handler_before in before.items():
            signal.signal(number, handler_before)
