"""How lenders decide: the size of a loan on the income of a deal, its price, and terms that follow the use of the pool."""
