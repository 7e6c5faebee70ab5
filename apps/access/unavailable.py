"""What is answered when something of ours fails: 503 where our own database cannot be reached, else 500."""

import sys

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from apps.access.problems import problem

MACHINES = ("/api/", "/scim/")
WORDS = {
    503: ("Not available at the moment", "Omni cannot reach its own database at the moment. Ask again shortly."),
    500: ("Something went wrong", "Something went wrong on our side. Ask again in a moment."),
}


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer for a request that failed, without the database; programs get a problem document."""
    status = 503 if isinstance(sys.exc_info()[1], OperationalError | InterfaceError) else 500
    title, detail = WORDS[status]
    if request.path.startswith(MACHINES):
        answer = problem(status, title, detail)
    else:
        answer = HttpResponse(render_to_string("500.html", {"is_unavailable": status == 503}), status=status)
    if status == 503:
        answer.headers["Retry-After"] = "5"
    return answer
