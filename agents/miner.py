"""Miners: they run machines or host others, hold bitcoin, and own the cheap powered slots."""

from dataclasses import replace
from typing import ClassVar

import numpy as np

from agents.operating import Quotes, Slots, place_bids, quote, refresh_offers, slots_of, spendable, worn_out
from agents.party import Party
from agents.schema import Needs, Section, quantity
from agents.view import View
from agents.vocabulary import (
    DAYS_PER_WEEK,
    DAYS_PER_YEAR,
    HOURS_PER_WEEK,
    MONTHS_PER_YEAR,
    PRODUCT_GENERATION,
    PRODUCT_UNIT,
    SATOSHI,
    WEEKS_PER_YEAR,
    AgentKind,
    Bools,
    BuyIntents,
    ConvertOrders,
    Intents,
    Ints,
    LotStatus,
    PoolKind,
    QuantityCap,
    Treasury,
)


class MinerParameters(Section):
    """What describes a miner."""

    needs: ClassVar[Needs] = {
        "miners.convertible_scale > 0": (
            "convertible_coupon convertible_put_years convertible_premium convertible_*_months"
        ),
        "miners.bitcoin_pledged_share > 0": "bitcoin_loan_*",
        "world.miner_bitcoin_scale > 0": "bitcoin_pledged_share",
    }

    fleet_efficiency_j_per_th: float = quantity(
        20, "J/TH", 12, 36, "energy per terahash of the mining fleet", "2026 fleets; S19 XP 21.5", "C"
    )
    bitcoin_hold_share: float = quantity(0.3, "share", 0, 1, "share of mined coins kept after bills")
    coin_sale_weeks: int = quantity(
        52, "weeks", 13, 156, "over which the coins it does not keep are sold, in equal parts of what is left"
    )
    pressed_months: float = quantity(
        1.0,
        "months of obligations",
        0.25,
        3,
        "with less in cash and free coins it sells free GPUs, and then machines",
        "contracts.md 5.1 rule 6: four weeks",
        "design",
    )
    reserve_months: float = quantity(2, "months of obligations", 0, 12, "cash kept back before bidding")
    bid_margin: float = quantity(
        0.10, "share of value", 0, 0.5, "value kept back in a bid for used units", relaxed_by="margins"
    )
    review_weeks: int = quantity(26, "weeks", 4, 104, "how often a miner reviews its fleet for replacement")
    review_share: float = quantity(0.10, "share of a lot", 0.01, 1, "part of a lot offered at a review")
    deal_weeks: int = quantity(
        13, "weeks", 4, 52, "how often a miner considers leasing a hall out: a deal, not a weekly flow"
    )
    conversion_hurdle: float = quantity(
        1.3, "multiple", 1, 2, "gain over cost at which mining watts are given up (option premium)"
    )
    leased_shell_share: float = quantity(
        1.0, "share of watts", 0, 1, "of what stands in a miner's converted hall, leased as a whole shell"
    )
    shell_lease_usd_per_kw_month: float = quantity(
        120, "USD per kW-month", 50, 217, "rent of a powered shell", "eight leases: 114-198", "C"
    )
    lease_margin: float = quantity(
        0.85, "share of rent", 0.7, 0.9, "net operating income of a leased shell", "public project list", "C"
    )
    asic_years_of_revenue: float = quantity(
        1.0, "years", 0, 3, "what mining machines fetch, in years of their gross revenue"
    )
    machine_life_years: float = quantity(
        4, "years", 2, 8, "years of mining margin a miner counts on before it gives the watts up"
    )
    growth_share: float = quantity(
        0.05,
        "share of own watts a week",
        0,
        1,
        "most watts a miner sets out to fill in one week",
        relaxed_by="order_limits",
    )
    convertible_scale: float = quantity(
        1.0, "ratio", 0, 2, "convertible notes over those cited", "filings, 2025-26", "B"
    )
    convertible_coupon: float = quantity(0.01, "per year", 0, 0.045, "coupon", "0-4.5 %, 2025-26 deals", "B")
    convertible_put_years: float = quantity(3, "years", 1.5, 5, "from issue to the holder's put")
    convertible_youngest_months: int = quantity(
        10,
        "months",
        0,
        60,
        "age of the newest convertible in week 0",
        "issued November 2024 to December 2025",
        "B",
    )
    convertible_oldest_months: int = quantity(
        23,
        "months",
        0,
        60,
        "age of the oldest convertible in week 0",
        "issued November 2024 to December 2025",
        "B",
    )
    bitcoin_pledged_share: float = quantity(0.5, "share of coins", 0, 1, "coins pledged to a bitcoin loan")
    bitcoin_loan_to_value: float = quantity(
        0.57, "share", 0.4, 0.7, "bitcoin loan at the start and after a call", "filings, 2025", "B"
    )
    bitcoin_loan_tenor_months: int = quantity(
        12, "months", 4, 36, "tenor of a new bitcoin loan; those of week 0 end within it"
    )
    bitcoin_loan_call: float = quantity(
        0.75, "share", 0.7, 0.8, "loan-to-value at a call", "filing, 2021", "A"
    )
    bitcoin_loan_liquidation: float = quantity(
        0.85, "share", 0.8, 0.9, "loan-to-value at which the lender sells without a cure"
    )
    convertible_premium: float = quantity(
        0.3, "share", 0.225, 0.425, "conversion price over the share price at issue", "2025-26 deals", "B"
    )
    bitcoin_loan_slip: float = quantity(0.01, "share", 0, 0.1, "price given up when a lender sells coins")
    bitcoin_loan_rate: float = quantity(0.0825, "per year", 0.0775, 0.1075, "rate", "filing, 2025", "B")


class Miner(Party):
    """Mines while it pays, sells coins for bills, and fills idle or displaced watts with used GPUs."""

    kind = AgentKind.MINER
    section = "miners"

    @classmethod
    def decide_all(cls, view: View, rows: Ints, parameters: MinerParameters) -> Intents:  # type: ignore[override]
        """Treasury first (contracts.md 5.1 rule 2), then bids for idle and displaced watts (rules 3 and 5)."""
        cash = spendable(view, rows, parameters.reserve_months)
        own = np.zeros(len(view.parties.cash_cents))
        np.add.at(
            own,
            view.pools.holder[view.pools.holder >= 0],
            (view.pools.free_watts + view.pools.mining_watts)[view.pools.holder >= 0],
        )
        wanted = own * parameters.growth_share
        slots = slots_of(view, rows, (PoolKind.PRIVATE, PoolKind.OPEN, PoolKind.IN_PLACE, PoolKind.DISPLACED))
        quotes = quote(view, slots, view.market.listed)
        displaced = view.pools.kind[slots.pool] == PoolKind.DISPLACED
        if displaced.any() and len(view.market.listed):
            # A displaced watt costs the mining margin forgone and the retrofit, with an option premium on both.
            generation = PRODUCT_GENERATION[view.market.listed]
            given_up = (
                mining_value_per_watt(view, slots.pool, slots.party, parameters)
                + view.terms.retrofit_usd_per_watt
            )
            loss = np.where(displaced, given_up * parameters.conversion_hurdle, 0.0)
            net = quotes.net_usd - loss[:, None] * view.hardware.watts[generation][None, :]
            quotes = type(quotes)(net, quotes.delay_usd, quotes.allowed & (net > 0))
        convert = cls._convert(view, slots, quotes, cash, parameters)
        # What the works of a conversion may cost is not bid with.
        works = np.ceil(convert.watts * view.terms.retrofit_usd_per_watt * 100.0).astype(np.int64)
        np.subtract.at(cash, convert.party, works)
        bids = place_bids(
            view,
            slots,
            view.market.listed,
            quotes,
            margin=parameters.bid_margin,
            watts_wanted=wanted,
            cash=np.maximum(cash, 0),
            cap=QuantityCap.APPETITE,
        )
        return Intents(
            sell=refresh_offers(
                view,
                rows,
                interval_weeks=parameters.review_weeks,
                share=parameters.review_share,
                pressed=pressed(view, parameters),
            ),
            buy=with_retrofit_paid(view, bids),
            scrap=worn_out(view, rows),
            treasury=cls._treasury(view, rows, parameters),
            convert=convert,
        )

    @staticmethod
    def _convert(
        view: View, slots: Slots, quotes: Quotes, cash: Ints, parameters: MinerParameters
    ) -> ConvertOrders:
        """Mine, host or own (contracts.md 5.1 rule 3): lease a mining hall out where that gains most per watt.

        Hosting gains ``lease NOI x annuity - mining value - hurdle x capex``; owning gains the best bid over the last price,
        which is net of the same. A hall is leased only if it gains at all and more than GPUs of the miner's own would.
        """
        turn = (slots.party + view.week) % parameters.deal_weeks == 0
        hall = np.flatnonzero(turn & (view.pools.kind[slots.pool] == PoolKind.DISPLACED))
        pool, party = slots.pool[hall], slots.party[hall]
        rate = view.parties.discount_rate[party]
        rent = parameters.shell_lease_usd_per_kw_month * MONTHS_PER_YEAR / 1000.0 * parameters.lease_margin
        years = -np.expm1(-rate * view.terms.shell_lease_years) / rate
        hosting = rent * years * np.exp(-rate * view.pools.wait_weeks[pool] / WEEKS_PER_YEAR)
        hosting -= mining_value_per_watt(view, pool, party, parameters)
        hosting -= view.terms.retrofit_usd_per_watt * parameters.conversion_hurdle
        owning = np.zeros(len(hall))
        if len(view.market.listed):
            paid = view.market.price_usd[view.market.listed[None, :], pool[:, None]]
            gain = quotes.net_usd[hall] * (1.0 - parameters.bid_margin) - paid
            gain = (
                np.where(quotes.allowed[hall], gain, 0.0)
                / view.hardware.watts[PRODUCT_GENERATION[view.market.listed]]
            )
            owning = np.maximum(gain.max(axis=1), 0.0)
        pays = (hosting > 0) & (hosting > owning)
        watts = np.minimum(
            view.pools.mining_watts[pool] * parameters.growth_share,
            cash[party] / 100.0 / view.terms.retrofit_usd_per_watt,
        )
        keep = pays & (watts >= 1000)
        return ConvertOrders(party[keep], pool[keep], np.floor(watts[keep]).astype(np.int64))

    @staticmethod
    def _treasury(view: View, rows: Ints, parameters: MinerParameters) -> Treasury:
        """Sell coins until the reserve is held, and of the rest a share each week."""
        floor = view.parties.obligations_cents[rows] * parameters.reserve_months
        short = np.maximum(floor - view.parties.cash_cents[rows], 0.0)
        coin = view.bitcoin.price_usd * 100.0 / SATOSHI
        needed = np.ceil(short / coin).astype(np.int64)
        unkept = view.parties.bitcoin_satoshi[rows] * (1.0 - parameters.bitcoin_hold_share)
        spare = np.floor(unkept / parameters.coin_sale_weeks).astype(np.int64)
        sold = np.minimum(np.maximum(needed, spare), view.parties.bitcoin_satoshi[rows])
        nothing = np.zeros(len(rows), dtype=np.int64)
        return Treasury(rows, sold, nothing, nothing, machines_to_sell(view, rows, parameters))


def with_retrofit_paid(view: View, bids: BuyIntents) -> BuyIntents:
    """No more units in displaced pools than the cash behind a bid pays for, retrofit included, at the bid's own limit.

    The retrofit falls due with the purchase, and nobody lends for it.
    """
    displaced = view.pools.kind[bids.pool] == PoolKind.DISPLACED
    retrofit = (
        view.terms.retrofit_usd_per_watt * view.hardware.watts[PRODUCT_GENERATION[bids.product]] * 100.0
    )
    each = np.maximum(np.floor(bids.value_cents * (1.0 - bids.margin)) + np.ceil(retrofit), 1.0)
    unit = PRODUCT_UNIT[bids.product]
    most = np.floor(bids.cash_cents / each).astype(np.int64) // unit * unit
    return replace(bids, wanted=np.where(displaced, np.minimum(bids.wanted, most), bids.wanted))


def pressed(view: View, parameters: MinerParameters) -> Bools:
    """Parties whose cash and free coins do not last `pressed_months` (contracts.md 5.1 rule 6)."""
    coins = view.parties.bitcoin_satoshi / SATOSHI * view.bitcoin.price_usd * 100.0
    return np.asarray(
        view.parties.obligations_cents * parameters.pressed_months > view.parties.cash_cents + coins
    )


def machines_to_sell(view: View, rows: Ints, parameters: MinerParameters) -> Ints:
    """The last defence before default: mining machines for what is missing, once no free GPU is left to sell; IT watts."""
    free = np.zeros(len(view.parties.cash_cents), dtype=np.int64)
    loose = (view.lots.lien < 0) & (view.lots.status <= LotStatus.IDLE)
    np.add.at(free, view.lots.owner[loose], view.lots.quantity[loose])
    missing = (
        np.maximum(
            view.parties.obligations_cents[rows] * parameters.pressed_months - view.parties.cash_cents[rows],
            0,
        )
        / 100.0
    )
    per_watt = view.bitcoin.hashprice_usd_per_ph_day * DAYS_PER_YEAR * parameters.asic_years_of_revenue
    per_watt /= parameters.fleet_efficiency_j_per_th * 1000.0
    last = pressed(view, parameters)[rows] & (free[rows] == 0) & ~view.credit.failed[rows]
    watts = np.ceil(missing / per_watt) if per_watt > 0 else np.zeros(len(rows))
    return np.asarray(np.where(last, watts, 0.0), dtype=np.int64)


def mining_value_per_watt(view: View, pool: Ints, party: Ints, parameters: MinerParameters) -> np.ndarray:
    """Present value of the mining margin of one IT watt over a machine's life, USD.

    Per PH/s and day the machine earns hashprice and burns ``24 e p PUE / 1000`` of power; never below zero, because
    a machine under water is simply off.
    """
    per_watt_week = (
        view.bitcoin.hashprice_usd_per_ph_day
        / (parameters.fleet_efficiency_j_per_th * 1000.0)
        * DAYS_PER_WEEK
    )
    power_week = view.pools.power_usd_per_kwh[pool] * view.pools.pue[pool] * HOURS_PER_WEEK / 1000.0
    margin = np.maximum(per_watt_week - power_week, 0.0) * WEEKS_PER_YEAR
    rate = view.parties.discount_rate[party]
    return np.asarray(margin * (1.0 - np.exp(-rate * parameters.machine_life_years)) / rate)
