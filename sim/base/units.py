"""Constants of counting, and the error of books that do not close."""

# Room without a power limit: more than any book could use, far below the kernel's range.
UNLIMITED_WATTS = 10**12
# A week far beyond every run.
NEVER = 1 << 40


class BooksDoNotClose(AssertionError):
    """A conservation law failed; the run is stopped because nothing after it could be trusted."""
