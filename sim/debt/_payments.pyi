from agents.vocabulary import Ints

def clear(
    start: Ints,
    creditor: Ints,
    due: Ints,
    rank: Ints,
    cash: Ints,
    outside_recovery: int,
    inside_recovery: int,
    least: bool,
    paid: Ints,
    wave: Ints,
) -> int: ...
