"""The Fine-tune tab in a real browser without Jupyter, served and over the comm."""

from __future__ import annotations

import re
import threading

import pytest
import torch
import torchvision
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import expect
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset
from torchvision import transforms

from notebookviz import api, fine_tune, training
from notebookviz.finetune import session, waiting
from notebookviz.finetune.checks import TrainingWarning
from tests.panel.conftest import wait

pytestmark = pytest.mark.browser


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU())
        self.head = nn.Linear(8, 10)

    def forward(self, x):
        return self.head(self.body(x))


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Classifier()


@pytest.fixture
def variables(monkeypatch):
    """The notebook's variables."""
    labels = torch.arange(96) % 3
    points = torch.randn(96, 6, generator=torch.Generator().manual_seed(0)) * 0.3 + nn.functional.one_hot(labels, 6) * 2
    found = {"train_set": TensorDataset(points, labels), "loader": DataLoader(TensorDataset(points, labels), 8)}
    monkeypatch.setattr(training, "variables", lambda: found)
    return found


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def tuning(tab, panel, variables, drawn, nowhere):
    """The panel in a plain browser, with its tab opened and data chosen."""
    tab.goto(panel.url)
    drawn(tab)
    tab.get_by_role("button", name="Fine-tune").click()
    tab.get_by_label("Learn from").select_option("train_set")
    expect(step(tab, "run")).to_contain_text("steps", timeout=60_000)
    return tab


def step(page, name):
    return page.locator(f'.tuning-step[data-step="{name}"]')


def tick(page, name):
    row = page.locator(".body .row", has=page.locator(f'.text:text-is("{name}")')).first
    return row.get_by_role("checkbox")


def learning(model):
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


def test_each_step_says_what_would_be_done_and_nothing_is_done(tuning, model):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    expect(step(tuning, "head")).to_contain_text("head: Linear 8 → 10 becomes 8 → 3")
    expect(step(tuning, "learn")).to_contain_text("27 of 155 parameters learn")
    expect(step(tuning, "data")).to_contain_text("77 samples to learn from, 19 to validate")
    expect(step(tuning, "run")).to_contain_text("9 steps, 3 in each epoch")
    expect(tuning.locator(".samples li")).to_have_count(12)
    assert model.head.out_features == 10
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert len(learning(model)) == 6


def test_what_is_wrong_stands_beside_its_step_and_start_waits(tuning):
    tuning.get_by_label("Layer").fill("nowhere")
    tuning.get_by_label("Layer").press("Tab")
    expect(step(tuning, "head").get_by_role("alert")).to_contain_text("'nowhere' is no layer with outputs.")
    expect(tuning.get_by_role("button", name="Start", exact=True)).to_be_disabled()
    tuning.get_by_label("Layer").fill("")
    tuning.get_by_label("Layer").press("Tab")
    expect(tuning.get_by_role("button", name="Start", exact=True)).to_be_enabled()
    tuning.get_by_label("Epochs", exact=True).fill("0")
    tuning.get_by_label("Epochs", exact=True).press("Tab")
    expect(tuning.locator(".tuning > .wrong")).to_contain_text(
        "epochs is '0'; it is a whole number, at least 1 and at most 1,000,000,000."
    )


def test_ticks_are_staged_until_start_and_colour_the_graph(tuning, model):
    expect(tick(tuning, "head")).to_have_attribute("aria-checked", "true")
    expect(tick(tuning, "Classifier")).to_have_attribute("aria-checked", "mixed")
    tick(tuning, "body").click()
    expect(tuning.get_by_label("Train", exact=True)).to_have_value("ticks")
    expect(step(tuning, "learn")).to_contain_text("155 of 155 parameters learn")
    tuning.get_by_role("treegrid", name="Modules").focus()
    row = tuning.locator(".body .row", has=tuning.locator('.text:text-is("0")')).first
    row.locator(".text").click()
    tuning.keyboard.press("Space")
    expect(tick(tuning, "0")).to_have_attribute("aria-checked", "false")
    expect(step(tuning, "learn")).to_contain_text("99 of 155 parameters learn")
    assert len(learning(model)) == 6, "it is only staged"
    tuning.get_by_role("button", name="Show in the graph").click()
    expect(tuning.locator(".legend")).to_contain_text("will learn")
    expect(tuning.locator(".legend")).to_contain_text("staged until the training starts")
    tuning.get_by_role("button", name="Fine-tune").click()
    tuning.get_by_role("button", name="Start", exact=True).click()
    tuning.locator('.tuning-run[data-state="done"]').wait_for(timeout=120_000)
    assert learning(model) == {"body.2.weight", "body.2.bias", "head.weight", "head.bias"}
    tuning.get_by_role("button", name="Graph", exact=True).click()
    expect(tuning.locator(".legend")).to_contain_text("frozen")


def test_a_run_is_shown_to_its_end_and_after_a_reload(tuning, model, drawn):
    tuning.get_by_label("Train", exact=True).select_option("all")
    tuning.get_by_label("Learning rate").fill("0.05")
    tuning.get_by_label("Epochs", exact=True).fill("8")
    tuning.get_by_label("Epochs", exact=True).press("Tab")
    expect(step(tuning, "run")).to_contain_text("24 steps")
    tuning.get_by_role("button", name="Start", exact=True).click()
    run = tuning.locator('.tuning-run[data-state="done"]')
    run.wait_for(timeout=120_000)
    expect(run).to_contain_text("Done: epoch 8 of 8, step 24 of 24")
    expect(run).to_contain_text("samples/s")
    expect(run.locator(".result code").first).to_have_text("runs/classifier-1/last")
    expect(run.locator("svg.curves")).to_have_count(3)
    expect(run.locator(".confusion td")).to_have_count(10)
    assert model.head.out_features == 3
    tuning.reload()
    drawn(tuning)
    expect(tuning.locator('.tuning-run[data-state="done"]')).to_contain_text("Done: epoch 8 of 8")
    expect(tuning.get_by_label("Checkpoints in")).to_have_value("runs/classifier-2")


def test_stop_ends_it_and_a_second_training_is_refused(tuning, model):
    tuning.get_by_label("Epochs", exact=True).fill("5000")
    tuning.get_by_label("Epochs", exact=True).press("Tab")
    expect(step(tuning, "run")).to_contain_text("15,000 steps")
    tuning.get_by_label("Checkpoints in").fill("")
    tuning.get_by_role("button", name="Start", exact=True).click()
    tuning.locator('.tuning-run[data-state="running"]').wait_for(timeout=120_000)
    with pytest.raises(api.InputError, match="already training"):
        fine_tune(model, DataLoader(TensorDataset(torch.zeros(8, 6), torch.arange(8) % 3), 4), verbose=False)
    expect(tuning.get_by_role("button", name="Start", exact=True)).to_be_disabled()
    tuning.get_by_role("button", name="Stop", exact=True).click()
    tuning.locator('.tuning-run[data-state="stopped"]').wait_for(timeout=120_000)
    expect(tuning.locator(".tuning-run .message")).to_contain_text("Stopped after step")
    expect(tuning.get_by_role("button", name="Start", exact=True)).to_be_enabled()


def test_a_closed_panel_offers_no_stop_and_the_next_one_does(tuning, panel, model):
    tuning.get_by_label("Epochs", exact=True).fill("5000")
    tuning.get_by_label("Checkpoints in").fill("")
    tuning.get_by_label("Checkpoints in").press("Tab")
    expect(step(tuning, "run")).to_contain_text("15,000 steps")
    tuning.get_by_role("button", name="Start", exact=True).click()
    tuning.locator("svg.curves").first.wait_for(timeout=120_000)
    panel.close()
    title = tuning.locator(".tuning-run h3")
    expect(title).to_have_text(re.compile("^Not followed any more: epoch [0-9]+ of 5000, step "))
    expect(tuning.get_by_role("button", name="Stop", exact=True)).to_be_hidden()
    expect(tuning.locator(".tuning-run .message")).to_have_text("Where it still runs, show() follows it again.")
    following = api.show(model, torch.zeros(1, 6), browser=False)
    tuning.goto(following.url)
    tuning.get_by_role("button", name="Fine-tune").click()
    tuning.get_by_role("button", name="Stop", exact=True).click(timeout=60_000)
    expect(title).to_have_text(re.compile("^Stopped: epoch "), timeout=120_000)
    following.close()


def test_a_learning_rate_is_found_and_used(tuning, model):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    tuning.get_by_role("button", name="Find a learning rate").click()
    use = tuning.get_by_role("button", name=re.compile("^Use "))
    use.wait_for(timeout=120_000)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    expect(tuning.locator('svg.curves[aria-label^="Loss by learning rate"]')).to_be_visible()
    use.click()
    assert float(tuning.get_by_role("spinbutton", name="Learning rate").input_value()) == pytest.approx(
        float(use.inner_text().removeprefix("Use ")), rel=0.1
    )


def test_a_training_in_a_cell_is_told_over_the_comm_as_it_runs(panel, model, variables, monkeypatch):
    told = []
    with monkeypatch.context() as patch:
        patch.setattr(panel, "send", lambda message, buffers=None: told.append(message))
        patch.setattr(type(panel), "comm", property(lambda _: object()))
        with pytest.warns(TrainingWarning, match="The data has 3 classes, the head 'head' has 10 scores"):
            fine_tune(model, variables["loader"], epochs=2, verbose=False)
    runs = [message["data"]["run"] for message in told if message.get("event") == "training"]
    assert [runs[0]["state"], runs[-1]["state"]] == ["running", "done"]
    assert len(runs[-1]["losses"]) == 24
    assert any(0 < len(run["losses"]) < 24 for run in runs), "nothing was told before the end"


def test_two_models_keep_their_tabs_apart(tuning, variables, monkeypatch, drawn):
    monkeypatch.setattr(api.webbrowser, "open", lambda _: False)
    other = api.show(nn.Sequential(nn.Linear(6, 4)), torch.zeros(1, 6))
    page = tuning.context.new_page()
    page.goto(other.url)
    drawn(page)
    page.get_by_role("button", name="Fine-tune").click()
    expect(page.get_by_label("Learn from")).to_have_value("")
    tuning.get_by_label("Checkpoints in").fill("")
    tuning.get_by_role("button", name="Start", exact=True).click()
    tuning.locator('.tuning-run[data-state="done"]').wait_for(timeout=120_000)
    expect(page.locator(".tuning-run")).to_be_hidden()
    page.close()
    other.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious_in_the_tab(tuning, theme):
    tuning.get_by_role("button", name="Start", exact=True).click()
    tuning.locator('.tuning-run[data-state="done"]').wait_for(timeout=120_000)
    tuning.emulate_media(color_scheme=theme)
    found = Axe().run(tuning, context={"exclude": [["iframe"]]}).response["violations"]
    serious = [item for item in found if item["impact"] in {"serious", "critical"}]
    assert [(item["id"], item["nodes"][0]["html"], item["nodes"][0]["failureSummary"]) for item in serious] == []


def test_a_saved_page_has_no_tab(saved):
    expect(saved.get_by_role("button", name="Graph", exact=True)).to_be_visible()
    expect(saved.get_by_role("button", name="Fine-tune")).to_have_count(0)


def test_data_that_is_slow_to_read_is_planned_with_once_it_is_read(tuning, variables, monkeypatch):
    monkeypatch.setattr(session, "_PATIENCE", 0.1)
    read, go = threading.Event(), threading.Event()

    class Slow(Dataset):
        def __len__(self):
            return 40

        def __getitem__(self, at):
            read.set()
            go.wait(60)
            return torch.zeros(6), at % 3

    variables["slow"] = Slow()
    try:
        tuning.get_by_role("button", name="Look again").click()
        tuning.get_by_label("Learn from").select_option("slow")
        wait(tuning, read.is_set, "it is read")
        tuning.get_by_label("Epochs", exact=True).fill("7")
        tuning.get_by_label("Epochs", exact=True).press("Tab")
        expect(step(tuning, "data").get_by_role("alert")).to_contain_text("The data is still being read")
    finally:
        go.set()
    expect(step(tuning, "run")).to_contain_text("7 steps, 1 in each epoch", timeout=60_000)


def test_a_search_that_reads_data_which_hangs_can_be_stopped(tuning, variables):
    go = threading.Event()

    class Hangs(Dataset):
        def __len__(self):
            return 40

        def __getitem__(self, at):
            go.wait(60)
            return torch.zeros(6), at % 3

    source = variables["train_set"]
    variables["train_set"] = Hangs()
    try:
        tuning.get_by_role("button", name="Find a learning rate").click()
        tuning.locator(".rates").get_by_role("button", name="Stop").click()
        expect(tuning.locator(".rates .wrong")).to_contain_text(
            "Stopped before the first step: the model is as it was."
        )
        variables["train_set"] = source
        tuning.get_by_role("button", name="Find a learning rate").click()
        expect(tuning.locator(".rates svg")).to_be_visible(timeout=60_000)
    finally:
        go.set()


def test_data_that_hangs_in_a_running_training_is_told_and_stop_ends_it(tuning, variables, monkeypatch):
    monkeypatch.setattr(waiting, "PATIENCE", 0.6)
    monkeypatch.setattr(waiting, "GRACE", 0.3)
    go, hang = threading.Event(), threading.Event()

    class Hangs(Dataset):
        def __len__(self):
            return 40

        def __getitem__(self, at):
            if hang.is_set() and at > 20:
                go.wait(60)
            return torch.zeros(6), at % 3

    variables["data"] = Hangs()
    tuning.get_by_role("button", name="Look again").click()
    tuning.get_by_label("Learn from").select_option("data")
    tuning.get_by_label("Epochs", exact=True).fill("5000")
    tuning.get_by_label("Epochs", exact=True).press("Tab")
    expect(step(tuning, "run")).to_contain_text("5,000 steps")
    tuning.get_by_role("button", name="Start", exact=True).click()
    tuning.locator('.tuning-run[data-state="running"]').wait_for(timeout=120_000)
    try:
        hang.set()
        message = tuning.locator(".tuning-run .message")
        expect(message).to_contain_text(re.compile(r"^Waiting for data for \d+ s: batch 1 of (train|val)_loader\."))
        tuning.get_by_role("button", name="Stop", exact=True).click()
        tuning.locator('.tuning-run[data-state="stopped"]').wait_for(timeout=120_000)
        expect(message).to_contain_text(re.compile(r"Batch 1 of (train|val)_loader did not come\."))
        expect(tuning.get_by_role("button", name="Start", exact=True)).to_be_enabled()
    finally:
        go.set()


def test_how_images_of_a_folder_are_prepared_is_said_and_can_be_chosen(tab, variables, drawn, nowhere, tmp_path):
    for label in ("cat", "dog"):
        (tmp_path / "pets" / label).mkdir(parents=True)
        for number in range(4):
            Image.new("RGB", (9, 7), "red").save(tmp_path / "pets" / label / f"{number}.png")
    variables["weights"] = torchvision.models.ShuffleNet_V2_X0_5_Weights.IMAGENET1K_V1
    variables["mine"] = transforms.Compose([transforms.Resize((32, 32)), transforms.ToTensor()])
    panel = api.show(torchvision.models.shufflenet_v2_x0_5(), browser=False)
    try:
        tab.goto(panel.url)
        drawn(tab)
        tab.get_by_role("button", name="Fine-tune").click()
        expect(tab.get_by_label("Prepare images")).to_be_hidden()
        tab.get_by_label("Learn from").select_option("pets")
        own = "Images are prepared by ShuffleNet_V2_X0_5_Weights.IMAGENET1K_V1.transforms()."
        expect(step(tab, "data")).to_contain_text(own)
        tab.get_by_label("Prepare images").select_option("mine (Compose)")
        expect(step(tab, "data")).to_contain_text("Images are prepared by mine.")
        tab.get_by_label("Prepare images").select_option("by size alone")
        expect(step(tab, "data")).to_contain_text("Images become 224×224, normalised as for ImageNet.")
    finally:
        panel.close()
