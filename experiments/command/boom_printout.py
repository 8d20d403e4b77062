"""The credit cycle of runs as a table: what was built, who lent for it on what terms, and when it falls due."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.table import Table

from experiments.command.rich_table import new_table
from experiments.measures.boom import Year, credit_cycle

LINES: list[tuple[str, Callable[[Year], str]]] = [
    ("year to", lambda year: year.ends),
    ("loans", lambda year: _billion(year.equipment_debt_usd)),
    ("notes", lambda year: _billion(year.notes_usd)),
    ("halls", lambda year: _billion(year.hall_debt_usd)),
    ("signed", lambda year: _billion(year.signed_usd)),
    ("undrawn", lambda year: _billion(year.undrawn_usd)),
    ("due 1 y", lambda year: _billion(year.due_in_a_year_usd)),
    ("3 y", lambda year: _billion(year.due_in_three_years_usd)),
    ("GPUs\nordered", lambda year: f"{year.ordered_gpus:,.0f}"),
    ("MW\nnew", lambda year: f"{year.energised_mw:,.0f}"),
    ("contr-\nacted", lambda year: _share(year.contracted_share)),
    ("years\nleft", lambda year: _number(year.contract_years_left, 1)),
    ("DSCR0", lambda year: _number(year.sizing_coverage, 2)),
    ("ad-\nvance", lambda year: _share(year.advance)),
    ("spread\nbp", lambda year: _number(year.spread_bps, 0)),
    ("= loss", lambda year: _number(year.expected_loss_bps, 0)),
    ("+ cap-\nital", lambda year: _number(year.capital_bps, 0)),
    ("+ fund-\ning", lambda year: _number(year.funding_bps, 0)),
    ("hedge", lambda year: _share(year.hedge_share)),
    ("specu-\nlative", lambda year: _share(year.speculative_share)),
    ("Ponzi", lambda year: _share(year.ponzi_share)),
]


def credit_cycles(runs: Sequence[tuple[str, Mapping[str, Mapping[str, Any]]]]) -> Table:
    """A row per run and year; runs are given by name and tables."""
    table = new_table("Building and credit (billion USD)", [header for header, _ in LINES])
    table.caption = (
        "loans: on equipment; signed: loans of the year; due: principal of the next year and three years;\n"
        "DSCR0, advance and spread: asked of mixed tenants; hedge, speculative, Ponzi: shares of debt whose income pays\n"
        "principal and interest, interest alone, neither."
    )
    for label, tables in runs:
        for year in credit_cycle(tables):
            table.add_row(label, *(text(year) for _, text in LINES))
    return table


def _billion(usd: float) -> str:
    return f"{usd / 1e9:,.1f}"


def _share(share: float) -> str:
    return f"{share:.0%}" if share == share else "none"


def _number(value: float, digits: int) -> str:
    return f"{value:,.{digits}f}" if value == value else "none"
