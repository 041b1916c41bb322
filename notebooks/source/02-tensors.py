# %% [markdown] lang="en"
# # 02 · Tensors and shapes
#
# Everything that flows through a neural network is a **tensor**. By the end of this notebook you can read the shapes off any graph, and you know why `1×3×224×224` goes into ResNet-50 and `1×1000` comes out.

# %% [markdown] lang="zh"
# # 02 · 张量与形状
#
# 在神经网络里流动的一切都是**张量**（tensor）。读完这个 notebook，你能从任何一张图上读出形状，也会明白为什么进入 ResNet-50 的是 `1×3×224×224`，出来的是 `1×1000`。

# %% [markdown] lang="en"
# ## What is a tensor?
#
# A box of numbers, all of the same kind. The number of axes may be 0, 1, 2 or more:

# %% [markdown] lang="zh"
# ## 什么是张量？
#
# 张量就是一盒同一类型的数。它可以有 0 个、1 个、2 个或者更多的轴：

# %%
import torch

number = torch.tensor(7.0)
row = torch.tensor([1.0, 2.0, 3.0])
table = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])

for tensor in (number, row, table):
    print(f"{tensor.ndim} axes, shape {tuple(tensor.shape)}")

# %% [markdown] lang="en"
# The **shape** tells how long each axis is. `(2, 3)` is a table of two rows and three columns. Multiply the lengths, and you have the number of elements.

# %% [markdown] lang="zh"
# **形状**（shape）说明每个轴有多长。`(2, 3)` 是两行三列的表格。把各轴长度相乘，就是元素的总数。

# %%
assert table.shape == (2, 3)
assert table.numel() == 2 * 3
assert number.shape == ()

# %% [markdown] lang="en"
# ## A picture is a tensor
#
# Matplotlib comes with a photograph of Grace Hopper, who wrote one of the first compilers. It has three axes: height, width, colour.

# %% [markdown] lang="zh"
# ## 图像也是张量
#
# Matplotlib 自带一张格蕾丝·霍珀（Grace Hopper）的照片，她写出了最早的编译器之一。这张图像有三个轴：高、宽、颜色。

# %%
import matplotlib.pyplot as plt
from matplotlib.cbook import get_sample_data

photo = torch.from_numpy(plt.imread(get_sample_data("grace_hopper.jpg")).copy())
print(tuple(photo.shape), photo.dtype)

plt.imshow(photo)
plt.show()

# %% [markdown] lang="en"
# `uint8` is the **dtype**: the kind of number. Here a whole number from 0 to 255, one byte each. Networks want `float32`, numbers with a fraction, four bytes each.

# %% [markdown] lang="zh"
# `uint8` 是 **dtype**，即数的类型：这里是 0 到 255 的整数，每个占一个字节。网络需要的是 `float32`，也就是带小数的数，每个占四个字节。

# %%
pixels = photo / 255
print(photo.dtype, photo.numel() * photo.element_size(), "bytes")
print(pixels.dtype, pixels.numel() * pixels.element_size(), "bytes")
assert pixels.dtype == torch.float32

# %% [markdown] lang="en"
# Square brackets cut pieces out, one entry for each axis. A colon means 'all of it'. A single number makes its axis disappear; a range keeps it.

# %% [markdown] lang="zh"
# 用方括号切出一部分，每个轴写一项。冒号表示“全部”。写单个数，这个轴就消失；写一个范围，这个轴会保留。

# %%
red = pixels[:, :, 0]
face = pixels[20:300, 100:380]
print("red:", tuple(red.shape), " face:", tuple(face.shape))

figure, (left, right) = plt.subplots(1, 2)
left.imshow(red, cmap="gray")
left.set_title("pixels[:, :, 0]")
right.imshow(face)
right.set_title("pixels[20:300, 100:380]")
plt.show()

assert red.shape == (600, 512)
assert face.shape == (280, 280, 3)

# %% [markdown] lang="en"
# ## Four letters: N C H W
#
# A network for images in PyTorch wants four axes in this order:
#
# | | | |
# |---|---|---|
# | **N** | how many images | the *batch* |
# | **C** | channels | 3 for red, green, blue |
# | **H** | height | |
# | **W** | width | |
#
# Our photo is H W C. `permute` puts the axes into a new order; `unsqueeze(0)` adds an axis of length 1 in front.

# %% [markdown] lang="zh"
# ## 四个字母：N C H W
#
# PyTorch 的图像网络需要四个轴，顺序如下：
#
# | | | |
# |---|---|---|
# | **N** | 有几张图像 | 即*批量*（batch） |
# | **C** | 通道 | 红、绿、蓝共 3 个 |
# | **H** | 高 | |
# | **W** | 宽 | |
#
# 这张照片的顺序是 H W C。`permute` 改变轴的顺序；`unsqueeze(0)` 在最前面添一个长度为 1 的轴。

# %%
image = face.permute(2, 0, 1).unsqueeze(0)
print(tuple(face.shape), "→", tuple(image.shape))
assert image.shape == (1, 3, 280, 280)

# %% [markdown] lang="en"
# ### The classic mistake
#
# `reshape` gives the right shape too. But it only cuts the same row of numbers into other pieces: the pixels end up in wrong places, and nothing complains. Look:

# %% [markdown] lang="zh"
# ### 经典错误
#
# `reshape` 也能得到同样的形状。但它只是把同一串数换一种方式切分，像素全都放错了位置，而且不会报错。看看结果：

# %%
wrong = face.reshape(3, 280, 280)
right = face.permute(2, 0, 1)
assert wrong.shape == right.shape  # the shapes agree …
assert not torch.equal(wrong, right)  # … the contents do not

figure, axes = plt.subplots(1, 2)
axes[0].imshow(right[0], cmap="gray")
axes[0].set_title("permute: red channel")
axes[1].imshow(wrong[0], cmap="gray")
axes[1].set_title("reshape: garbage")
plt.show()

# %% [markdown] lang="en"
# A right shape is no proof of right contents. Look at your data.

# %% [markdown] lang="zh"
# 形状正确，不等于内容正确。一定要亲眼看看数据。

# %% [markdown] lang="en"
# ## Views: two names, one memory
#
# `view`, `permute`, `unsqueeze` and slices copy nothing. They are other ways of looking at the same numbers. Change one, and you have changed the other:

# %% [markdown] lang="zh"
# ## 视图：两个名字，一块内存
#
# `view`、`permute`、`unsqueeze` 和切片都不复制数据，它们只是看同一批数的不同方式。改了其中一个，另一个也跟着变：

# %%
six = torch.arange(6)
grid = six.view(2, 3)
grid[0, 0] = 100
print(six)
assert six[0] == 100

# %% [markdown] lang="en"
# How can one row of numbers be a grid? By **strides**: how many places to step for the next element along each axis. `grid` steps 3 to go down and 1 to go right. Its transpose swaps the two steps and moves nothing.

# %% [markdown] lang="zh"
# 一串数怎么能当成网格？靠**步幅**（stride）：沿每个轴走到下一个元素，要在内存中跳几格。`grid` 向下走跳 3 格，向右走跳 1 格。转置只是把这两个步幅对调，一个数也没有搬动。

# %%
turned = grid.T
print("grid  ", tuple(grid.shape), "strides", grid.stride())
print("turned", tuple(turned.shape), "strides", turned.stride())
assert turned.data_ptr() == grid.data_ptr()

# %% [markdown] lang="en"
# That is why `view` sometimes refuses: no strides describe the result. `reshape` then makes a copy.

# %% [markdown] lang="zh"
# 所以 `view` 有时会拒绝执行：没有任何步幅能描述想要的结果。这时 `reshape` 会复制一份。

# %%
try:
    turned.view(6)
except RuntimeError as error:
    print(error)

flat = turned.reshape(6)
assert flat.data_ptr() != grid.data_ptr()

# %% [markdown] lang="en"
# ## Arithmetic
#
# `+ - * /` work element by element. `@` is the matrix product: `(2, 3) @ (3, 4)` gives `(2, 4)`, the two inner numbers must be equal and vanish. Most of the work in a network is this product.

# %% [markdown] lang="zh"
# ## 运算
#
# `+ - * /` 逐元素计算。`@` 是矩阵乘法：`(2, 3) @ (3, 4)` 得到 `(2, 4)`，中间的两个数必须相等，乘完就消失。网络的大部分工作就是矩阵乘法。

# %%
product = torch.ones(2, 3) @ torch.ones(3, 4)
print(product)
assert product.shape == (2, 4)
assert (product == 3).all()

# %% [markdown] lang="en"
# `sum`, `mean` and `max` remove the axis that you name. Which axis to name? The one that should be gone.

# %% [markdown] lang="zh"
# `sum`、`mean`、`max` 会消去你指定的那个轴。该指定哪个轴？指定你希望消失的那个。

# %%
print("mean colour:", image.mean(dim=(0, 2, 3)))
assert image.mean(dim=(0, 2, 3)).shape == (3,)

# %% [markdown] lang="en"
# ### Broadcasting, and how it bites
#
# Where an axis has length 1 (or is missing in front), it is repeated to fit. Handy: `image - mean` for each colour. Dangerous: eight predictions in a column, eight targets in a row.

# %% [markdown] lang="zh"
# ### 广播及其陷阱
#
# 如果某个轴长度为 1（或者前面缺了这个轴），它会自动重复到合适的长度。方便之处：给每个颜色通道减去均值。危险之处：八个预测值排成一列，八个目标值排成一行。

# %%
predictions = torch.zeros(8, 1)
targets = torch.zeros(8)
difference = predictions - targets
print(tuple(difference.shape), "instead of eight differences")
assert difference.shape == (8, 8)

# %% [markdown] lang="en"
# No error, only a wrong result. In a model you can *see* it: the graph marks such an operator `broadcast`, and the line below the graph names your line of code.

# %% [markdown] lang="zh"
# 不报错，只是结果不对。但在模型里，这种错误可以*看出来*：图上会给这个算子加上 `broadcast` 标记，图下方的状态行还会指出是哪一行代码。

# %%
from notebookviz import show


class Difference(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(3, 1)

    def forward(self, x, target):
        return self.layer(x) - target


panel = show(Difference(), torch.zeros(8, 3), torch.zeros(8))
print(panel.recording.notes[0])
assert "8×1 - 8 gives 8×8" in panel.recording.notes[0]

# %% [markdown] lang="en"
# The remedy is to give both the same shape: `self.layer(x).squeeze(-1) - target`.

# %% [markdown] lang="zh"
# 解决办法是让两边形状一致：`self.layer(x).squeeze(-1) - target`。


# %%
class Mended(Difference):
    def forward(self, x, target):
        return self.layer(x).squeeze(-1) - target


panel = show(Mended(), torch.zeros(8, 3), torch.zeros(8))
assert panel.table.rows[0].output == "8"
assert panel.recording.notes == ()

# %% [markdown] lang="en"
# ## Read the shapes off a graph
#
# A small network for images. Before you run the cell: guess the shape after each layer.

# %% [markdown] lang="zh"
# ## 从图上读形状
#
# 下面是一个处理图像的小网络。运行之前，先猜一猜每一层之后的形状。

# %%
tiny = torch.nn.Sequential(
    torch.nn.Conv2d(3, 8, kernel_size=3, stride=2, padding=1),
    torch.nn.ReLU(),
    torch.nn.MaxPool2d(2),
    torch.nn.Flatten(),
    torch.nn.Linear(8 * 16 * 16, 10),
)
panel = show(tiny, input_size=(1, 3, 64, 64))

# %% [markdown] lang="en"
# Each line of the graph carries the shape of what flows along it. The same stands in the table's column of outputs, from top to bottom:

# %% [markdown] lang="zh"
# 图中每条线上都标着流过的张量的形状。表格的输出一列从上往下读，也是同样的内容：

# %%
for line in panel.table.rows[1:]:
    print(f"{line.type:10} → {line.output}")

assert [line.output for line in panel.table.rows[1:]] == ["1×8×32×32", "1×8×32×32", "1×8×16×16", "1×2048", "1×10"]

# %% [markdown] lang="en"
# Three rules explain nearly every network for images:
#
# 1. A convolution **chooses the channels** and may **shrink the picture**. Per side: `out = (in + 2·padding − kernel) // stride + 1`.
# 2. ReLU and batch norm change numbers, never shapes.
# 3. A linear layer wants one row of numbers for each image: so the picture is flattened first, `8·16·16 = 2048`.

# %% [markdown] lang="zh"
# 三条规则几乎能解释所有图像网络：
#
# 1. 卷积**决定通道数**，也可能**缩小画面**。每条边的计算公式：`out = (in + 2·padding − kernel) // stride + 1`。
# 2. ReLU 和批归一化只改变数值，不改变形状。
# 3. 线性层要求每张图像是一行数，所以要先把画面展平：`8·16·16 = 2048`。


# %%
def side(size, kernel, stride=1, padding=0):
    return (size + 2 * padding - kernel) // stride + 1


assert side(64, kernel=3, stride=2, padding=1) == 32
assert side(32, kernel=2, stride=2) == 16

# %% [markdown] lang="en"
# ## How data flows through ResNet-50

# %% [markdown] lang="zh"
# ## 数据怎样流过 ResNet-50

# %%
import torchvision

resnet = torchvision.models.resnet50().eval()
panel = show(resnet, depth=1)

# %% [markdown] lang="en"
# At depth 1 the whole network is ten modules in a row. The picture shrinks five times by half, from 224 to 7; the channels grow from 3 to 2048. Less *where*, more *what*.

# %% [markdown] lang="zh"
# 展开深度为 1 时，整个网络就是排成一列的十个模块。画面五次减半，从 224 缩到 7；通道从 3 增加到 2048。“在哪里”越来越少，“是什么”越来越多。

# %%
steps = [(line.path, line.output) for line in panel.table.rows if line.depth == 1]
for path, output in steps:
    print(f"{path:8} {output}")

assert dict(steps) == {
    "conv1": "1×64×112×112",
    "bn1": "1×64×112×112",
    "relu": "1×64×112×112",
    "maxpool": "1×64×56×56",
    "layer1": "1×256×56×56",
    "layer2": "1×512×28×28",
    "layer3": "1×1024×14×14",
    "layer4": "1×2048×7×7",
    "avgpool": "1×2048×1×1",
    "fc": "1×1000",
}

# %% [markdown] lang="en"
# Those shapes were worked out without computing anything. Are they true? A *hook* is a function that PyTorch calls after a module has run. Let it note the shape, and send the photo through:

# %% [markdown] lang="zh"
# 这些形状是不经计算推出来的。它们对吗？*钩子*（hook）是模块运行之后由 PyTorch 调用的函数。我们让钩子记下形状，再把照片送进网络：

# %%
seen = {}


def note(name):
    def hook(module, inputs, output):
        seen[name] = output

    return hook


hooks = [child.register_forward_hook(note(name)) for name, child in resnet.named_children()]
crop = torch.nn.functional.interpolate(image, size=(224, 224))
with torch.no_grad():
    resnet(crop)
for hook in hooks:
    hook.remove()

assert {name: "×".join(map(str, output.shape)) for name, output in seen.items()} == dict(steps)
print("The real tensors have the shapes of the graph.")

# %% [markdown] lang="en"
# And this is what flows there: one channel after each stage. (The weights are random, so the network knows nothing yet. The shrinking is real.)

# %% [markdown] lang="zh"
# 流过去的就是这些东西：每个阶段之后取一个通道来看。（权重是随机的，网络还什么都不懂，但画面缩小是真实的。）

# %%
names = ["conv1", "layer1", "layer2", "layer3", "layer4"]
figure, axes = plt.subplots(1, 6, figsize=(12, 2.4))
axes[0].imshow(crop[0].permute(1, 2, 0))
axes[0].set_title("3×224×224")
for axis, name in zip(axes[1:], names, strict=True):
    axis.imshow(seen[name][0, 0], cmap="gray")
    axis.set_title(f"{name}\n" + "×".join(map(str, seen[name].shape[1:])))
for axis in axes:
    axis.axis("off")
plt.show()

# %% [markdown] lang="en"
# ## Functions that do not exist
#
# Tutorials, and programs that write code, sometimes call functions that were never there. Three common ones:

# %% [markdown] lang="zh"
# ## 并不存在的函数
#
# 有些教程（还有会写代码的程序）会调用根本不存在的函数。常见的有三个：

# %%
import netron

attempts = {
    "model.summary()": lambda: resnet.summary(),  # that is Keras
    "netron.show(model)": lambda: netron.show(resnet),  # netron has start, and it wants a file
    "image.shape()": lambda: image.shape(),  # shape is a value, not a function
}
said = {}
for code, attempt in attempts.items():
    try:
        attempt()
    except (AttributeError, TypeError) as error:
        said[code] = str(error)
        print(f"{code:20} {error}")

assert "has no attribute 'summary'" in said["model.summary()"]
assert "has no attribute 'show'" in said["netron.show(model)"]
assert "not callable" in said["image.shape()"]

# %% [markdown] lang="en"
# Don't guess a second name: ask. `hasattr` tells whether something is there, `dir` lists what is, and `help(...)` explains it.

# %% [markdown] lang="zh"
# 不要再猜下一个名字，直接去问：`hasattr` 告诉你有没有，`dir` 列出有哪些，`help(...)` 给出说明。

# %%
print([name for name in dir(torch.Tensor) if "flat" in name])
assert hasattr(torch.Tensor, "flatten")
assert not hasattr(torch.Tensor, "flat")

# %% [markdown] lang="en"
# What was meant, mended:

# %% [markdown] lang="zh"
# 改成真正可用的写法：

# %%
from notebookviz import summary

overview = summary(resnet)  # instead of model.summary()
panel = show(resnet, depth=1)  # instead of netron.show(model)
shape = image.shape  # instead of image.shape()

assert overview.total_params == 25_557_032
assert shape == (1, 3, 280, 280)

# %% [markdown] lang="en"
# ## Exercises
#
# **1.** A batch of four images arrives as `N H W C`. Turn it into `N C H W`, without scrambling the pixels.

# %% [markdown] lang="zh"
# ## 练习
#
# **1.** 一批四张图像，形状是 `N H W C`。把它变成 `N C H W`，不要打乱像素。

# %%
batch = torch.rand(4, 20, 30, 3)
# Your turn.

# %% tags=["solution"]
answer = batch.permute(0, 3, 1, 2)
assert answer.shape == (4, 3, 20, 30)
assert torch.equal(answer[2, 1], batch[2, :, :, 1])  # the green channel of the third image is still one picture

# %% [markdown] lang="en"
# **2.** What is the shape after `Conv2d(3, 16, kernel_size=5, stride=2, padding=2)` for a picture of 65×65? First by the formula, then with `summary`.

# %% [markdown] lang="zh"
# **2.** 一张 65×65 的图像经过 `Conv2d(3, 16, kernel_size=5, stride=2, padding=2)` 之后是什么形状？先用公式算，再用 `summary` 检查。

# %%
# Your turn.

# %% tags=["solution"]
assert side(65, kernel=5, stride=2, padding=2) == 33
convolution = torch.nn.Conv2d(3, 16, kernel_size=5, stride=2, padding=2)
assert summary(convolution, input_size=(1, 3, 65, 65)).rows[0].output == "1×16×33×33"

# %% [markdown] lang="en"
# **3.** ResNet-50 also takes pictures of 256×256. What comes out of `layer4`, and why does `fc` still fit? Show it and look at `avgpool`.

# %% [markdown] lang="zh"
# **3.** ResNet-50 也能接受 256×256 的图像。这时 `layer4` 输出什么形状？为什么 `fc` 仍然对得上？用 `show` 打开，看看 `avgpool`。

# %%
# Your turn.

# %% tags=["solution"]
panel = show(resnet, input_size=(1, 3, 256, 256), depth=1)
outputs = {line.path: line.output for line in panel.table.rows}
assert outputs["layer4"] == "1×2048×8×8"
assert outputs["avgpool"] == "1×2048×1×1"

# %% [markdown] lang="en"
# <details><summary>Why?</summary>
#
# `avgpool` takes the mean of each channel. That gives 2048 numbers, whatever the size of the picture.
#
# </details>

# %% [markdown] lang="zh"
# <details><summary>为什么？</summary>
#
# `avgpool` 对每个通道取平均。不管图像多大，得到的都是 2048 个数。
#
# </details>

# %% [markdown] lang="en"
# **Next:** [03 · A network by hand](03-by-hand.ipynb): how a network learns.

# %% [markdown] lang="zh"
# **下一篇：** [03 · 手写一个网络](03-by-hand.ipynb)：网络是怎样学习的。
