"""New labelled cases: whatever makes them, they say that they are synthetic and where from."""

from verisim.synthesis.making import Maker, Making, Request
from verisim.synthesis.provenance import Provenance
from verisim.synthesis.synthesizer import Synthesizer, SyntheticCase, fits

__all__ = ["Maker", "Making", "Provenance", "Request", "Synthesizer", "SyntheticCase", "fits"]
