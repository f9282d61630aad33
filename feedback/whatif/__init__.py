"""What a policy would have done with past predictions, in figures: docs/policy.md, changing it."""

from feedback.whatif.document import preview_document
from feedback.whatif.past import Past, load
from feedback.whatif.proposals import Proposed, proposal
from feedback.whatif.trying import LAST, MOST, Side, WhatIf, prices_of, what_if

__all__ = [
    "LAST",
    "MOST",
    "Past",
    "Proposed",
    "Side",
    "WhatIf",
    "load",
    "preview_document",
    "prices_of",
    "proposal",
    "what_if",
]
