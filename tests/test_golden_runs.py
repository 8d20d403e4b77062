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
        "gpus_traded": 5_024,
        "cents_traded": 21_338_109_472,
        "forced_gpus_traded": 2_000,
        "owed_cents": 5_933_933_621_135,
        "acceleration": 1,
        "closed": 1,
        "collateral_sale": 10,
        "deal_signed": 3,
        "default": 1,
        "energised": 2,
        "hall_started": 37,
        "loan_repaid": 2,
        "notes_issued": 1,
        "possession": 1,
        "recovery": 1,
        "refinanced": 1,
        "sale": 35,
        "shares_issued": 3,
        "shell_leased": 6,
        "unpaid_bills": 1,
    }


def test_a_credit_crisis_of_130_weeks(credit_run: Path) -> None:
    assert _numbers(credit_run) == {
        "gpus_traded": 181_424,
        "cents_traded": 581_797_916_040,
        "forced_gpus_traded": 1_776,
        "owed_cents": 5_537_239_858_956,
        "amendment": 6,
        "cash_trap": 10,
        "chapter_11": 1,
        "closed": 2,
        "collateral_sale": 86,
        "contract_ended": 6,
        "contract_renewed": 8,
        "converted": 2,
        "covenant_breach": 5,
        "cured_by_prepayment": 4,
        "deal_signed": 77,
        "default": 8,
        "deficiency": 1,
        "energised": 90,
        "equity_cure": 1,
        "hall_started": 74,
        "loan_drawn": 414,
        "loan_repaid": 338,
        "machines_sold": 2,
        "margin_call": 18,
        "missed_payment": 9,
        "notes_issued": 33,
        "order_cancelled": 22,
        "possession": 2,
        "prepayment": 94,
        "recovery": 2,
        "refinanced": 10,
        "refinancing_refused": 9,
        "repaid_in_coins": 2,
        "retrofit": 65,
        "run_off": 2,
        "run_off_ended": 2,
        "sale": 3_178,
        "scrapped": 8,
        "shares_issued": 30,
        "shell_leased": 77,
        "sites_sold": 2,
        "workout": 2,
    }
