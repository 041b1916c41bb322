# %% [markdown] lang="en"
# # 03 · A network by hand
#
# How does a network learn? With nothing but matrix products you will build a network of 5 inputs, 10 and 5 hidden neurons and 1 output, send data forward, send the error back, and train it. PyTorch then checks every number.

# %% [markdown] lang="zh"
# # 03 · 手写一个网络
#
# 网络是怎样学习的？只用矩阵乘法，我们就能搭出一个网络：5 个输入，两个隐藏层分别有 10 个和 5 个神经元，1 个输出。数据向前走，误差往回传，最后把它训练好。每一个数都会由 PyTorch 来核对。

# %%
from itertools import pairwise

import matplotlib.pyplot as plt
import torch

torch.manual_seed(0)
torch.set_default_dtype(torch.float64)  # more digits, so that we can compare strictly

# %% [markdown] lang="en"
# ## What we build
#
# Each circle is a neuron, that is, one number. Each line is a weight: it tells how strongly one number counts for another.

# %% [markdown] lang="zh"
# ## 要搭的网络
#
# 每个圆圈是一个神经元，也就是一个数。每条线是一个权重：它表示一个数对另一个数有多大影响。

# %%
sizes = [5, 10, 5, 1]
figure, axis = plt.subplots(figsize=(7, 4))
places = [[(2 * column, row - (size - 1) / 2) for row in range(size)] for column, size in enumerate(sizes)]
for before, after in pairwise(places):
    for x0, y0 in before:
        for x1, y1 in after:
            axis.plot([x0, x1], [y0, y1], color="lightsteelblue", linewidth=0.7, zorder=1)
for layer in places:
    axis.scatter(*zip(*layer, strict=True), s=160, color="white", edgecolor="steelblue", linewidth=2, zorder=2)
for column, text in enumerate(["5 inputs", "10 neurons", "5 neurons", "1 output"]):
    axis.text(2 * column, -5.6, text, ha="center")
axis.axis("off")
plt.show()

# %% [markdown] lang="en"
# ## Data
#
# 64 examples of five numbers, `X`. The target `T` is made by a rule that the network does not know and shall find.

# %% [markdown] lang="zh"
# ## 数据
#
# `X` 是 64 个样本，每个样本五个数。目标 `T` 按一条规则生成，网络不知道这条规则，要自己学出来。

# %%
X = torch.randn(64, 5)
T = (X[:, 0] * X[:, 1] + X[:, 2].abs()).unsqueeze(1)
print("X", tuple(X.shape), " T", tuple(T.shape))

# %% [markdown] lang="en"
# ## Weights
#
# From 5 numbers to 10: a matrix of 5×10, and a *bias* for each of the ten. They start at random.

# %% [markdown] lang="zh"
# ## 权重
#
# 从 5 个数到 10 个数：需要一个 5×10 的矩阵，再给这 10 个数各加一个*偏置*（bias）。它们的初值是随机的。

# %%
W1, b1 = torch.randn(5, 10) * (2 / 5) ** 0.5, torch.zeros(10)
W2, b2 = torch.randn(10, 5) * (2 / 10) ** 0.5, torch.zeros(5)
W3, b3 = torch.randn(5, 1) * (2 / 5) ** 0.5, torch.zeros(1)
weights = [W1, b1, W2, b2, W3, b3]

count = sum(weight.numel() for weight in weights)
print(count, "numbers to learn")
assert count == (5 * 10 + 10) + (10 * 5 + 5) + (5 * 1 + 1) == 121

# %% [markdown] lang="en"
# ## Forward
#
# One layer is one line: multiply by the weights, add the bias. All 64 examples go through together, one in each row.

# %% [markdown] lang="zh"
# ## 前向传播
#
# 一层就是一行代码：乘以权重，加上偏置。64 个样本一起通过，每行一个样本。

# %%
Z1 = X @ W1 + b1
print(tuple(X.shape), "@", tuple(W1.shape), "→", tuple(Z1.shape))
assert Z1.shape == (64, 10)

# %% [markdown] lang="en"
# Then **ReLU**: negative numbers become 0. Without it, three layers would be no more than one, for a product of matrices is just another matrix.

# %% [markdown] lang="zh"
# 接着是 **ReLU**：负数变成 0。没有它，三层和一层没有区别，因为几个矩阵相乘，结果还是一个矩阵。

# %%
H1 = Z1.clamp(min=0)

assert torch.allclose((X @ W1) @ W2, X @ (W1 @ W2))  # two layers without ReLU are one

# %% [markdown] lang="en"
# The other two layers are the same again; the last one has no ReLU, since the answer may be negative.

# %% [markdown] lang="zh"
# 后两层如法炮制；最后一层不加 ReLU，因为答案可能是负数。

# %%
Z2 = H1 @ W2 + b2
H2 = Z2.clamp(min=0)
Y = H2 @ W3 + b3
assert Y.shape == T.shape == (64, 1)

# %% [markdown] lang="en"
# How wrong is `Y`? The **loss** says it in one number: the mean of the squared differences.

# %% [markdown] lang="zh"
# `Y` 错得有多厉害？**损失**（loss）用一个数来回答：差的平方的平均值。

# %%
loss = ((Y - T) ** 2).mean()
print(f"loss {loss:.4f}")

# %% [markdown] lang="en"
# ### The same in PyTorch
#
# `nn.Linear` keeps its matrix the other way round, as *outputs × inputs*. Hence the `.T`.

# %% [markdown] lang="zh"
# ### 用 PyTorch 写同一个网络
#
# `nn.Linear` 存放矩阵的方向相反，是*输出 × 输入*，所以要写 `.T`。

# %%
from torch import nn

network = nn.Sequential(nn.Linear(5, 10), nn.ReLU(), nn.Linear(10, 5), nn.ReLU(), nn.Linear(5, 1))
with torch.no_grad():
    for layer, W, b in [(network[0], W1, b1), (network[2], W2, b2), (network[4], W3, b3)]:
        layer.weight.copy_(W.T)
        layer.bias.copy_(b)

assert torch.allclose(network(X), Y)

# %%
from notebookviz import show

panel = show(network, X)
assert panel.table.total_params == 121

# %% [markdown] lang="en"
# Click a box, then a weight in the sidebar: those are the very numbers of `W1`, turned on its side. The `64×10` in the table is our `Z1`.

# %% [markdown] lang="zh"
# 点击一个盒子，再点击侧栏里的权重：那正是 `W1` 里的数，只是转置过。表格里的 `64×10` 就是我们的 `Z1`。

# %% [markdown] lang="en"
# ## What is a gradient?
#
# Change *one* number a little and watch the loss. How much the loss changes, divided by how much the number changed, is the gradient of that number. Its sign tells which way is downhill.

# %% [markdown] lang="zh"
# ## 什么是梯度？
#
# 把*一个*数改动一点点，看损失变了多少。损失的变化量除以这个数的变化量，就是它的梯度。梯度的符号告诉我们哪个方向是下坡。


# %%
def forward(X, W1, b1, W2, b2, W3, b3):
    H1 = (X @ W1 + b1).clamp(min=0)
    H2 = (H1 @ W2 + b2).clamp(min=0)
    return H2 @ W3 + b3


step = 1e-6
nudged = W1.clone()
nudged[2, 3] += step
slope = (((forward(X, nudged, b1, W2, b2, W3, b3) - T) ** 2).mean() - loss) / step
print(f"gradient of W1[2, 3]: about {slope:.6f}")

# %% [markdown] lang="en"
# For 121 numbers we would need 121 such trials; for a large network, billions. **Back-propagation** finds them all in one pass, from the end to the beginning.

# %% [markdown] lang="zh"
# 121 个数就要这样试 121 次；大网络则要试几十亿次。**反向传播**（back-propagation）从后往前只走一遍，就能求出全部梯度。

# %% [markdown] lang="en"
# ## Backward
#
# Write `dY` for 'how the loss changes when `Y` changes'. It always has the shape of `Y`.
#
# The loss is the mean of $(Y - T)^2$, so
#
# $$dY = \frac{2\,(Y - T)}{N}$$

# %% [markdown] lang="zh"
# ## 反向传播
#
# 用 `dY` 表示“`Y` 变动时损失怎样变动”。它的形状总是和 `Y` 一样。
#
# 损失是 $(Y - T)^2$ 的平均值，所以
#
# $$dY = \frac{2\,(Y - T)}{N}$$

# %%
dY = 2 * (Y - T) / Y.numel()
assert dY.shape == Y.shape

# %% [markdown] lang="en"
# Now one layer back. For $Y = H W + b$ there are three answers:
#
# $$dW = H^\top dY \qquad db = \text{the sum of the rows of } dY \qquad dH = dY\, W^\top$$
#
# No need to learn them by heart: `dW` must have the shape of `W`, `dH` that of `H`, and only one way of multiplying gives that.

# %% [markdown] lang="zh"
# 现在往回走一层。对 $Y = H W + b$，有三个答案：
#
# $$dW = H^\top dY \qquad db = dY \text{ 各行之和} \qquad dH = dY\, W^\top$$
#
# 不必死记：`dW` 的形状必须和 `W` 相同，`dH` 的形状必须和 `H` 相同，能做到这一点的乘法只有一种。

# %%
dW3 = H2.T @ dY
db3 = dY.sum(0)
dH2 = dY @ W3.T
assert dW3.shape == W3.shape
assert dH2.shape == H2.shape

# %% [markdown] lang="en"
# ReLU lets the gradient through where it let the number through, and stops it elsewhere.

# %% [markdown] lang="zh"
# 数在哪里通过了 ReLU，梯度就在哪里通过；其余的地方都被挡住。

# %%
dZ2 = dH2 * (Z2 > 0)

# %% [markdown] lang="en"
# The same two steps again, and we are at the beginning.

# %% [markdown] lang="zh"
# 同样的两步再来一遍，就回到了起点。

# %%
dW2, db2, dH1 = H1.T @ dZ2, dZ2.sum(0), dZ2 @ W2.T
dZ1 = dH1 * (Z1 > 0)
dW1, db1 = X.T @ dZ1, dZ1.sum(0)

print(f"dW1[2, 3] is {dW1[2, 3]:.6f}; the trial above gave {slope:.6f}")
assert abs(dW1[2, 3] - slope) < 1e-4

# %% [markdown] lang="en"
# ### Checked against autograd
#
# PyTorch's **autograd** does the same by itself: `backward()` puts each gradient into `.grad`.

# %% [markdown] lang="zh"
# ### 与 autograd 对照
#
# PyTorch 的 **autograd** 会自动完成同样的事：`backward()` 把每个梯度放进 `.grad`。

# %%
((network(X) - T) ** 2).mean().backward()

by_hand = {
    "0.weight": dW1.T,
    "0.bias": db1,
    "2.weight": dW2.T,
    "2.bias": db2,
    "4.weight": dW3.T,
    "4.bias": db3,
}
for name, parameter in network.named_parameters():
    print(f"{name:10} largest difference {(parameter.grad - by_hand[name]).abs().max():.0e}")
    assert torch.allclose(parameter.grad, by_hand[name])

# %% [markdown] lang="en"
# All 121 agree. Let the panel colour each layer by the size of its gradient: where would the next step change most?

# %% [markdown] lang="zh"
# 121 个梯度全部吻合。让面板按梯度的大小给每一层上色：下一步会让哪里变化最大？

# %%
panel = show(network, X)
panel.overlay("gradient norm", {name: p.grad.norm() for name, p in network.named_parameters()})

# %% [markdown] lang="en"
# ## Learn
#
# Go a little downhill, again and again: `weight -= rate * gradient`. That is all of **gradient descent**.

# %% [markdown] lang="zh"
# ## 学习
#
# 一次又一次，朝下坡方向走一小步：`weight -= rate * gradient`。这就是**梯度下降**的全部。


# %%
def gradients(X, T, W1, b1, W2, b2, W3, b3):
    Z1 = X @ W1 + b1
    H1 = Z1.clamp(min=0)
    Z2 = H1 @ W2 + b2
    H2 = Z2.clamp(min=0)
    Y = H2 @ W3 + b3
    dY = 2 * (Y - T) / Y.numel()
    dZ2 = (dY @ W3.T) * (Z2 > 0)
    dZ1 = (dZ2 @ W2.T) * (Z1 > 0)
    loss = ((Y - T) ** 2).mean().item()
    return loss, [X.T @ dZ1, dZ1.sum(0), H1.T @ dZ2, dZ2.sum(0), H2.T @ dY, dY.sum(0)]


rate = 0.05
learned = [weight.clone() for weight in weights]
losses = []
for _ in range(400):
    loss, slopes = gradients(X, T, *learned)
    losses.append(loss)
    for weight, gradient in zip(learned, slopes, strict=True):
        weight -= rate * gradient

plt.plot(losses)
plt.xlabel("step")
plt.ylabel("loss")
plt.show()
print(f"loss {losses[0]:.3f} → {losses[-1]:.3f}")
assert losses[-1] < 0.3 * losses[0]

# %% [markdown] lang="en"
# The usual PyTorch loop does the same. After 400 steps, every weight is equal to ours:

# %% [markdown] lang="zh"
# PyTorch 里常见的训练循环做的是同一件事。400 步之后，每个权重都和我们手算的一样：

# %%
import copy


def train(network, steps):
    network = copy.deepcopy(network)
    optimizer = torch.optim.SGD(network.parameters(), lr=rate)
    losses = []
    for _ in range(steps):
        loss = ((network(X) - T) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return network, losses


trained, right = train(network, 400)
assert torch.allclose(trained[0].weight, learned[0].T)
assert torch.allclose(trained[4].bias, learned[5])

# %% [markdown] lang="en"
# ## Zeroing gradients in the wrong place
#
# Three lines: `zero_grad`, `backward`, `step`. Their order matters, because `backward` **adds** to `.grad`:

# %% [markdown] lang="zh"
# ## 在错误的位置清零梯度
#
# 三行代码：`zero_grad`、`backward`、`step`。顺序很重要，因为 `backward` 是往 `.grad` 里**累加**：

# %%
network.zero_grad()
((network(X) - T) ** 2).mean().backward()
once = network[0].weight.grad.clone()
((network(X) - T) ** 2).mean().backward()
assert torch.allclose(network[0].weight.grad, 2 * once)

# %% [markdown] lang="en"
# **Wrong: zeroed before the loop only.** Each step carries all the old gradients with it, and runs far past the valley.

# %% [markdown] lang="zh"
# **错误：只在循环之前清零。** 每一步都带着过去所有的梯度，一下子冲过谷底。


# %%
def train_zeroing_once(network, steps):
    network = copy.deepcopy(network)
    optimizer = torch.optim.SGD(network.parameters(), lr=rate)
    losses = []
    optimizer.zero_grad()
    for _ in range(steps):
        loss = ((network(X) - T) ** 2).mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


zeroed_once = train_zeroing_once(network, 400)
print(f"at best {min(zeroed_once[-100:]):.3f} in the last 100 steps, instead of {right[-1]:.3f}")
assert min(zeroed_once[-100:]) > 2 * right[-1]

# %% [markdown] lang="en"
# **Wrong: zeroed between `backward` and `step`.** The gradients are gone before anyone used them. Nothing is learned, and nothing complains.

# %% [markdown] lang="zh"
# **错误：在 `backward` 和 `step` 之间清零。** 梯度还没用上就没了。什么也没学到，也没有任何报错。


# %%
def train_zeroing_too_late(network, steps):
    network = copy.deepcopy(network)
    optimizer = torch.optim.SGD(network.parameters(), lr=rate)
    losses = []
    for _ in range(steps):
        loss = ((network(X) - T) ** 2).mean()
        loss.backward()
        optimizer.zero_grad()
        optimizer.step()
        losses.append(loss.item())
    return losses


zeroed_too_late = train_zeroing_too_late(network, 400)
print(f"first {zeroed_too_late[0]:.3f}, last {zeroed_too_late[-1]:.3f}")
assert zeroed_too_late[-1] == zeroed_too_late[0]

# %% [markdown] lang="en"
# **Mended** is the loop further up: `zero_grad`, `backward`, `step`. See all three:

# %% [markdown] lang="zh"
# **正确写法**就是前面的那个循环：`zero_grad`、`backward`、`step`。把三条曲线画在一起：

# %%
plt.semilogy(right, label="zero_grad, backward, step")
plt.semilogy(zeroed_once, label="zeroed before the loop only", linewidth=0.8)
plt.semilogy(zeroed_too_late, label="backward, zero_grad, step")
plt.xlabel("step")
plt.ylabel("loss")
plt.legend()
plt.show()
assert right[-1] < 0.3 * right[0]

# %% [markdown] lang="en"
# ## Exercises
#
# **1.** Also find `dX`: how the loss changes with the *inputs*. Check it against autograd (`X.clone().requires_grad_()`).

# %% [markdown] lang="zh"
# ## 练习
#
# **1.** 再求出 `dX`：损失如何随*输入*变化。用 autograd 核对（`X.clone().requires_grad_()`）。

# %%
# Your turn.

# %% tags=["solution"]
dX = dZ1 @ W1.T
inputs = X.clone().requires_grad_()
((network(inputs) - T) ** 2).mean().backward()
assert torch.allclose(dX, inputs.grad)

# %% [markdown] lang="en"
# **2.** Use `tanh` instead of the first ReLU. Its derivative is $1 - \tanh^2$. What is `dW1` now?

# %% [markdown] lang="zh"
# **2.** 把第一个 ReLU 换成 `tanh`，它的导数是 $1 - \tanh^2$。现在 `dW1` 是什么？

# %%
# Your turn.

# %% tags=["solution"]
A1 = torch.tanh(X @ W1 + b1)
V2 = A1 @ W2 + b2
output = V2.clamp(min=0) @ W3 + b3
dV2 = (2 * (output - T) / output.numel() @ W3.T) * (V2 > 0)
answer = X.T @ ((dV2 @ W2.T) * (1 - A1**2))

with_tanh = copy.deepcopy(network)
with_tanh[1] = nn.Tanh()
with_tanh.zero_grad()
((with_tanh(X) - T) ** 2).mean().backward()
assert torch.allclose(answer.T, with_tanh[0].weight.grad)

# %% [markdown] lang="en"
# **3.** Start with all weights 0 instead of random numbers, and train. What does the network learn, and why no more?

# %% [markdown] lang="zh"
# **3.** 把所有权重的初值设为 0，而不是随机数，然后训练。网络学到了什么？为什么学不到更多？

# %%
# Your turn.

# %% tags=["solution"]
zeros = copy.deepcopy(network)
with torch.no_grad():
    for parameter in zeros.parameters():
        parameter.zero_()
stuck, _ = train(zeros, 400)
assert torch.allclose(stuck(X), T.mean().expand(64, 1))
assert stuck[0].weight.abs().max() == 0

# %% [markdown] lang="en"
# <details><summary>Why?</summary>
#
# Every product with a weight is 0, so every gradient is 0 but that of the last bias. The network learns the mean of the targets and nothing else. Random numbers make the neurons different from each other, and let the gradient through.
#
# </details>

# %% [markdown] lang="zh"
# <details><summary>为什么？</summary>
#
# 与权重相乘的结果都是 0，所以除了最后一个偏置，其余梯度也都是 0。网络只学到了目标的平均值。随机的初值让神经元各不相同，梯度才能传下去。
#
# </details>

# %% [markdown] lang="en"
# **Next:** [04 · Convolution by hand](04-convolution.ipynb): the layer that sees.

# %% [markdown] lang="zh"
# **下一篇：** [04 · 手写卷积](04-convolution.ipynb)：会“看”的层。
