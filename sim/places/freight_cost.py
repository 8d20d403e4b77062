"""What moving a GPU typically costs, for plans made before a destination is known."""

import numpy as np

from agents.vocabulary import PRODUCT_CONDITION, PRODUCT_LIQUID, Condition, Floats
from sim.parameters import Parameters


def moving_costs(parameters: Parameters) -> Floats:
    """Typical cost of moving a GPU of each class `typical_haul_km` within a country, USD, shape (N_PRODUCTS,)."""
    freight = parameters.freight
    out = np.where(PRODUCT_LIQUID, freight.deinstall_liquid_usd, freight.deinstall_air_usd)
    back = np.where(PRODUCT_LIQUID, freight.reinstall_liquid_usd, freight.reinstall_air_usd)
    cost = out + back + freight.wipe_usd + freight.testing_usd
    cost = np.where(PRODUCT_CONDITION == Condition.NEW, back, cost)
    return np.asarray(
        cost + freight.domestic_base_usd + freight.typical_haul_km / 1000.0 * freight.per_1000_km_usd
    )
