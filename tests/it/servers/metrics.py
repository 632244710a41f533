"""Reads metrics as Prometheus's own client library does, and tells what it found: a line of JSON for each metric."""

import json
import sys

try:
    from prometheus_client.parser import text_string_to_metric_families
except ImportError:
    sys.exit(3)

for family in text_string_to_metric_families(sys.stdin.read()):
    samples = [[sample.name, sample.labels, sample.value] for sample in family.samples]
    line = {"name": family.name, "type": family.type, "help": family.documentation, "samples": samples}
    print(json.dumps(line, ensure_ascii=False))
