"""Parameters that differ by GPU generation: rent, nameplate, price, parts, installed mix."""

from agents.schema import ByGeneration, quantity

FACTS = "sim/data/gpu_generations.csv"
PER_HOUR = "USD per GPU-hour"
PER_GPU = "USD per GPU"


class InitialRent(ByGeneration):
    """Contract rent in week 0, USD per GPU-hour."""

    V100: float = quantity(
        0.3, PER_HOUR, 0.1, 1, "contract rent, V100", "rental price points, all providers", "C"
    )
    A100: float = quantity(1.13, PER_HOUR, 0.6, 1.9, "contract rent, A100", "market fix, April 2026", "C")
    H100: float = quantity(2.65, PER_HOUR, 1, 4, "contract rent, H100", "one-year contract, June 2026", "B")
    H200: float = quantity(3.41, PER_HOUR, 1.9, 6, "contract rent, H200", "spot headline, April 2026", "C")
    B200: float = quantity(
        4.5, PER_HOUR, 2.5, 7.8, "contract rent, B200", "below spot of 5.30: contracts price lower", "C"
    )
    GB200: float = quantity(
        5, PER_HOUR, 2.8, 8.7, "contract rent, GB200", "none found; B200 and rack premium", "assumption"
    )
    GB300: float = quantity(
        5.8, PER_HOUR, 3.3, 10, "contract rent, GB300", "none found; GB200 and memory", "assumption"
    )
    VR200: float = quantity(
        9.5, PER_HOUR, 5.4, 16.5, "contract rent, VR200", "none found; list price over GB300", "assumption"
    )


class UnitWatts(ByGeneration):
    """Nameplate of the sellable unit, IT watts."""

    V100: float = quantity(
        4800, "IT watts", 4000, 5200, "nameplate of the sellable unit, V100", "twice chip power", "assumption"
    )
    A100: float = quantity(6500, "IT watts", 5600, 6800, "nameplate of the sellable unit, A100", FACTS, "B")
    H100: float = quantity(
        10_200, "IT watts", 8800, 11_840, "nameplate of the sellable unit, H100", FACTS, "B"
    )
    H200: float = quantity(
        10_200, "IT watts", 8800, 12_000, "nameplate of the sellable unit, H200", FACTS, "B"
    )
    B200: float = quantity(
        14_300, "IT watts", 10_400, 15_200, "nameplate of the sellable unit, B200", FACTS, "C"
    )
    GB200: float = quantity(
        120_000, "IT watts", 120_000, 137_000, "nameplate of the sellable unit, GB200", FACTS, "C"
    )
    GB300: float = quantity(
        120_000, "IT watts", 120_000, 144_000, "nameplate of the sellable unit, GB300", FACTS, "C"
    )
    VR200: float = quantity(
        230_000, "IT watts", 187_000, 230_400, "nameplate of the sellable unit, VR200", FACTS, "C"
    )


class ListPrice(ByGeneration):
    """New system price, servers and network included, USD per GPU."""

    V100: float = quantity(18_600, PER_GPU, 8_000, 24_000, "new system, V100", "DGX share", "C")
    A100: float = quantity(
        24_900, PER_GPU, 13_000, 39_000, "new system, A100", "chip 15,000 and host share", "assumption"
    )
    H100: float = quantity(33_600, PER_GPU, 27_500, 50_000, "new system, H100", "DGX H100 share, 2023", "B")
    H200: float = quantity(
        40_000,
        PER_GPU,
        23_000,
        69_000,
        "new system, H200",
        "module 32,000-35,000 and host share",
        "assumption",
    )
    B200: float = quantity(
        50_000, PER_GPU, 28_000, 86_000, "new system, B200", "chip 35,000; press 50,000 as system", "C"
    )
    GB200: float = quantity(51_389, PER_GPU, 29_000, 88_000, "new system, GB200", "rack 3.7 million USD", "C")
    GB300: float = quantity(55_556, PER_GPU, 32_000, 96_000, "new system, GB300", FACTS, "C")
    VR200: float = quantity(108_377, PER_GPU, 62_000, 188_000, "new system, VR200", FACTS, "C")


class SalvageValue(ByGeneration):
    """Parts, mostly host memory; capped at observed prices, USD per GPU."""

    V100: float = quantity(300, PER_GPU, 100, 700, "parts, V100", "V100 boards list at 298 to 703 USD", "C")
    A100: float = quantity(
        900, PER_GPU, 300, 1500, "parts, A100", "half the host memory of a Hopper node", "assumption"
    )
    H100: float = quantity(1500, PER_GPU, 300, 3300, "parts, H100", "host memory at 50 % recovery", "C")
    H200: float = quantity(1500, PER_GPU, 300, 3300, "parts, H200", "as H100", "C")
    B200: float = quantity(1500, PER_GPU, 300, 3300, "parts, B200", "as H100", "assumption")
    GB200: float = quantity(1500, PER_GPU, 300, 3300, "parts, GB200", "as H100", "assumption")
    GB300: float = quantity(1500, PER_GPU, 300, 3300, "parts, GB300", "as H100", "assumption")
    VR200: float = quantity(1500, PER_GPU, 300, 3300, "parts, VR200", "as H100", "assumption")
