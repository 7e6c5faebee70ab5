"""A SAML identity provider process: pysaml2's server behind a few pages of HTML. For tests only.

``python -m tests.saml_provider --port 8131 --folder DIR --service-provider sp.xml --person '{"subject": …}'`` writes
``DIR/idp.xml`` (its metadata) and serves ``/sso`` (HTTP-Redirect): a page on which one chooses who one is. ``/start``
is its own portal, from which a sign-in that nobody asked for begins.
"""

import argparse
import base64
import html
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs
from wsgiref.simple_server import WSGIRequestHandler, make_server

from saml2 import BINDING_HTTP_POST, BINDING_HTTP_REDIRECT, saml
from saml2.config import IdPConfig
from saml2.metadata import entity_descriptor
from saml2.server import Server
from saml2.xmldsig import DIGEST_SHA256, SIG_RSA_SHA256

from tests.saml_keys import XMLSEC, write_pair

Start = Callable[[str, list[tuple[str, str]]], Any]
AUTHN = {
    "class_ref": "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport",
    "authn_auth": "https://idp.example",
}


def configuration(port: int, folder: Path, service_provider: str = "") -> IdPConfig:
    """Return pysaml2's settings of a provider at the port, with a key pair in the folder."""
    base = f"http://localhost:{port}"
    key, certificate = write_pair(folder, "idp")
    settings: dict[str, Any] = {
        "entityid": f"{base}/metadata",
        "key_file": str(key),
        "cert_file": str(certificate),
        "xmlsec_binary": XMLSEC,
        "service": {
            "idp": {
                "endpoints": {"single_sign_on_service": [(f"{base}/sso", BINDING_HTTP_REDIRECT)]},
                "sign_assertion": True,
                "sign_response": True,
                "name_id_format": [saml.NAMEID_FORMAT_PERSISTENT],
                "policy": {"default": {"lifetime": {"minutes": 5}, "attribute_restrictions": None, "name_form": saml.NAME_FORMAT_URI}},
            }
        },
    }  # fmt: skip
    if service_provider:
        settings["metadata"] = {"inline": [service_provider]}
    config = IdPConfig()
    config.load(settings)
    return config


class Provider:
    """The pages."""

    def __init__(self, config: IdPConfig, people: list[dict[str, Any]]) -> None:
        self.server = Server(config=config)
        self.people = {person["subject"]: person for person in people}

    def __call__(self, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        query = parse_qs(environ["QUERY_STRING"])
        if environ["PATH_INFO"] not in ("/sso", "/start"):
            start("404 Not Found", [("Content-Type", "text/plain")])
            return [b"not here"]
        if environ["REQUEST_METHOD"] == "GET":
            page = self.choose(query)
        else:
            body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"] or 0)).decode()
            page = self.answer(parse_qs(body, keep_blank_values=True))
        start("200 OK", [("Content-Type", "text/html; charset=utf-8")])
        return [page.encode()]

    def choose(self, query: dict[str, list[str]]) -> str:
        asked = html.escape(query.get("SAMLRequest", [""])[0])
        relay = html.escape(query.get("RelayState", [""])[0])
        buttons = "".join(
            f'<button name="subject" value="{html.escape(name)}">{html.escape(name)}</button>' for name in self.people
        )
        hidden = f'<input type="hidden" name="SAMLRequest" value="{asked}"><input type="hidden" name="RelayState" value="{relay}">'
        return f'<!doctype html><title>Sign in</title><form method="post" action="/sso">{hidden}{buttons}</form>'

    def answer(self, form: dict[str, list[str]]) -> str:
        person, relay = self.people[form["subject"][0]], form.get("RelayState", [""])[0]
        if form["SAMLRequest"][0]:
            asked = self.server.parse_authn_request(form["SAMLRequest"][0], BINDING_HTTP_REDIRECT)
            where = self.server.response_args(asked.message)
        else:
            service = next(iter(self.server.metadata.service_providers()))
            place = self.server.metadata.assertion_consumer_service(service, BINDING_HTTP_POST)[0]["location"]
            where = {
                "destination": place,
                "sp_entity_id": service,
                "in_response_to": None,
                "binding": BINDING_HTTP_POST,
            }
        name = saml.NameID(
            format=saml.NAMEID_FORMAT_PERSISTENT, sp_name_qualifier=where["sp_entity_id"], text=person["subject"]
        )
        response = self.server.create_authn_response(
            identity=person["attributes"], in_response_to=where["in_response_to"], destination=where["destination"],
            sp_entity_id=where["sp_entity_id"], name_id=name, authn=AUTHN, sign_assertion=True, sign_response=True,
            sign_alg=SIG_RSA_SHA256, digest_alg=DIGEST_SHA256,
        )  # fmt: skip
        text = base64.b64encode(str(response).encode()).decode()
        return (
            f'<!doctype html><title>Answer</title><form method="post" action="{html.escape(where["destination"])}">'
            f'<input type="hidden" name="SAMLResponse" value="{text}"><input type="hidden" name="RelayState" value="{html.escape(relay)}">'
            "</form><script>document.forms[0].submit()</script>"
        )


class Silent(WSGIRequestHandler):
    def log_message(self, *_arguments: Any) -> None:
        """Say nothing: the output is not read."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--service-provider", type=Path)
    parser.add_argument("--person", action="append", default=[], type=json.loads)
    options = parser.parse_args()
    known = options.service_provider.read_text() if options.service_provider else ""
    config = configuration(options.port, options.folder, known)
    (options.folder / "idp.xml").write_text(str(entity_descriptor(config)))
    make_server("127.0.0.1", options.port, Provider(config, options.person), handler_class=Silent).serve_forever()  # type: ignore[arg-type]  # looser than the type on purpose


if __name__ == "__main__":
    main()
