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
