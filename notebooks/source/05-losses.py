# %% [markdown] lang="en"
# # 05 · Losses and activations
#
# Two small choices decide whether a network can learn at all: the function after each layer, and the number that says how wrong the answer is. Here you change one number at a time and watch what happens.

# %% [markdown] lang="zh"
# # 05 · 损失与激活函数
#
# 有两个不起眼的选择，决定网络到底能不能学会：每层后面接什么函数，以及用什么数来衡量答案错得有多厉害。在这里，我们每次只改一个数，看看会发生什么。

# %%
import matplotlib.pyplot as plt
import torch
from torch import nn
from torch.nn import functional as F

_ = torch.manual_seed(0)

# %% [markdown] lang="en"
# ## Change one number and watch
#
# The smallest model there is: `y = w * x`. The data say `w` should be 2. Try many values of `w` and draw the loss, the **mean squared error** (MSE).

# %% [markdown] lang="zh"
# ## 改一个数，看变化
#
# 最小的模型：`y = w * x`。数据表明 `w` 应该是 2。把 `w` 取很多个值，画出损失，也就是**均方误差**（MSE）。

# %%
x = torch.tensor([1.0, 2.0, 3.0])
target = 2 * x


def loss_of(w):
    return F.mse_loss(w * x, target)


tries = torch.linspace(-1, 5, 61)
w = torch.tensor(0.0, requires_grad=True)
loss_of(w).backward()
slope = w.grad.item()

plt.plot(tries, [loss_of(value) for value in tries])
plt.plot(tries[:26], loss_of(w).item() + slope * tries[:26], "--")
plt.plot(0, loss_of(w).item(), "o")
plt.xlabel("w")
plt.ylabel("loss")
plt.show()
print(f"at w = 0 the slope is {slope:.2f}: downhill is to the right")

# %% [markdown] lang="en"
# The dashed line is the gradient: the slope of the curve at the dot. For MSE it is $\frac{2}{N}\sum (y - t)\,x$: the larger the error, the steeper the slope.

# %% [markdown] lang="zh"
# 虚线就是梯度：曲线在圆点处的斜率。对 MSE 来说，它等于 $\frac{2}{N}\sum (y - t)\,x$：误差越大，坡就越陡。

# %%
assert abs(slope - (2 * (0 * x - target) * x).mean().item()) < 1e-4
assert abs(slope - (loss_of(0.001) - loss_of(-0.001)).item() / 0.002) < 0.05

# %% [markdown] lang="en"
# ## Activations
#
# The function after a layer. Above each curve stands the value, below it the slope: that is what the gradient is multiplied by on its way back.

# %% [markdown] lang="zh"
# ## 激活函数
#
# 就是接在一层后面的函数。上排是函数值，下排是斜率：梯度往回传的时候，要乘的正是这个斜率。

# %%
z = torch.linspace(-6, 6, 241, requires_grad=True)
slopes = {}
figure, axes = plt.subplots(2, 3, figsize=(10, 4.5), sharex=True)
for column, function in enumerate([torch.sigmoid, torch.tanh, torch.relu]):
    value = function(z)
    (slopes[function.__name__],) = torch.autograd.grad(value.sum(), z)
    axes[0, column].plot(z.detach(), value.detach())
    axes[0, column].set_title(function.__name__)
    axes[1, column].plot(z.detach(), slopes[function.__name__], color="tab:orange")
    axes[1, column].set_ylim(-0.1, 1.1)
axes[0, 0].set_ylabel("value")
axes[1, 0].set_ylabel("slope")
plt.show()

# %% [markdown] lang="en"
# - **Sigmoid** squeezes everything between 0 and 1. Its slope is never above ¼, and nearly 0 on both sides.
# - **Tanh** squeezes between −1 and 1. Its slope is 1 in the middle, and nearly 0 on both sides.
# - **ReLU** has slope 1 for all positive numbers, 0 for the others.

# %% [markdown] lang="zh"
# - **Sigmoid** 把一切压到 0 和 1 之间。斜率最大只有 ¼，两侧几乎为 0。
# - **Tanh** 压到 −1 和 1 之间。中间的斜率是 1，两侧几乎为 0。
# - **ReLU** 对所有正数斜率都是 1，其余为 0。

# %%
for name, values in slopes.items():
    print(f"{name:8} steepest {values.max():.2f}, at 6: {values[-1]:.4f}")

assert abs(slopes["sigmoid"].max() - 0.25) < 1e-6
assert slopes["sigmoid"][-1] < 0.003
assert set(slopes["relu"].tolist()) == {0.0, 1.0}

# %% [markdown] lang="en"
# ### What the slopes do to a deep network
#
# Ten layers: the gradient is multiplied by ten slopes on its way to the first. With sigmoid, that is at most ¼ ten times over. Same weights, same data, three activations:

# %% [markdown] lang="zh"
# ### 斜率对深层网络的影响
#
# 十层网络：梯度传到第一层之前，要连乘十个斜率。用 sigmoid 的话，最多也就是十个 ¼ 相乘。同样的权重，同样的数据，三种激活函数：


# %%
def deep(activation):
    torch.manual_seed(0)
    layers = []
    for _ in range(10):
        linear = nn.Linear(32, 32)
        nn.init.normal_(linear.weight, std=(2 / 32) ** 0.5)
        nn.init.zeros_(linear.bias)
        layers += [linear, activation()]
    return nn.Sequential(*layers)


networks, reached = {}, {}
data = torch.randn(128, 32)
for activation in (nn.Sigmoid, nn.Tanh, nn.ReLU):
    network = deep(activation)
    F.mse_loss(network(data), torch.ones(128, 32)).backward()
    norms = [layer.weight.grad.norm() for layer in network if isinstance(layer, nn.Linear)]
    networks[activation.__name__] = network
    reached[activation.__name__] = (norms[0] / norms[-1]).item()
    plt.semilogy(range(1, 11), norms, "o-", label=activation.__name__)
    print(f"{activation.__name__:8} first layer / last layer: {reached[activation.__name__]:.1e}")

plt.xlabel("layer")
plt.ylabel("size of the gradient")
plt.legend()
plt.show()

assert reached["Sigmoid"] < 1e-3
assert reached["ReLU"] > 0.1

# %% [markdown] lang="en"
# With sigmoid the first layers learn next to nothing: the gradient **vanishes**. That is why ReLU made deep networks possible. In the graph you see where it fades:

# %% [markdown] lang="zh"
# 用 sigmoid 时，前面几层几乎学不到东西：这就是**梯度消失**。正因如此，ReLU 才让深层网络成为可能。在图上能看出梯度是从哪里开始变弱的：

# %%
from notebookviz import show

network = networks["Sigmoid"]
panel = show(network, data, height=700)
panel.overlay("gradient norm", {name: p.grad.norm() for name, p in network.named_parameters()})

# %% [markdown] lang="en"
# ## Softmax: scores become probabilities
#
# A classifier gives one **score** (also called *logit*) for each class. Softmax makes them positive and lets them add up to 1:
#
# $$p_i = \frac{e^{z_i}}{\sum_j e^{z_j}}$$

# %% [markdown] lang="zh"
# ## Softmax：把得分变成概率
#
# 分类器给每个类别一个**得分**（也叫 *logit*）。Softmax 把得分都变成正数，并且加起来等于 1：
#
# $$p_i = \frac{e^{z_i}}{\sum_j e^{z_j}}$$

# %%
scores = torch.tensor([2.0, 1.0, -1.0])
p = scores.exp() / scores.exp().sum()
print(p)
assert torch.allclose(p, F.softmax(scores, dim=0))
assert torch.allclose(F.softmax(scores + 100, dim=0), p)  # only the differences count

# %% [markdown] lang="en"
# ## Cross-entropy
#
# The loss for classes: minus the logarithm of the probability that the *right* class got. Sure and right costs nothing; sure and wrong costs a lot.

# %% [markdown] lang="zh"
# ## 交叉熵
#
# 分类用的损失：*正确*类别所得概率的对数，再取负。又肯定又对，损失几乎为零；又肯定又错，损失很大。

# %%
right = 1
loss = -p[right].log()
print(f"probability {p[right]:.3f}, loss {loss:.3f}")
assert torch.allclose(loss, F.cross_entropy(scores[None], torch.tensor([right])))

# %% [markdown] lang="en"
# Now change one number, the score of class 1, and leave the others alone:

# %% [markdown] lang="zh"
# 现在只改一个数，即第 1 类的得分，其余不动：

# %%
tries = torch.linspace(-6, 8, 141)
changed = scores.repeat(len(tries), 1)
changed[:, right] = tries

figure, (left_axis, right_axis) = plt.subplots(1, 2, figsize=(10, 3.2))
left_axis.plot(tries, F.softmax(changed, dim=1))
left_axis.legend(["class 0", "class 1", "class 2"])
left_axis.set_title("probabilities")
right_axis.plot(tries, F.cross_entropy(changed, torch.full([len(tries)], right), reduction="none"))
right_axis.set_title("loss")
for axis in (left_axis, right_axis):
    axis.set_xlabel("score of class 1")
plt.show()

# %% [markdown] lang="en"
# One score rises, and the *other* probabilities fall: they share. And the gradient of softmax with cross-entropy is as simple as can be, *what it said minus what is true*:
#
# $$\frac{\partial\, loss}{\partial z} = p - \text{one-hot}(right)$$

# %% [markdown] lang="zh"
# 一个得分升高，*其他*类别的概率就下降，因为总量是大家分的。Softmax 加交叉熵的梯度简单得不能再简单，就是*预测减去事实*：
#
# $$\frac{\partial\, loss}{\partial z} = p - \text{one-hot}(right)$$

# %%
z = scores.clone().requires_grad_()
F.cross_entropy(z[None], torch.tensor([right])).backward()
print("gradient:", z.grad)
assert torch.allclose(z.grad, p - F.one_hot(torch.tensor(right), 3), atol=1e-6)
assert abs(z.grad.sum()) < 1e-6

# %% [markdown] lang="en"
# ### Why not MSE for classes?
#
# A model is sure, and wrong: the truth is 1, its score is −6. Which loss tells it so? Compare the gradients:

# %% [markdown] lang="zh"
# ### 分类为什么不用 MSE？
#
# 模型很肯定，但是错了：真实值是 1，它的得分却是 −6。哪一种损失会提醒它？比较一下梯度：

# %%
z = torch.linspace(-6, 6, 121, requires_grad=True)
ones = torch.ones_like(z)
(mse,) = torch.autograd.grad(((torch.sigmoid(z) - 1) ** 2).sum(), z)
(entropy,) = torch.autograd.grad(F.binary_cross_entropy_with_logits(z, ones, reduction="sum"), z)

plt.plot(z.detach(), mse, label="MSE of the sigmoid")
plt.plot(z.detach(), entropy, label="cross-entropy")
plt.xlabel("score (the truth is 1)")
plt.ylabel("gradient")
plt.legend()
plt.show()
print(f"at -6: MSE {mse[0]:.4f}, cross-entropy {entropy[0]:.4f}")
assert abs(mse[0]) < 0.01
assert entropy[0] < -0.99

# %% [markdown] lang="en"
# With MSE, being very wrong feels as flat as being right.

# %% [markdown] lang="zh"
# 用 MSE 时，大错特错和完全正确一样，坡都是平的。

# %% [markdown] lang="en"
# ## Mistake: softmax before cross-entropy
#
# `F.cross_entropy` and `nn.CrossEntropyLoss` want the **scores**: they apply softmax themselves. Put one more into the model, and it is applied twice. Three clouds of points shall be told apart:

# %% [markdown] lang="zh"
# ## 错误：在交叉熵之前加 softmax
#
# `F.cross_entropy` 和 `nn.CrossEntropyLoss` 要的是**得分**，softmax 由它们自己来做。如果模型里又加了一个，就做了两遍。下面用三团点来做分类：

# %%
torch.manual_seed(1)
centres = torch.tensor([[0.0, 2.0], [-2.0, -1.0], [2.0, -1.0]])
classes = torch.arange(300) % 3
points = centres[classes] + 0.6 * torch.randn(300, 2)
plt.scatter(*points.T, c=classes, s=10)
plt.show()


def learn(model, loss_function, targets, steps=300):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    losses = []
    for _ in range(steps):
        loss = loss_function(model(points), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def classifier(*last):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 3), *last)


wrong = classifier(nn.Softmax(dim=1))
mended = classifier()
wrong_losses = learn(wrong, F.cross_entropy, classes)
mended_losses = learn(mended, F.cross_entropy, classes)

# %% [markdown] lang="en"
# No error message. And yet: probabilities lie between 0 and 1, so the second softmax never gets scores further apart than 1. Even a perfect answer costs $\ln(e + 2) - 1 \approx 0.551$.

# %% [markdown] lang="zh"
# 没有报错。然而概率都在 0 和 1 之间，第二个 softmax 收到的得分最多相差 1。即使答案完美，损失也还有 $\ln(e + 2) - 1 \approx 0.551$。

# %%
floor = F.cross_entropy(torch.tensor([[1.0, 0.0, 0.0]]), torch.tensor([0])).item()

plt.plot(wrong_losses, label="softmax before cross-entropy")
plt.plot(mended_losses, label="scores into cross-entropy")
plt.axhline(floor, color="gray", linestyle=":")
plt.xlabel("step")
plt.ylabel("loss")
plt.legend()
plt.show()
print(f"floor {floor:.3f}, wrong {wrong_losses[-1]:.3f}, mended {mended_losses[-1]:.3f}")

assert abs(floor - 0.5514) < 1e-4
assert min(wrong_losses) > floor
assert mended_losses[-1] < 0.1

# %% [markdown] lang="en"
# The accuracy hardly differs here. That is why the mistake lives so long: it only shows on harder data, as slow learning.

# %% [markdown] lang="zh"
# 在这里，两者的准确率几乎没有差别。所以这个错误能藏很久：要到更难的数据上才显出来，表现为学得慢。


# %%
def accuracy(model):
    return (model(points).argmax(1) == classes).float().mean().item()


def first_gradient(model):
    model.zero_grad()
    F.cross_entropy(model(points), classes).backward()
    return model[0].weight.grad.norm().item()


print(f"accuracy: wrong {accuracy(wrong):.2f}, mended {accuracy(mended):.2f}")
fresh_wrong, fresh = first_gradient(classifier(nn.Softmax(dim=1))), first_gradient(classifier())
print(f"first gradient: wrong {fresh_wrong:.3f}, mended {fresh:.3f}")
assert accuracy(mended) > 0.95
assert fresh_wrong < 0.6 * fresh

# %% [markdown] lang="en"
# Looking finds it at once. If the last box of a classifier is a `Softmax` and you train with cross-entropy, take it out:

# %% [markdown] lang="zh"
# 看一眼就能发现。如果分类器的最后一个盒子是 `Softmax`，而训练时又用交叉熵，就把它去掉：

# %%
panel = show(wrong, points)
last = panel.table.rows[-1]
panel.select(last.path)
assert last.type == "Softmax"

# %%
panel = show(mended, points)
assert panel.table.rows[-1].type == "Linear"
probabilities = F.softmax(mended(points), dim=1)  # when you want to read probabilities, after training
assert torch.allclose(probabilities.sum(1), torch.ones(300))

# %% [markdown] lang="en"
# ## Mistake: one output against two classes
#
# Cat or dog: is that one output or two? Both can be right, each with its own loss. One output with `CrossEntropyLoss` is wrong. First it raises:

# %% [markdown] lang="zh"
# ## 错误：一个输出对两个类别
#
# 猫还是狗：应该用一个输出还是两个？都可以，但要各配各的损失。一个输出配 `CrossEntropyLoss` 就错了。首先，它会报错：

# %%
is_left = (points[:, 0] < 0).long()


def one_output():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 1))


try:
    F.cross_entropy(one_output()(points), is_left)
except IndexError as error:
    message = str(error)
print(message)
assert message == "Target 1 is out of bounds."

# %% [markdown] lang="en"
# There is one class only, number 0. So people change the targets until nothing complains. That is worse: softmax over *one* number is always 1. The loss is 0 from the first step, and nothing is ever learned.

# %% [markdown] lang="zh"
# 这里只有一个类别，即第 0 类。于是有人改来改去，直到目标不再报错。这更糟：对*一个*数做 softmax，结果永远是 1。损失从第一步起就是 0，什么也学不到。

# %%
silent = one_output()
before = silent[2].weight.clone()
losses = learn(silent, F.cross_entropy, is_left.float().unsqueeze(1))
print("all the losses there were:", {abs(loss) for loss in losses})

assert set(losses) == {0.0}
assert torch.equal(silent[2].weight, before)
assert (F.softmax(silent(points), dim=1) == 1).all()
assert (silent(points).argmax(1) == 0).all()  # of one column, the first is always the largest

# %% [markdown] lang="en"
# **Mended, either way.** Two outputs with cross-entropy, or one output with `binary_cross_entropy_with_logits`, whose targets are floats in the *same shape* as the output.

# %% [markdown] lang="zh"
# **两种正确写法。** 两个输出配交叉熵；或者一个输出配 `binary_cross_entropy_with_logits`，这时目标是浮点数，形状要和输出*相同*。

# %%
torch.manual_seed(0)
two = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 2))
one = one_output()
two_losses = learn(two, F.cross_entropy, is_left)
one_losses = learn(one, F.binary_cross_entropy_with_logits, is_left.float().unsqueeze(1))

print(f"two outputs: {(two(points).argmax(1) == is_left).float().mean():.2f} right")
print(f"one output : {((one(points)[:, 0] > 0) == is_left).float().mean():.2f} right")
assert (two(points).argmax(1) == is_left).float().mean() > 0.95
assert ((one(points)[:, 0] > 0) == is_left).float().mean() > 0.95

# %% [markdown] lang="en"
# They are the same thing: one score `z` against a fixed 0.

# %% [markdown] lang="zh"
# 其实两者是一回事：一个得分 `z`，对手固定为 0。

# %%
z = torch.tensor([[1.5]])
pair = torch.tensor([[0.0, 1.5]])
assert torch.allclose(F.binary_cross_entropy_with_logits(z, torch.ones(1, 1)), F.cross_entropy(pair, torch.tensor([1])))

# %% [markdown] lang="en"
# | what you predict | last layer | loss | targets |
# |---|---|---|---|
# | a number | `Linear(…, 1)` | `mse_loss` | floats, same shape |
# | one of many classes | `Linear(…, classes)` | `cross_entropy` | class numbers, shape `(N,)` |
# | yes or no | `Linear(…, 1)` | `binary_cross_entropy_with_logits` | floats 0 or 1, same shape |

# %% [markdown] lang="zh"
# | 预测什么 | 最后一层 | 损失 | 目标 |
# |---|---|---|---|
# | 一个数 | `Linear(…, 1)` | `mse_loss` | 浮点数，形状相同 |
# | 多个类别之一 | `Linear(…, classes)` | `cross_entropy` | 类别编号，形状 `(N,)` |
# | 是或否 | `Linear(…, 1)` | `binary_cross_entropy_with_logits` | 浮点数 0 或 1，形状相同 |

# %% [markdown] lang="en"
# ## Exercises
#
# **1.** Softmax by its formula breaks for large scores: `exp(1000)` is infinite. Subtract the largest score first. Why is the result the same?

# %% [markdown] lang="zh"
# ## 练习
#
# **1.** 得分很大时，直接按公式算 softmax 会出问题：`exp(1000)` 是无穷大。先减去最大的得分再算。为什么结果不变？

# %%
big = torch.tensor([1000.0, 999.0])
assert (big.exp() / big.exp().sum()).isnan().all()
# Your turn.

# %% tags=["solution"]
shifted = big - big.max()
answer = shifted.exp() / shifted.exp().sum()
assert torch.allclose(answer, F.softmax(big, dim=0))

# %% [markdown] lang="en"
# <details><summary>Why?</summary>
#
# Subtracting $m$ from each score divides numerator and denominator by the same number, $e^m$.
#
# </details>

# %% [markdown] lang="zh"
# <details><summary>为什么？</summary>
#
# 每个得分都减去 $m$，相当于分子和分母同时除以 $e^m$。
#
# </details>

# %% [markdown] lang="en"
# **2.** A classifier for ten classes that knows nothing gives all the same score. What is its loss? (A good number to know: it is what you should see at the first step.)

# %% [markdown] lang="zh"
# **2.** 一个十分类的分类器，什么都不懂，给所有类别同样的得分。它的损失是多少？（这个数值得记住：训练第一步看到的就应该是它。）

# %%
# Your turn.

# %% tags=["solution"]
import math

answer = F.cross_entropy(torch.zeros(1, 10), torch.tensor([3])).item()
print(f"{answer:.3f}")
assert abs(answer - math.log(10)) < 1e-6

# %% [markdown] lang="en"
# **3.** Give `deep` the activation `nn.LeakyReLU`. Is the first layer reached? Show the network with its gradients as colours.

# %% [markdown] lang="zh"
# **3.** 让 `deep` 使用激活函数 `nn.LeakyReLU`。梯度能传到第一层吗？用 `show` 打开这个网络，按梯度上色。

# %%
# Your turn.

# %% tags=["solution"]
leaky = deep(nn.LeakyReLU)
F.mse_loss(leaky(data), torch.ones(128, 32)).backward()
panel = show(leaky, data)
panel.overlay("gradient norm", {name: p.grad.norm() for name, p in leaky.named_parameters()})
assert leaky[0].weight.grad.norm() > 0.1 * leaky[-2].weight.grad.norm()

# %% [markdown] lang="en"
# **Next:** [06 · Train a network](06-training.ipynb).

# %% [markdown] lang="zh"
# **下一篇：** [06 · 训练一个网络](06-training.ipynb)。
