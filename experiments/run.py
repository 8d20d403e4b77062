"""One run, or one scenario with all its arms: simulate, store, draw, and print what a forced sale cost.

The tables are stored before anything is drawn from them, and figures and the printed table are made from what was stored, so
nothing that was computed is lost to a fault in a figure.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments import store, tables
from experiments.scenario import Scenario
from sim.parameters import ParameterError, Parameters

if TYPE_CHECKING:
    from rich.table import Table

    from sim.model import FireSaleModel

DEFAULT_ARM = "default"  # the scenario itself, without the changes of an arm


class RunError(Exception):
    """The model stopped; the message is one line and names the week."""


@dataclass(frozen=True, slots=True)
class Finished:
    """A stored run: its arm, folder and manifest, and what came of its forced sales."""

    arm: str
    folder: Path
    manifest: dict[str, Any]
    sales: list[tables.ForcedSale]


def simulate(
    parameters: Parameters,
    seed: int,
    *,
    replication: int = 0,
    on_week: Callable[[int], None] = lambda week: None,
) -> "FireSaleModel":
    """Run the model over `parameters.clock.weeks` weeks.

    Parameters
    ----------
    on_week
        Called after every week with the number of weeks lived.

    Raises
    ------
    RunError
        If the world cannot be built or a week cannot be completed.
    """
    from sim.model import FireSaleModel

    try:
        model = FireSaleModel(parameters, rng=seed, replication=replication)
    except ParameterError:
        raise
    except (ValueError, KeyError, OSError) as error:
        raise RunError(f"the world cannot be built: {_line(error)}") from error
    for week in range(parameters.clock.weeks):
        try:
            model.run_for(1)
        except Exception as error:
            raise RunError(f"stopped in week {week} with {type(error).__name__}: {_line(error)}") from error
        on_week(week + 1)
    return model


def run_arm(
    scenario: Scenario,
    arm: str,
    parameters: Parameters,
    seed: int,
    folder: Path,
    *,
    replication: int = 0,
    on_week: Callable[[int], None] = lambda week: None,
) -> dict[str, Any]:
    """Simulate one arm and save it into `folder`, a place given by `experiments.store.writing`; returns the manifest."""
    began = time.perf_counter()
    model = simulate(parameters, seed, replication=replication, on_week=on_week)
    manifest = {
        "scenario": scenario.name,
        "title": scenario.title,
        "arm": arm,
        "seed": seed,
        "replication": replication,
        "weeks": parameters.clock.weeks,
        "parameters": parameters.flat(),
        **store.provenance(),
        "timings": {
            "seconds": round(time.perf_counter() - began, 3),
            "phases": {name: round(seconds, 4) for name, seconds in model.timings.items()},
        },
    }
    return store.save(folder, model.tables(), model.columns(), manifest)


def run_scenario(
    scenario: Scenario,
    arms: Sequence[str],
    seed: int,
    folder: Path,
    *,
    settings: Iterable[str] = (),
    overwrite: bool = False,
    on_arm: Callable[[str, int], Callable[[int], None]] = lambda arm, weeks: lambda week: None,
) -> list[Finished]:
    """Run arms of a scenario with one seed, and store them as one folder (one arm) or one folder with a folder per arm.

    Parameters
    ----------
    arms
        Names of arms; ``"default"`` is the scenario without any.
    on_arm
        Called before each arm with its name and length; returns the callback for its weeks.
    """
    # Bad input is found before the first week of the first arm is paid for.
    planned = [(arm, scenario.parameters(None if arm == DEFAULT_ARM else arm, settings)) for arm in arms]
    with store.writing(folder, overwrite=overwrite) as scratch:
        for arm, parameters in planned:
            place = scratch if len(planned) == 1 else scratch / arm
            run_arm(scenario, arm, parameters, seed, place, on_week=on_arm(arm, parameters.clock.weeks))
    return [finished(folder if len(planned) == 1 else folder / arm) for arm, _ in planned]


def finished(folder: Path) -> Finished:
    """A stored run and what came of its forced sales."""
    manifest = store.load_manifest(folder)
    return Finished(manifest["arm"], folder, manifest, tables.forced_sales(store.load_tables(folder)))


def printed_tables(runs: Sequence[Finished]) -> "list[Table]":
    """What became of the forced units, three prices, and the two gaps between them; a row per arm and class."""
    return [_quantities(runs), _prices(runs), _gaps(runs)]


def _quantities(runs: Sequence[Finished]) -> "Table":
    table = _table(
        "Forced units (GPUs)",
        ["weeks", "offered", "in place", "moved", "scrap", "unsold"],
    )
    for run, sale in _rows(runs):
        counts = (sale.taken, sale.in_place, sale.moved, sale.scrapped, sale.unsold)
        span = f"{sale.first_week}–{sale.last_week}"
        table.add_row(run.arm, sale.generation, span, *(f"{count:,}" for count in counts))
    return table


def _prices(runs: Sequence[Finished]) -> "Table":
    headers = ["V*\nbest use", "p0\nfirst lot", "p\nprice", "p\nlow – high"]
    table = _table("Prices (USD per GPU, mean over units sold)", headers)
    for run, sale in _rows(runs):
        table.add_row(
            run.arm,
            sale.generation,
            _usd(sale.reference_value),
            _usd(sale.first_lot_price),
            _usd(sale.price) if sale.sold else f"{_usd(sale.price)} (quoted)",
            f"{_usd(sale.price_low)} – {_usd(sale.price_high)}",
        )
    return table


def _gaps(runs: Sequence[Finished]) -> "Table":
    headers = [
        "V* - p0\nstructural",
        "share\nof V*",
        "p0 - p\nfire-sale",
        "share\nof p0",
        "at normal\nvolume",
    ]
    table = _table("Losses: structural gap and fire-sale discount (USD per GPU)", headers)
    for run, sale in _rows(runs):
        table.add_row(
            run.arm,
            sale.generation,
            _usd(sale.structural_gap),
            _percent(sale.structural_share),
            _usd(sale.fire_sale_discount),
            _percent(sale.discount_share),
            _percent(sale.discount_share_at_normal_volume),
        )
    return table


def _rows(runs: Sequence[Finished]) -> list[tuple[Finished, tables.ForcedSale]]:
    return [(run, sale) for run in runs for sale in run.sales]


def _table(title: str, headers: list[str]) -> "Table":
    from rich import box
    from rich.table import Table

    table = Table(
        title=title,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        title_style="bold",
        pad_edge=False,
        padding=(0, 1),
    )
    table.add_column("arm", no_wrap=True)
    table.add_column("class", no_wrap=True)
    for header in headers:
        table.add_column(header, justify="right", no_wrap=True)
    return table


def _usd(value: float) -> str:
    return f"{value:,.0f}" if value == value else "none"


def _percent(share: float) -> str:
    return f"{share:.1%}" if share == share else "none"


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())
