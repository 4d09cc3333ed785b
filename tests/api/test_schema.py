"""The description of the API, made of the code."""

import pytest
import yaml
from django.core.management import call_command

from config.api import SCHEMA

pytestmark = pytest.mark.django_db


def test_it_is_made_of_the_code_without_a_warning(tmp_path):
    made = tmp_path / "schema.yaml"

    call_command("spectacular", validate=True, fail_on_warn=True, file=str(made))

    again = "uv run manage.py spectacular --file config/openapi.yaml"
    assert made.read_text() == SCHEMA.read_text(), f"The API has changed: {again}"


def test_it_is_open_api_3_1_and_public(client):
    answer = client.get("/api/schema/")

    schema = yaml.safe_load(b"".join(answer))
    assert schema["openapi"].startswith("3.1")
    assert "/api/v1/incidents/{reference}/acknowledge/" in schema["paths"]


def test_the_page_of_the_docs_loads_nothing_from_elsewhere(client):
    page = client.get("/api/docs/").content.decode()

    assert "swagger-ui" in page
    assert "http://" not in page.replace("http://testserver", "")
    assert "https://" not in page
