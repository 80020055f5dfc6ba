"""The panels: names of the `.ui` files and what they call; no rule, no HTTP, no MRML."""
