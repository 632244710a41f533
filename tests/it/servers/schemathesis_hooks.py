"""Who asks, for Schemathesis: somebody whose token is good, whatever the tests have done to those before.

PREORDER_TOKENS names a file with a token a line; without it, nobody is signed in. Whoever logs out, withdraws or changes
their password has ended a session, so the next request is somebody else's. PREORDER_IMAGE is the path of a profile image.
"""

import itertools
import os

import requests
import schemathesis

TOKENS = os.environ.get("PREORDER_TOKENS")
IMAGE = os.environ["PREORDER_IMAGE"].rsplit("/", 1)[1]
AUTHOR = {"email": "author@example.com", "password": "correct horse"}
ENDS_SESSION = {"logOut", "logOutEverywhere", "withdraw", "changePassword"}

turn = itertools.count()


def operation_of(case):
    return case.operation.definition.raw["operationId"]


@schemathesis.hook
def map_path_parameters(context, parameters):
    """Nobody guesses an image's name, so every second one is one that there is."""
    if context.operation.path == "/media/{name}" and parameters and next(turn) % 2:
        return {**parameters, "name": IMAGE}
    return parameters


@schemathesis.hook
def before_call(context, case, kwargs):
    """Schemathesis takes 'X-Request-Id' for the id of a thing and writes one into it, which then is a number and no text."""
    for name, value in list((case.headers or {}).items()):
        case.headers[name] = str(value)


if TOKENS:
    with open(TOKENS, encoding="utf-8") as lines:
        waiting = lines.read().split()

    @schemathesis.auth(refresh_interval=None)
    class Somebody:
        def get(self, case, context):
            if operation_of(case) == "reissue":
                answer = requests.post(f"{case.operation.base_url.rstrip('/')}/users/login", json=AUTHOR, timeout=10)
                return answer.cookies["refresh"]
            return waiting[-1]

        def set(self, case, secret, context):
            if operation_of(case) == "reissue":
                case.cookies["refresh"] = secret
            else:
                case.headers["Authorization"] = f"Bearer {secret}"

    @schemathesis.hook
    def after_call(context, case, response):
        if operation_of(case) in ENDS_SESSION and response.status_code < 300:
            if len(waiting) < 2:
                raise RuntimeError("everybody has logged out or withdrawn; give the tests more tokens")
            waiting.pop()
