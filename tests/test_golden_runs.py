"""Two runs, pinned: a change of any number is seen here, and is declared in CHANGELOG.md with the new values."""

from pathlib import Path

from experiments.runs.store import load_tables


def _numbers(folder: Path) -> dict[str, int]:
    """Whole numbers of a run: what was traded and for how much, what happened how often, what is owed at the end."""
    tables = load_tables(folder)
    trades, events, loans = (tables[name].to_pandas() for name in ("trades", "events", "loans"))
    last = loans[loans["week"] == loans["week"].max()]
    return {
        "gpus_traded": int(trades["quantity"].sum()),
        "cents_traded": int((trades["quantity"] * trades["price_cents"]).sum()),
        "forced_gpus_traded": int(trades.loc[trades["forced"].astype(bool), "quantity"].sum()),
        "owed_cents": int(last["balance_cents"].sum()),
        **{kind: int(n) for kind, n in events["kind"].value_counts().sort_index().items()},
    }


def test_a_fire_sale_of_six_weeks(stored_run: Path) -> None:
    assert _numbers(stored_run) == {
        "gpus_traded": 11_200,
        "cents_traded": 25_895_681_368,
        "forced_gpus_traded": 2_000,
        "owed_cents": 3_705_621_233_222,
        "acceleration": 1,
        "closed": 1,
        "collateral_sale": 15,
        "default": 1,
        "loan_drawn": 10,
        "loan_repaid": 1,
        "possession": 1,
        "recovery": 1,
        "refinanced": 2,
        "sale": 65,
        "shell_leased": 6,
    }


def test_a_credit_crisis_of_130_weeks(credit_run: Path) -> None:
    assert _numbers(credit_run) == {
        "gpus_traded": 91_376,
        "cents_traded": 215_825_446_552,
        "forced_gpus_traded": 328,
        "owed_cents": 1_863_773_910_679,
        "amendment": 4,
        "chapter_11": 2,
        "closed": 2,
        "collateral_sale": 13,
        "converted": 3,
        "default": 6,
        "deficiency": 2,
        "draw_window_ended": 3,
        "loan_drawn": 58,
        "loan_repaid": 33,
        "margin_call": 48,
        "missed_payment": 8,
        "possession": 2,
        "prepayment": 2,
        "recovery": 2,
        "refinanced": 21,
        "refinancing_refused": 10,
        "renegotiation": 3,
        "repaid_in_coins": 2,
        "sale": 525,
        "scrapped": 1,
        "shell_leased": 97,
        "sites_sold": 2,
        "workout": 2,
    }
