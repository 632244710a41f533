"""Who asks, for Schemathesis: somebody whose token is good, whatever the tests have done to those before.

The environment names a file with a token a line (PREORDER_TOKENS); without it, nobody is signed in. Whoever logs out,
withdraws or changes their password has ended a session, so the next request is somebody else's.
"""

import os

import requests
import schemathesis

TOKENS = os.environ.get("PREORDER_TOKENS")
ENDS_SESSION = {"logOut", "logOutEverywhere", "withdraw", "changePassword"}


def operation_of(case):
    return case.operation.definition.raw["operationId"]


if TOKENS:
    with open(TOKENS, encoding="utf-8") as lines:
        waiting = lines.read().split()

    @schemathesis.auth(refresh_interval=None)
    class Somebody:
        def get(self, case, context):
            return waiting[-1]

        def set(self, case, token, context):
            case.headers["Authorization"] = f"Bearer {token}"

    @schemathesis.hook
    def after_call(context, case, response):
        if operation_of(case) in ENDS_SESSION and response.status_code < 300:
            if len(waiting) < 2:
                raise RuntimeError("everybody has logged out or withdrawn; give the tests more tokens")
            waiting.pop()
