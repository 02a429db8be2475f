"""`POST /login`: the key for a cookie. The page with the form is the web door's."""

import asyncio
from typing import Annotated, Any

from litestar import Request, Response, post
from litestar.datastructures import Cookie
from litestar.enums import RequestEncodingType
from litestar.params import Body
from litestar.response import Redirect

from pellucid.server.auth.gate import Policy
from pellucid.server.auth.keys import COOKIE

_WRONG_KEY_PAUSE_S = 0.5
_KEPT_S = 30 * 24 * 3600
Form = Annotated[dict[str, Any], Body(media_type=RequestEncodingType.URL_ENCODED)]


@post("/login", include_in_schema=False)
async def log_in(request: Request[Any, Any, Any], data: Form, policy: Policy) -> Response[Any]:
    """Set the cookie and go on to the page that asked, or back to the form."""
    target = local_path(str(data.get("next") or "/"))
    if not policy.keys.accepts(str(data.get("key") or "").strip()):
        # A guess a half second, without holding up anybody else.
        await asyncio.sleep(_WRONG_KEY_PAUSE_S)
        return Redirect("/login", status_code=303, query_params={"error": "1", "next": target})
    response: Response[Any] = Redirect(target, status_code=303)
    is_secure = request.url.scheme == "https" or (policy.public_url or "").startswith("https:")
    response.set_cookie(
        Cookie(
            key=COOKIE,
            value=policy.keys.session,
            path="/",
            max_age=_KEPT_S,
            httponly=True,
            samesite="strict",
            secure=is_secure,
        )
    )
    return response


@post("/logout", include_in_schema=False)
async def log_out() -> Response[Any]:
    """Drop the cookie."""
    response: Response[Any] = Redirect("/login", status_code=303)
    response.delete_cookie(COOKIE)
    return response


def local_path(target: str) -> str:
    """Return a path on this server: anything that could lead elsewhere becomes `/`."""
    is_local = target.startswith("/") and not target.startswith(("//", "/\\"))
    return target if is_local and target.isprintable() else "/"


route_handlers: list[Any] = [log_in, log_out]
