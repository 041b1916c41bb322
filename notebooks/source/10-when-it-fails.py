# %% [markdown] lang="en"
# # 10 · When a model does not run
#
# `mat1 and mat2 shapes cannot be multiplied`. Everyone who builds networks knows this line. Here you learn to read such failures in the graph, and you meet the mistakes behind most of them. The last ones are the worst: they raise nothing.

# %% [markdown] lang="zh"
# # 10 · 模型跑不起来的时候
#
# `mat1 and mat2 shapes cannot be multiplied`，搭过网络的人都见过这行字。这里我们学习怎样在图上读懂这类错误，并认识最常见的几种原因。最后几种最麻烦：它们根本不报错。

# %% [markdown] lang="en"
# ## Read a failure
#
# Here is a network with a mistake in it. Don't look for it in the code.

# %% [markdown] lang="zh"
# ## 读懂一次失败
#
# 下面的网络里有一个错误。先别在代码里找。

# %%
import torch
from torch import nn

from notebookviz import show


class Block(nn.Module):
    def __init__(self, width, inner):
        super().__init__()
        self.widen = nn.Linear(width, inner)
        self.narrow = nn.Linear(4 * width, width)

    def forward(self, x):
        return x + self.narrow(self.widen(x).relu())


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = Block(32, 128)
        self.second = Block(32, 96)
        self.head = nn.Linear(32, 10)

    def forward(self, x):
        return self.head(self.second(self.first(x)))


panel = show(Net(), torch.zeros(4, 32))

# %% [markdown] lang="en"
# Read it like this:
#
# 1. **Where?** The graph ends at the red module, and the table marks it `failed`. What stands above it ran: `first` is not the culprit.
# 2. **What met?** The edge into it says what arrived, the status line what the weight wanted.
# 3. **What to try?** Below PyTorch's own message there is a sentence. It is a guess, but often right.
#
# All of it is there for Python too:

# %% [markdown] lang="zh"
# 这样读：
#
# 1. **在哪里？** 图在红色的模块处中断，表格里标着 `failed`。它上面的部分都跑通了，所以 `first` 没有问题。
# 2. **什么碰到了什么？** 进入它的边标明来的是什么，状态栏说明权重要的是什么。
# 3. **怎么改？** PyTorch 的报错下面有一句建议。这只是推测，但往往是对的。
#
# 这些内容在 Python 里也拿得到：

# %%
failure = panel.recording.failure
print("where:  ", panel.recording.nodes[failure.node].path)
print("line:   ", failure.source.code)
print("message:", failure.message)
print("shapes: ", dict(failure.shapes))
print("hint:   ", failure.hint)

assert panel.recording.nodes[failure.node].path == "second.narrow"
assert dict(failure.shapes)["input"] == "4×96"
assert "in_features=96" in failure.hint

# %% [markdown] lang="en"
# 96 numbers arrive and 128 are wanted. The hint would make it run, but look at `first`: there both are 128. The mistake is the 96. **The place that fails is not always the place that is wrong**, and only you know what was meant.
#
# From here on a small helper shows what is said of a model: PyTorch's words, then the hint.

# %% [markdown] lang="zh"
# 来了 96 个数，要的却是 128 个。照着提示改确实能跑通，但看看 `first`：那里两边都是 128。真正写错的是 96。**报错的地方不一定是写错的地方**，而本来想写什么，只有你自己知道。
#
# 下面用一个小函数显示对一个模型的诊断：先是 PyTorch 的原话，再是提示。


# %%
def diagnose(model, *inputs):
    failure = show(model, *inputs, height=360).recording.failure
    print(failure.message)
    print("→", failure.hint)
    return failure


def raises(model, *inputs):
    """Whether PyTorch itself refuses this."""
    try:
        model(*inputs)
    except (RuntimeError, IndexError):
        return True
    return False


# %% [markdown] lang="en"
# ## Channels last
#
# Matplotlib and PIL give height × width × colours. Convolutions want the colours first.

# %% [markdown] lang="zh"
# ## 通道放在了最后
#
# Matplotlib 和 PIL 给出的是 高 × 宽 × 颜色，而卷积要求颜色在前。

# %%
cnn = nn.Sequential(
    nn.Conv2d(3, 8, 3, padding=1),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Flatten(),
    nn.Linear(8 * 16 * 16, 10),
)
photo = torch.rand(1, 32, 32, 3)

failure = diagnose(cnn, photo)
assert raises(cnn, photo)
assert "x.permute(0, 3, 1, 2)" in failure.hint

# %%
assert cnn(photo.permute(0, 3, 1, 2)).shape == (1, 10)

# %% [markdown] lang="en"
# ## The wrong kind of number
#
# Pictures are `uint8`, arrays of numpy are `float64`. The weights are `float32`, and PyTorch does not mix them.

# %% [markdown] lang="zh"
# ## 数值类型不对
#
# 图像是 `uint8`，numpy 数组是 `float64`，而权重是 `float32`。PyTorch 不会把它们混在一起算。

# %%
bytes_image = torch.randint(0, 256, (1, 3, 32, 32), dtype=torch.uint8)

failure = diagnose(cnn, bytes_image)
assert raises(cnn, bytes_image)
assert "x.to(torch.float32)" in failure.hint

# %%
assert cnn(bytes_image.to(torch.float32) / 255).shape == (1, 10)

# %% [markdown] lang="en"
# ## No batch
#
# One image without the batch axis. The failure is far from the cause: a convolution still takes `3×32×32`, but `Flatten` then joins the wrong axes and the linear layer has to complain.

# %% [markdown] lang="zh"
# ## 少了批量轴
#
# 输入是单张图像，没有批量轴。报错的地方离原因很远：卷积照样接受 `3×32×32`，但 `Flatten` 随后合并了错误的轴，最后是线性层报错。

# %%
failure = diagnose(cnn, torch.rand(3, 32, 32))
assert raises(cnn, torch.rand(3, 32, 32))
assert "x.unsqueeze(0)" in failure.hint

# %%
assert cnn(torch.rand(3, 32, 32).unsqueeze(0)).shape == (1, 10)

# %% [markdown] lang="en"
# ## Flatten and pooling
#
# Someone removed a pooling and forgot the linear layer. The number of features is not something to remember: read it off the edge.

# %% [markdown] lang="zh"
# ## 展平与池化
#
# 有人删掉了一次池化，却忘了改线性层。特征数不用死记：在边上读出来就行。

# %%
without_pool = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 16 * 16, 10))
image = torch.rand(1, 3, 32, 32)

failure = diagnose(without_pool, image)
assert raises(without_pool, image)
assert "in_features=8192" in failure.hint

# %% [markdown] lang="en"
# Better still, let it never happen again: `AdaptiveAvgPool2d(1)` gives one number for each channel, whatever the size of the image.

# %% [markdown] lang="zh"
# 更好的办法是让它不再发生：不管图像多大，`AdaptiveAvgPool2d(1)` 对每个通道都只给出一个数。

# %%
any_size = nn.Sequential(
    nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10)
)
for size in (32, 48, 100):
    assert any_size(torch.rand(1, 3, size, size)).shape == (1, 10)

# %% [markdown] lang="en"
# ## A number that is not in the table
#
# An embedding of 10 rows knows the numbers 0 to 9.

# %% [markdown] lang="zh"
# ## 表里没有这个编号
#
# 有 10 行的 embedding 只认识 0 到 9。

# %%
words = nn.Embedding(10, 4)
sentence = torch.tensor([[1, 7, 10]])

failure = diagnose(words, sentence)
assert raises(words, sentence)
assert "takes 0 to 9, and the index at [0, 2] is 10" in failure.hint

# %% [markdown] lang="en"
# ## A shortcut that does not fit
#
# A residual connection adds what went in to what came out. With a stride the two differ.

# %% [markdown] lang="zh"
# ## 对不上的残差连接
#
# 残差连接把输入加到输出上。一旦用了步幅（stride），两者的大小就不一样了。


# %%
class Residual(nn.Module):
    def __init__(self, shortcut=None):
        super().__init__()
        self.conv = nn.Conv2d(8, 16, 3, stride=2, padding=1)
        self.shortcut = shortcut or nn.Identity()

    def forward(self, x):
        return self.shortcut(x) + self.conv(x)


features = torch.rand(1, 8, 16, 16)
failure = diagnose(Residual(), features)
assert raises(Residual(), features)
assert "1×8×16×16 and 1×16×8×8" in failure.hint

# %% [markdown] lang="en"
# ResNet's answer is a convolution of 1×1 with the same stride in the shortcut. In the graph of ResNet-50 it is called `downsample`.

# %% [markdown] lang="zh"
# ResNet 的办法是在捷径上放一个步幅相同的 1×1 卷积，在 ResNet-50 的图中它叫 `downsample`。

# %%
mended = Residual(nn.Conv2d(8, 16, 1, stride=2))
assert show(mended, features, height=360).recording.failure is None
assert mended(features).shape == (1, 16, 8, 8)

# %% [markdown] lang="en"
# ## Mistakes that raise nothing
#
# Now the dangerous ones. The model runs, the loss even falls a little, and something is wrong all the same.
#
# ### Layers in a list
#
# A Python list hides its layers from the model. They run, but the optimiser never hears of them:

# %% [markdown] lang="zh"
# ## 不报错的错误
#
# 下面这些更危险：模型能跑，损失甚至也会下降一点，但就是有问题。
#
# ### 把层放进列表
#
# 普通的 Python 列表会让模型看不到里面的层。它们会运行，优化器却根本不知道它们的存在：


# %%
class Stack(nn.Module):
    def __init__(self, container):
        super().__init__()
        self.layers = container(nn.Linear(16, 16) for _ in range(3))
        self.out = nn.Linear(16, 2)

    def forward(self, x):
        for layer in self.layers:
            x = layer(x).relu()
        return self.out(x)


hidden = show(Stack(list), torch.zeros(1, 16), height=360)
print(*hidden.recording.notes)

assert hidden.recording.failure is None  # it runs …
assert hidden.table.total_params == 16 * 2 + 2  # … but only `out` would learn
assert "3 modules run but are not registered" in hidden.recording.notes[0]

# %%
stack = Stack(nn.ModuleList)
assert sum(p.numel() for p in stack.parameters()) == 3 * (16 * 16 + 16) + 16 * 2 + 2

# %% [markdown] lang="en"
# ### A broadcast nobody asked for
#
# The scores are `8×1`, the targets `8`. Subtract them, and PyTorch makes an `8×8` table of *all* differences. The mean of that is a loss, only not yours.

# %% [markdown] lang="zh"
# ### 没人要的广播
#
# 得分是 `8×1`，目标是 `8`。两者相减，PyTorch 会造出一张 `8×8` 的表，里面是*所有*的两两之差。它的平均值也能当损失用，只是不是你想要的那个。


# %%
class Loss(nn.Module):
    def __init__(self, *, squeeze=False):
        super().__init__()
        self.fc = nn.Linear(4, 1)
        self.squeeze = squeeze

    def forward(self, x, target):
        score = self.fc(x)
        if self.squeeze:
            score = score.squeeze(-1)
        return (score - target).square().mean()


torch.manual_seed(0)
x, target = torch.rand(8, 4), torch.rand(8)
careless = Loss()
broadcast = show(careless, x, target, height=360)
print(*broadcast.recording.notes)
assert "8×1 - 8 gives 8×8" in broadcast.recording.notes[0]

# %%
careful = Loss(squeeze=True)
careful.load_state_dict(careless.state_dict())
print(f"with the broadcast {careless(x, target):.4f}, without {careful(x, target):.4f}")
assert careless(x, target) != careful(x, target)
assert torch.allclose(careful(x, target), nn.functional.mse_loss(careful.fc(x).squeeze(-1), target))

# %% [markdown] lang="en"
# ### A layer that nobody calls
#
# `norm` is built and never used. The table says `not called`.

# %% [markdown] lang="zh"
# ### 没有人调用的层
#
# `norm` 建好了，却从没用上。表格会写明 `not called`。


# %%
class Forgetful(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(16, 16)
        self.norm = nn.LayerNorm(16)
        self.fc2 = nn.Linear(16, 2)

    def forward(self, x):
        return self.fc2(self.fc1(x).relu())


forgetful = show(Forgetful(), torch.zeros(1, 16), height=360)
uncalled = [row.path for row in forgetful.table.rows if "uncalled" in row.marks]
print(uncalled)
assert uncalled == ["norm"]

# %% [markdown] lang="en"
# ### `reshape` instead of `permute`
#
# Both give `3×2`. Only one of them turns rows into columns; the other cuts the same row of numbers anew. Nothing can warn you, because both are allowed. Look at small numbers:

# %% [markdown] lang="zh"
# ### 用 `reshape` 代替 `permute`
#
# 两者都得到 `3×2`。只有一个是真的把行变成列，另一个只是把同一串数重新切分。没有什么能提醒你，因为两种写法都合法。用小数字看一看：

# %%
numbers = torch.tensor([[1, 2, 3], [4, 5, 6]])
print(numbers.permute(1, 0).tolist(), "permute")
print(numbers.reshape(3, 2).tolist(), "reshape")
assert numbers.permute(1, 0).shape == numbers.reshape(3, 2).shape
assert not torch.equal(numbers.permute(1, 0), numbers.reshape(3, 2))

# %% [markdown] lang="en"
# ## One batch tells a lot
#
# A model that can't learn **one** batch by heart will not learn anything. `overfit_one_batch` tries it and puts the model back as it was.

# %% [markdown] lang="zh"
# ## 一个批次就能说明很多问题
#
# 如果一个模型连**一个**批次都记不住，那它什么也学不会。`overfit_one_batch` 会试一试，然后把模型恢复原样。

# %%
from torch.utils.data import DataLoader, TensorDataset

from notebookviz import overfit_one_batch

data = DataLoader(TensorDataset(torch.rand(16, 16), torch.arange(16) % 2), batch_size=16)

torch.manual_seed(0)
healthy = Stack(nn.ModuleList)
tried = overfit_one_batch(healthy, data, lr=0.01, steps=150)
print(tried)
assert tried.learned


# %%
class Cut(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net
        self.scale = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        return self.net(x).detach() + self.scale  # detach() cuts the gradient: the network never learns


tried = overfit_one_batch(Cut(healthy), data, lr=0.01, steps=150)
print(tried)
assert not tried.learned

# %% [markdown] lang="en"
# ## Exercises
#
# ### Exercise 1
#
# Find what is wrong and mend it, so that two images of 28×28 give `2×10`.

# %% [markdown] lang="zh"
# ## 练习
#
# ### 练习 1
#
# 找出下面的网络错在哪里并改好，使两张 28×28 的图像得到 `2×10`。

# %%
broken = nn.Sequential(
    nn.Conv2d(1, 8, 3),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Conv2d(16, 16, 3),
    nn.ReLU(),
    nn.Flatten(),
    nn.Linear(16 * 12 * 12, 10),
)
failure = diagnose(broken, torch.zeros(2, 1, 28, 28))

# %%
# Your turn.

# %% tags=["solution"]
broken[3] = nn.Conv2d(8, 16, 3)
assert "in_features=1936" in diagnose(broken, torch.zeros(2, 1, 28, 28)).hint
broken[6] = nn.Linear(16 * 11 * 11, 10)
assert broken(torch.zeros(2, 1, 28, 28)).shape == (2, 10)

# %% [markdown] lang="en"
# <details><summary>What was wrong?</summary>
#
# Two mistakes, and the first hid the second. The second convolution gets 8 channels, not 16. Then the sides are 28 − 2 = 26, halved 13, 13 − 2 = 11, so `Flatten` gives 16·11·11 = 1936.
#
# </details>

# %% [markdown] lang="zh"
# <details><summary>错在哪里？</summary>
#
# 有两个错误，第一个掩盖了第二个。第二个卷积收到的是 8 个通道，而不是 16 个。之后边长是 28 − 2 = 26，减半为 13，13 − 2 = 11，所以 `Flatten` 给出 16·11·11 = 1936。
#
# </details>

# %% [markdown] lang="en"
# ### Exercise 2
#
# `nn.Flatten()` keeps the batch axis. What goes wrong with `x.flatten()` in its place? Try it with a batch of one and a batch of two.

# %% [markdown] lang="zh"
# ### 练习 2
#
# `nn.Flatten()` 会保留批量轴。如果换成 `x.flatten()` 会出什么问题？分别用一张和两张图像试一试。

# %%
# Your turn.


# %% tags=["solution"]
class Flat(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(12, 3)

    def forward(self, x):
        return self.fc(x.flatten())


assert Flat()(torch.zeros(1, 3, 2, 2)).shape == (3,)
assert raises(Flat(), torch.zeros(2, 3, 2, 2))
print(diagnose(Flat(), torch.zeros(2, 3, 2, 2)).kind)

# %% [markdown] lang="en"
# <details><summary>What goes wrong?</summary>
#
# `x.flatten()` joins all axes, the batch too. One image runs, but its answer has lost the batch axis; two images become one row of 24 numbers, where 12 are wanted.
#
# </details>

# %% [markdown] lang="zh"
# <details><summary>出了什么问题？</summary>
#
# `x.flatten()` 把所有轴合成一个，连批量轴也不放过。一张图像能跑通，但结果丢了批量轴；两张图像变成一行 24 个数，而需要的是 12 个。
#
# </details>

# %% [markdown] lang="en"
# ### Exercise 3
#
# This network forgets to `return`. What does calling it give, and why does the graph have no output?

# %% [markdown] lang="zh"
# ### 练习 3
#
# 下面的网络忘了写 `return`。调用它会得到什么？为什么图里没有输出？


# %%
class Silent(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 2)

    def forward(self, x):
        self.fc(x)


silent = show(Silent(), torch.zeros(1, 4), height=360)

# %%
# Your turn.

# %% tags=["solution"]
assert Silent()(torch.zeros(1, 4)) is None
assert [value for output in silent.recording.outputs for value in output.values] == []

# %% [markdown] lang="en"
# <details><summary>Why?</summary>
#
# A Python function without `return` gives `None`. The layer ran, but nothing takes its result.
#
# </details>

# %% [markdown] lang="zh"
# <details><summary>为什么？</summary>
#
# 没有 `return` 的 Python 函数返回 `None`。层确实运行了，但没有谁接收它的结果。
#
# </details>

# %% [markdown] lang="en"
# That was the last one. Now take a model of your own and `show` it.

# %% [markdown] lang="zh"
# 这是最后一篇。现在拿一个自己的模型，用 `show` 看看吧。
