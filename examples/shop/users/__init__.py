"""Customers' profiles and addresses."""
