"""What happens: parameters, cited data, drivers, topology, ledger, market and the model."""
