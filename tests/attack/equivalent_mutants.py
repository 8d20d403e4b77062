"""Wrongs that change nothing anybody could see: module -> name of the mutant -> why it is the same program."""

UNUSED = (
    "the number stands where the outer choice takes the other value; it only keeps a division from failing"
)
SET_BELOW = "a unit from the factory changes hands at once, and that sets lien, mandate and deadline"
NEGATIVE_SIZE = "numpy reads any negative size as the one to be found"
NO_PAIR = "the first family has none before it to be paired with"
ORDER_OF_TWO = "the lesser and the larger of two do not ask which is named first"
BISECTION = "a rent equal to the cost to the last bit has no margin, and the search ends at the same time"
HALVINGS = "48 halvings of a life leave less than a microsecond; one more or less is not seen"
BEFORE_NOW = "the highest rent is in the past either way, and is looked for from now on"
EQUIVALENT = {
    "agents.valuation": {
        ": 16 => 17": "sixteen nodes give machine precision already",
        "economic_life: 1.0 => 2.0": UNUSED,
        "economic_life: 1.0 => 10000.0": UNUSED,
        "economic_life: delta > 0 => delta >= 0 #2": UNUSED,
        "economic_life: 1.0 => 2.0 #2": UNUSED,
        "economic_life: 1.0 => 10000.0 #2": UNUSED,
        "economic_life: 1e-300 => 1e-296": "a ratio of rent to cost below one is a life of zero",
        "economic_life: 1e-300 => 1.0": "a ratio of rent to cost below one is a life of zero",
        "_annuity: 1.0 => 2.0": UNUSED,
        "_annuity: 1.0 => 10000.0": UNUSED,
        "unit_value: economic_life(r[..., None] * factor, 1.0, delta[..., None], cost[..., None]) => "
        "economic_life(1.0, r[..., None] * factor, delta[..., None], cost[..., None])": "rent and use are multiplied",
        "_first_pays: (income(start, factor) <= cost) & (income(peak, factor) > cost) => "
        "(income(start, factor) <= cost) | (income(peak, factor) > cost)": "where rents pay at once or never the search ends "
        "at the start of the piece, or the piece is left out",
        "_first_pays: income(start, factor) <= cost => income(start, factor) < cost": BISECTION,
        "_first_pays: income(peak, factor) > cost => income(peak, factor) >= cost": BISECTION,
        "_first_pays: income(middle, factor) > cost => income(middle, factor) >= cost": BISECTION,
        "_first_pays: for _ in range(48): => for _ in list(range(48))[1:]:": HALVINGS,
        "_first_pays: 48 => 49": HALVINGS,
        "_last_pays: income(middle, factor) > cost => income(middle, factor) >= cost": BISECTION,
        "_last_pays: income(peak, factor) <= cost => income(peak, factor) < cost": BISECTION,
        "_last_pays: income(finish, factor) > cost => income(finish, factor) >= cost": BISECTION,
        "_last_pays: for _ in range(48): => for _ in list(range(48))[1:]:": HALVINGS,
        "_last_pays: 48 => 49": HALVINGS,
        "_peak_years: 1e-300 => 1e-296": BEFORE_NOW,
        "_peak_years: 1e-300 => 1.0": BEFORE_NOW,
        "_peak_years: trend > 0 => trend >= 0": BEFORE_NOW,
        "_peak_years: gap < 0 => gap <= 0": "a rent that neither falls nor recovers is as high at any time",
        "conditional_mean_value: 1 => 2 #3": NEGATIVE_SIZE,
        "conditional_mean_value: 1 => 10000 #3": NEGATIVE_SIZE,
        "conditional_mean_value: 1.0 + _NODES => 1.0 - _NODES": "nodes and weights are symmetric",
    },
    "sim.discount.collateral": {
        "due: 0 => 1": "week 1 is no end of a quarter",
    },
    "sim.discount.relaxation": {
        "relaxed_network: 1 => 2 #3": "every class has a number on every lane, and none is below -1",
        "relaxed_network: 1 => 10000 #3": "every class has a number on every lane, and none is below -1",
        "AgentsRebuild._spendable: 0.0 => 1.0": "both types of insiders have the parameter",
        "AgentsRebuild._healthy: 1.0 => 2.0": "any negative number says that there is no spare cash",
        "AgentsRebuild._healthy: 1.0 => 10000.0": "any negative number says that there is no spare cash",
    },
    "sim.discount.shapley": {
        "sampled: zip(first, last, strict=True) => zip(last, first, strict=True)": ORDER_OF_TWO,
        "sampled: zip(first, last, strict=True) => zip(last, first, strict=True) #2": ORDER_OF_TWO,
        "exact: for i in range(n): => for i in list(range(n))[1:]: #2": NO_PAIR,
        "exact: whole + 1 => whole - 1 #3": "a coalition without two of the players is below the whole by three and more",
        "decompose:  for i, family in enumerate(families) =>  for i, family in list(enumerate(families))[1:]": NO_PAIR,
        "_rows:  for name in columns =>  for name in list(columns)[1:]": "the first is the value, written by the next line",
        "solve: 0 => 1": "up to three players all orders are no dearer than any sample",
        "solve: 2 => 3 #2": "both sides are even",
    },
    "sim.discount.three_prices": {
        "best_uses: 1 => 10000": NEGATIVE_SIZE,
    },
    "sim.market.settlement": {
        "_delivery_weeks: world.topology.transit_weeks(int(places[source]), int(places[target])) => "
        "world.topology.transit_weeks(int(places[target]), int(places[source]))": "a journey takes as long back as there",
        "_pick: -1 => 1": SET_BELOW,
        "_pick: 1 => 2": SET_BELOW,
        "_pick: 1 => 10000": SET_BELOW,
    },
    "sim.debt.waterfall": {
        "distribute: left >= total => left > total": "shares of exactly everything due are the claims themselves",
    },
    "sim.debt.facilities": {
        "cost_base: borrowing_base(advance_rate, cost, years, book_life_years) => "
        "borrowing_base(cost, advance_rate, years, book_life_years)": "cost and advance rate are multiplied with each other",
        "refinancing_offer: 1.0 => 2.0 #2": UNUSED,
        "refinancing_offer: 1.0 => 10000.0 #2": UNUSED,
    },
    "sim.origination.sizing": {
        "annuity: 1.0 => 2.0": UNUSED,
        "annuity: 1.0 => 10000.0": UNUSED,
    },
}
