"""Neo-clouds: they rent GPUs out, finance them with debt, and buy and replace hardware."""

import numpy as np

from agents.operating import (
    merchant_quote,
    place_bids,
    refresh_offers,
    slots_of,
    spendable,
    with_credit,
    worn_out,
)
from agents.party import Party
from agents.schema import Section, quantity
from agents.view import View
from agents.vocabulary import AgentKind, Intents, Ints, PoolKind, QuantityCap, Treasury

# More than any hall holds.
UNLIMITED_WATTS = 1e15


class NeoCloudParameters(Section):
    """What describes a neo-cloud."""

    reserve_months: float = quantity(3, "months of obligations", 1, 6, "cash kept back from orders and bids")
    bid_margin: float = quantity(
        0.10,
        "share of value",
        0,
        0.5,
        "value kept back in a bid for used units",
        "contracts.md 5.2 rule 5",
        relaxed_by="margins",
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


class NeoCloud(Party):
    """Fills its slots where a GPU earns most, replaces old units where power binds; in distress it gives up its orders."""

    kind = AgentKind.NEO_CLOUD
    section = "neo_clouds"

    @classmethod
    def decide_all(cls, view: View, rows: Ints, parameters: NeoCloudParameters) -> Intents:  # type: ignore[override]
        """Bids and refresh offers (contracts.md 5.2 rules 3 and 5).

        What it wants is what its halls have room for; what it bids is bounded by cash. New units without a contract must earn
        the merchant's hurdle.
        """
        cash = spendable(view, rows, parameters.reserve_months)
        nothing = np.zeros(len(rows), dtype=np.int64)
        slots = slots_of(view, rows, (PoolKind.PRIVATE, PoolKind.OPEN, PoolKind.IN_PLACE, PoolKind.FORWARD))
        bids = place_bids(
            view,
            slots,
            view.market.listed,
            merchant_quote(view, slots, view.market.listed),
            margin=parameters.bid_margin,
            watts_wanted=np.full(len(view.parties.cash_cents), UNLIMITED_WATTS),
            cash=with_credit(view, cash),
            cap=QuantityCap.APPETITE,
        )
        return Intents(
            sell=refresh_offers(
                view, rows, interval_weeks=parameters.review_weeks, share=parameters.review_share
            ),
            buy=bids,
            scrap=worn_out(view, rows),
            treasury=Treasury(rows, nothing, nothing, view.credit.distressed[rows].astype(np.int64), nothing),
        )
