"""The tables a run prints: credit cycle, borrowers, what forced units fetched, where lenders' money went.

Runs stand in rows, so that scenarios printed side by side differ where one looks.
"""

from collections.abc import Callable, Sequence

from rich.table import Table

from agents.vocabulary import GENERATIONS
from experiments.command.anatomy_printout import printed_anatomy
from experiments.command.boom_printout import credit_cycles
from experiments.command.rich_table import heading, new_table, show
from experiments.command.streams import say
from experiments.measures.credit import CreditRecord
from experiments.measures.forced_sales import ForcedSale, all_columns
from experiments.runs.run import Finished
from experiments.runs.store import load_tables

SALE: list[tuple[str, Callable[[ForcedSale], str]]] = [
    ("offered", lambda sale: f"{sale.taken:,}"),
    ("in place", lambda sale: f"{sale.in_place:,}"),
    ("moved", lambda sale: f"{sale.moved:,}"),
    ("scrap", lambda sale: f"{sale.scrapped:,}"),
    ("unsold", lambda sale: f"{sale.unsold:,}"),
    ("V*", lambda sale: _usd(sale.best_use_value_usd)),
    ("Vb", lambda sale: _usd(sale.believed_value_usd)),
    ("p0", lambda sale: _usd(sale.first_lot_price_usd)),
    ("p", lambda sale: _usd(sale.price_usd) if sale.sold else f"{_usd(sale.price_usd)}?"),
    ("low – high", lambda sale: f"{_usd(sale.price_low_usd)}–{_usd(sale.price_high_usd)}"),
    ("V*-p0", lambda sale: _usd(sale.structural_gap_usd)),
    ("p0-p", lambda sale: _usd(sale.fire_sale_discount_usd)),
    ("d", lambda sale: _percent(sale.discount_share)),
    ("d normal", lambda sale: _percent(sale.discount_share_at_normal_volume)),
]
BRIDGE: list[tuple[str, Callable[[CreditRecord], str]]] = [
    ("loans", lambda credit: f"{credit.files:,}"),
    ("owed", lambda credit: _usd(credit.exposure_million_usd)),
    ("value", lambda credit: _usd(credit.value_at_default_million_usd)),
    ("-\ndecay", lambda credit: _usd(credit.decay_and_lost_income_million_usd)),
    ("-\nquality", lambda credit: _usd(credit.quality_million_usd)),
    ("-\ngap", lambda credit: _usd(credit.structural_gap_million_usd)),
    ("-\nfire sale", lambda credit: _usd(credit.fire_sale_discount_million_usd)),
    ("+\noperated", lambda credit: _usd(credit.operated_income_million_usd)),
    ("+\nother", lambda credit: _usd(credit.slot_and_other_million_usd)),
    ("-\ncosts", lambda credit: _usd(credit.costs_and_others_million_usd)),
    ("=\nrecovery", lambda credit: _usd(credit.recovery_million_usd)),
    ("loss", lambda credit: _usd(credit.loss_million_usd)),
    ("of owed", lambda credit: _percent(credit.loss_given_default)),
    ("of all", lambda credit: _percent(credit.loss_rate)),
    ("open", lambda credit: _usd(credit.open_exposure_million_usd)),
]


def print_runs(runs: Sequence[Finished]) -> None:
    """Print the runs' tables, or why there was no forced sale."""
    first = runs[0].manifest
    show(heading(f"{first['title']}: {first['weeks']} weeks, seed {first['seed']}"), *printed_tables(runs))
    if not any(done.sales for done in runs):
        sale = first["parameters"]
        late = sale["forced_sale.enabled"] and sale["forced_sale.week"] >= first["weeks"]
        why = (
            f"the sale is set for week {sale['forced_sale.week']}, after the last week"
            if late
            else "no lender sold"
        )
        say(f"No forced sale: {why}.")


def printed_tables(runs: Sequence[Finished]) -> list[Table]:
    """The credit cycle, borrowers, forced units with three prices and two gaps, the bridge to recovery, then why."""
    stored = [(run.label, all_columns(load_tables(run.folder))) for run in runs]
    tables = [credit_cycles(stored)]
    tables += [borrowers(runs)] if any(run.credit.borrowers for run in runs) else []
    tables += [forced_units(runs)] if any(run.sales for run in runs) else []
    tables += [bridge(runs)] if any(run.credit.files for run in runs) else []
    tables += printed_anatomy(stored)
    return tables


def borrowers(runs: Sequence[Finished]) -> Table:
    """Breaches and what came of them, defaults by cause, and what was taken: a row per run."""
    known = dict.fromkeys(cause for run in runs for cause in run.credit.causes)
    causes = [cause for cause in known if any(run.credit.causes.get(cause) for run in runs)]
    headers = ["borrowers", "breaches", "waived", "cured", "refused", "defaults", *causes]
    headers += ["amended", "enforced", "failed", "GPUs seized"]
    table = new_table("Borrowers (events; defaults by cause)", headers)
    table.caption = "refused: refinancing at a maturity or put; failed: borrowers enforced against."
    for run in runs:
        credit = run.credit
        counts = [credit.borrowers, credit.breaches, credit.waivers, credit.cures, credit.refusals]
        counts += [credit.defaults, *(credit.causes.get(cause, 0) for cause in causes)]
        counts += [credit.amendments, credit.enforcements, credit.failed, credit.seized_gpus]
        table.add_row(run.label, *(f"{count:,}" for count in counts))
    return table


def forced_units(runs: Sequence[Finished]) -> Table:
    """Forced sales by class, runs below each other within a class."""
    headers = ["class", *(header for header, _ in SALE)]
    table = new_table("Forced units (GPUs) and prices (USD per GPU)", headers)
    table.caption = (
        "V* best use at the conditional mean of rents, Vb as buyers believe it (p0 above V* is their optimism),\n"
        "p0 first lot, p price: means over units sold (?: quoted, none sold). V*-p0 structural gap, p0-p fire-sale discount,\n"
        "d = 1 - p/p0; d normal: against the price at the class's normal weekly volume."
    )
    rows = [(GENERATIONS.index(sale.generation), i) for i, run in enumerate(runs) for sale in run.sales]
    for generation, i in sorted(rows):
        (sale,) = (sale for sale in runs[i].sales if sale.generation == GENERATIONS[generation])
        table.add_row(runs[i].label, sale.generation, *(text(sale) for _, text in SALE))
    return table


def bridge(runs: Sequence[Finished]) -> Table:
    """From what was owed to what came back, loans whose collateral is gone: a row per run."""
    table = new_table(
        "Loss bridge of creditors, loans whose collateral is gone (million USD)", [h for h, _ in BRIDGE]
    )
    table.caption = (
        "value: collateral in best use at default; decay: with lost income; gap: structural; other: coins, cash, sites;\n"
        "costs: with what others got; of all: loss over all that was owed at the start; open: owed, units still stand."
    )
    for run in runs:
        table.add_row(run.label, *(text(run.credit) for _, text in BRIDGE))
    return table


def _usd(value: float) -> str:
    return f"{value:,.0f}" if value == value else "none"


def _percent(share: float) -> str:
    return f"{share:.1%}" if share == share else "none"
