"""The clearing kernel under its public name; the room is `sim.kernel`."""

from sim.kernel.book import Book, Network
from sim.kernel.certificate import Certificate
from sim.kernel.clearing import Clearing, Flow, clear, matched

__all__ = ["Book", "Certificate", "Clearing", "Flow", "Network", "clear", "matched"]
