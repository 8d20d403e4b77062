"""The story of one party in a stored run, from the first test it failed to what its lenders got back."""

from collections.abc import Hashable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from sim.base.faults import closest

if TYPE_CHECKING:
    Frames = Mapping[str, pd.DataFrame]

CENTS = 100.0
# A story begins with the first of these.
TROUBLE = (
    "cash_trap",
    "covenant_breach",
    "default",
    "margin_call",
    "missed_payment",
    "refinancing_refused",
    "run_off",
    "tenant_default",
    "unpaid_bills",
)
# What a kind of event says. `who` is the party, `other` the counterparty, `money` and `each` amounts, `detail` the event's own.
TELL = {
    "amendment": "lenders amend instead of enforcing: {detail} on {money}",
    "arrears_paid": "pays its arrears within the grace period",
    "cash_trap": "cash is trapped: {detail}",
    "chapter_11": "files for protection: {detail}",
    "closed": "is wound up",
    "collateral_sold": "pledged coins are sold: {detail}, {money}",
    "commitment_ended": "loses {money} of signed loans: {detail}",
    "contract_cancelled": "a tenant cancels {gpus} GPUs: {detail}",
    "contract_ended": "contracts of {gpus} GPUs end; they go to spot",
    "contract_renewed": "tenants of {gpus} GPUs stay at today's rate",
    "converted": "holders of {money} convert",
    "covenant_breach": "fails a test: {detail}",
    "cured_by_prepayment": "cures the breach by prepaying {money}",
    "cured": "cures the breach out of income",
    "default": "DEFAULT on {money}, cause: {detail}",
    "deal_signed": "signs a deal of {gpus} {generation} ({detail}); {other} signs a loan of {money}",
    "deficiency": "{other} writes off {money}",
    "energised": "a hall of {gpus} MW has power",
    "equity_cure": "owners pay in {money} to cure the breach",
    "hall_started": "starts a hall of {gpus} MW",
    "lease_rejected": "loses the lease of a shell: {detail}",
    "loan_repaid": "a loan from {other} is repaid",
    "margin_call": "margin call on its bitcoin loan: {detail}",
    "missed_payment": "misses {money} due to {other} ({detail})",
    "machines_sold": "sells mining machines for {money} ({detail})",
    "notes_issued": "sells notes of {money}",
    "order_cancelled": "loses an order of {gpus} {generation} and its deposit ({detail})",
    "order_cut": "does not order {gpus} {generation}: {detail}, {money}",
    "order_refused": "cannot pay for {gpus} {generation}: {money} missing, {detail}",
    "pipeline_slips": "promised halls slip by {detail}",
    "possession": "POSSESSION: lenders take {gpus} GPUs ({detail})",
    "prepayment": "prepays {money} ({detail})",
    "recovery": "{money} paid to creditors out of {detail}",
    "refinanced": "refinances {money} with {other}",
    "refinancing_refused": "finds no new loan for {money} due to {other}: {detail}",
    "renegotiation": "a tenant renegotiates {gpus} GPUs ({detail})",
    "repaid_in_coins": "a bitcoin loan from {other} is repaid out of its coins: {detail}, {money}",
    "run_off": "its own funding is called, {money} short: it must sell ({detail})",
    "run_off_ended": "its own funding is restored",
    "shares_issued": "sells shares for {money}",
    "sites_sold": "sites are sold for {money}",
    "halls_sold": "halls it built are sold for {money}",
    "shell_leased": "leases a mining hall out as a shell: {detail}, {money} of works",
    "tenant_default": "a tenant of {gpus} GPUs fails ({detail})",
    "termination": "a tenant of {gpus} GPUs buys itself out ({detail})",
    "tenants_leave": "tenants of {gpus} GPUs leave",
    "unpaid_bills": "cannot pay {money} of its bills",
    "waiver": "lenders waive the breach ({detail})",
    "workout": "lenders decide: {detail}",
}
# Routine of a going concern; it tells nothing.
ROUTINE = ("loan_drawn", "retrofit", "acceleration")
SALES = ("collateral_sale", "sale", "scrapped")
# Kinds that come every week or month: told once in a row, with how often they came again.
REPEATED = ("margin_call", "unpaid_bills", "refinanced", "prepayment", "loan_repaid", "shell_leased")


class StoryError(ValueError):
    """Nobody is called so; the message is one line and names the nearest party."""


def find_party(frames: "Frames", name: str) -> int:
    """Row of a party from its name, in any case, with or without dashes and blanks; or from its number.

    Raises
    ------
    StoryError
        If nobody is called so.
    """
    names = names_of(frames)
    if name.isdigit() and int(name) in names:
        return int(name)
    plain = {_plain(called): row for row, called in names.items()}
    if _plain(name) in plain:
        return plain[_plain(name)]
    # Names are long, and people type a part of them.
    near = closest(_plain(name), plain, likeness=0.3)
    hint = f"did you mean {names[plain[near]]}?" if near else "`firesale trace` lists who has a story"
    raise StoryError(f"no party of this run is called {name}; {hint}")


def names_of(frames: "Frames") -> dict[int, str]:
    """Party -> name; institutions outside the model have no row among the agents."""
    agents = frames["agents"].drop_duplicates("party")
    return {
        0: "the rest of the world",
        1: "landlords",
        **dict(zip(agents["party"], agents["name"], strict=True)),
    }


def cast(frames: "Frames") -> pd.DataFrame:
    """Parties with a story, those that owed most in default first.

    Returns
    -------
    DataFrame
        Columns party, type, first trouble, date, defaults, amended, enforced, GPUs seized, owed and lost (million USD).
    """
    events, names = frames["events"], names_of(frames)
    kinds = frames["agents"].drop_duplicates("party").set_index("party")["type"]
    dates = _dates(frames)
    bridge = _loans_in_default(frames)
    rows = []
    for party, mine in events[events["kind"].isin(TROUBLE)].groupby("party"):
        every = events[events["party"] == party]
        counts = every["kind"].value_counts()
        if not {"default", "run_off", "covenant_breach"} & set(counts.index):
            continue
        first = mine.iloc[0]
        lost = bridge[bridge["debtor"] == party]
        rows.append(
            {
                "party": names[_row(party)],
                "type": kinds.get(party, ""),
                "first trouble": str(first["kind"]).replace("_", " "),
                "date": dates[int(first["week"])],
                "defaults": int(counts.get("default", 0)),
                "amended": int(counts.get("amendment", 0)),
                "enforced": int(counts.get("workout", 0)),
                "GPUs seized": int(every.loc[every["kind"] == "possession", "quantity"].sum()),
                "owed, million USD": float(lost["exposure_cents"].sum()) / 1e8,
                "lost, million USD": float(lost.loc[lost["outcome"] == "liquidated", "loss_cents"].sum())
                / 1e8,
            }
        )
    found = pd.DataFrame(rows)
    if found.empty:
        return found
    return found.sort_values(
        ["enforced", "owed, million USD", "defaults"], ascending=False, kind="stable", ignore_index=True
    )


def story(frames: "Frames", party: int) -> str:
    """The story as lines of text: who it is, what happened when, and where the money went."""
    told = _events_of(frames, party)
    lines = [_introduction(frames, party, int(told["week"].iloc[0]) if len(told) else 0), ""]
    if told.empty:
        lines.append("Nothing befell it in this run: no failed test, no missed payment, no default.")
        return "\n".join(lines)
    dates = _dates(frames)
    lines += [f"{dates[week]}  week {week:>3}  {text}" for week, text in _told(frames, told)]
    lines += ["", *_reckoning(frames, party)]
    return "\n".join(lines).rstrip()


# -- what is told -----------------------------------------------------------------------------------------


def _events_of(frames: "Frames", party: int) -> pd.DataFrame:
    """Events of a party from its first trouble on; of a lender also what its borrowers did to it."""
    events = frames["events"]
    own = events["party"] == party
    trouble = own & events["kind"].isin(TROUBLE)
    if _type_of(frames, party) == "lender":
        hurt = (events["counterparty"] == party) & events["kind"].isin(("missed_payment", "deficiency"))
        own, trouble = own | hurt, trouble | hurt
    if not trouble.any():
        return events.iloc[:0]
    begins = events.index[trouble][0]
    told: pd.DataFrame = events[own & (events.index >= begins) & ~events["kind"].isin(ROUTINE)]
    return told


def _told(frames: "Frames", events: pd.DataFrame) -> Iterable[tuple[int, str]]:
    """Week and text of every line; sales of a week and class are one line, repetitions are counted."""
    names = names_of(frames)
    rows: list[tuple[int, str, str]] = []
    for week, group in events.groupby("week", sort=True):
        sales = group[group["kind"].isin(SALES)]
        for _, event in group[~group["kind"].isin(SALES)].iterrows():
            rows.append((_row(week), str(event["kind"]), _sentence(event, names)))
        for (kind, why), sold in sales.groupby(
            ["kind", sales["detail"].where(sales["kind"] == SALES[0], "")]
        ):
            rows.append((_row(week), str(kind), _sale(str(kind), str(why), sold, names)))
    at = 0
    while at < len(rows):
        week, kind, text = rows[at]
        again = at + 1
        while kind in REPEATED and again < len(rows) and rows[again][1] == kind:
            again += 1
        if again - at > 1:
            text += f" ({again - at - 1} more of this kind up to week {rows[again - 1][0]})"
        yield week, text
        at = again


def _sentence(event: "pd.Series[Any]", names: Mapping[int, str]) -> str:
    kind = str(event["kind"])
    pattern = TELL.get(kind, kind.replace("_", " ") + ": {detail}")
    who = names.get(int(event["party"]), "")
    text = pattern.format(
        who=who,
        other=names.get(int(event["counterparty"]), "nobody"),
        money=money(event["cents"]),
        gpus=f"{event['quantity']:,}",
        generation=event["generation"],
        detail=str(event["detail"]).replace("_", " ").replace(" none ", " amend "),
    )
    return text.rstrip(" :,")


def _sale(kind: str, why: str, sold: pd.DataFrame, names: Mapping[int, str]) -> str:
    """A week's sales of one kind and cause; units, buyers and mean price of every class."""
    parts = []
    for generation, lots in sold.groupby("generation", sort=True):
        gpus = int(lots["quantity"].sum())
        each = float((lots["quantity"] * lots["cents"]).sum()) / gpus
        buyers = ", ".join(dict.fromkeys(names[int(buyer)] for buyer in lots["counterparty"]))
        parts.append(f"{gpus:,} {generation} to {buyers} at {money(each)} each")
    amount = f"{'; '.join(parts)}; {money(int((sold['quantity'] * sold['cents']).sum()))} in all"
    if kind == "collateral_sale":
        return f"lenders sell ({why.replace('_', ' ')}): {amount}"
    return f"{'sells' if kind == 'sale' else 'breaks up'} by its own choice: {amount}"


def _introduction(frames: "Frames", party: int, week: int) -> str:
    """Name, and what it owned and owed when trouble began and in the last week."""
    rows = frames["agents"][frames["agents"]["party"] == party]
    if rows.empty:
        return names_of(frames)[party]
    before = rows[rows["week"] <= week].iloc[-1] if (rows["week"] <= week).any() else rows.iloc[0]
    told = [f"{rows['name'].iloc[0]} ({str(rows['type'].iloc[0]).replace('_', '-')})"]
    for row, when in (
        (before, f"in week {before['week']}"),
        (rows.iloc[-1], f"in week {rows.iloc[-1]['week']}, the last"),
    ):
        coins = f"{row['bitcoin_satoshi'] / 1e8:,.0f} free BTC, " if row["bitcoin_satoshi"] else ""
        told.append(
            f"  {when}: {row['gpus']:,} GPUs, {coins}cash {money(row['cash_cents'])}, debt {money(row['debt_cents'])}; "
            f"cash and GPUs at last prices less debt {money(row['net_asset_value_cents'])}"
        )
    return "\n".join(told)


def _reckoning(frames: "Frames", party: int) -> list[str]:
    """Lines about every loan of the party that was called, and their sum along the loss bridge."""
    bridge, names = _loans_in_default(frames), names_of(frames)
    mine = bridge[bridge["debtor"] == party]
    if mine.empty:
        return []
    lines = ["Loans in default:"]
    for _, loan in mine.iterrows():
        owed = loan["exposure_cents"]
        share = f", {loan['loss_cents'] / owed:.1%}" if owed else ""
        ended = f"lost {money(loan['loss_cents'])}{share}" if loan["outcome"] != "open" else "not closed yet"
        lines.append(
            f"  {loan['kind'].replace('_', ' ')} from {names.get(loan['creditor'], 'outside')}: owed {money(owed)}, "
            f"{loan['gpus']:,} GPUs pledged, recovered {money(loan['recovery_cents'])}, {ended}"
        )
    total = mine.sum(numeric_only=True)
    steps = (
        ("collateral in its best use", "value_at_default_cents", 1),
        ("decay", "decay_cents", -1),
        ("lost income", "lost_income_cents", -1),
        ("quality", "quality_cents", -1),
        ("structural gap", "structural_gap_cents", -1),
        ("fire-sale discount", "fire_sale_discount_cents", -1),
        ("still held", "held_cents", -1),
        ("income while operated", "operated_income_cents", 1),
        ("slots", "slot_proceeds_cents", 1),
        ("coins, cash, sites", "other_receipts_cents", 1),
        ("costs and liens", "costs_and_liens_cents", -1),
        ("paid to others", "paid_to_others_cents", -1),
    )
    parts = [
        f"{'+' if sign * total[column] >= 0 else '-'} {name} {money(abs(total[column]))}"
        for name, column, sign in steps
        if total[column]
    ]
    lines.append(
        f"  Together: {' '.join(parts).removeprefix('+ ')} = recovery {money(total['recovery_cents'])}"
    )
    return lines


def _loans_in_default(frames: "Frames") -> pd.DataFrame:
    """The loss bridge with debtor, creditor and kind of every loan."""
    loans = frames["loans"].drop_duplicates("loan", keep="last")[["loan", "debtor", "creditor", "kind"]]
    joined: pd.DataFrame = frames["loss_bridge"].merge(loans, on="loan", how="left", validate="many_to_one")
    return joined


# -- words ------------------------------------------------------------------------------------------------


def money(cents: float) -> str:
    """An amount in words of a size one can read.

    >>> money(123_456_789_012), money(1_234_567_890), money(99_950)
    ('1.23 billion USD', '12.35 million USD', '1,000 USD')
    """
    usd = cents / CENTS
    for unit, word in ((1e9, "billion"), (1e6, "million")):
        if abs(usd) >= unit:
            return f"{usd / unit:,.2f} {word} USD"
    return f"{usd:,.0f} USD"


def _dates(frames: "Frames") -> dict[int, str]:
    weeks = frames["weeks"]
    return dict(zip(weeks["week"], weeks["date"].astype(str), strict=True))


def _type_of(frames: "Frames", party: int) -> str:
    kinds = frames["agents"].loc[frames["agents"]["party"] == party, "type"]
    return str(kinds.iloc[0]) if len(kinds) else ""


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _row(key: Hashable) -> int:
    return int(key)  # type: ignore[call-overload, no-any-return]
