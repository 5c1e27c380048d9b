"""Refusals as the vendor writes them: several shapes, by status and by what refuses.

Rules of this file: from a refusal to an answer; always application/json, as documented.
"""

from http import HTTPStatus

from di_async.emulator.cloud.http import Refusal, Response, json_response


def problem(refusal: Refusal) -> Response:
    """RFC 9457 fields, or one of the older shapes that are still about."""
    status = refusal.status
    if "body" in refusal.details:
        return json_response(status, refusal.details["body"])
    if "authentication" in refusal.details:
        return json_response(status, {"message": refusal.message})
    if status == 403:
        return json_response(status, {"code": "forbidden_operation", "error": refusal.message})
    if status == 429 or status >= 500:
        return json_response(status, {"error": refusal.message})
    try:
        title = HTTPStatus(status).phrase
    except ValueError:
        title = "Error"
    fields = {"type": "about:blank", "title": title, "status": status, "detail": refusal.message}
    return json_response(status, fields | refusal.details)
