# %% [markdown] lang="en"
# # 01 · Quickstart: see the model you hold in memory
#
# A neural network is hard to picture from its code. In this notebook you look at one: ResNet-50, a network that tells 1,000 kinds of things apart in photographs.
#
# Run the cells one after the other with **Shift+Enter**. Nothing is downloaded.

# %% [markdown] lang="zh"
# # 01 · 快速上手：看见内存里的模型
#
# 只读代码，很难想象一个神经网络长什么样。在这个 notebook 里，我们直接看一个真实的网络：ResNet-50，它能分辨照片中 1000 类物体。
#
# 用 **Shift+Enter** 依次运行各个单元格。全程不需要下载任何东西。代码和英文版是同一份，所以其中的注释是英文。

# %%
import torchvision

from notebookviz import show

model = torchvision.models.resnet50()  # random weights: enough for looking
panel = show(model)

# %% [markdown] lang="en"
# That is all: no input, no export, no file. `show` follows one forward pass through the model without computing anything, and draws what it saw.
#
# - The **header** tells the size of the model (25.6 million parameters) and of its input (1×3×224×224: one image, three colours, 224 by 224 pixels).
# - The **table** on the left lists the modules, that is, the building blocks.
# - The **graph** on the right shows how data flows through them, from top to bottom.
#
# Table and graph belong together: click a row and watch the graph.

# %% [markdown] lang="zh"
# 这样就行了：不用准备输入，不用导出，也不用存文件。`show` 跟着一次前向传播走完整个模型，不做实际计算，只把看到的结构画出来。
#
# - **标题栏**显示模型的规模（约 2560 万个参数）和输入的形状（1×3×224×224：一张图像、三个颜色通道、224×224 像素）。
# - 左侧的**表格**列出各个模块，也就是组成网络的积木。
# - 右侧的**图**显示数据如何自上而下流过这些模块。
#
# 表格和图是联动的：点击表格中的一行，看看图有什么变化。

# %%
table = panel.table
print(f"{table.total_params:,} parameters")
print(f"{table.total_macs / 1e9:.2f} billion multiplications for one image")

# %% [markdown] lang="en"
# ## Open a module
#
# A module is a box that holds smaller boxes. Click the `+` of a box in the graph above to open it in place, and the `-` to close it again. Click a weight to see its numbers.
#
# Python can do the same. Run this, then look at the panel above:

# %% [markdown] lang="zh"
# ## 打开一个模块
#
# 模块是一个盒子，里面装着更小的盒子。在上面的图中点击盒子上的 `+` 就能原地展开它，点击 `-` 则收起。点击某个权重，可以看到其中的数值。
#
# 用 Python 也能做同样的事。运行下面的单元格，再回头看上面的面板：

# %%
panel.expand("layer1.0")
panel.select("layer1.0.conv1")

# %% [markdown] lang="en"
# What you select in the panel, by Python or with the mouse, is at hand as the module itself. Not a copy: the very object inside your model.

# %% [markdown] lang="zh"
# 无论用 Python 还是用鼠标，在面板里选中的东西都可以在代码中直接拿到。拿到的不是副本，而就是模型里的那个对象。

# %%
panel.selected

# %%
assert panel.selected is model.layer1[0].conv1

# %% [markdown] lang="en"
# ## Find something
#
# Click into the panel, press `/` and type `layer4.2`, or `type:Conv2d`, or `params>1M`. **Enter** goes to the next hit and opens whatever hides it.
#
# The table can be searched by Python too. Which convolutions have more than two million parameters?

# %% [markdown] lang="zh"
# ## 查找
#
# 在面板里点一下，按 `/`，然后输入 `layer4.2`、`type:Conv2d` 或 `params>1M`。按 **Enter** 跳到下一个结果，包着它的模块会自动展开。
#
# 表格也可以用 Python 来查。哪些卷积的参数超过两百万？

# %%
large = [row for row in table.rows if row.type == "Conv2d" and row.params > 2_000_000]
for row in large:
    print(f"{row.path:24}{row.params:>12,}   gives {row.output}")

# %% [markdown] lang="en"
# All of them stand in `layer4`, the last stage. A colour says the same faster than a list. Choose **Colour → parameters** in the panel, or run:

# %% [markdown] lang="zh"
# 它们全都在最后一个阶段 `layer4` 里。颜色比列表更直观：在面板中选择 **Colour → parameters**，或者运行：

# %%
panel.overlay("parameters")
assert {row.path.split(".")[0] for row in large} == {"layer4"}

# %% [markdown] lang="en"
# ## The magic command
#
# If you know Netron, you can write `%netron` instead of `show`. Here with an image of another size:

# %% [markdown] lang="zh"
# ## 魔法命令
#
# 如果你用过 Netron，也可以写 `%netron` 来代替 `show`。这次换一个图像尺寸：

# %%
# %load_ext notebookviz

# %%
# %netron model --input-size 1,3,160,160

# %% [markdown] lang="en"
# `%netron` alone lists what is open; `%netron --stop model` closes it.

# %% [markdown] lang="zh"
# 单独写 `%netron` 会列出已经打开的内容；`%netron --stop model` 则把它关闭。

# %%
# %netron

# %% [markdown] lang="en"
# ## Keep what you see
#
# One HTML file holds the whole panel. Send it to someone: modules open and close there without Python and without a network.

# %% [markdown] lang="zh"
# ## 保存所见
#
# 一个 HTML 文件就能装下整个面板。把它发给别人，对方不需要 Python 也不需要网络，照样可以展开和收起模块。

# %%
panel.save_html("resnet50.html")

# %% [markdown] lang="en"
# ## Save the model as ONNX and run it
#
# An ONNX file holds the network and its weights in a form that other programs can run, without PyTorch. `save_onnx` writes it and then checks it: it gives the same inputs to PyTorch and to the file, and compares what comes out. This takes a few seconds.

# %% [markdown] lang="zh"
# ## 保存为 ONNX 并运行
#
# ONNX 文件以通用格式保存网络及其权重，不装 PyTorch 的程序也能运行它。`save_onnx` 写完文件后还会检查：把相同的输入分别交给 PyTorch 和这个文件，再比较两边的输出。这需要几秒钟。

# %%
saved = panel.save_onnx("resnet50.onnx")
print(saved.check.sentence)
assert saved.check.verdict == "agrees"

# %% [markdown] lang="en"
# Now run the file with onnxruntime, on two images at once. (They are random numbers: we only want to see that both programs compute the same.)

# %% [markdown] lang="zh"
# 现在用 onnxruntime 运行这个文件，一次输入两张图像。（这里的图像只是随机数，我们只想确认两边算出的结果相同。）

# %%
import onnxruntime
import torch

images = torch.rand(2, 3, 224, 224)
session = onnxruntime.InferenceSession("resnet50.onnx")
(scores,) = session.run(None, {session.get_inputs()[0].name: images.numpy()})
print("onnxruntime gives", scores.shape)

# %% [markdown] lang="en"
# An exported file always behaves like a model in evaluation mode, so PyTorch has to be in that mode too: `model.eval()`. Looking had not changed the mode: your model was still in training mode, as it was made.

# %% [markdown] lang="zh"
# 导出的文件总是按评估模式运行，所以 PyTorch 这边也要先切换到评估模式：`model.eval()`。查看模型并没有改变它的模式：在这之前，它一直处于刚创建时的训练模式。

# %%
assert model.training

model.eval()
with torch.no_grad():
    expected = model(images)

difference = (torch.from_numpy(scores) - expected).abs().max()
print(f"largest difference: {difference:.1e}, largest score: {expected.abs().max():.1f}")
torch.testing.assert_close(torch.from_numpy(scores), expected, rtol=1e-3, atol=1e-3)

# %% [markdown] lang="en"
# Look at the file too. It is one flat graph of small operators: the modules are gone. Compare it with the first panel.

# %% [markdown] lang="zh"
# 再看看这个文件。它是由许多小算子组成的一整张平铺的图，模块层次已经没有了。和第一个面板对比一下。

# %%
# %netron resnet50.onnx

# %% [markdown] lang="en"
# ## Exercises
#
# Write your answer into the empty cell. A solution is folded away below it: click the `…` to open it.
#
# **1.** Which of `layer1` to `layer4` does the most multiplications? (A row of the table has `macs`.)

# %% [markdown] lang="zh"
# ## 练习
#
# 把答案写在空单元格里。参考答案折叠在它下面：点击 `…` 展开。
#
# **1.** `layer1` 到 `layer4` 中，哪一个做的乘法最多？（表格的每一行都有 `macs`。）

# %%
# Your turn.

# %% tags=["solution"]
stages = {row.path: row.macs for row in table.rows if row.path in {"layer1", "layer2", "layer3", "layer4"}}
most = max(stages, key=stages.get)
print(most, stages)
assert most == "layer3"

# %% [markdown] lang="en"
# **2.** How many times smaller is ResNet-18? Show it and compare it with ResNet-50: what is different inside `layer1.0`?

# %% [markdown] lang="zh"
# **2.** ResNet-18 比 ResNet-50 小多少倍？用 `show` 打开它，和 ResNet-50 比较：`layer1.0` 里面有什么不同？

# %%
# Your turn.

# %% tags=["solution"]
small = torchvision.models.resnet18()
small_panel = show(small, depth=3)
print(f"{table.total_params / small_panel.table.total_params:.1f} times smaller")
# Two convolutions of 3×3 in a BasicBlock, instead of 1×1, 3×3, 1×1 in a Bottleneck.
assert [m.kernel_size[0] for m in small.layer1[0].children() if hasattr(m, "kernel_size")] == [3, 3]
assert [m.kernel_size[0] for m in model.layer1[0].children() if hasattr(m, "kernel_size")] == [1, 3, 1]

# %% [markdown] lang="en"
# **3.** Does twice the width and height mean twice the work? Use `summary`, which gives the table alone: `summary(model, input_size=(1, 3, 448, 448))`.

# %% [markdown] lang="zh"
# **3.** 图像的宽和高都变成两倍，计算量也变成两倍吗？用 `summary` 试试，它只给出表格：`summary(model, input_size=(1, 3, 448, 448))`。

# %%
# Your turn.

# %% tags=["solution"]
from notebookviz import summary

larger = summary(model, input_size=(1, 3, 448, 448))
print(f"{larger.total_macs / table.total_macs:.2f} times the multiplications, and as many parameters")
assert 3.9 < larger.total_macs / table.total_macs < 4.1
assert larger.total_params == table.total_params

# %% [markdown] lang="en"
# **Next:** [02 · Tensors and shapes](02-tensors.ipynb): what flows along these lines.

# %% [markdown] lang="zh"
# **下一篇：** [02 · 张量与形状](02-tensors.ipynb)：沿着这些连线流动的究竟是什么。
