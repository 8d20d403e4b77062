"""The anatomy of the discount as the command prints it."""

from collections.abc import Callable, Mapping, Sequence

from rich.table import Table

from experiments.command.rich_table import new_table
from experiments.measures.anatomy import (
    PARTS,
    ROWS,
    Breakdown,
    Frictions,
    Share,
    breakdowns,
    frictions,
    main_class,
    part_name,
)
from experiments.measures.forced_sales import Columns
from sim.discount.shapley import GAMES


def printed_anatomy(runs: Sequence[tuple[str, Mapping[str, Columns]]]) -> list[Table]:
    """The breakdown of the class most sold in each run, and the Shapley values of that class."""
    pairs = [
        (breakdown, next((f for f in frictions(label, tables) if f.generation == breakdown.generation), None))
        for label, tables in runs
        if (breakdown := main_class(breakdowns(label, tables))) is not None
    ]
    if not pairs:
        return []
    tables = [_components([breakdown for breakdown, _ in pairs])]
    known = [friction for _, friction in pairs if friction is not None]
    played = {game: [each for each in known if game in each.shares] for game in GAMES}
    return tables + [_shapley(game, found) for game, found in played.items() if found]


def _components(found: Sequence[Breakdown]) -> Table:

    headers = [f"{each.label}\n{each.generation}" for each in found]
    table = new_table(
        "Anatomy of the class most sold under mandate (USD per GPU)", headers, first="from V* to p"
    )
    table.caption = (
        "V* less every part is p. beliefs: value at the conditional mean of rents less as the buyer believes, below 0 where\n"
        "it expects more. State effect: p0 of the first run of the class less this p0. Mark: the lender's appraisal over the\n"
        "best use of a clean unit, of which past sale prices and staleness. No bid: share of units offered that no bid reached."
    )
    calm: dict[str, float] = {}
    for each in found:
        calm.setdefault(each.generation, each.first_lot_price_usd)
    parts = [name for name in PARTS if any(abs(each.parts_usd[name]) >= 0.5 for each in found)]
    rows: list[tuple[str, Callable[[Breakdown], float]]] = [
        ("units sold", lambda each: each.sold),
        ("best use V*", lambda each: each.best_use_value_usd),
        *((f"- {part_name(name)}", lambda each, name=name: each.parts_usd[name]) for name in parts),
        ("= price p", lambda each: each.price_usd),
        ("first lot p0", lambda each: each.first_lot_price_usd),
        ("state effect", lambda each: calm[each.generation] - each.first_lot_price_usd),
        ("mark over best use", lambda each: each.appraisal_usd - each.clean_best_use_value_usd),
        ("  past sale prices", lambda each: each.contamination_usd),
        ("  staleness", lambda each: each.staleness_usd),
    ]
    for name, number in rows:
        table.add_row(name, *(f"{number(each):,.0f}" for each in found))
    table.add_row("no bid", *(f"{each.no_bid_share:.0%}" for each in found))
    return table


def _shapley(game: str, found: Sequence[Frictions]) -> Table:

    what = {
        "level": "of the price: what relaxing each friction adds (sums to V* - p)",
        "impact": "of the fire-sale discount: what relaxing each friction takes off (sums to p0 - p)",
    }
    headers = [f"{each.label}\n{each.generation}" for each in found]
    table = new_table(f"Shapley values {what[game]} (USD per GPU)", headers, first="friction")
    table.caption = (
        "value (± standard error where orders are sampled); below it the least and largest contribution in any order taken.\n"
        "Means over units sold."
    )
    for family in ROWS:
        shares = [each.shares[game][family] for each in found]
        if any(share.low_usd or share.high_usd for share in shares):
            table.add_row(part_name(family), *map(_told, shares))
    return table


def _told(share: Share) -> str:
    if share.low_usd == share.high_usd:
        return f"{share.value_usd:,.0f}"
    error = f" ±{share.error_usd:,.0f}" if share.error_usd else ""
    return f"{share.value_usd:,.0f}{error}\n{share.low_usd:,.0f} – {share.high_usd:,.0f}"
