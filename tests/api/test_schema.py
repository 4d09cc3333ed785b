"""The description of the API, made of the code."""

import json

import pytest
from django.core.management import call_command

pytestmark = pytest.mark.django_db


def test_it_is_made_without_a_warning(tmp_path):
    call_command(
        "spectacular", validate=True, fail_on_warn=True, file=str(tmp_path / "schema.yaml")
    )


def test_it_is_open_api_3_1_and_public(client):
    answer = client.get("/api/schema/", headers={"Accept": "application/json"})

    schema = json.loads(answer.content)
    assert schema["openapi"].startswith("3.1")
    assert "/api/v1/incidents/{reference}/acknowledge/" in schema["paths"]


def test_the_page_of_the_docs_loads_nothing_from_elsewhere(client):
    page = client.get("/api/docs/").content.decode()

    assert "swagger-ui" in page
    assert "http://" not in page.replace("http://testserver", "")
    assert "https://" not in page
