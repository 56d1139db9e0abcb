"""The hub that is asked for branches is the one configured now, not when its library was imported."""

import huggingface_hub.hf_api  # noqa: F401 - its module-wide client has read the endpoint by now

from complexity_lab.trajectory.revisions import in_revisions
from tests.trajectory.checkpoints import content
from tests.trajectory.revisions import RevisionHub


def test_branches_are_listed_where_the_endpoint_points(monkeypatch, tmp_path):
    with RevisionHub() as hub:
        hub.attach(monkeypatch, tmp_path)
        hub.publish("owner/pythia", "step7", {"model.safetensors": content(7)})
        assert [each.step for each in in_revisions("owner/pythia", ["step*"])] == [7]
