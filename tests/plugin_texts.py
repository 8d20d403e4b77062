"""A user's plugin with a buyer and an outcome, a scenario and an experiment that name it, as texts to be saved."""

BUYER = '''
"""Universities."""

import firesale as fs


class UniversityParameters(fs.BuyerParameters):
    """A university as a buyer."""

    cash_usd: float = fs.quantity(2e7, "USD", 0, 1e9, "cash of one university")
    utilisation: float = fs.quantity(0.9, "share of hours", 0.05, 1, "useful hours")
    discount_rate: float = fs.quantity(0.06, "per year", 0.01, 0.5, "cost of capital")


@fs.register_agent
class University(fs.Buyer):
    """Takes used hardware that needs no liquid."""

    section = "universities"
    parameters_type = UniversityParameters

    @classmethod
    def wanted(cls, view):
        listed = view.market.listed
        return listed[~fs.PRODUCT_LIQUID[listed] & (fs.PRODUCT_CONDITION[listed] != fs.Condition.NEW)]


def bought(tables):
    trades = tables["trades"]
    return trades["quantity"][trades["buyer_type"] == "university"].sum()


fs.register_outcome("gpus_to_universities", "GPUs", "bought by universities", (0, float("inf")), bought)
'''
SCENARIO = """
base = "calm"
plugin = "own_buyers"
[overrides]
clock.weeks = 4
universities.count = 3
"""
EXPERIMENT = """
name = "demand"
scenario = "with_universities.toml"
# In a calm month nobody sells used hardware.
[overrides.forced_sale]
enabled = true
week = 1
gpus = 2_000
[vary]
"universities.count" = [0, 12]
[replications]
count = 1
[record]
outcomes = ["gpus_to_universities", "defaults"]
"""
