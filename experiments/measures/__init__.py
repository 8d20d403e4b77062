"""Numbers read from the tables of one run; pure."""
