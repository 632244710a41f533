"""An S3 server for the tests, with a bucket 'shop'. Prints one JSON line when it is ready, and the bucket's keys for each line
that it reads; ends with its standard input."""

import json
import os
import sys

os.environ.update(AWS_ACCESS_KEY_ID="id", AWS_SECRET_ACCESS_KEY="secret")

import boto3
from moto.server import ThreadedMotoServer

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
_, port = server.get_host_and_port()
client = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}", region_name="us-east-1")
client.create_bucket(Bucket="shop")
print(json.dumps({"port": port}), flush=True)
for _ in sys.stdin:
    objects = client.list_objects_v2(Bucket="shop").get("Contents", [])
    print(json.dumps([item["Key"] for item in objects]), flush=True)
server.stop()
