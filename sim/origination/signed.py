"""A loan as it was signed, before it is drawn."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SignedLoan:
    """What a lender owes a borrower on delivery: cents, a yearly rate, months; ``lender`` is -1 where nobody lends."""

    lender: int
    tier: int  # of the tenant behind it, index of `agents.lender.TIERS`
    cents: int
    rate: float
    months: int


NOTHING = SignedLoan(lender=-1, tier=0, cents=0, rate=0.0, months=0)
