"""A server that speaks S3, in a process of its own: what boto3 sends goes over a socket and is answered from outside."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import boto3

from helpdesk.kernel.settings import Settings
from tests.racing import until

BUCKET = "helpdesk-files"
ACCESS_KEY = "access-key-of-the-tests"
SECRET_KEY = "secret-key-of-the-tests"


@contextmanager
def running() -> Iterator[str]:
    """Its address; with an empty bucket."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            until(lambda: _answers(port))
            address = f"http://127.0.0.1:{port}"
            client(address).create_bucket(Bucket=BUCKET)
            yield address
        finally:
            process.kill()


def _answers(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


def client(address: str) -> boto3.client:
    return boto3.client(
        "s3",
        endpoint_url=address,
        region_name="us-east-1",
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
    )


def settings(address: str) -> Settings:
    return Settings(
        s3_bucket=BUCKET,
        s3_endpoint=address,
        s3_region="us-east-1",
        s3_access_key=ACCESS_KEY,
        s3_secret_key=SECRET_KEY,
        s3_prefix="attachments/",
    )
