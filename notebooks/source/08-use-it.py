# %% [markdown] lang="en"
# # 08 · From the notebook into the world
#
# A trained model is of use when it leaves the notebook. Here it becomes an ONNX file that runs without PyTorch, a curve in TensorBoard, an entry for PyTorch Hub, and one HTML page that you can send to anybody. And you open models that other people made, with other tools.

# %% [markdown] lang="zh"
# # 08 · 走出 notebook
#
# 训练好的模型要离开 notebook 才有用处。在这里，它会变成一个不依赖 PyTorch 就能运行的 ONNX 文件、TensorBoard 里的一条曲线、PyTorch Hub 的一个条目，以及一个可以发给任何人的 HTML 页面。我们还会打开别人用别的工具做的模型。

# %% [markdown] lang="en"
# ## A small trained model
#
# Digits again, as in notebook 06, trained by one call. `TensorBoardLog` writes down the curves on the way.

# %% [markdown] lang="zh"
# ## 一个训练好的小模型
#
# 还是 06 里的手写数字，这次一个调用就训练完。`TensorBoardLog` 顺便把曲线记录下来。

# %%
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from notebookviz import fine_tune, show
from notebookviz.finetune.tensorboard import TensorBoardLog

digits = load_digits()
images = torch.tensor(digits.images, dtype=torch.float32)[:, None] / 16
labels = torch.tensor(digits.target)
order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
train, held_out = order[:-360], order[-360:]

torch.manual_seed(0)
model = nn.Sequential(
    nn.Conv2d(1, 16, 3, padding=1),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Flatten(),
    nn.Dropout(0.2),
    nn.Linear(16 * 4 * 4, 10),
)
training = fine_tune(
    model,
    DataLoader(TensorDataset(images[train], labels[train]), batch_size=32, shuffle=True),
    DataLoader(TensorDataset(images[held_out], labels[held_out]), batch_size=360),
    epochs=8,
    lr=5e-3,
    callbacks=[TensorBoardLog("logs")],
)
accuracy = training.epochs[-1].metrics["val_accuracy"]
assert accuracy > 0.93

# %% [markdown] lang="en"
# ## ONNX: the model without PyTorch
#
# What `forward` does not do will not be in the file. Our images were divided by 16 *outside* of the model, and whoever uses the file would have to know that. So put it inside first: a model that takes what the user has and gives what the user wants.

# %% [markdown] lang="zh"
# ## ONNX：不需要 PyTorch 的模型
#
# `forward` 没做的事，导出的文件里也不会有。我们的图像是在模型*之外*除以 16 的，用这个文件的人就得知道这一点。所以先把它放进模型里：让模型直接接受使用者手上的数据，给出使用者想要的结果。


# %%
class FromPixels(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, pixels):
        return self.model(pixels / 16).softmax(1)


whole = FromPixels(model).eval()
pixels = torch.tensor(digits.images[held_out], dtype=torch.float32)[:, None]
with torch.no_grad():
    assert torch.equal(whole(pixels).argmax(1), model.eval()(images[held_out]).argmax(1))

# %% [markdown] lang="en"
# `save_onnx` exports the model as it is now, writes the file, runs it in onnxruntime and compares the results with PyTorch's. Read what it says before you ship the file.

# %% [markdown] lang="zh"
# `save_onnx` 按模型现在的状态导出并写成文件，再用 onnxruntime 运行，和 PyTorch 的结果做比较。交付文件之前，先看看它怎么说。

# %%
panel = show(whole, pixels[:1])
saved = panel.save_onnx("digits.onnx", input_names=["pixels"], output_names=["probabilities"])
print(saved.check.sentence)
assert saved.check.verdict == "agrees"

# %% [markdown] lang="en"
# Now as a program would use it that has never heard of PyTorch. The file knows the names and shapes of its inputs; a word instead of a number is a free axis.

# %% [markdown] lang="zh"
# 现在像一个完全不知道 PyTorch 的程序那样使用它。文件里记录了输入的名字和形状；形状里出现单词而不是数字，说明那个轴的长度可以变。

# %%
import onnxruntime

session = onnxruntime.InferenceSession("digits.onnx", providers=["CPUExecutionProvider"])
for value in [*session.get_inputs(), *session.get_outputs()]:
    print(value.name, value.shape, value.type)

(probabilities,) = session.run(["probabilities"], {"pixels": pixels.numpy()})
right = (probabilities.argmax(1) == digits.target[held_out]).mean()
print(f"held-out accuracy in onnxruntime: {right:.1%}")

assert probabilities.shape == (360, 10)  # any batch size, though one image was exported
assert abs(probabilities.sum(1) - 1).max() < 1e-5
assert abs(right - accuracy) < 0.004  # at most one digit of 360 may tip over by rounding

# %% [markdown] lang="en"
# And if somebody divides once more, as the training code did? Nothing complains:

# %% [markdown] lang="zh"
# 如果有人照着训练代码又除了一次呢？不会报错：

# %%
(twice,) = session.run(None, {"pixels": pixels.numpy() / 16})
careless = (twice.argmax(1) == digits.target[held_out]).mean()
print(f"divided twice: {careless:.1%}")
assert careless < right - 0.1

# %% [markdown] lang="en"
# Compare the two graphs, above and below. `Dropout` is gone: it does nothing in use. The division is there.

# %% [markdown] lang="zh"
# 比较上下两张图。`Dropout` 不见了，因为使用时它什么也不做；除法在里面。

# %%
# %load_ext notebookviz

# %%
# %netron digits.onnx

# %%
import onnx

operators = [node.op_type for node in onnx.load("digits.onnx").graph.node]
print(*operators)
assert "Dropout" not in operators
assert "Div" in operators

# %% [markdown] lang="en"
# ## TensorBoard
#
# The callback wrote into `logs`. In a terminal: `tensorboard --logdir logs`. Here we only look whether all is there.

# %% [markdown] lang="zh"
# ## TensorBoard
#
# 回调已经写好了 `logs` 文件夹。在终端里运行 `tensorboard --logdir logs` 就能查看。这里只检查内容是否齐全。

# %%
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

events = EventAccumulator("logs")
events.Reload()
curves = events.Tags()["scalars"]
print(*curves, sep="\n")

drawn = [point.value for point in events.Scalars("loss/val")]
assert len(drawn) == 8
assert abs(drawn[-1] - training.epochs[-1].val_loss) < 1e-5

# %% [markdown] lang="en"
# For the graph itself use `show`: TensorBoard's `add_graph` needs an example input and a TorchScript trace, and draws one flat picture.
#
# ## timm
#
# timm holds over a thousand image models under one roof. `pretrained=False` gives the structure without a download. The model also knows how its images must be prepared.

# %% [markdown] lang="zh"
# 要看计算图本身，请用 `show`：TensorBoard 的 `add_graph` 需要示例输入和 TorchScript 追踪，画出来的只是一张平铺的图。
#
# ## timm
#
# timm 汇集了一千多个图像模型。`pretrained=False` 只给出结构，不用下载。模型还知道它的图像该怎样预处理。

# %%
import timm

small = timm.create_model("convnext_atto", pretrained=False, num_classes=10)
timm_panel = show(small)
print(f"{len(timm.list_models()):,} models; this one has {timm_panel.table.total_params:,} parameters")

wants = timm.data.resolve_model_data_config(small)
print({name: wants[name] for name in ("input_size", "mean", "std", "interpolation")})
assert wants["input_size"] == (3, 224, 224)
assert timm_panel.recording.failure is None
assert small(torch.zeros(1, *wants["input_size"])).shape == (1, 10)

# %% [markdown] lang="en"
# ## PyTorch Hub
#
# A file `hubconf.py` in a repository makes your model available to `torch.hub.load`. Its functions are the entries. We write one into a folder, as if it were a repository:

# %% [markdown] lang="zh"
# ## PyTorch Hub
#
# 仓库里有一个 `hubconf.py`，别人就能用 `torch.hub.load` 取到你的模型，文件里的每个函数就是一个条目。我们在一个文件夹里写一份，把它当作仓库：

# %%
from pathlib import Path

from safetensors.torch import save_file

repository = Path("digits-repository")
repository.mkdir(exist_ok=True)
save_file(model.state_dict(), repository / "digits.safetensors")
(repository / "hubconf.py").write_text(
    '''"""Digits of 8×8 pixels."""
from pathlib import Path

dependencies = ["torch", "safetensors"]


def digits(pretrained=True):
    """A small network for digits."""
    from safetensors.torch import load_file
    from torch import nn

    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(0.2), nn.Linear(256, 10)
    )
    if pretrained:
        model.load_state_dict(load_file(Path(__file__).with_name("digits.safetensors")))
    return model.eval()
''',
    encoding="utf-8",
)

fetched = torch.hub.load(str(repository), "digits", source="local")

model.eval()
with torch.no_grad():
    assert torch.equal(fetched(images[held_out]), model(images[held_out]))

# %% [markdown] lang="en"
# From GitHub it reads `torch.hub.load("owner/repository:v1.0", "digits")`. Mind what this does: it downloads that repository and **runs** its `hubconf.py`. Name a tag or commit, and read the file first.
#
# ## Files of other frameworks
#
# `%netron path` opens what Netron reads: Keras, TensorFlow Lite, Core ML, Caffe, Darknet, PaddlePaddle, MNN and many more. None of these frameworks need be installed. Two of the formats are plain text, so we can write them here. This is LeNet for Caffe:

# %% [markdown] lang="zh"
# 从 GitHub 加载时写作 `torch.hub.load("owner/repository:v1.0", "digits")`。要清楚这一步做了什么：它会下载那个仓库并**运行**其中的 `hubconf.py`。请指定标签或提交，并先读一读这个文件。
#
# ## 其他框架的文件
#
# 凡是 Netron 能读的，`%netron 路径` 都能打开：Keras、TensorFlow Lite、Core ML、Caffe、Darknet、PaddlePaddle、MNN 等等，而且不用安装这些框架。其中有些格式是纯文本，可以直接在这里写出来。下面是 Caffe 的 LeNet：

# %%
size = Path("lenet.prototxt").write_text("""name: "LeNet"
layer { name: "data"  type: "Input"  top: "data"  input_param { shape: { dim: 1 dim: 1 dim: 28 dim: 28 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1" convolution_param { num_output: 20 kernel_size: 5 } }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1" pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layer { name: "conv2" type: "Convolution" bottom: "pool1" top: "conv2" convolution_param { num_output: 50 kernel_size: 5 } }
layer { name: "pool2" type: "Pooling" bottom: "conv2" top: "pool2" pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layer { name: "ip1"   type: "InnerProduct" bottom: "pool2" top: "ip1" inner_product_param { num_output: 500 } }
layer { name: "relu1" type: "ReLU" bottom: "ip1" top: "ip1" }
layer { name: "ip2"   type: "InnerProduct" bottom: "ip1" top: "ip2" inner_product_param { num_output: 10 } }
layer { name: "prob"  type: "Softmax" bottom: "ip2" top: "prob" }
""")
print(f"{size} characters")

# %%
# %netron lenet.prototxt

# %% [markdown] lang="en"
# And this is a Keras model, as `model.to_json()` writes it:

# %% [markdown] lang="zh"
# 下面是一个 Keras 模型，和 `model.to_json()` 写出来的一样：

# %%
import json


def layer(kind, name, **config):
    return {"class_name": kind, "config": {"name": name, **config}}


keras = {
    "class_name": "Sequential",
    "config": {
        "name": "digits",
        "layers": [
            layer("InputLayer", "image", batch_input_shape=[None, 8, 8, 1], dtype="float32"),
            layer("Conv2D", "conv", filters=16, kernel_size=[3, 3], padding="same", activation="relu"),
            layer("MaxPooling2D", "pool", pool_size=[2, 2]),
            layer("Flatten", "flatten"),
            layer("Dense", "dense", units=10, activation="softmax"),
        ],
    },
    "keras_version": "2.15.0",
    "backend": "tensorflow",
}
size = Path("keras-digits.json").write_text(json.dumps(keras))
print(f"{size} characters")

# %%
# %netron keras-digits.json

# %%
# %netron

# %% [markdown] lang="en"
# ## One page to share
#
# Your colleague has neither Python nor Jupyter? `save_html` writes one file. Modules open and close in it, in any browser, without a kernel and without a network. With `weights=` the values of the smallest tensors are included, up to so many bytes.

# %% [markdown] lang="zh"
# ## 用一个页面来分享
#
# 同事既没有 Python 也没有 Jupyter？`save_html` 会写出一个文件：在任何浏览器里，不要内核也不要网络，模块照样能展开和收起。用 `weights=` 可以把最小的那些张量的数值也放进去，总量不超过给定的字节数。

# %%
import re

timm_panel.save_html("convnext.html")
panel.save_html("digits.html", weights=100_000)

for name in ("convnext.html", "digits.html"):
    page = Path(name).read_text(encoding="utf-8")
    print(f"{name}: {len(page):,} characters")
    assert not re.search(r'(?:src|href)="(?!data:)[^"]', page)  # it asks for no other file

# %% [markdown] lang="en"
# ## Exercises
#
# ### Exercise 1
#
# The batch axis of `digits.onnx` is free, height and width are not. Give the file an image of 16×16. What does onnxruntime say, and what would PyTorch say?

# %% [markdown] lang="zh"
# ## 练习
#
# ### 练习 1
#
# `digits.onnx` 的批量轴是自由的，高和宽不是。给它一张 16×16 的图像，onnxruntime 会怎么说？PyTorch 又会怎么说？

# %%
# Your turn.

# %% tags=["solution"]
options = onnxruntime.SessionOptions()
options.log_severity_level = 4  # what is wrong comes as an exception anyway
session = onnxruntime.InferenceSession("digits.onnx", options, providers=["CPUExecutionProvider"])
large = torch.zeros(1, 1, 16, 16)
try:
    session.run(None, {"pixels": large.numpy()})
except Exception as error:
    print(error)
    said = str(error)
assert "Got: 16 Expected: 8" in said  # refused at the door

try:
    model(large)
except RuntimeError as error:
    print(error)
    said = str(error)
assert "1x1024 and 256x10" in said  # PyTorch goes on until the linear layer

# %% [markdown] lang="en"
# ### Exercise 2
#
# How many bytes does the ONNX file take beyond the weights themselves? Four bytes for each parameter.

# %% [markdown] lang="zh"
# ### 练习 2
#
# 除了权重本身，ONNX 文件还占多少字节？每个参数四个字节。

# %%
# Your turn.

# %% tags=["solution"]
weights = 4 * sum(p.numel() for p in model.parameters())
more = Path("digits.onnx").stat().st_size - weights
print(f"{weights:,} bytes of weights, {more:,} bytes for the graph")
assert 0 < more < 20_000

# %% [markdown] lang="en"
# ### Exercise 3
#
# Add a second entry `big_digits` to the hub, with 32 channels instead of 16 and without weights, and load it.

# %% [markdown] lang="zh"
# ### 练习 3
#
# 给 hub 添加第二个条目 `big_digits`：32 个通道而不是 16 个，不带权重，然后加载它。

# %%
# Your turn.

# %% tags=["solution"]
with (repository / "hubconf.py").open("a", encoding="utf-8") as file:
    file.write('''

def big_digits():
    """A larger network for digits."""
    from torch import nn

    return nn.Sequential(nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(512, 10))
''')
big = torch.hub.load(str(repository), "big_digits", source="local")
assert big(images[:2]).shape == (2, 10)

# %% [markdown] lang="en"
# **Next:** [09 · Large models without the memory](09-large-models.ipynb): eight billion parameters.

# %% [markdown] lang="zh"
# **下一篇：** [09 · 不占内存看大模型](09-large-models.ipynb)：八十亿个参数。
