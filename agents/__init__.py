"""Who decides: agents, their decision rules and the vocabulary they speak in."""
