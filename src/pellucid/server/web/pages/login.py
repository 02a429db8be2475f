"""The form that takes the key; `POST /login` is the API door's."""

from dataclasses import dataclass

from litestar import Response, get

from pellucid.server.web.page import Fragment, doc


@dataclass(frozen=True, kw_only=True)
class LoginPage(Fragment):
    """Asks for the API key, and says when it was the wrong one."""

    template = "login.html"

    title: str = doc("What the tab shows", default="Sign in")
    next: str = doc("The page to go on to")
    fault: str = doc("Why the last try failed, or empty")


@get("/login", include_in_schema=False)
async def show_login(next: str = "/", error: str = "") -> Response[str]:
    """Show the form."""
    fault = "That is not this server's key." if error else ""
    return LoginPage(next=next, fault=fault).respond()
