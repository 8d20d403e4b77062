"""What became of borrowers and of their lenders' money in one run, read from its stored tables."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Columns = Mapping[str, np.ndarray[Any, np.dtype[Any]]]
CENTS_PER_MILLION = 1e8
# Causes of default in the order they are printed; `sim.lending.workout` and `sim.lending.forced_sale` name them.
CAUSES = ("maturity", "income", "lease", "tenant", "covenant", "scenario")


@dataclass(frozen=True, slots=True)
class CreditRecord:
    """Borrowers' troubles, counted in events, and lenders' losses, million USD.

    A default is an event of default; a borrower can have several, because most are amended. An enforcement is a default that
    was not. Money lines are those of the loss bridge over loans whose collateral is gone (liquidated files); the first
    identity of economics.md 13 holds as printed: ``value_at_default - decay_and_lost_income - quality - structural_gap -
    fire_sale_discount + operated_income + slot_and_other - costs_and_others = recovery``, and loss = exposure - recovery.

    Attributes
    ----------
    causes
        Defaults by cause.
    borrowers
        Operators that owe something in the first recorded week.
    failed
        Distinct borrowers enforced against.
    cures
        Breaches mended by prepayment, by owners' money, or by income within the cure period.
    foreclosed_gpus
        GPUs sold or broken up for lenders.
    opening_debt
        Owed by operators in the first recorded week.
    open_exposure
        Balance at default of files not yet closed.
    exposure
        Balance at default and interest since, of liquidated files.
    """

    borrowers: int
    breaches: int
    waivers: int
    amendments: int
    cures: int
    refusals: int
    defaults: int
    causes: dict[str, int]
    enforcements: int
    failed: int
    seized_gpus: int
    foreclosed_gpus: int
    opening_debt_million_usd: float
    open_exposure_million_usd: float
    files: int
    exposure_million_usd: float
    value_at_default_million_usd: float
    decay_and_lost_income_million_usd: float
    quality_million_usd: float
    structural_gap_million_usd: float
    fire_sale_discount_million_usd: float
    operated_income_million_usd: float
    slot_and_other_million_usd: float
    costs_and_others_million_usd: float
    recovery_million_usd: float
    loss_million_usd: float

    @property
    def loss_given_default(self) -> float:
        """Loss over exposure of liquidated files; NaN without one."""
        return (
            self.loss_million_usd / self.exposure_million_usd
            if self.exposure_million_usd > 0
            else float("nan")
        )

    @property
    def loss_rate(self) -> float:
        """Loss on liquidated files over what operators owed at the start."""
        return (
            self.loss_million_usd / self.opening_debt_million_usd
            if self.opening_debt_million_usd > 0
            else 0.0
        )

    @property
    def open_exposure_rate(self) -> float:
        """Balance in open files over what operators owed at the start."""
        return (
            self.open_exposure_million_usd / self.opening_debt_million_usd
            if self.opening_debt_million_usd > 0
            else 0.0
        )


# Line of the record -> columns of the loss bridge with their signs.
LINES: dict[str, dict[str, int]] = {
    "exposure_million_usd": {"exposure_cents": 1},
    "value_at_default_million_usd": {"value_at_default_cents": 1},
    "decay_and_lost_income_million_usd": {"decay_cents": 1, "lost_income_cents": 1},
    "quality_million_usd": {"quality_cents": 1},
    "structural_gap_million_usd": {"structural_gap_cents": 1},
    "fire_sale_discount_million_usd": {"fire_sale_discount_cents": 1},
    "operated_income_million_usd": {"operated_income_cents": 1},
    "slot_and_other_million_usd": {"slot_proceeds_cents": 1, "other_receipts_cents": 1},
    "costs_and_others_million_usd": {"costs_and_liens_cents": 1, "paid_to_others_cents": 1, "held_cents": 1},
    "recovery_million_usd": {"recovery_cents": 1},
    "loss_million_usd": {"loss_cents": 1},
}


def credit_record(tables: Mapping[str, Columns]) -> CreditRecord:
    """The record of a run.

    Parameters
    ----------
    tables
        Table -> column -> values: what `FireSaleModel.tables` returns, or stored tables as arrays.
    """
    events = tables.get("events")
    kinds = Counter(events["kind"].tolist()) if events is not None else Counter[str]()
    bridge = tables["loss_bridge"]
    closed = bridge["outcome"] == "liquidated"
    money = {
        line: sum(sign * float(bridge[column][closed].sum()) for column, sign in parts.items())
        / CENTS_PER_MILLION
        for line, parts in LINES.items()
    }
    debtors, owed = _opening_debt(tables)
    return CreditRecord(
        borrowers=debtors,
        breaches=kinds["covenant_breach"],
        waivers=kinds["waiver"],
        amendments=kinds["amendment"],
        cures=kinds["equity_cure"] + kinds["cured_by_prepayment"] + kinds["cured"],
        refusals=kinds["refinancing_refused"],
        defaults=kinds["default"],
        causes=_causes(events),
        enforcements=kinds["workout"],
        failed=len(set(_of_kind(events, "workout", "party"))),
        seized_gpus=sum(_of_kind(events, "possession", "quantity")),
        foreclosed_gpus=sum(_of_kind(events, "collateral_sale", "quantity")),
        opening_debt_million_usd=owed,
        open_exposure_million_usd=float(bridge["exposure_cents"][bridge["outcome"] == "open"].sum())
        / CENTS_PER_MILLION,
        files=int(closed.sum()),
        **money,
    )


def _of_kind(events: Columns | None, kind: str, column: str) -> list[Any]:
    if events is None:
        return []
    values: list[Any] = events[column][events["kind"] == kind].tolist()
    return values


def _causes(events: Columns | None) -> dict[str, int]:
    found = Counter(str(cause) for cause in _of_kind(events, "default", "detail"))
    known = {cause: found.pop(cause, 0) for cause in CAUSES}
    return known | dict(sorted(found.items()))


def _opening_debt(tables: Mapping[str, Columns]) -> tuple[int, float]:
    """Number of operators that owe in the first recorded week, and what they owe, million USD."""
    agents, loans = tables["agents"], tables["loans"]
    operators = np.unique(agents["party"][np.isin(agents["type"], ("miner", "neo_cloud"))])
    first = loans["week"] == (loans["week"].min() if len(loans["week"]) else 0)
    own = first & np.isin(loans["debtor"], operators) & (loans["balance_cents"] > 0)
    return len(np.unique(loans["debtor"][own])), float(loans["balance_cents"][own].sum()) / CENTS_PER_MILLION
