"""Arithmetic of debt: payments, covenants, waterfalls and losses as pure functions of arrays. Knows no world."""
