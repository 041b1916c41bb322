"""Fine-tuning ResNet-50."""

from __future__ import annotations

import re

import pytest


def percents(text):
    return [float(number) for number in re.findall(r"([\d.]+)%", text)]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_fine_tuning(run, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))  # no weights that this computer may have
    (tmp_path / "loops" / "last").mkdir(parents=True)
    (tmp_path / "loops" / "last" / "state.json").write_text("{}", encoding="utf-8")  # an earlier run's
    ran = run("07-fine-tuning")
    assert "set in_features=2048 there" in ran.printed("nn.Linear(512, 3)")
    heads = ran.printed("build.__name__")
    assert "fc: Linear 2,048 → 1,000 is now 2,048 → 3" in heads
    assert "classifier.3: Linear 1,024 → 1,000 is now 1,024 → 3" in heads
    assert "this notebook pre-trains a body of its own" in ran.printed("within_reach(IMAGENET)")
    assert "6,147 of 5,873,411 parameters learn: fc." in ran.printed('learning = train_only(model, "head")')
    pretrained, scratch = percents(ran.printed("from_nothing = evaluate"))
    assert pretrained > scratch + 10
    before, reckless, careful = percents(ran.printed("reckless = go_on"))
    assert reckless < careful
    assert before > 60
    own, other = percents(ran.printed("mismatched = evaluate"))
    assert own == careful > other
    lazy, model = (float(line.rpartition(" ")[2]) for line in ran.printed("lazy = evaluate").splitlines())
    assert lazy < 0.3
    assert model > 0.6
    assert "Expected more than 1 value per channel when training" in ran.printed("model.train()")
    assert "('two', 0." in ran.printed("tuned.predict")
    assert ran.printed("if imagenet_is_there:\n    photographer").startswith("Skipped")
    left = {path.relative_to(ran.folder).as_posix() for path in ran.folder.glob("loops/*/*")}
    assert {"loops/best/model.safetensors", "loops/last/training.safetensors"} <= left
    assert not [name for name in left if name.endswith((".pt", ".pth", ".pkl"))]
