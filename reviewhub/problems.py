"""Every code a problem or one of its faults may carry, with what it means and what to do.

Where all faults of a body have one code, the problem has it too, so each of them has a place in the docs.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Meaning:
    """``statuses`` as in the answer; none for a code that stands in ``errors`` only."""

    code: str
    statuses: tuple[int, ...]
    words: str


@dataclass(frozen=True)
class Group:
    title: str
    meanings: tuple[Meaning, ...]


def _group(title: str, *rows: tuple[str, str, str]) -> Group:
    return Group(
        title, tuple(Meaning(code, tuple(map(int, statuses.split())), words) for code, statuses, words in rows)
    )


GROUPS = (
    _group(
        "The request",
        ("not_authenticated", "401", "No valid key and no session. Send Authorization: Bearer rh_…"),
        ("csrf", "403", "A session was used without its CSRF token. Send X-CSRFToken, or use a key."),
        ("forbidden", "403", "The key lacks the scope, or the person the role."),
        ("not_found", "404", "There is no such object or endpoint, or it belongs to a model you have no part in."),
        ("missing_slash", "404", "The address ends with a slash; a request with a body is not redirected."),
        ("method_not_allowed", "405", "The endpoint has no such method; Allow names those it has."),
        ("not_acceptable", "406", "The answer cannot be given in what Accept asks for."),
        ("too_large", "413", "The body or one of its files is over the limit that detail names."),
        ("range_not_satisfiable", "416", "The file has no such bytes; Content-Range says how many it has."),
        ("unsupported_media_type", "415", "Send JSON in UTF-8, or multipart where files are taken."),
        ("throttled", "429", "Too many requests; wait for Retry-After seconds."),
        ("bad_request", "400", "The request itself is broken, for example its Host header."),
        ("invalid_key", "400", "An Idempotency-Key is 16 to 128 visible ASCII characters."),
        ("idempotency_key_reused", "422", "The Idempotency-Key came with another body before. Draw a new key."),
        ("unknown_parameter", "400", "A query parameter is not one of the endpoint's."),
        ("invalid_parameter", "400", "A query parameter has a value it cannot have, or came twice."),
        ("invalid_cursor", "400", "The cursor was not made here. Begin again without one."),
    ),
    _group(
        "The body as JSON",
        ("malformed_json", "400", "Not JSON, or not in UTF-8, or with NaN or an infinity."),
        ("duplicate_key", "400", "An object has the same key twice."),
        ("too_deep", "400", "Nested deeper than is taken."),
        ("too_many_keys", "400", "An object has more keys than is taken."),
        ("too_long", "400", "A text is longer than is taken."),
        ("invalid_text", "400", "A text holds what cannot be stored, such as NUL."),
    ),
    _group(
        "The body's content",
        ("invalid", "400", "The request could not be carried out; detail says why."),
        ("invalid_body", "400", "Faults of several kinds; errors lists all of them."),
        ("unprocessable", "422", "Well formed, and still not possible; detail says why."),
        ("contract_violation", "422", "The features break the data contract of the model version."),
        ("required", "400", "A field is missing."),
        ("unknown_field", "400", "A field is not known here."),
        ("type", "400", "A value has another type. Nothing is converted."),
        ("format", "400", "A text has not the form it must have, such as a time with a zone."),
        ("pattern", "400", "A text does not match the pattern."),
        ("length", "400", "Too long or too short, or too many or too few."),
        ("out_of_range", "400", "A number or a time outside its bounds."),
        ("not_finite", "400", "A number that is not finite."),
        ("not_allowed", "400", "Not one of the values that are allowed here."),
        ("anyOf", "400", "The value fits none of the forms that are allowed here."),
        ("duplicate", "400 409", "Something stands here twice that may stand once."),
        ("name", "400", "A name has characters it may not have."),
        ("reserved", "400", "The name has a meaning of its own here."),
        ("conflict", "400 409", "Two things that do not go together, or a state that does not allow this."),
        ("incomplete", "400", "A list that must name every class does not."),
        ("in_future", "422", "A time more than five minutes ahead of the server's clock."),
        ("unknown_class", "400 422", "The model has no such class."),
        ("unknown_label", "400", "A score is for a class the model does not have."),
        ("unknown_feature", "422", "The contract has no such feature."),
        ("unknown_version", "400", "The model has no such version."),
        ("unknown_prediction", "422", "The model has no prediction with this external id."),
        ("unknown_definition", "422", "The model has no label definition of this number."),
        ("no_mapping", "400", "No label definition says what implicit feedback means, so it is not put beside labels."),
        ("invalid_gold", "422", "One of the known answers cannot be stored, so none was; errors says which."),
        ("invalid_outcome", "422", "One of the outcomes cannot be stored, so none was; errors says which."),
        ("scores_sum", "400", "The scores are not probabilities that sum to 1."),
    ),
    _group(
        "Predictions",
        ("external_id_reused", "409", "The external id came with another body before."),
        ("no_active_version", "409", "No version was named, and the model has no champion."),
        ("version_not_ready", "409", "The version is still being checked, or was rejected."),
    ),
    _group(
        "Leases and decisions",
        ("lease_expired", "409", "The time ran out and nobody else has the item: claim again."),
        ("lease_lost", "409", "The token is unknown, another holder's, released, withdrawn, or overtaken."),
        ("lease_limit", "409", "The lease was renewed as often as is allowed."),
        ("already_decided", "409", "The item has its decision, or you have answered this prediction."),
        ("highest_tier", "409", "The case waits for who leads the model already."),
        ("no_lead", "409", "Everybody who leads the model has answered the case, or is at another place of it."),
        ("undo_window_closed", "409", "The time in which a decision can be undone is over."),
        ("answers_seen", "409", "Who gave the answer has seen since what others answered; it cannot be undone."),
        ("already_undone", "409", "The decision was undone before."),
        (
            "first_answer_given",
            "409",
            "Another first answer stands, given before the model was shown.",
        ),
        ("mode_conflict", "409", "The mode of this lease has no such step; detail says which it has."),
        ("superseded", "409", "A later decision stands in its place."),
        ("withdrawn", "409", "The prediction was withdrawn."),
    ),
    _group(
        "Policies",
        ("invalid_policy", "400", "The policy document has faults; errors lists all of them."),
        ("unknown_operator", "400", "A condition compares by an operator that is none."),
        ("type_mismatch", "400", "A condition compares a field with a value of another type."),
        ("unknown_queue", "400", "The model has no such queue."),
        ("override_final", "409", "A case's caller has been told; override it again to tell it something else."),
        ("always_unknown", "", "A warning: the condition can never be known, so it always matches."),
        ("floors_eat_budget", "", "A warning: the floors of sampling review more than a third of the budget."),
        ("capacity_below_budget", "", "A warning: the capacity of a day has no room for all that sampling asks for."),
        ("wide_intervals", "", "A warning: what the model is sure of is hardly reviewed, so intervals are wide."),
        ("budget_exceeded", "", "A warning: gates and floors alone exceed the budget; sampling adds nothing."),
    ),
    _group(
        "Models, versions, promotion",
        ("slug_taken", "409", "Another model has this slug."),
        ("version_taken", "409", "The model has a version of this name."),
        ("unsupported_format", "400", "The file is not a skops archive, or broken. Pickles are never opened."),
        ("untrusted_type", "400", "The file holds a type that is not on the list of trusted ones."),
        ("invalid_model", "400", "The file was read, and what it holds is no usable classifier."),
        ("invalid_reference", "400", "The reference rows do not fit the contract."),
        ("empty", "400", "A file has no content."),
        ("scores", "400", "Scores in the reference rows are not probabilities that sum to 1."),
        ("timed_out", "400", "The check of the files took longer than it may."),
        ("out_of_memory", "400", "The check of the files needed more memory than it may use."),
        ("died", "400", "The process that looked into the files died of them."),
        ("failed", "400 409", "The check of the files failed; under errors of gate_failed: the gate did not pass."),
        ("gates_missing", "409", "The first activation lacks gates; errors names each."),
        ("gate_missing", "409", "This gate is missing."),
        ("gate_failed", "409", "Blocking gates have not passed; errors names each."),
        ("insufficient_data", "409", "The gate has too few labels to judge."),
        ("not_activated", "409", "The model has no champion to replace: activate a version first."),
        ("champion_changed", "409", "Somebody changed the champion meanwhile. Look again."),
        ("nothing_to_roll_back", "409", "There is no champion before this one."),
        ("no_champion", "404 409", "The model has no champion yet."),
        ("no_threshold", "409", "Only a model of two classes, one of them declared positive, has a threshold."),
        ("refused_url", "400", "Webhooks are not sent to this address."),
        ("last_owner", "409", "A model keeps at least one owner."),
        ("invitation_used", "409", "The invitation was used a moment ago."),
    ),
    _group(
        "Snapshots and training",
        ("snapshot_failed", "409", "The snapshot could not be built."),
        ("no_artifact", "409", "The champion has no file whose pipeline could be cloned."),
        ("invalid_snapshot", "", "A training run failed: its snapshot cannot be read."),
        ("no_rows", "", "A training run failed: there is no labelled row."),
        ("one_class", "", "A training run failed: all rows have the same label."),
        ("missing_class", "", "A training run failed: no row has a label of one of the classes."),
        ("fit_failed", "", "A training run failed: the estimator could not be fitted."),
    ),
    _group(
        "Our side",
        ("server_error", "500", "An error of ours, which has been logged. Trying again is safe."),
        ("artifact_damaged", "500", "A stored file no longer has the bytes it was stored with."),
        ("database_unavailable", "503", "PostgreSQL is away. Try again after Retry-After seconds."),
        ("disk_full", "503", "The disk for files is full."),
        ("unavailable", "503", "Try again later."),
    ),
)
