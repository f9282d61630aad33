"""What a policy would have done with past predictions, in figures: docs/policy.md, changing it."""

from feedback.whatif.document import preview_document
from feedback.whatif.other_answers import OtherAnswers, other_answers
from feedback.whatif.other_dispositions import EverythingProceeded, everything_proceeded
from feedback.whatif.past import Past, load
from feedback.whatif.proposals import Proposed, proposal
from feedback.whatif.trying import LAST, MOST, Side, WhatIf, prices_of, what_if

__all__ = [
    "LAST",
    "MOST",
    "EverythingProceeded",
    "OtherAnswers",
    "Past",
    "Proposed",
    "Side",
    "WhatIf",
    "everything_proceeded",
    "load",
    "other_answers",
    "preview_document",
    "prices_of",
    "proposal",
    "what_if",
]
