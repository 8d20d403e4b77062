"""Closed forms and fixed points of the theory notes that no run uses: what the tests hold the product against."""
