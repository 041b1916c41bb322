# %% [markdown] lang="en"
# # 04 · Convolution by hand
#
# A convolution looks at a picture through a small window. You will write one with plain loops, find its three gradients (of the weight, the bias and the input), and let PyTorch check them. On the way you meet a mistake that many books and posts make.

# %% [markdown] lang="zh"
# # 04 · 手写卷积
#
# 卷积是透过一个小窗口来看图像。我们用最普通的循环写出卷积，求出它的三个梯度（权重、偏置和输入的梯度），再让 PyTorch 核对。途中还会遇到一个许多书和博客都会犯的错误。

# %%
import matplotlib.pyplot as plt
import torch
from torch.nn import functional as F

torch.manual_seed(0)
torch.set_default_dtype(torch.float64)  # more digits, so that we can compare strictly

# %% [markdown] lang="en"
# ## One window
#
# A picture of 5×5 with a bright right half, and a **kernel** of 3×3. Lay the kernel somewhere on the picture, multiply each pair of numbers, add them all up: that is one number of the result.

# %% [markdown] lang="zh"
# ## 一个窗口
#
# 一张 5×5 的图像，右边是亮的；一个 3×3 的**卷积核**（kernel）。把卷积核放在图像的某个位置上，对应位置的数两两相乘，再全部加起来：这就得到结果中的一个数。

# %%
picture = torch.tensor([[1.0, 1.0, 1.0, 5.0, 5.0]]).repeat(5, 1)
kernel = torch.tensor([[-1.0, 0.0, 1.0]]).repeat(3, 1)

window = picture[0:3, 1:4]
print(window * kernel)
print("sum:", (window * kernel).sum().item())
assert (window * kernel).sum() == 12

# %% [markdown] lang="en"
# ## Slide it

# %% [markdown] lang="zh"
# ## 滑动窗口


# %%
def slide(picture, kernel):
    height, width = kernel.shape
    out = torch.empty(picture.shape[0] - height + 1, picture.shape[1] - width + 1)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = (picture[i : i + height, j : j + width] * kernel).sum()
    return out


result = slide(picture, kernel)
print(result)
assert torch.equal(result, torch.tensor([[0.0, 12.0, 12.0]]).repeat(3, 1))

# %% [markdown] lang="en"
# Zero where the picture is even, large where dark turns to bright: this kernel finds upright edges. Try it on a photograph.

# %% [markdown] lang="zh"
# 画面均匀的地方得 0，由暗变亮的地方数值很大：这个卷积核能找到竖直的边缘。拿一张照片试试。

# %%
from matplotlib.cbook import get_sample_data

photo = torch.from_numpy(plt.imread(get_sample_data("grace_hopper.jpg")) / 255).mean(dim=2)[::4, ::4]
upright = slide(photo, kernel)
level = slide(photo, kernel.T)

figure, axes = plt.subplots(1, 3, figsize=(9, 4))
for axis, data, title in zip(axes, [photo, upright, level], ["photo", "kernel", "kernel.T"], strict=True):
    axis.imshow(data, cmap="gray")
    axis.set_title(title)
    axis.axis("off")
plt.show()

# %% [markdown] lang="en"
# A network does not get such kernels from us. It learns them, as it learns any weight.
#
# PyTorch's `conv2d` gives the same (it wants axes for batch and channels):

# %% [markdown] lang="zh"
# 网络并不需要我们给出这样的卷积核，它像学习其他权重一样，自己学出来。
#
# PyTorch 的 `conv2d` 结果相同（它还需要批量和通道两个轴）：

# %%
assert torch.allclose(F.conv2d(photo[None, None], kernel[None, None])[0, 0], upright)

# %% [markdown] lang="en"
# ## A whole layer
#
# Three things more, and we have `nn.Conv2d`:
#
# - **Channels.** A window is as deep as the picture has channels. Each output channel has a kernel and a bias of its own.
# - **Padding.** A frame of zeros around the picture, so that its border can be the middle of a window too.
# - **Stride.** How far the window moves each time; 2 makes the result half as large.

# %% [markdown] lang="zh"
# ## 完整的一层
#
# 再加三样东西，就是 `nn.Conv2d`：
#
# - **通道。** 图像有几个通道，窗口就有几层深。每个输出通道都有自己的卷积核和偏置。
# - **填充**（padding）。在图像四周补一圈 0，让边缘的像素也能位于窗口中央。
# - **步幅**（stride）。窗口每次移动多远；步幅为 2 时，结果的边长减半。

# %%
STRIDE, PADDING = 2, 1
x = torch.randn(2, 3, 7, 7)  # N C H W
weight = torch.randn(4, 3, 3, 3)  # output channels, input channels, height, width
bias = torch.randn(4)


def places(out):
    """Each number of the output, with the window of the padded input that it came from."""
    images, channels, rows, columns = out.shape
    for n in range(images):
        for o in range(channels):
            for i in range(rows):
                for j in range(columns):
                    top, left = i * STRIDE, j * STRIDE
                    yield (n, o, i, j), (n, slice(None), slice(top, top + 3), slice(left, left + 3))


padded = F.pad(x, [PADDING] * 4)
y = torch.empty(2, 4, 4, 4)
multiplications = 0
for place, window in places(y):
    o = place[1]
    y[place] = (padded[window] * weight[o]).sum() + bias[o]
    multiplications += weight[o].numel()

assert torch.allclose(y, F.conv2d(x, weight, bias, stride=STRIDE, padding=PADDING))
print("The loops give what PyTorch gives, in", f"{multiplications:,}", "multiplications.")

# %% [markdown] lang="en"
# Show the same layer as a module. The header counts multiplications too, as MACs. Click the box, then its weight: 4×3×3×3 numbers.

# %% [markdown] lang="zh"
# 把同样的一层作为模块来看。标题栏也会统计乘法次数，即 MACs。点击盒子，再点击它的权重：共有 4×3×3×3 个数。

# %%
from notebookviz import show

layer = torch.nn.Conv2d(3, 4, kernel_size=3, stride=STRIDE, padding=PADDING)
with torch.no_grad():
    layer.weight.copy_(weight)
    layer.bias.copy_(bias)

panel = show(layer, x)
assert panel.table.total_macs == multiplications
assert panel.table.total_params == 4 * 3 * 3 * 3 + 4
assert panel.table.rows[0].output == "2×4×4×4"

# %% [markdown] lang="en"
# ## Backward
#
# Someone hands us `dy`: how the loss changes when each number of `y` changes. We need the same for `bias`, `weight` and `x`.
#
# Every number of `y` was made by one line: `y = (window * weight).sum() + bias`. Read it backwards, one place at a time:
#
# - the bias was added once, so it gets `dy`;
# - each weight was multiplied by a number of the window, so it gets `dy * window`;
# - each number of the window was multiplied by a weight, so it gets `dy * weight`.
#
# Whoever was used several times adds up what comes back: hence `+=`.

# %% [markdown] lang="zh"
# ## 反向传播
#
# 假设有人给了我们 `dy`：`y` 的每个数变动时损失怎样变动。我们要求出 `bias`、`weight` 和 `x` 的对应结果。
#
# `y` 的每个数都来自这一行：`y = (window * weight).sum() + bias`。把它倒过来读，一个位置一个位置地看：
#
# - 偏置被加了一次，所以得到 `dy`；
# - 每个权重乘了窗口中的一个数，所以得到 `dy * window`；
# - 窗口中的每个数乘了一个权重，所以得到 `dy * weight`。
#
# 用过好几次的，就把传回来的都加起来：所以写 `+=`。

# %%
dy = torch.randn_like(y)

dbias = torch.zeros_like(bias)
dweight = torch.zeros_like(weight)
dpadded = torch.zeros_like(padded)
for place, window in places(y):
    o = place[1]
    dbias[o] += dy[place]
    dweight[o] += dy[place] * padded[window]
    dpadded[window] += dy[place] * weight[o]

dx = dpadded[:, :, PADDING:-PADDING, PADDING:-PADDING]  # the frame of zeros is not ours to change

# %% [markdown] lang="en"
# ### Checked against autograd

# %% [markdown] lang="zh"
# ### 与 autograd 对照

# %%
inputs = x.clone().requires_grad_()
layer(inputs).backward(dy)

for name, mine, theirs in [
    ("bias", dbias, layer.bias.grad),
    ("weight", dweight, layer.weight.grad),
    ("input", dx, inputs.grad),
]:
    print(f"{name:7} largest difference {(mine - theirs).abs().max():.0e}")
    assert torch.allclose(mine, theirs)

# %% [markdown] lang="en"
# ## The gradients are convolutions too
#
# Loops are slow. For stride 1 both can be written with `slide` alone. The gradient of the kernel: slide `dy` over the picture.

# %% [markdown] lang="zh"
# ## 梯度本身也是卷积
#
# 循环太慢。步幅为 1 时，两个梯度都只用 `slide` 就能写出来。卷积核的梯度：让 `dy` 在图像上滑动。

# %%
picture = torch.randn(6, 6, requires_grad=True)
kernel = torch.randn(3, 3, requires_grad=True)
dy = torch.randn(4, 4)
F.conv2d(picture[None, None], kernel[None, None])[0, 0].backward(dy)

with torch.no_grad():
    assert torch.allclose(slide(picture, dy), kernel.grad)

# %% [markdown] lang="en"
# The gradient of the input: put a frame of two zeros around `dy`, and slide the kernel over it. So far, so good. But which way round must the kernel be?
#
# A pixel in the middle was seen by nine windows. The window that lies to its *lower right* saw it with the *upper left* number of the kernel. Seen from the pixel, everything is the other way round.

# %% [markdown] lang="zh"
# 输入的梯度：在 `dy` 四周补两圈 0，再让卷积核在上面滑动。到这里都没问题。但卷积核应该朝哪个方向？
#
# 中间的一个像素会被九个窗口看到。位于它*右下方*的窗口，是用卷积核*左上角*的数看到它的。从像素的角度看，一切都反过来了。

# %%
numbers = torch.arange(1, 10).reshape(3, 3)
turns = {
    "as it is": lambda k: k,
    "a quarter turn": lambda k: torch.rot90(k),
    "mirrored": lambda k: k.flip(1),
    "half a turn": lambda k: torch.rot90(k, 2),
}
figure, axes = plt.subplots(1, 4, figsize=(10, 2.8))
for axis, (name, turn) in zip(axes, turns.items(), strict=True):
    turned = turn(numbers)
    axis.imshow(turned, cmap="Blues", vmax=14)
    for i in range(3):
        for j in range(3):
            axis.text(j, i, turned[i, j].item(), ha="center", va="center", fontsize=14)
    axis.set_title(name)
    axis.axis("off")
plt.show()

# %% [markdown] lang="en"
# **The wrong rotation.** All four give a result of the right shape. Only one is right.

# %% [markdown] lang="zh"
# **错误的旋转。** 四种写法得到的形状都对，但只有一种结果正确。


# %%
def input_gradient(dy, kernel, turn):
    return slide(F.pad(dy, [2, 2, 2, 2]), turn(kernel))


verdicts = {}
with torch.no_grad():
    for name, turn in turns.items():
        answer = input_gradient(dy, kernel, turn)
        assert answer.shape == picture.shape
        verdicts[name] = torch.allclose(answer, picture.grad)
        print(f"{name:15} {'right' if verdicts[name] else 'WRONG'}")

assert verdicts == {"as it is": False, "a quarter turn": False, "mirrored": False, "half a turn": True}

# %% [markdown] lang="en"
# Why is the mistake so common? Because of how it is tested. With a kernel that looks the same however you turn it, every version passes:

# %% [markdown] lang="zh"
# 这个错误为什么如此常见？因为测试的方法不对。如果卷积核从哪个方向看都一样，那么每种写法都能通过：

# %%
same = torch.tensor([[1.0, 2.0, 1.0], [2.0, 4.0, 2.0], [1.0, 2.0, 1.0]])
picture.grad = None
F.conv2d(picture[None, None], same[None, None])[0, 0].backward(dy)

assert all(torch.allclose(input_gradient(dy, same, turn), picture.grad) for turn in turns.values())
print("All four pass with this kernel. Test with random numbers.")

# %% [markdown] lang="en"
# ### With channels
#
# One trap more. `torch.rot90(weight, 2)`, like NumPy's, turns the *first two* axes: the channels, not the picture. After half a turn even the shape is the same, so nothing complains.
#
# And the channels change sides: what came in now goes out.

# %% [markdown] lang="zh"
# ### 有多个通道时
#
# 还有一个陷阱。`torch.rot90(weight, 2)` 和 NumPy 的一样，转的是*前两个*轴：转的是通道，而不是画面。转半圈之后连形状都没变，所以不会报错。
#
# 另外，通道要交换位置：原来输入的一侧变成了输出的一侧。

# %%
x = torch.randn(2, 3, 6, 6, requires_grad=True)
y = F.conv2d(x, weight)
dy = torch.randn_like(y)
y.backward(dy)

wrong = F.conv2d(dy, torch.rot90(weight, 2).transpose(0, 1), padding=2)
mended = F.conv2d(dy, torch.rot90(weight, 2, dims=(2, 3)).transpose(0, 1), padding=2)

print("wrong :", tuple(wrong.shape), f"largest difference {(wrong - x.grad).abs().max():.1f}")
print("mended:", tuple(mended.shape), f"largest difference {(mended - x.grad).abs().max():.0e}")
assert wrong.shape == x.shape
assert not torch.allclose(wrong, x.grad)
assert torch.allclose(mended, x.grad)

# %% [markdown] lang="en"
# `weight.flip(2, 3)` is the same half turn, easier to read. And PyTorch has the whole of it ready, for any stride and padding, as `conv_transpose2d`:

# %% [markdown] lang="zh"
# `weight.flip(2, 3)` 同样是转半圈，更好读。PyTorch 还提供了现成的函数 `conv_transpose2d`，适用于任意步幅和填充：

# %%
assert torch.equal(weight.flip(2, 3), torch.rot90(weight, 2, dims=(2, 3)))
assert torch.allclose(F.conv_transpose2d(dy, weight), x.grad)

# %% [markdown] lang="en"
# ## Exercises
#
# **1.** `Conv2d(16, 32, kernel_size=3, stride=2, padding=1)` on 1×16×28×28: how many parameters, which output shape, how many multiplications? By hand first, then with `summary`.

# %% [markdown] lang="zh"
# ## 练习
#
# **1.** `Conv2d(16, 32, kernel_size=3, stride=2, padding=1)` 作用于 1×16×28×28：有多少参数？输出什么形状？要做多少次乘法？先手算，再用 `summary` 检查。

# %%
# Your turn.

# %% tags=["solution"]
from notebookviz import summary

table = summary(torch.nn.Conv2d(16, 32, kernel_size=3, stride=2, padding=1), input_size=(1, 16, 28, 28))
assert table.total_params == 32 * 16 * 3 * 3 + 32
assert table.rows[0].output == "1×32×14×14"
assert table.total_macs == 32 * 14 * 14 * (16 * 3 * 3)

# %% [markdown] lang="en"
# **2.** Max pooling keeps the largest number of each 2×2 window. Where does its gradient go? Write it for one channel and check it.

# %% [markdown] lang="zh"
# **2.** 最大池化只保留每个 2×2 窗口中最大的数。它的梯度应该传到哪里？写出单通道的版本并核对。

# %%
# Your turn.

# %% tags=["solution"]
picture = torch.randn(6, 6, requires_grad=True)
dy = torch.randn(3, 3)
F.max_pool2d(picture[None, None], 2)[0, 0].backward(dy)

answer = torch.zeros(6, 6)
for i in range(3):
    for j in range(3):
        window = picture[2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
        row, column = divmod(window.argmax().item(), 2)
        answer[2 * i + row, 2 * j + column] = dy[i, j]  # all of it to the winner
assert torch.equal(answer, picture.grad)

# %% [markdown] lang="en"
# **3.** With `groups=64`, each of 64 channels has a kernel of its own and sees no other channel. Compare `Conv2d(64, 64, 3, padding=1)` with and without it, side by side: how many times fewer multiplications?

# %% [markdown] lang="zh"
# **3.** 设 `groups=64` 时，64 个通道各用各的卷积核，互不相见。比较有无这个参数的 `Conv2d(64, 64, 3, padding=1)`：乘法次数少了多少倍？

# %%
# Your turn.

# %% tags=["solution"]
full = torch.nn.Conv2d(64, 64, 3, padding=1)
alone = torch.nn.Conv2d(64, 64, 3, padding=1, groups=64)
panel = show(torch.nn.Sequential(full, alone), input_size=(1, 64, 32, 32))
first, second = panel.table.rows[1:]
print(f"{first.macs:,} and {second.macs:,}: {first.macs / second.macs:.0f} times fewer")
assert first.macs == 64 * second.macs

# %% [markdown] lang="en"
# **Next:** [05 · Losses and activations](05-losses.ipynb): what to learn from an error.

# %% [markdown] lang="zh"
# **下一篇：** [05 · 损失与激活函数](05-losses.ipynb)：从误差中学到什么。
