# %% [markdown] lang="en"
# # 06 · Train a network, and keep it
#
# You train a network that reads handwritten digits, see it learn too well, help it against that, and save it in three ways. One of the three can run a stranger's program on your computer. You will see it happen.

# %% [markdown] lang="zh"
# # 06 · 训练一个网络，并把它保存下来
#
# 我们来训练一个识别手写数字的网络，看它怎样“学过了头”，再想办法改善，最后用三种方式保存它。三种方式中有一种可能在你的电脑上运行陌生人的程序，我们会亲眼看到这是怎么发生的。

# %% [markdown] lang="en"
# ## The data
#
# scikit-learn brings 1,797 scanned digits of 8×8 pixels. The last 360 of a shuffled order are **held out**: the network never learns from them, so they tell how good it is on digits it has not seen.

# %% [markdown] lang="zh"
# ## 数据
#
# scikit-learn 自带 1797 张 8×8 像素的手写数字。打乱顺序后，最后 360 张**留作测试**：网络从不用它们学习，所以它们能反映网络面对没见过的数字时表现如何。

# %%
import matplotlib.pyplot as plt
import torch
from sklearn.datasets import load_digits

digits = load_digits()
images = torch.tensor(digits.images, dtype=torch.float32)[:, None] / 16  # pixels from 0 to 1
labels = torch.tensor(digits.target)

order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
train, held_out = order[:-360], order[-360:]
print(f"{len(train)} digits to learn from, {len(held_out)} held out, each {tuple(images[0].shape)}")

figure, axes = plt.subplots(1, 8, figsize=(8, 1.4))
for index, axis in zip(train, axes):
    axis.imshow(images[index, 0], cmap="gray_r")
    axis.set_title(int(labels[index]))
    axis.axis("off")
plt.show()

# %%
assert images.shape == (1797, 1, 8, 8)
assert not set(train.tolist()) & set(held_out.tolist())  # no digit is in both

# %% [markdown] lang="en"
# ## The network
#
# Two convolutions look for strokes, a pooling halves height and width, and two linear layers decide. The first linear layer must know how many numbers arrive. A common way to get this wrong is to count the pooling twice, or not at all:

# %% [markdown] lang="zh"
# ## 网络
#
# 两个卷积层寻找笔画，一次池化把高和宽减半，最后由两个线性层做判断。第一个线性层必须知道会有多少个数进来。常见的错误是把池化多算一次，或者干脆忘了算：

# %%
from torch import nn

from notebookviz import show


class DigitNet(nn.Module):
    def __init__(self, features, dropout=0.0):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.dropout = nn.Dropout(dropout)
        self.fc1 = nn.Linear(features, 128)
        self.fc2 = nn.Linear(128, 10)

    def forward(self, x):
        x = self.conv1(x).relu()
        x = self.pool(self.conv2(x).relu())
        x = self.dropout(x.flatten(1))
        x = self.dropout(self.fc1(x).relu())
        return self.fc2(x)


wrong = DigitNet(features=32 * 8 * 8)  # forgets that the pooling halves 8×8
failing = show(wrong, images[:1])

# %% [markdown] lang="en"
# `show` does not raise. It draws everything up to the failure and marks the module that could not go on. Read the edge that goes into `fc1`: 512 numbers arrive, `32 × 4 × 4`. The status line says what to write.

# %% [markdown] lang="zh"
# `show` 不会抛出异常：它把出错之前的部分都画出来，并标出走不下去的模块。看进入 `fc1` 的那条边：来的是 512 个数，也就是 `32 × 4 × 4`。状态栏还会告诉你该怎么改。

# %%
print(failing.recording.failure.message)
print(failing.recording.failure.hint)

try:
    wrong(images[:1])
except RuntimeError as error:
    said = str(error)

assert "1x512 and 2048x128" in said
assert "in_features=512" in failing.recording.failure.hint

# %% [markdown] lang="en"
# Now with the size that really arrives. Look at the shapes along the graph: `1×8×8`, `16×8×8`, `32×8×8`, after the pooling `32×4×4`, then `512`.

# %% [markdown] lang="zh"
# 现在换成真正到来的大小。顺着图看各处的形状：`1×8×8`、`16×8×8`、`32×8×8`，池化之后是 `32×4×4`，再往后是 `512`。

# %%
FEATURES = 32 * 4 * 4
torch.manual_seed(0)
net = DigitNet(FEATURES)
panel = show(net, images[:1])
assert panel.recording.failure is None

# %% [markdown] lang="en"
# ## Train
#
# Learning is always the same five steps: forget the old gradients, compute the scores, measure how wrong they are, compute new gradients, take a step. The two measurements after each epoch are for us; the network does not learn from them.

# %% [markdown] lang="zh"
# ## 训练
#
# 学习总是同样的五步：清掉旧的梯度，算出得分，衡量错了多少，算出新的梯度，走一步。每个 epoch 结束后的两次测量只是给我们看的，网络不会从中学习。

# %%
import torch.nn.functional as F


@torch.no_grad()
def measure(net, which, labels=labels):
    net.eval()
    scores = net(images[which])
    right = scores.argmax(1) == labels[which]
    return F.cross_entropy(scores, labels[which]).item(), right.float().mean().item()


def fit(net, which, epochs, labels=labels, weight_decay=0.0):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.04, momentum=0.9, weight_decay=weight_decay)
    history = []
    for _ in range(epochs):
        net.train()
        for batch in which[torch.randperm(len(which))].split(32):
            optimizer.zero_grad()
            loss = F.cross_entropy(net(images[batch]), labels[batch])
            loss.backward()
            optimizer.step()
        history.append((measure(net, which, labels)[0], measure(net, held_out)[0]))
    return history


torch.manual_seed(0)
history = fit(net, train, epochs=6)
loss, accuracy = measure(net, held_out)
print(f"held-out accuracy: {accuracy:.1%}")
assert accuracy > 0.96

# %% [markdown] lang="en"
# Which digits does it still get wrong? Looking at them says more than the number.

# %% [markdown] lang="zh"
# 它还会认错哪些数字？看一眼图像，比看准确率更有收获。

# %%
with torch.no_grad():
    guesses = net(images[held_out]).argmax(1)
mistakes = (guesses != labels[held_out]).nonzero().flatten()

figure, axes = plt.subplots(1, 5, figsize=(7, 1.8))
for axis in axes:
    axis.axis("off")
for place, axis in zip(mistakes, axes):
    axis.imshow(images[held_out[place], 0], cmap="gray_r")
    axis.set_title(f"{labels[held_out[place]]}, taken for {guesses[place]}", fontsize=8)
plt.show()

assert len(mistakes) == round((1 - accuracy) * 360)

# %% [markdown] lang="en"
# ## Learning too well
#
# Now we make life hard: only 200 digits, and one label in five is wrong, as when the labelling was done in a hurry. The held-out labels stay right.

# %% [markdown] lang="zh"
# ## 学过了头
#
# 现在增加难度：只给 200 张图，而且每五个标签里有一个是错的，就像标注时太匆忙那样。测试集的标签保持正确。

# %%
few = train[:200]
hasty = labels.clone()
spoiled = few[:40]
hasty[spoiled] = (labels[spoiled] + 1 + torch.arange(40) % 9) % 10
assert (hasty[few] != labels[few]).sum() == 40


def draw(history, axis, title):
    learned, unseen = zip(*history)
    axis.plot(learned, label="digits it learns from")
    axis.plot(unseen, label="held-out digits")
    axis.set(title=title, xlabel="epoch", ylabel="loss", ylim=(0, 2.5))


EPOCHS = 50
torch.manual_seed(0)
plain = DigitNet(FEATURES)
plain_history = fit(plain, few, EPOCHS, hasty)

figure, axis = plt.subplots(figsize=(5, 3))
draw(plain_history, axis, "no help")
axis.legend()
plt.show()

# %% [markdown] lang="en"
# The two curves part. One falls on and on: the network learns the 40 wrong labels by heart. The other turns and rises: on new digits it gets **worse** the longer it trains. This is **over-fitting**, and only held-out data shows it.

# %% [markdown] lang="zh"
# 两条曲线分道扬镳。一条不断下降：网络把那 40 个错误标签也背了下来。另一条掉头上升：训练得越久，面对新数字反而**越差**。这就是**过拟合**，只有留出的数据才能让它现形。

# %%
learned, unseen = zip(*plain_history)
print(f"learned from: loss {learned[-1]:.2f}, accuracy {measure(plain, few, hasty)[1]:.0%}")
print(f"held out:     loss {unseen[-1]:.2f}, at best it was {min(unseen):.2f}")

assert measure(plain, few, hasty)[1] > 0.9  # who knows the right labels only, would be at 80%
assert unseen[-1] > 1.3 * min(unseen)  # worse than it already was

# %% [markdown] lang="en"
# ## Two remedies
#
# - **L2** (`weight_decay`) pulls every weight a little towards zero at each step. Only what helps again and again can stay large.
# - **Dropout** switches half of the numbers off while learning, others each time. Nothing can be learned by heart with half of it missing.

# %% [markdown] lang="zh"
# ## 两种办法
#
# - **L2 正则化**（`weight_decay`）在每一步都把每个权重往零拉一点，只有反复起作用的权重才能保持较大的值。
# - **Dropout** 在学习时随机关掉一半的数，每次关的都不一样。缺了一半，就很难死记硬背。

# %%
torch.manual_seed(0)
decayed = DigitNet(FEATURES)
decayed_history = fit(decayed, few, EPOCHS, hasty, weight_decay=2e-2)

torch.manual_seed(0)
dropped = DigitNet(FEATURES, dropout=0.5)
dropped_history = fit(dropped, few, EPOCHS, hasty)

figure, axes = plt.subplots(1, 3, figsize=(11, 3), sharey=True, layout="constrained")
draw(plain_history, axes[0], "no help")
draw(decayed_history, axes[1], "L2")
draw(dropped_history, axes[2], "dropout")
axes[0].legend()
plt.show()

# %%
found = {"no help": plain, "L2": decayed, "dropout": dropped}
for name, one in found.items():
    print(f"{name:8} held-out loss {measure(one, held_out)[0]:.2f}, accuracy {measure(one, held_out)[1]:.1%}")

assert measure(decayed, held_out)[0] < measure(plain, held_out)[0]
assert measure(dropped, held_out)[0] < measure(plain, held_out)[0]
assert measure(dropped, held_out)[1] > measure(plain, held_out)[1]

# %% [markdown] lang="en"
# L2 did what it says: the weights are smaller.

# %% [markdown] lang="zh"
# L2 名副其实：权重确实变小了。


# %%
def size_of_weights(net):
    return sum(p.square().sum() for p in net.parameters()).sqrt().item()


print(f"{size_of_weights(plain):.1f} without, {size_of_weights(decayed):.1f} with L2")
assert size_of_weights(decayed) < size_of_weights(plain)

# %% [markdown] lang="en"
# ## Forgetting `eval()`
#
# Dropout must not act when the network is *used*. `net.eval()` switches it off. Forget that, and the same digit gets another answer each time:

# %% [markdown] lang="zh"
# ## 忘了 `eval()`
#
# *使用*网络时，dropout 不应该起作用。`net.eval()` 会把它关掉。忘了这一步，同一张图每次得到的答案都不一样：

# %%
dropped.train()  # the mode that training leaves behind
with torch.no_grad():
    once, again = dropped(images[held_out]), dropped(images[held_out])
careless = (once.argmax(1) == labels[held_out]).float().mean().item()

assert not torch.equal(once, again)  # the same digits, other scores
assert careless < measure(dropped, held_out)[1]  # measure() calls eval()
print(f"without eval(): {careless:.1%}, with it: {measure(dropped, held_out)[1]:.1%}")

# %%
dropped.eval()
with torch.no_grad():
    assert torch.equal(dropped(images[held_out]), dropped(images[held_out]))

# %% [markdown] lang="en"
# The header of the panel says which mode is shown. `show(dropped, mode="train")` shows the other path, with dropout in it.
#
# ## Save it: three ways
#
# | | What goes into the file |
# |---|---|
# | `state_dict` | names and numbers, packed by pickle |
# | the full model | names, numbers, and which Python classes to build, packed by pickle |
# | safetensors | names and numbers, nothing else |

# %% [markdown] lang="zh"
# 面板的标题栏会写明显示的是哪种模式。`show(dropped, mode="train")` 显示另一条路径，其中就有 dropout。
#
# ## 保存：三种方式
#
# | | 文件里有什么 |
# |---|---|
# | `state_dict` | 名字和数值，用 pickle 打包 |
# | 整个模型 | 名字、数值，以及要构建哪些 Python 类，用 pickle 打包 |
# | safetensors | 只有名字和数值 |

# %%
from pathlib import Path

from safetensors.torch import load_file, save_file

torch.save(net.state_dict(), "digits.pth")
torch.save(net, "digits-full.pt")
save_file(net.state_dict(), "digits.safetensors")

for name in ("digits.pth", "digits-full.pt", "digits.safetensors"):
    print(f"{name:20}{Path(name).stat().st_size:>10,} bytes")

# %% [markdown] lang="en"
# `torch.save` writes a zip. Inside is `data.pkl`, and that is not a table but a small **program**, which pickle runs. `pickletools` lists its instructions without running them. Which Python objects would each file call up?

# %% [markdown] lang="zh"
# `torch.save` 写出的是一个 zip 文件，里面的 `data.pkl` 并不是一张表，而是一小段由 pickle 执行的**程序**。`pickletools` 可以列出它的指令而不运行。两个文件各会调用哪些 Python 对象？

# %%
import pickletools
import zipfile


def calls(path):
    with zipfile.ZipFile(path) as archive:
        name = next(name for name in archive.namelist() if name.endswith("data.pkl"))
        program = archive.read(name)
    return sorted({arg.replace(" ", ".") for code, arg, _ in pickletools.genops(program) if code.name == "GLOBAL"})


print("digits.pth:    ", *calls("digits.pth"), sep="\n  ")
print("digits-full.pt:", *calls("digits-full.pt"), sep="\n  ")

# %%
assert all(name.startswith(("collections.", "torch._utils.", "torch.FloatStorage")) for name in calls("digits.pth"))
assert "__main__.DigitNet" in calls("digits-full.pt")

# %% [markdown] lang="en"
# A safetensors file is simpler than that: eight bytes with the length of the header, the header, then the numbers. Ten lines read it, and nothing in it can be run.

# %% [markdown] lang="zh"
# safetensors 文件要简单得多：八个字节记录头部的长度，然后是头部，再往后就是数值。几行代码就能读懂，里面没有任何可以执行的东西。

# %%
import json

data = Path("digits.safetensors").read_bytes()
length = int.from_bytes(data[:8], "little")
header = json.loads(data[8 : 8 + length])
print(header["conv1.weight"])

start, stop = header["conv1.weight"]["data_offsets"]
values = torch.frombuffer(bytearray(data[8 + length + start : 8 + length + stop]), dtype=torch.float32)
assert torch.equal(values.reshape(16, 1, 3, 3), net.conv1.weight)

# %% [markdown] lang="en"
# Netron opens all three, without running anything either. Click a weight to see its numbers. None of the files holds `forward`, so there is no graph in them: that is only in your code, or in the model in memory.

# %% [markdown] lang="zh"
# 这三个文件 Netron 都能打开，同样不会运行任何东西。点击权重可以看到数值。三个文件里都没有 `forward`，所以也没有计算图：计算图只存在于你的代码里，或者内存中的模型里。

# %%
# %load_ext notebookviz

# %%
# %netron digits.pth

# %%
# %netron digits-full.pt

# %%
# %netron digits.safetensors

# %% [markdown] lang="en"
# ## Load it again
#
# This line is in many tutorials, and it does not work:

# %% [markdown] lang="zh"
# ## 重新加载
#
# 下面这一行在很多教程里都能见到，但它行不通：

# %%
try:
    torch.load("digits.pth").state_dict()
except AttributeError as error:
    print("AttributeError:", error)
    said = str(error)

assert "has no attribute 'state_dict'" in said

# %% [markdown] lang="en"
# The file *is* the state_dict already: a dictionary of tensors. Build the network by your own code and put the numbers in:

# %% [markdown] lang="zh"
# 文件里存的*本来就是* state_dict，一个由张量组成的字典。先用自己的代码构建网络，再把数值放进去：

# %%
restored = DigitNet(FEATURES)
restored.load_state_dict(torch.load("digits.pth"))
assert measure(restored, held_out) == measure(net, held_out)

restored = DigitNet(FEATURES)
restored.load_state_dict(load_file("digits.safetensors"))
assert measure(restored, held_out) == measure(net, held_out)

# %% [markdown] lang="en"
# `load_weights` reads both kinds, and says in words what does not fit:

# %% [markdown] lang="zh"
# `load_weights` 两种文件都能读，对不上的地方会用文字说明：

# %%
from notebookviz import InputError, load_weights

print(load_weights(DigitNet(FEATURES), "digits.pth"))

try:
    load_weights(DigitNet(FEATURES * 4), "digits.safetensors")
except InputError as error:
    print(error)
    said = str(error)

assert "fc1.weight (128×512 in the file, 128×2048 here)" in said

# %% [markdown] lang="en"
# ## Why not the full model
#
# The file names your class but does not hold its code. Rename the class, or open the file in another notebook, and it can't be loaded:

# %% [markdown] lang="zh"
# ## 为什么不保存整个模型
#
# 文件里写着类的名字，却没有类的代码。给类改个名，或者换一个 notebook 打开，文件就加载不了了：

# %%
assert isinstance(torch.load("digits-full.pt", weights_only=False), DigitNet)  # here it works

NewName = DigitNet
del DigitNet  # as in another notebook
try:
    torch.load("digits-full.pt", weights_only=False)
except AttributeError as error:
    print("AttributeError:", error)
    said = str(error)
DigitNet = NewName

assert "DigitNet" in said

# %% [markdown] lang="en"
# ## A file from a stranger
#
# And this is worse. `weights_only=False` means: run the program in the file. Here is a 'model' whose program makes a folder on your disk. It could as well delete your files or send them away.

# %% [markdown] lang="zh"
# ## 陌生人给的文件
#
# 还有更糟的。`weights_only=False` 的意思是：运行文件里的程序。下面这个“模型”的程序会在你的硬盘上新建一个文件夹。它同样可以删掉你的文件，或者把它们发送出去。


# %%
import os


class Stranger:
    def __reduce__(self):
        return os.mkdir, ("I-was-here",)  # what pickle shall call, and with what


torch.save({"weights": torch.zeros(3), "and": Stranger()}, "free-model.pt")
trace = Path("I-was-here")
assert not trace.exists()

# %%
torch.load("free-model.pt", weights_only=False)  # never do this with a stranger's file
assert trace.exists()
print("The file ran:", trace, "has appeared.")
trace.rmdir()

# %% [markdown] lang="en"
# Nothing was called by us; loading was enough. Four ways that are safe, each on the same file:

# %% [markdown] lang="zh"
# 我们什么函数也没调用，光是加载就够了。对同一个文件，下面四种做法是安全的：

# %%
import pickle

try:
    torch.load("free-model.pt")  # 1. weights_only=True is the default since PyTorch 2.6
except pickle.UnpicklingError as error:
    print("1.", str(error).partition(".")[0])
    refused = True
assert refused
assert not trace.exists()

# %%
print("2.", *calls("free-model.pt"))  # 2. list what it would call
assert not trace.exists()
assert not all(name.startswith(("collections.", "torch.")) for name in calls("free-model.pt"))

# %%
from notebookviz import LoadingError

try:
    load_weights(net, "free-model.pt")  # 3. reads tensors, refuses everything else
except LoadingError as error:
    print("3.", error)
    refused_too = True
assert refused_too
assert not trace.exists()

# %% [markdown] lang="en"
# 4\. Look at it in Netron, which reads the instructions and carries none of them out. You see the tensor, and nothing happens:

# %% [markdown] lang="zh"
# 4\. 在 Netron 里看：它只读指令，一条也不执行。你能看到张量，什么事也不会发生：

# %%
# %netron free-model.pt

# %%
assert not trace.exists()

# %% [markdown] lang="en"
# Read the rest of PyTorch's message in the first way once: it goes on to say how the file *can* be loaded, by `weights_only=False`. Don't, unless you made the file yourself.
#
# Share **safetensors**. Ask for it when you download. Keep `state_dict` files for yourself, and leave `weights_only` alone.

# %% [markdown] lang="zh"
# 第一种做法里，PyTorch 的报错后面还有一段话，教你用 `weights_only=False` 来加载。除非文件是你自己做的，否则不要照做。
#
# 结论：分享模型用 **safetensors**，下载时也选它。`state_dict` 文件留给自己用，`weights_only` 保持默认即可。

# %% [markdown] lang="en"
# ## Exercises
#
# ### Exercise 1
#
# Your next digits have 12×12 pixels. Which `features` does `DigitNet` need? Work it out first, then let `show` or a forward pass check it.

# %% [markdown] lang="zh"
# ## 练习
#
# ### 练习 1
#
# 下一批数字图像是 12×12 像素。`DigitNet` 需要的 `features` 是多少？先自己推算，再用 `show` 或一次前向传播验证。

# %%
# Your turn.

# %% tags=["solution"]
# The convolutions keep 12×12, the pooling halves it: 6×6, in 32 channels.
larger = DigitNet(32 * 6 * 6)
assert larger(torch.zeros(1, 1, 12, 12)).shape == (1, 10)

# %% [markdown] lang="en"
# ### Exercise 2
#
# How many bytes of `digits.safetensors` are numbers, and how many are the header? Check: four bytes for each parameter.

# %% [markdown] lang="zh"
# ### 练习 2
#
# `digits.safetensors` 里有多少字节是数值，多少字节是头部？用“每个参数四个字节”来验证。

# %%
# Your turn.

# %% tags=["solution"]
numbers = len(data) - 8 - length
print(f"{numbers:,} bytes of numbers, {8 + length:,} of header")
assert numbers == 4 * sum(p.numel() for p in net.parameters())

# %% [markdown] lang="en"
# ### Exercise 3
#
# Another remedy needs no new code at all: stop in time. At which epoch was the plain network best on held-out digits, and what was its loss there?

# %% [markdown] lang="zh"
# ### 练习 3
#
# 还有一种办法完全不用写新代码：及时停下。没有任何帮助的那个网络在第几个 epoch 时对测试数据最好？那时的损失是多少？

# %%
# Your turn.

# %% tags=["solution"]
best = min(range(EPOCHS), key=lambda epoch: unseen[epoch])
print(f"epoch {best + 1} of {EPOCHS}: {unseen[best]:.2f} instead of {unseen[-1]:.2f}")
assert best < EPOCHS - 1
assert 1.3 * unseen[best] < unseen[-1]

# %% [markdown] lang="en"
# ### Exercise 4
#
# The training loop has `optimizer.zero_grad()`. Train for three epochs without it, in a copy of `fit`. What happens to the held-out accuracy, and why?

# %% [markdown] lang="zh"
# ### 练习 4
#
# 训练循环里有 `optimizer.zero_grad()`。复制一份 `fit`，去掉这一行，训练三个 epoch。测试准确率会怎样？为什么？

# %%
# Your turn.


# %% tags=["solution"]
def accuracy_after(epochs, forget):
    torch.manual_seed(0)
    net = DigitNet(FEATURES)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for _ in range(epochs):
        for batch in train[torch.randperm(len(train))].split(32):
            if not forget:
                optimizer.zero_grad()
            F.cross_entropy(net(images[batch]), labels[batch]).backward()
            optimizer.step()
    return measure(net, held_out)[1]


good, bad = accuracy_after(3, forget=False), accuracy_after(3, forget=True)
print(f"with zero_grad {good:.1%}, without {bad:.1%}")
assert bad < good - 0.2

# %% [markdown] lang="en"
# <details><summary>Why?</summary>
#
# `backward()` adds to `.grad`. Without `zero_grad` each step repeats all the steps before it, and the network is thrown about.
#
# </details>

# %% [markdown] lang="zh"
# <details><summary>为什么？</summary>
#
# `backward()` 是往 `.grad` 里累加的。不清零的话，每一步都会重复之前所有的步，网络被甩来甩去。
#
# </details>

# %% [markdown] lang="en"
# **Next:** [07 · Fine-tune ResNet-50](07-fine-tuning.ipynb): a large network, and few images.

# %% [markdown] lang="zh"
# **下一篇：** [07 · 微调 ResNet-50](07-fine-tuning.ipynb)：大网络，少图像。
