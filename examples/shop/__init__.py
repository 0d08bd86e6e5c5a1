"""A shop made of services. ``partita dev examples.shop.system:system`` runs it; ``make demo`` buys something in it."""
