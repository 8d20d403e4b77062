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
        "gpus_traded": 5_440,
        "cents_traded": 23_164_198_232,
        "forced_gpus_traded": 2_000,
        "owed_cents": 5_971_516_466_572,
        "acceleration": 1,
        "closed": 1,
        "collateral_sale": 10,
        "deal_signed": 3,
        "default": 1,
        "energised": 2,
        "hall_started": 37,
        "loan_repaid": 1,
        "notes_issued": 1,
        "possession": 1,
        "recovery": 1,
        "refinanced": 1,
        "sale": 38,
        "shares_issued": 2,
        "shell_leased": 6,
        "unpaid_bills": 1,
    }


def test_a_credit_crisis_of_130_weeks(credit_run: Path) -> None:
    assert _numbers(credit_run) == {
        "gpus_traded": 177_936,
        "cents_traded": 559_479_991_320,
        "forced_gpus_traded": 1_384,
        "owed_cents": 7_337_811_819_022,
        "amendment": 3,
        "arrears_paid": 1,
        "cash_trap": 6,
        "chapter_11": 1,
        "closed": 1,
        "collateral_sale": 95,
        "collateral_sold": 1,
        "contract_ended": 7,
        "contract_renewed": 9,
        "converted": 2,
        "covenant_breach": 3,
        "cured_by_prepayment": 1,
        "deal_signed": 77,
        "default": 5,
        "deficiency": 1,
        "energised": 89,
        "equity_cure": 2,
        "hall_started": 74,
        "loan_drawn": 439,
        "loan_repaid": 295,
        "margin_call": 19,
        "missed_payment": 8,
        "notes_issued": 34,
        "order_cancelled": 14,
        "possession": 1,
        "prepayment": 99,
        "recovery": 1,
        "refinanced": 15,
        "refinancing_refused": 6,
        "repaid_in_coins": 2,
        "retrofit": 60,
        "run_off": 1,
        "run_off_ended": 1,
        "sale": 3_247,
        "scrapped": 9,
        "shares_issued": 30,
        "shell_leased": 98,
        "sites_sold": 1,
        "tenants_leave": 1,
        "workout": 2,
    }
