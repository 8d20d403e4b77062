"""Compute contracts: what demand offers, what operators require, who gets a deal, and what happens when it ends."""
