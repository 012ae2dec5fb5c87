"""Copies of what the stores hold, taken and brought back: each store one module, one way of going about all of them."""
