"""firesale: what is a GPU worth when it must be sold?

One module for scripts and notebooks::

    import firesale as fs

    run = fs.run("ten_thousand_h100", seed=7, settings={"clock.weeks": 52})
    run.weeks[["price_usd_H100", "clean_best_use_value_usd_H100"]]

Import it before NumPy: then its numbers are those of the command ``firesale``, bit for bit, on every machine. What is not in
``__all__`` is private.
"""

import sys as _sys
from importlib.metadata import version as _version

from experiments.runs.steady_numbers import steady_environment as _steady_environment

if "numpy" not in _sys.modules:
    _steady_environment()

from agents.buyer import Buyer, BuyerParameters
from agents.lender import Lender
from agents.liquidator import Liquidator
from agents.manufacturer import Manufacturer
from agents.miner import Miner
from agents.neo_cloud import NeoCloud
from agents.operating import bids
from agents.outside_buyer import Enterprise, Exporter, Hyperscaler, Salvager
from agents.party import Party
from agents.plugins import PluginError
from agents.registration import register_agent, unregister_agent
from agents.schema import choice, quantity, setting
from agents.view import (
    BitcoinView,
    CreditView,
    HardwareView,
    KnownPoolsView,
    LotsView,
    MarketView,
    PartiesView,
    PoolsView,
    ProductsView,
    RentsView,
    TermsView,
    View,
)
from agents.vocabulary import (
    CONDITIONS,
    GENERATIONS,
    PRODUCT_CONDITION,
    PRODUCT_GENERATION,
    PRODUCT_LIQUID,
    PRODUCT_UNIT,
    BuyIntents,
    Condition,
    Intents,
    PoolKind,
    QuantityCap,
    SellOrders,
    product_name,
    product_of,
)
from experiments.design.experiment import Experiment, ExperimentError
from experiments.design.scenario import Scenario, ScenarioError
from experiments.design.scenario import shipped as scenarios
from experiments.face.actions import explain, run, scenario, sweep
from experiments.face.actions import open_result as open  # noqa: A004  fs.open reads as it should
from experiments.face.run import Run
from experiments.measures.outcomes import register_outcome, unregister_outcome
from experiments.runs.folder import StoreError
from experiments.runs.run import RunError
from experiments.sweep.engine import SweepError
from experiments.sweep.results import SweepResults
from sim.market.explanation import Explanation
from sim.market.intent_rules import IntentError
from sim.model import FireSaleModel as Model
from sim.parameters import ParameterError, Parameters

__version__ = _version("firesale")

__all__ = [
    "CONDITIONS",
    "GENERATIONS",
    "PRODUCT_CONDITION",
    "PRODUCT_GENERATION",
    "PRODUCT_LIQUID",
    "PRODUCT_UNIT",
    "BitcoinView",
    "BuyIntents",
    "Buyer",
    "BuyerParameters",
    "Condition",
    "CreditView",
    "Enterprise",
    "Experiment",
    "ExperimentError",
    "Explanation",
    "Exporter",
    "HardwareView",
    "Hyperscaler",
    "IntentError",
    "Intents",
    "KnownPoolsView",
    "Lender",
    "Liquidator",
    "LotsView",
    "Manufacturer",
    "MarketView",
    "Miner",
    "Model",
    "NeoCloud",
    "ParameterError",
    "Parameters",
    "PartiesView",
    "Party",
    "PluginError",
    "PoolKind",
    "PoolsView",
    "ProductsView",
    "QuantityCap",
    "RentsView",
    "Run",
    "RunError",
    "Salvager",
    "Scenario",
    "ScenarioError",
    "SellOrders",
    "StoreError",
    "SweepError",
    "SweepResults",
    "TermsView",
    "View",
    "__version__",
    "bids",
    "choice",
    "explain",
    "open",
    "product_name",
    "product_of",
    "quantity",
    "register_agent",
    "register_outcome",
    "run",
    "scenario",
    "scenarios",
    "setting",
    "sweep",
    "unregister_agent",
    "unregister_outcome",
]
