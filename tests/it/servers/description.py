"""Reads the API's description from stdin; fails when it is no OpenAPI 3.1, or when an example is not what its schema says."""

import json
import sys

from jsonschema import Draft202012Validator, FormatChecker
from openapi_spec_validator import OpenAPIV31SpecValidator

document = json.load(sys.stdin)
OpenAPIV31SpecValidator(document).validate()

# 'format' is looked at where the library knows it.
checked, formats = 0, FormatChecker()


def whole(schema):
    """A schema whose references lead to the document's components."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "components": document["components"], **schema}


def check(place, schema, example):
    global checked
    checked += 1
    faults = list(Draft202012Validator(whole(schema), format_checker=formats).iter_errors(example))
    if faults:
        sys.exit(f"{place}: the example {json.dumps(example)} is not what the schema says: {faults[0].message}")


def resolved(node):
    while isinstance(node, dict) and "$ref" in node:
        name = node["$ref"].removeprefix("#/components/").split("/")
        node = document["components"][name[0]][name[1]]
    return node


def check_content(place, content):
    for media_type, body in content.items():
        examples = [it["value"] for it in body.get("examples", {}).values()]
        if "example" in body:
            examples.append(body["example"])
        for example in examples:
            check(f"{place} {media_type}", body["schema"], example)
        if not examples and media_type in ("application/json", "application/problem+json"):
            sys.exit(f"{place} {media_type} has no example")


for path, methods in document["paths"].items():
    for method, operation in methods.items():
        place = f"{method.upper()} {path}"
        for parameter in map(resolved, operation["parameters"]):
            if "example" in parameter:
                check(f"{place} {parameter['name']}", parameter["schema"], parameter["example"])
        check_content(place, operation.get("requestBody", {}).get("content", {}))
        for status, response in operation["responses"].items():
            check_content(f"{place} {status}", resolved(response).get("content", {}))

print(checked)
