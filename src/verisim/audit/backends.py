"""Networks that an audit may ask besides its own measures, as a person names them."""

from __future__ import annotations

from pathlib import Path

from verisim.audit.dreamsim import DreamSim
from verisim.audit.embedded import Embedded
from verisim.audit.likeness import Likeness
from verisim.audit.measure import Measure
from verisim.audit.sscd import Sscd
from verisim.errors import BadInput


def backend_of(said: str, device: str = "cpu", seed: int = 0) -> Measure:
    """The measure that a person named.

    Args:
        said: "own", "sscd=FILE" or "dreamsim=FOLDER".
        device: Where to compute.
        seed: Of what is trained.

    Raises:
        BadInput: It is none of these, or its network gives no embeddings.
        NotFound: There are no weights.
        UnreadableFile: They cannot be read.
        Unavailable: DreamSim's package is missing.
    """
    kind, _, place = said.partition("=")
    if said == "own":
        return Likeness(seed=seed, device=device)
    if kind == "sscd" and place:
        return Embedded(Sscd.of(Path(place)), device)
    if kind == "dreamsim" and place:
        return Embedded(DreamSim.of(Path(place)), device)
    raise BadInput(f"There is no backend {said!r}.", "Use own, sscd=FILE or dreamsim=FOLDER.")
