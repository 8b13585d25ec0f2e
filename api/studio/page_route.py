"""Routes of pages: a reader without a session is led to the page to sign in, and every other problem is a page."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Final

from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute
from starlette.responses import RedirectResponse

from api.access.api_keys import Caller, Scope
from api.authentication import authenticate
from api.dependencies import RequireScope
from api.problem_types import ProblemType
from api.problems import Problem, to_problem
from api.studio import pages, words
from api.studio.forms import check_form

_log: Final = logging.getLogger("gestaltgen.studio")

ReaderDep = Annotated[Caller, Depends(RequireScope(*Scope))]
"""The caller of a page that every key may see."""


class PageRoute(APIRoute):
    """Route of a page for a person who is signed in, or of what a form asks for.

    The token of a form is checked before its function is called, which gets the form by `await request.form()`.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler of the route, which answers problems with pages."""
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            words.use_language(request.headers.get("Accept-Language", ""))
            try:
                if request.method == "POST" and request.url.path != pages.SIGN_IN:
                    await authenticate(request)
                    await check_form(request)
                return await handle(request)
            except Exception as error:
                problem = to_problem(error, request)
                if problem.type is ProblemType.INTERNAL_ERROR:
                    _log.exception("the page %s failed", getattr(request.scope.get("route"), "path", ""))
                return await self.answer_problem(request, problem)
            finally:
                await request.close()  # the files of its form

        return answer

    async def answer_problem(self, request: Request, problem: Problem) -> Response:
        """Answer a problem with its page."""
        return await render_problem(request, problem)


async def render_problem(request: Request, problem: Problem) -> Response:
    """Return the page of a problem, or the way to sign in if that is what is missing."""
    if problem.type in (ProblemType.API_KEY_MISSING, ProblemType.API_KEY_INVALID):
        return RedirectResponse(pages.sign_in_path(request), 303)
    answer = pages.render(request, "problem.html", status=problem.status, problem=problem)
    answer.headers.update({name: value for name, value in problem.headers.items() if name != "WWW-Authenticate"})
    return answer
