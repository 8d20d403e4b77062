"""Wrongs that change nothing anybody could see: module -> name of the mutant -> why it is the same program."""

UNUSED = (
    "the number stands where the outer choice takes the other value; it only keeps a division from failing"
)
SET_BELOW = (
    "a unit from the factory changes hands at once, and the change of title sets lien, mandate and deadline"
)
NEGATIVE_SIZE = "numpy reads any negative size as the one to be found"
FIRST_HAS_NO_PAIR = "the first family has none before it to be paired with"
ORDER_OF_TWO = "the lesser and the larger of two do not ask which is named first"
EQUIVALENT = {
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
        "exact: for i in range(n): => for i in list(range(n))[1:]: #2": FIRST_HAS_NO_PAIR,
        "exact: whole + 1 => whole - 1 #3": "a coalition without two of the players is below the whole by three and more",
        "decompose:  for i, family in enumerate(families) =>  for i, family in list(enumerate(families))[1:]": FIRST_HAS_NO_PAIR,
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
}
