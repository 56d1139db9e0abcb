import pytest

from complexity_lab.study import registry
from tests.study.toy import KIND


@pytest.fixture(autouse=True)
def toys_are_known(monkeypatch):
    monkeypatch.setitem(registry._REGISTERED, KIND.name, KIND)
