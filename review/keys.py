"""Every single key of the review page in one place: what it does, what it is called, how a person may move it.

Labels have the digits and nothing else does, so a label and an action can never share a key. Pure: no database.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

# The tenth label is 0, as on the row of digits.
LABEL_KEYS = ("1", "2", "3", "4", "5", "6", "7", "8", "9", "0")
# What the browser, assistive technology or the page's own buttons and dialogs need.
TAKEN = {
    "enter": "Enter",
    "return": "Enter",
    "esc": "Esc",
    "escape": "Esc",
    "tab": "Tab",
    "space": "Space",
    "spacebar": "Space",
    "backspace": "Backspace",
    "delete": "Delete",
}
# A printed character that every Latin layout reaches without a modifier, or with Shift alone where it says so.
SIGNS = ",.;'[]-=/\\?"
MOVABLE = frozenset("abcdefghijklmnopqrstuvwxyz" + SIGNS)


@dataclass(frozen=True)
class Action:
    """Something a key does: its name in settings and markup, the usual key, a short word and a whole sentence."""

    name: str
    key: str
    word: str
    words: str


class Settings(Protocol):
    """What of a person's settings decides about keys."""

    keys_on: bool
    bindings: Any


ACTIONS: tuple[Action, ...] = (
    Action("agree", "a", "Agree", "agree with the model, while its answer is shown"),
    Action("other", "x", "The other", "choose the other of two labels, while the model’s answer is shown"),
    Action("abstain", "c", "Can’t tell", "can’t tell: stored, and the case goes to others"),
    Action("skip", "s", "Skip", "skip: give the case back, nothing is stored"),
    Action("escalate", "e", "Escalate", "escalate to those who lead the model, with a note if you like"),
    Action("hand_over", "o", "Hand over", "hand the case over to a colleague, with a note"),
    Action("flag", "f", "Flag", "flag for discussion; this does not decide"),
    Action("note", "n", "Note", "write a note; Esc returns, the text stays"),
    Action("undo", "u", "Undo", "undo your last decision, after saving too (also Ctrl+Z)"),
    Action("previous", "[", "Previous", "the previous case that you decided, to read; Enter reopens it"),
    Action("next", "]", "Next", "the next case that you decided, and back to the one in hand"),
    Action("why", "w", "Why", "fold or unfold why the model says so; remembered"),
    Action("guidelines", "g", "Guidelines", "the guidelines of this model"),
    Action("history", "h", "History", "your last decisions, and what was not used"),
    Action("reveal", "r", "Reveal", "show the model’s answer, where it waits to be asked for"),
    Action("keep", "k", "Keep", "keep the case for its full time again"),
    Action("pause", "p", "Pause", "pause: your cases go back, the clock stops"),
    Action("help", "?", "Keys", "this list"),
)
BY_NAME: Mapping[str, Action] = {action.name: action for action in ACTIONS}
# Keys that are the same for everybody, told in the list of keys and never movable.
FIXED: tuple[tuple[str, str], ...] = (
    ("Enter", "commit the chosen label, keep your first answer, reopen a case of your history, resume"),
    ("Esc", "leave the note or the history, close what is open"),
    ("Ctrl+Z", "undo, as the key for it does"),
)


def faults(bindings: object) -> dict[str, str]:
    """What is wrong with ``{action: key}``, by action; empty when the whole can be stored and no two keys meet."""
    if not isinstance(bindings, dict):
        return {"": "must be an object of action and key"}
    found = {str(name): why for name, key in bindings.items() if (why := _unfit(name, key))}
    whole = {action.name: _moved(bindings, action) for action in ACTIONS}
    for name, key in whole.items():
        rivals = [other for other, its in whole.items() if other != name and its == key]
        # Told at both, for either may be the one to move.
        if rivals and name not in found and any(one in bindings for one in (name, *rivals)):
            found[name] = f"{shown(key)} is the key of “{BY_NAME[rivals[0]].word}” already"
    return found


def moved(typed: Mapping[str, str]) -> dict[str, str]:
    """Of keys as a person typed them, what is to be stored: letters in lower case, without the usual ones.

    >>> moved({"agree": "a", "skip": " J", "note": ""})
    {'skip': 'j'}
    """
    keys = {name: key.strip().lower() or key[:1] for name, key in typed.items()}
    return {name: key for name, key in keys.items() if key and (name not in BY_NAME or key != BY_NAME[name].key)}


def bindings_of(settings: Settings | None, labels: Sequence[str] = ()) -> dict[str, str]:
    """``{action: key}`` of every action and ``{"label:0": "1", …}`` of the given labels, no key twice.

    A stored binding that is not usable any more falls back to the usual keys as a whole. With the keys
    switched off there is none at all.
    """
    if settings is not None and not settings.keys_on:
        return {}
    moved = settings.bindings if settings is not None and not faults(settings.bindings) else {}
    keyed = {f"label:{place}": key for place, key in enumerate(LABEL_KEYS[: len(labels)])}
    return keyed | {action.name: _moved(moved, action) for action in ACTIONS}


def shown(key: str) -> str:
    """The key as it is printed on a button."""
    return key.upper()


def _unfit(name: object, key: object) -> str:
    """Why that key cannot be that action's; empty when it can."""
    if name not in BY_NAME:
        return "there is no such action"
    if not isinstance(key, str) or not key:
        return "one letter or sign of the keyboard"
    if key in LABEL_KEYS:
        return "the digits belong to the labels"
    if key == " " or key.lower() in TAKEN:
        return f"{TAKEN.get(key.lower(), 'Space')} is needed by the browser and the page itself"
    if len(key) > 1:
        return "combinations belong to the browser: one key alone" if "+" in key else "one single key"
    return "" if key.lower() in MOVABLE else f"a letter from A to Z, or one of {' '.join(SIGNS)}"


def _moved(bindings: Mapping[object, object], action: Action) -> str:
    key = bindings.get(action.name, action.key)
    return key.lower() if isinstance(key, str) else action.key
