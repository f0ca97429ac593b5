"""Loaded by schemathesis: who asks, what is left alone so that they can go on asking, and what counts as a fair refusal."""

import itertools
import json
import os
import urllib.request

import schemathesis
from schemathesis.core.failures import ServerError
from schemathesis.openapi.checks import RejectedPositiveData

URL = os.environ["FUZZ_URL"]
KEY = os.environ["FUZZ_KEY"]
USERNAME = os.environ["FUZZ_USERNAME"]
PASSWORD = os.environ["FUZZ_PASSWORD"]
# Keys and people without whom the rest of the run would meet nothing but 401.
PROTECTED = frozenset(os.environ["FUZZ_PROTECTED"].split(","))
# What only somebody who signed in may call. Each call gets a sign-in of its own, since many of them end it.
OF_PEOPLE = ("/api/auth/logout", "/api/auth/me", "/api/auth/sessions")


calls = itertools.count()


def post(path, body=None, **headers):
    """From ever new addresses of our own: what the fuzzer gets wrong does not count against us, nor how often we come."""
    number = next(calls)
    headers |= {"content-type": "application/json", "x-forwarded-for": f"198.18.{number // 250}.{number % 250}"}
    request = urllib.request.Request(URL + path, json.dumps(body or {}).encode(), headers)
    return urllib.request.urlopen(request, timeout=20)


def sign_in(path):
    return post(path, {"username": USERNAME, "password": PASSWORD})


@schemathesis.auth(refresh_interval=None)
class Credential:
    def get(self, case, ctx):
        path = case.operation.path
        if path == "/api/auth/session":
            with sign_in(path) as answer:
                return "Cookie", answer.headers["set-cookie"].split(";")[0]
        if path.startswith(OF_PEOPLE):
            with sign_in("/api/auth/login") as answer:
                return "Authorization", "Bearer " + json.load(answer)["access_token"]
        return "Authorization", f"Bearer {KEY}"

    def set(self, case, data, ctx):
        name, value = data
        case.headers[name] = value


@schemathesis.hook
def before_call(context, case, kwargs):
    parameters = case.path_parameters or {}
    if case.method != "GET" and parameters.get("id") in PROTECTED:
        parameters["id"] += "0"


@schemathesis.hook
def after_call(context, case, response):
    """A worker that drains for good would leave nobody to work for the rest of the run."""
    if case.operation.path == "/api/admin/workers/{id}/drain" and response.status_code == 200:
        post(case.formatted_path.removesuffix("drain") + "resume", authorization=f"Bearer {KEY}").close()


@schemathesis.deserializer("application/x-ndjson")
def ndjson(context, response):
    return [json.loads(line) for line in response.text.splitlines()]


# The errors of RFC 6749 have codes of their own and name no field.
OAUTH_CODES = {"invalid_request": "missing_parameter", "invalid_grant": "invalid_token", "invalid_scope": "insufficient_scope"}


def names(rule, error):
    """Whether this is the refusal that the rule announces."""
    if isinstance(error, str):
        return OAUTH_CODES.get(error) == rule.get("code")
    param = error["param"] or ""
    is_field = param == rule["param"] or param.startswith(rule["param"] + ".")
    return is_field and error["code"] == rule.get("code", "invalid_parameter")


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """
    A request that fits the schema may be refused for a rule that the document announces beside it, and for no other reason. A 504 is no
    fault of the server's when the client's own deadline has passed.
    """
    if isinstance(failure, RejectedPositiveData) and response.status_code in (400, 422):
        error = response.json()["error"]
        return not any(names(rule, error) for rule in case.operation.definition.raw.get("x-rules", []))
    if isinstance(failure, ServerError) and response.status_code == 504:
        return response.json()["error"]["code"] != "deadline_exceeded" or "Cancel-After" not in case.headers
    return True
