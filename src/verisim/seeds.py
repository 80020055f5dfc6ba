"""Seeds that decide all chance."""

from __future__ import annotations

from verisim.errors import BadInput


def check_seed(seed: int) -> None:
    """Refuse what is no seed.

    Raises:
        BadInput: It is below 0, or has more than 31 bits.
    """
    if not 0 <= seed < 2**31:
        raise BadInput(f"{seed} is no seed.", f"Say a number from 0 to {2**31 - 1}.")
