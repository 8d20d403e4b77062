"""Neo-clouds: they rent GPUs out, finance them with debt, and buy and replace hardware."""

from typing import ClassVar

import numpy as np

from agents.operating import (
    place_bids,
    quote,
    refresh_offers,
    slots_of,
    spendable,
    with_credit,
    worn_out,
)
from agents.party import Party
from agents.schema import Needs, Section, quantity, setting
from agents.view import View
from agents.vocabulary import AgentKind, Intents, Ints, PoolKind, QuantityCap, Treasury


class NeoCloudParameters(Section):
    """What describes a neo-cloud."""

    needs: ClassVar[Needs] = {
        "neo_clouds.notes_share > 0": (
            "notes_spread notes_tenor_years notes_earliest_months notes_latest_months"
        ),
        "neo_clouds.payout_share > 0": "restricted_payments",
    }

    reserve_months: float = quantity(2, "months of obligations", 1, 6, "cash kept back before bidding")
    bid_margin: float = quantity(
        0.10,
        "share of value",
        0,
        0.5,
        "value kept back in a bid for used units",
        "contracts.md 5.2 rule 5",
        relaxed_by="margins",
    )
    growth_share: float = quantity(
        0.01,
        "share of own watts a week",
        0,
        1,
        "most watts a neo-cloud sets out to fill in one week",
        relaxed_by="order_limits",
    )
    smallest_want_watts: float = quantity(
        1e6,
        "IT watts a week",
        0,
        1e9,
        "least a neo-cloud sets out to fill, however small its fleet",
        relaxed_by="order_limits",
    )
    review_weeks: int = quantity(
        26, "weeks", 4, 104, "how often a neo-cloud reviews its fleet for replacement"
    )
    review_share: float = quantity(0.10, "share of a lot", 0.01, 1, "part of a lot offered at a review")
    shell_lease_usd_per_kw_month: float = quantity(
        120,
        "USD per kW-month",
        0,
        217,
        "lease of its own halls, owed whether used or not",
        "leases 114-198",
        "C",
    )
    notes_share: float = quantity(
        0.42,
        "share of total debt",
        0,
        0.8,
        "unsecured notes repaid at the end",
        "filing, June 2026: 2031 and after",
        "B",
    )
    notes_spread: float = quantity(
        0.055, "per year", 0.03, 0.1, "spread of notes over SOFR", "9.25 % notes, 2025", "B"
    )
    notes_tenor_years: float = quantity(5, "years", 2, 10, "tenor of new notes", "2025-26 notes", "B")
    notes_per_issuer: int = quantity(
        4, "notes", 1, 12, "issues of equal size an issuer has outstanding in week 0"
    )
    notes_earliest_months: int = quantity(
        44,
        "months",
        1,
        120,
        "first maturity of the notes in week 0",
        "filings: June 2030 to October 2032",
        "B",
    )
    notes_latest_months: int = quantity(
        72,
        "months",
        1,
        120,
        "last maturity of the notes in week 0",
        "filings: June 2030 to October 2032",
        "B",
    )
    payout_share: float = quantity(
        0.25, "share each time", 0, 1, "cash above the reserve paid to owners or spent outside this market"
    )
    payout_weeks: int = quantity(4, "weeks", 1, 13, "from one such payout to the next")
    restricted_payments: bool = setting(
        True, "owners are paid no more than net worth has grown, as notes of 2025-26 restrict payments"
    )


class NeoCloud(Party):
    """Fills its slots where a GPU earns most, replaces old units where power binds; in distress it gives up its orders."""

    kind = AgentKind.NEO_CLOUD
    section = "neo_clouds"

    @classmethod
    def decide_all(cls, view: View, rows: Ints, parameters: NeoCloudParameters) -> Intents:  # type: ignore[override]
        """Bids, refresh offers and payout (contracts.md 5.2 rules 3 and 5)."""
        cash = spendable(view, rows, parameters.reserve_months)
        nothing = np.zeros(len(rows), dtype=np.int64)
        payout = np.zeros(len(rows), dtype=np.int64)
        if view.week % parameters.payout_weeks == 0:
            payout = np.floor(cash[rows] * parameters.payout_share).astype(np.int64)
            if parameters.restricted_payments:
                payout = np.minimum(payout, view.credit.gain_cents[rows])
            cash[rows] -= payout
        wanted = np.maximum(
            view.parties.fleet_watts * parameters.growth_share, parameters.smallest_want_watts
        )
        slots = slots_of(view, rows, (PoolKind.PRIVATE, PoolKind.OPEN, PoolKind.IN_PLACE, PoolKind.FORWARD))
        bids = place_bids(
            view,
            slots,
            view.market.listed,
            quote(view, slots, view.market.listed),
            margin=parameters.bid_margin,
            watts_wanted=wanted.astype(np.float64),
            cash=with_credit(view, cash),
            cap=QuantityCap.APPETITE,
        )
        return Intents(
            sell=refresh_offers(
                view, rows, interval_weeks=parameters.review_weeks, share=parameters.review_share
            ),
            buy=bids,
            scrap=worn_out(view, rows),
            treasury=Treasury(rows, nothing, payout, view.credit.distressed[rows].astype(np.int64), nothing),
        )
