"""The graph that comes out: names, weights, batch, opset, what was used and said."""

from __future__ import annotations

import copy
import types

import onnx
import pytest
import torch
import torchvision
import transformers
from torch import nn

from notebookviz.onnx_export import STAGES, export, save
from tests.onnx_export.models import Closures, Complex, Experts, FixedBatch, Images, OnAccelerator, Tied

IDS = torch.arange(16).reshape(1, 16)
SMALL = {"num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": 32, "intermediate_size": 64}


def graph(result):
    return onnx.ModelProto.FromString(result.graph_bytes).graph


def dims(value):
    return [item.dim_param or item.dim_value for item in value.type.tensor_type.shape.dim]


def test_resnet_has_its_weights_elsewhere(resnet):
    model, result, _ = resnet
    found = graph(result)
    assert result.exporter == "torch.export"
    assert (result.notes, result.check) == ((), None)
    assert [item.op_type for item in found.node].count("Conv") == 20
    assert [item.op_type for item in found.node].count("BatchNormalization") == 20
    assert len(result.graph_bytes) < 300_000
    assert set(result.live) == {item.name for item in found.initializer if item.external_data}
    assert set(result.live.values()) == {name for name in model.state_dict() if "num_batches" not in name}
    assert {entry.value for entry in found.initializer[0].external_data if entry.key == "location"} == {
        f"live/{found.initializer[0].name}"
    }


def test_the_batch_is_free_and_the_other_axes_are_not(resnet):
    _, result, _ = resnet
    found = graph(result)
    assert result.dynamic_batch
    assert dims(found.input[0]) == ["batch", 3, 64, 64]
    assert dims(found.output[0]) == ["batch", 1000]


def test_each_node_knows_its_module_and_no_path_of_this_machine(resnet):
    _, result, _ = resnet
    scopes = {entry.value for node in graph(result).node for entry in node.metadata_props if "name_scopes" in entry.key}
    assert any("'layer1.0.conv1'" in item for item in scopes)
    assert b"site-packages" not in result.graph_bytes


def test_stages_and_seconds_are_told(resnet):
    _, result, told = resnet
    stages = list(dict.fromkeys(stage for stage, _ in told))
    assert stages == ["preparing", "starting", "rebuilding", "tracing", "converting", "checking"]
    assert set(stages) < set(STAGES)
    assert [stage for stage, _ in result.stages] == stages
    assert sum(seconds for _, seconds in result.stages) <= result.seconds + 0.1
    assert f"by torch.export in {result.seconds:.1f} s: {result.nodes} nodes, opset" in result.sentence


def test_the_model_stays_as_it_was(in_process):
    model = torchvision.models.resnet18()
    model.bn1.eval()
    modes = [item.training for item in model.modules()]
    before = copy.deepcopy(model.state_dict())
    rng = torch.get_rng_state()
    export(model, (torch.zeros(1, 3, 32, 32),))
    assert [item.training for item in model.modules()] == modes
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), rng)
    assert torch.is_grad_enabled()


@pytest.mark.parametrize(
    ("build", "args", "kwargs", "outputs"),
    [
        pytest.param(
            lambda: transformers.GPT2LMHeadModel(
                transformers.GPT2Config(n_layer=2, n_head=2, n_embd=32, vocab_size=100, n_positions=64)
            ),
            (),
            {"input_ids": IDS},
            ("logits",),
            id="gpt2",
        ),
        pytest.param(
            lambda: transformers.BertModel(transformers.BertConfig(vocab_size=100, **SMALL)),
            (),
            {"attention_mask": torch.ones(1, 16, dtype=torch.long), "input_ids": IDS},
            ("last_hidden_state", "pooler_output"),
            id="bert",
        ),
        pytest.param(
            lambda: transformers.ViTForImageClassification(transformers.ViTConfig(image_size=32, **SMALL)),
            (torch.randn(1, 3, 32, 32),),
            {},
            ("logits",),
            id="vit",
        ),
        pytest.param(
            lambda: transformers.LlamaForCausalLM(
                transformers.LlamaConfig(vocab_size=100, num_key_value_heads=1, **SMALL)
            ),
            (IDS,),
            {"use_cache": True},
            ("logits",),
            id="llama",
        ),
        pytest.param(torchvision.models.mobilenet_v3_small, (torch.randn(2, 3, 32, 32),), {}, None, id="mobilenet"),
        pytest.param(
            lambda: torchvision.models.VisionTransformer(32, 8, 2, 2, 32, 64),
            (torch.randn(1, 3, 32, 32),),
            {},
            None,
            id="vit_b",
        ),
    ],
)
def test_real_models(build, args, kwargs, outputs, in_process, tmp_path):  # noqa: PLR0913, PLR0917 - a table
    torch.manual_seed(0)
    model = build()
    result = export(model, args, kwargs)
    assert result.exporter == "torch.export"
    assert result.dynamic_batch
    assert outputs is None or result.outputs == outputs
    check = save(result, model, tmp_path / "model.onnx", compare=True).check
    assert check.verdict == "agrees", check
    assert [row.trial for row in check.differences[:: len(result.outputs)]] == [
        "new input",
        "second new input",
        "batch of 3",
    ]
    assert getattr(model, "config", None) is None or getattr(model.config, "use_cache", True)


def test_tied_weights_map_to_the_model_s_tensors(in_process):
    model = Tied()
    result = export(model, (torch.arange(6).reshape(1, 6),))
    assert sorted(result.live.values()) == [
        "embed.weight",
        "mix.bias",
        "mix.parametrizations.weight.original0",
        "mix.parametrizations.weight.original1",
    ]
    assert result.notes == ("1 forward hook of yours was left out.",)


def test_a_dictionary_with_an_input_in_it(in_process):
    result = export(Closures(), (torch.randn(1, 4),))
    assert (result.inputs, result.outputs) == (("x",), ("y", "seen.0"))


def test_a_model_on_a_device_is_exported_on_the_cpu(in_process, tmp_path):
    model = OnAccelerator()
    result = export(model, (torch.randn(1, 4),))
    assert result.notes == ("The model is on cuda; its copy was exported on the CPU.",)
    assert save(result, model, tmp_path / "m.onnx", compare=True).check.verdict == "agrees"


def test_a_model_on_meta_gives_a_graph(in_process):
    with torch.device("meta"):
        model = nn.Linear(50_000, 50_000)
    result = export(model, (torch.empty(1, 50_000, device="meta"),))
    assert result.live == {"weight": "weight", "bias": "bias"}


def test_a_fixed_batch_is_said(in_process):
    result = export(FixedBatch(), (torch.randn(1, 12),))
    assert not result.dynamic_batch
    assert result.notes[0].startswith("The batch size is fixed at 1: with a free one the export failed (")
    assert dims(graph(result).input[0]) == [1, 12]
    assert "fixed batch size" in result.sentence


def test_images_in_a_list_have_no_batch(in_process):
    result = export(Images(), ([torch.randn(3, 8, 8), torch.randn(3, 9, 9)],))
    assert not result.dynamic_batch
    assert result.outputs == ("0.score", "1.score")
    assert dims(graph(result).input[1]) == [3, 9, 9]


def test_names_opset_and_shapes_can_be_set(in_process):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    result = export(
        model,
        (torch.randn(1, 3, 8, 8),),
        opset=21,
        input_names=["image"],
        output_names=["map"],
        dynamic_shapes={"input": {0: "n", 2: "height"}},
    )
    found = graph(result)
    assert (result.inputs, result.outputs, result.opset) == (("image",), ("map",), 21)
    assert dims(found.input[0]) == ["n", 3, "height", 8]
    assert dims(found.output[0])[0] == "n"


def test_no_free_batch_on_request(in_process):
    result = export(nn.Linear(3, 2), (torch.randn(1, 3),), dynamic_batch=False)
    assert dims(graph(result).input[0]) == [1, 3]
    assert result.notes == ()


def test_a_complex_buffer(in_process, tmp_path):
    model = Complex()
    result = export(model, (torch.randn(1, 4, 2),))
    assert result.live == {"phase": "phase"}
    assert save(result, model, tmp_path / "m.onnx", compare=True).check.verdict == "agrees"


def test_cache_and_experts_of_transformers_do_not_stop_it(in_process):
    model = Experts()
    result = export(model, (torch.randn(1, 4),), {"use_cache": True})
    assert result.exporter == "torch.export"
    assert result.outputs == ("y",)
    assert "experts_implementation='batched_mm'" in result.notes[0]
    assert (model.config._experts_implementation, model.config.use_cache) == ("grouped_mm", True)


def test_a_setting_for_experts_without_experts_is_not_spoken_of(in_process):
    model = nn.Sequential(nn.Linear(4, 2))
    model.config = types.SimpleNamespace(_experts_implementation="grouped_mm")
    assert export(model, (torch.randn(1, 4),)).notes == ()
