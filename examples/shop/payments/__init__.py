"""Payments, and a double-entry ledger of them."""
