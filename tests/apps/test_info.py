"""What the server tells about itself."""

import requests

from tests.apps.running import Server


def test_info_lists_the_model_with_its_labels(server: Server) -> None:
    info = requests.get(f"{server.url}/info/", timeout=10).json()
    tiny = info["models"]["tiny"]
    assert tiny["type"] == "segmentation"
    assert tiny["dimension"] == 3
    assert tiny["labels"] == {"anterior": 1, "posterior": 2}
    assert tiny["config"]["device"]


def test_info_counts_the_images_of_the_studies(server: Server) -> None:
    info = requests.get(f"{server.url}/info/", timeout=10).json()
    assert info["datastore"]["total"] >= 2


def test_the_schema_describes_infer_as_it_is(server: Server) -> None:
    schema = requests.get(f"{server.url}/openapi.json", timeout=30).json()
    infer = schema["paths"]["/infer/{model}"]["post"]
    reply = infer["responses"]["200"]["content"]["multipart/form-data"]["schema"]
    assert set(reply["properties"]) == {"params", "image"}
    assert {p["name"] for p in infer["parameters"]} >= {"model", "image", "session_id", "output"}


def test_the_schema_says_what_is_refused(server: Server) -> None:
    schema = requests.get(f"{server.url}/openapi.json", timeout=30).json()
    assert "403" in schema["paths"]["/infer/wsi_v2/{model}"]["post"]["responses"]
    assert "403" in schema["paths"]["/model/{model}"]["delete"]["responses"]
    assert "200" in schema["paths"]["/model/{model}"]["get"]["responses"]


def test_a_web_page_of_another_address_is_not_let_in(server: Server) -> None:
    headers = {"Origin": "http://elsewhere.example"}
    response = requests.get(f"{server.url}/info/", headers=headers, timeout=30)
    assert "access-control-allow-origin" not in response.headers
