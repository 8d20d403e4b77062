"""Wrongs that change nothing anybody could see: module -> name of the mutant -> why it is the same program."""

UNUSED = (
    "the number stands where the outer choice takes the other value; it only keeps a division from failing"
)
SET_BELOW = (
    "a unit from the factory changes hands at once, and the change of title sets lien, mandate and deadline"
)
EQUIVALENT = {
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
