# %% [markdown] lang="en"
# # 07 · Fine-tune ResNet-50
#
# Nobody trains a large network from nothing for a small task. You take one that already knows how to look at images, give it a new head, and teach that with the few examples you have. Here are the choices on the way: which head, what to freeze, how fast to learn, how to prepare the images, and how to judge the result.

# %% [markdown] lang="zh"
# # 07 · 微调 ResNet-50
#
# 任务不大时，没有人会从零训练一个大网络。通常的做法是：找一个已经会“看图”的网络，换上新的分类头，再用手头不多的样本来教它。这一路上有几个选择：用什么分类头，冻结哪些部分，学得多快，图像怎样预处理，以及怎样评价结果。

# %% [markdown] lang="en"
# ## The head
#
# A classifier has a *body*, which turns an image into numbers that describe it, and a *head*, one linear layer that turns these into a score for each class. Select `fc`, at the bottom of the graph: 2,048 numbers go in, 1,000 scores come out.

# %% [markdown] lang="zh"
# ## 分类头
#
# 分类网络分为*主干*和*分类头*：主干把图像变成一组描述它的数，分类头是一个线性层，把这些数变成每个类别的得分。在图的最下方选中 `fc`：进去 2048 个数，出来 1000 个得分。

# %%
import torch
import torchvision
from torch import nn

from notebookviz import show

resnet = torchvision.models.resnet50()
panel = show(resnet)
panel.select("fc")
assert (resnet.fc.in_features, resnet.fc.out_features) == (2048, 1000)

# %% [markdown] lang="en"
# Many tutorials write a head of 512 inputs. That is right for ResNet-18 and wrong for ResNet-50:

# %% [markdown] lang="zh"
# 很多教程写的是 512 个输入的分类头。这对 ResNet-18 是对的，对 ResNet-50 就错了：

# %%
resnet.fc = nn.Linear(512, 3)
failing = show(resnet, input_size=(1, 3, 224, 224))
failure = failing.recording.failure
print(failure.message)
print(failure.hint)

try:
    resnet.eval()(torch.zeros(1, 3, 64, 64))
except RuntimeError as error:
    said = str(error)

assert "1x2048 and 512x3" in said
assert "in_features=2048" in failure.hint

# %% [markdown] lang="en"
# Don't remember such numbers: ask the model. `replace_head` finds the layers that make the scores, whatever they are called, and keeps everything but the number of classes.

# %% [markdown] lang="zh"
# 这种数字不用记，问模型就行。`replace_head` 会找出产生得分的那些层，不管它们叫什么名字；除了类别数，其他设置都保持不变。

# %%
from notebookviz import replace_head

for build in (torchvision.models.resnet18, torchvision.models.resnet50, torchvision.models.mobilenet_v3_small):
    print(f"{build.__name__:20}", replace_head(build(), 3))

resnet = torchvision.models.resnet50()
change = replace_head(resnet, 3)
assert resnet.fc.in_features == 2048
assert resnet.eval()(torch.zeros(1, 3, 64, 64)).shape == (1, 3)

# %% [markdown] lang="en"
# ## The task
#
# How many loops has a digit? `1 2 3 5 7` have none, `0 6 9` one, `8` two. (`4` is left out: people write it both ways.) Only **60** images have labels to learn from.

# %% [markdown] lang="zh"
# ## 任务
#
# 一个数字里有几个圈？`1 2 3 5 7` 没有圈，`0 6 9` 有一个，`8` 有两个。（`4` 不算，因为两种写法都有人用。）可供学习的带标签图像只有 **60** 张。

# %%
import matplotlib.pyplot as plt
import numpy as np
from PIL import Image
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, Dataset

digits = load_digits()
pictures = [Image.fromarray((image * 15.9).astype(np.uint8)).convert("RGB") for image in digits.images]

LOOPS = {0: 1, 1: 0, 2: 0, 3: 0, 5: 0, 6: 1, 7: 0, 8: 2, 9: 1}
NAMES = ["none", "one", "two"]


class Pictures(Dataset):
    """Pictures with a label each; `transform` turns a picture into a tensor."""

    def __init__(self, which, targets, transform):
        self.which, self.targets, self.transform = which, targets, transform

    def __len__(self):
        return len(self.which)

    def __getitem__(self, index):
        return self.transform(pictures[self.which[index]]), self.targets[index]


order = np.random.default_rng(0).permutation(len(pictures)).tolist()
general, rest = order[:1000], [index for index in order[1000:] if digits.target[index] in LOOPS]
few, held_out = rest[:60], rest[60:300]


def loops(which):
    return [LOOPS[int(digits.target[index])] for index in which]


print({name: loops(few).count(number) for number, name in enumerate(NAMES)})
assert not set(few) & set(held_out)
assert not set(general) & set(rest)

figure, axes = plt.subplots(1, 8, figsize=(8, 1.4))
for index, axis in zip(few, axes):
    axis.imshow(pictures[index])
    axis.set_title(NAMES[LOOPS[int(digits.target[index])]])
    axis.axis("off")
plt.show()

# %% [markdown] lang="en"
# ## A body that knows something
#
# The usual body is trained on ImageNet, 1.3 million photographs. This asks whether those weights are on this computer or within reach:

# %% [markdown] lang="zh"
# ## 学过东西的主干
#
# 常用的主干是在 ImageNet 的 130 万张照片上训练出来的。下面查一查这些权重是否已经在本机，或者能否下载到：

# %%
import urllib.request
from pathlib import Path

IMAGENET = torchvision.models.ResNet50_Weights.DEFAULT


def within_reach(weights, seconds=3):
    if Path(torch.hub.get_dir(), "checkpoints", weights.url.rpartition("/")[2]).exists():
        return True
    try:
        request = urllib.request.Request(weights.url, method="HEAD")
        with urllib.request.urlopen(request, timeout=seconds):
            return True
    except OSError:
        return False


imagenet_is_there = within_reach(IMAGENET)
if imagenet_is_there:
    print("The ImageNet weights are within reach: the last section will use them.")
else:
    print("No ImageNet weights within reach. All the same: this notebook pre-trains a body of its own.")

# %% [markdown] lang="en"
# So that this notebook is quick and gives the same everywhere, it pre-trains **its own body**: a ResNet-50 with the same layers and the same 2,048 numbers before the head, but with bottlenecks a quarter as wide, on 1,000 other digits and another question: *which digit is it?* Everything below is done with ImageNet weights in just the same way.
#
# ### The transform belongs to the weights
#
# A body expects images prepared as in its own training: size, and mean and spread of the pixels. ImageNet's weights bring their own:

# %% [markdown] lang="zh"
# 为了运行得快，并且在哪里都得到同样的结果，这个 notebook **自己预训练一个主干**：它是一个 ResNet-50，层次相同，分类头之前同样是 2048 个数，只是瓶颈层的宽度是四分之一；训练用的是另外 1000 张数字，问的是另一个问题：*这是哪个数字？* 换成 ImageNet 权重时，下面的做法完全一样。
#
# ### 预处理是权重的一部分
#
# 主干要求图像的预处理和它自己训练时一样：尺寸，以及像素的均值和标准差。ImageNet 权重自带预处理：

# %%
print(IMAGENET.transforms())
assert IMAGENET.transforms()(pictures[0]).shape == (3, 224, 224)

# %% [markdown] lang="en"
# Ours are 24 pixels wide, with mean and spread measured on the 1,000 images:

# %% [markdown] lang="zh"
# 我们的图像宽 24 像素，均值和标准差在那 1000 张图像上测得：

# %%
from torchvision.transforms import v2

seen = np.stack([np.asarray(pictures[index]) for index in general]) / 255
MEAN, SPREAD = round(float(seen.mean()), 2), round(float(seen.std()), 2)
print(f"mean {MEAN}, spread {SPREAD}")

prepare = v2.Compose(
    [
        v2.ToImage(),
        v2.Resize((24, 24), antialias=True),
        v2.ToDtype(torch.float32, scale=True),
        v2.Normalize([MEAN] * 3, [SPREAD] * 3),
    ]
)
assert prepare(pictures[0]).shape == (3, 24, 24)

# %% [markdown] lang="en"
# Now the pre-training. With real weights it was done for you.

# %% [markdown] lang="zh"
# 现在开始预训练。如果用现成的权重，这一步别人已经替你做好了。

# %%
from notebookviz import fine_tune


def slim_resnet50(classes):
    return torchvision.models.resnet50(num_classes=classes, width_per_group=16)


torch.manual_seed(0)
body = slim_resnet50(10)
which_digit = digits.target.tolist()
fine_tune(
    body,
    DataLoader(Pictures(general, [which_digit[index] for index in general], prepare), batch_size=50, shuffle=True),
    DataLoader(Pictures(held_out, [which_digit[index] for index in held_out], prepare), batch_size=120),
    epochs=3,
    lr=3e-3,
)
pretrained = {name: tensor.clone() for name, tensor in body.state_dict().items()}


def pretrained_body():
    body = slim_resnet50(10)
    body.load_state_dict(pretrained)
    return body


assert [path for path, _ in body.named_children()] == [path for path, _ in resnet.named_children()]
assert body.fc.in_features == 2048

# %% [markdown] lang="en"
# ## What to freeze
#
# Sixty images are not much to learn from. So the body is **frozen** and only the new head learns. Choose **Colour → trainable** in the panel and see how little that is.

# %% [markdown] lang="zh"
# ## 冻结哪些部分
#
# 一共 60 张图像，能学到的有限。所以把主干**冻结**，只让新的分类头学习。在面板中选择 **Colour → trainable**，看看这部分有多小。

# %%
from notebookviz import train_only

torch.manual_seed(0)
model = pretrained_body()
print(replace_head(model, 3))
learning = train_only(model, "head")
print(learning)

panel = show(model, prepare(pictures[0])[None])
assert learning.learning == 2048 * 3 + 3
assert panel.table.trainable_params == learning.learning

# %%
from notebookviz import evaluate, load_weights

val_loader = DataLoader(Pictures(held_out, loops(held_out), prepare), batch_size=120)
train_loader = DataLoader(Pictures(few, loops(few), prepare), batch_size=20, shuffle=True)

training = fine_tune(model, train_loader, val_loader, epochs=6, lr=5e-3, labels=NAMES)
head_only = evaluate(model, val_loader, labels=NAMES)
print(head_only)

# %% [markdown] lang="en"
# Was the pre-training worth it? The same network from nothing, with the same 60 images, all of it learning:

# %% [markdown] lang="zh"
# 预训练值得吗？同样的网络、同样的 60 张图像，从零开始、全部参数都参加学习：

# %%
torch.manual_seed(0)
scratch = slim_resnet50(3)
fine_tune(scratch, train_loader, epochs=6, lr=3e-3, verbose=False)
from_nothing = evaluate(scratch, val_loader, labels=NAMES)

print(f"pre-trained body, new head: accuracy {head_only.metrics['accuracy']:.1%}")
print(f"from nothing:               accuracy {from_nothing.metrics['accuracy']:.1%}")
assert head_only.metrics["accuracy"] > from_nothing.metrics["accuracy"] + 0.1

# %% [markdown] lang="en"
# From nothing it may even be worse than guessing: 18 steps are far too few for six million parameters.

# %% [markdown] lang="zh"
# 从零开始甚至可能比瞎猜还差：对六百万个参数来说，18 步远远不够。

# %% [markdown] lang="en"
# ## Learning rates
#
# Then the last blocks may follow, **slowly**. Their weights are good already; large steps would throw them away. `layer_decay` lets each block learn slower than the one after it. Compare a careful rate with a reckless one:

# %% [markdown] lang="zh"
# ## 学习率
#
# 接下来可以让最后几个 block 也跟着学，但要**慢**。它们的权重本来就不错，步子一大就毁了。`layer_decay` 让每个 block 都比它后面的 block 学得慢一些。比较一个谨慎的学习率和一个莽撞的学习率：

# %%
trained_head = {name: tensor.clone() for name, tensor in model.state_dict().items()}


def go_on(lr):
    model.load_state_dict(trained_head)
    train_only(model, "last 2 blocks")
    fine_tune(model, train_loader, epochs=4, lr=lr, layer_decay=0.7, verbose=False)
    return evaluate(model, val_loader, labels=NAMES)


reckless = go_on(lr=0.1)
careful = go_on(lr=2e-4)
for name, found in {"head only": head_only, "lr 0.1": reckless, "lr 0.0002": careful}.items():
    print(f"{name:10} accuracy {found.metrics['accuracy']:.1%}, F1 {found.metrics['f1']:.3f}")

assert reckless.metrics["accuracy"] < careful.metrics["accuracy"] - 0.05
assert careful.metrics["accuracy"] > head_only.metrics["accuracy"] - 0.03

# %% [markdown] lang="en"
# Which rate to begin with? `find_learning_rate` tries many for a moment each, and puts the model back as it was.

# %% [markdown] lang="zh"
# 一开始用多大的学习率？`find_learning_rate` 把许多学习率各试一小会儿，最后把模型恢复原样。

# %%
from notebookviz import find_learning_rate, plots

torch.manual_seed(0)
fresh = pretrained_body()
replace_head(fresh, 3)
train_only(fresh, "head")
rates = find_learning_rate(fresh, train_loader, lowest=1e-4, highest=1, steps=25)
print(rates)
assert rates.suggestion is not None
assert 1e-4 < rates.suggestion < 1
plots.learning_rates(rates)

# %% [markdown] lang="en"
# ## The wrong transform
#
# What if the images are not prepared as the body was trained? Nothing complains. It is just worse:

# %% [markdown] lang="zh"
# ## 用错了预处理
#
# 如果图像的预处理和主干训练时不一致呢？不会报错，只是结果变差：

# %%
other = v2.Compose(
    [
        v2.ToImage(),
        v2.Resize((24, 24), antialias=True),
        v2.ToDtype(torch.float32, scale=True),
        v2.Normalize([0.485, 0.456, 0.406], [0.1, 0.1, 0.1]),  # of other data
    ]
)
mismatched = evaluate(model, DataLoader(Pictures(held_out, loops(held_out), other), batch_size=120), labels=NAMES)
print(f"its own transform {careful.metrics['accuracy']:.1%}, another {mismatched.metrics['accuracy']:.1%}")
assert mismatched.metrics["accuracy"] < careful.metrics["accuracy"] - 0.02

# %% [markdown] lang="en"
# ## Augmentation
#
# Small changes that keep the label make new images out of the few: a little turned, moved, larger. In a few steps that changes little; in a long training it keeps the network from learning the few by heart. Only for training, never for judging. And think before you copy a recipe: mirroring a photo of a cat gives a cat, turning a digit upside down can make a 6 into a 9.

# %% [markdown] lang="zh"
# ## 数据增强
#
# 对图像做一些不改变标签的小变动，就能从很少的图像变出新的图像：稍微旋转、平移、放大。步数不多时看不出多大差别；训练得久了，它能防止网络把这几张图背下来。只用于训练，不用于评价。照搬别人的配方之前要想一想：猫的照片左右翻转还是猫，数字上下颠倒，6 就可能变成 9。

# %%
augment = v2.Compose([v2.RandomAffine(degrees=10, translate=(0.08, 0.08), scale=(0.9, 1.1)), prepare])

torch.manual_seed(0)
figure, axes = plt.subplots(1, 7, figsize=(9, 1.6))
axes[0].imshow(prepare(pictures[few[0]])[0], cmap="gray_r")
axes[0].set_title("as it is")
for axis in axes[1:]:
    axis.imshow(augment(pictures[few[0]])[0], cmap="gray_r")
for axis in axes:
    axis.axis("off")
plt.show()

assert not torch.equal(augment(pictures[few[0]]), augment(pictures[few[0]]))
assert torch.equal(prepare(pictures[few[0]]), prepare(pictures[few[0]]))

# %%
import shutil

shutil.rmtree("loops", ignore_errors=True)  # an earlier run's: a folder that holds a training is never overwritten

torch.manual_seed(0)
model = pretrained_body()
replace_head(model, 3)
train_only(model, "head")
training = fine_tune(
    model,
    DataLoader(Pictures(few, loops(few), augment), batch_size=20, shuffle=True),
    val_loader,
    epochs=6,
    lr=5e-3,
    labels=NAMES,
    transform=prepare,
    folder="loops",
)
plots.curves(training)

# %% [markdown] lang="en"
# ## Judge it
#
# Accuracy can lie. Only one digit in nine is an 8. Who *always* says 'none' is right more than half of the time and has learned nothing. **F1** looks at each class by itself: how many of those named are right (*precision*), how many of those there are were found (*recall*). The mean over the classes can't be bought with the large ones.

# %% [markdown] lang="zh"
# ## 评价结果
#
# 准确率会骗人。九个数字里只有一个是 8。*永远*回答“没有圈”的人有一半以上是对的，却什么也没学会。**F1** 单独看每个类别：说是这一类的，有多少说对了（*精确率*）；真正属于这一类的，找出了多少（*召回率*）。再对各类取平均，光靠大类别就得不到高分。


# %%
class AlwaysNone(nn.Module):
    def forward(self, x):
        return torch.tensor([1.0, 0.0, 0.0]).expand(len(x), 3)


lazy = evaluate(AlwaysNone(), val_loader, labels=NAMES)
judged = evaluate(model, val_loader, labels=NAMES)
for name, found in {"always 'none'": lazy, "our model": judged}.items():
    print(f"{name:14} accuracy {found.metrics['accuracy']:.1%}, F1 {found.metrics['f1']:.3f}")

assert lazy.metrics["accuracy"] > 0.5
assert lazy.metrics["f1"] < 0.3
assert judged.metrics["f1"] > lazy.metrics["f1"] + 0.3

# %% [markdown] lang="en"
# The **confusion matrix** says what is taken for what: a row for each true class, a column for each answer. What is right stands on the diagonal.

# %% [markdown] lang="zh"
# **混淆矩阵**说明什么被认成了什么：每一行是一个真实类别，每一列是一种回答。对角线上的是答对的。

# %%
assert judged.confusion.sum() == len(held_out)
assert abs(judged.confusion.trace() / len(held_out) - judged.metrics["accuracy"]) < 1e-6
plots.confusion_matrix(judged)

# %% [markdown] lang="en"
# And look at its worst mistakes, those with the largest loss. Some are written so that you would hesitate too.

# %% [markdown] lang="zh"
# 再看看错得最厉害（损失最大）的图像。其中有些写得连你也会犹豫。

# %%
assert judged.mistakes
assert all(mistake.label != mistake.predicted for mistake in judged.mistakes)
plots.mistakes(judged)

# %% [markdown] lang="en"
# ## Forgetting `eval()`, and worse
#
# In training, BatchNorm takes mean and spread from the batch at hand, and remembers them. Leave the model in that mode and two things happen. One image alone can't be answered at all, and each image that you *only look at* changes the model:

# %% [markdown] lang="zh"
# ## 忘了 `eval()`，还不止于此
#
# 训练时，BatchNorm 使用当前批次的均值和方差，并把它们记下来。如果让模型停留在这个模式，会出两个问题：单独一张图像根本得不到答案；而且每次*只是看看*，模型就会被改变：

# %%
model.train()
one = prepare(pictures[held_out[0]])[None]
try:
    model(one)
except ValueError as error:
    print(error)
    said = str(error)
assert "Expected more than 1 value per channel when training" in said

before = model.bn1.running_mean.clone()
with torch.no_grad():
    model(torch.stack([prepare(pictures[index]) for index in held_out[:20]]))
assert not torch.equal(model.bn1.running_mean, before)  # no_grad does not prevent that

# %%
print(load_weights(model, "loops/best/model.safetensors"))  # undo the damage: fine_tune kept the best epoch there
model.eval()
before = model.bn1.running_mean.clone()
with torch.no_grad():
    assert model(one).shape == (1, 3)
assert torch.equal(model.bn1.running_mean, before)

# %% [markdown] lang="en"
# ## Keep it, and come back
#
# The folder `loops` holds weights, class names and the transform. `load_fine_tuned` makes a model of them that takes a picture and gives words. (A torchvision model is built by its name; ours is slimmer, so we pass one.)

# %% [markdown] lang="zh"
# ## 保存下来，下次再用
#
# 文件夹 `loops` 里有权重、类别名和预处理。`load_fine_tuned` 用它们还原出一个模型：输入图片，输出文字。（torchvision 的模型可以按名字构建；我们的比较窄，所以自己传一个进去。）

# %%
from notebookviz import load_fine_tuned

print(*sorted(str(path) for path in Path("loops").rglob("*.*")), sep="\n")

tuned = load_fine_tuned("loops", slim_resnet50(10))
eight = next(index for index in held_out if digits.target[index] == 8)
pictures[eight].save("eight.png")
print(tuned.predict("eight.png"))
assert tuned.labels == ("none", "one", "two")

right = sum(tuned.predict(pictures[index], top=1)[0][0] == NAMES[LOOPS[which_digit[index]]] for index in held_out[:50])
print(f"{right} of 50 right")
assert right > 30

# %% [markdown] lang="en"
# ## The same without typing
#
# Run this cell and click **Fine-tune** at the top of the panel. Four steps, from top to bottom:
#
# 1. **Head**: as many classes as the data has.
# 2. **What learns**: *head* for a start. *Show in the graph* colours what will learn.
# 3. **Data and optimiser**: choose `few_pictures` under *Learn from*. Some of its images appear, with their labels.
# 4. **Run**: *Start*. The curves grow while it learns, and *Stop* ends it after its step. Confusion matrix and worst mistakes follow.
#
# It is the same `fine_tune`, and it trains the very model of this notebook.

# %% [markdown] lang="zh"
# ## 不写代码也行
#
# 运行下面的单元格，点击面板上方的 **Fine-tune**。从上到下共四步：
#
# 1. **Head**：类别数与数据一致。
# 2. **What learns**：先选 *head*。点 *Show in the graph*，图中会标出哪些部分将要学习。
# 3. **Data and optimiser**：在 *Learn from* 里选 `few_pictures`，会显示其中几张图像和标签。
# 4. **Run**：点 *Start*。曲线随训练延伸，*Stop* 会在当前这一步之后停下。最后给出混淆矩阵和错得最离谱的几张图像。
#
# 它用的就是同一个 `fine_tune`，训练的正是这个 notebook 里的模型。

# %%
few_pictures = Pictures(few, loops(few), prepare)
clicked = pretrained_body()
show(clicked, prepare(pictures[0])[None])

# %% [markdown] lang="en"
# ## The same as plain PyTorch
#
# No magic is behind it. `fine_tune_cells` writes what `fine_tune` would do as cells without notebookviz. **Insert below** puts them there, for you to change. The Fine-tune tab has the same under *Insert as cells*.

# %% [markdown] lang="zh"
# ## 还原成普通的 PyTorch
#
# 背后没有什么魔法。`fine_tune_cells` 把 `fine_tune` 要做的事写成不依赖 notebookviz 的单元格。点 **Insert below** 就能把它们插到下面，随你修改。Fine-tune 标签页里的 *Insert as cells* 也是同样的功能。

# %%
from notebookviz import fine_tune_cells

torch.manual_seed(0)
plain = pretrained_body()
replace_head(plain, 3)
train_only(plain, "head")
cells = fine_tune_cells(plain, train_loader, val_loader, epochs=1, lr=5e-3)
cells

# %% [markdown] lang="en"
# Do they do the same? Run them beside `fine_tune` and compare every weight, to the last bit:

# %% [markdown] lang="zh"
# 结果一样吗？把它们和 `fine_tune` 各运行一遍，逐个比较权重，直到最后一位：

# %%
start = {name: tensor.clone() for name, tensor in plain.state_dict().items()}

beside = dict(globals())
for cell in cells.sources[:-1]:  # the last one only shows the model
    exec(cell, beside)
    assert "notebookviz" not in cell
by_cells = {name: tensor.clone() for name, tensor in plain.state_dict().items()}

plain.load_state_dict(start)
fine_tune(plain, train_loader, val_loader, epochs=1, lr=5e-3, verbose=False)
assert all(torch.equal(tensor, by_cells[name]) for name, tensor in plain.state_dict().items())
assert not torch.equal(start["fc.weight"], by_cells["fc.weight"])

# %% [markdown] lang="en"
# ## With ImageNet weights
#
# This cell works where the weights are within reach: on this computer, or with a connection (they are 98 MB, downloaded once). Nothing else changes: the weights' own transform, a new head, only the head learns. Photos would be 224 pixels wide; 112 are enough for digits, and four times as quick.

# %% [markdown] lang="zh"
# ## 使用 ImageNet 权重
#
# 如果能取到权重（已在本机，或可以联网下载，98 MB，只下载一次），这个单元格就会运行。做法不变：用权重自带的预处理，换上新的分类头，只训练分类头。照片应为 224 像素宽；对数字来说 112 就够了，而且快四倍。

# %%
if imagenet_is_there:
    photographer = torchvision.models.resnet50(weights=IMAGENET)
    its_own = IMAGENET.transforms(crop_size=112, resize_size=112)
    replace_head(photographer, 3)
    train_only(photographer, "head")
    judges = DataLoader(Pictures(held_out[:100], loops(held_out[:100]), its_own), batch_size=25)
    fine_tune(
        photographer,
        DataLoader(Pictures(few, loops(few), its_own), batch_size=20, shuffle=True),
        epochs=5,
        lr=5e-3,
        verbose=False,
    )
    print(evaluate(photographer, judges, labels=NAMES))
else:
    print("Skipped: no ImageNet weights within reach. With a connection, restart the kernel and run all cells.")

# %% [markdown] lang="en"
# ## Exercises
#
# ### Exercise 1
#
# `vit_b_16` is no ResNet. Give it a head for five classes. Where is its head, and how many numbers go in?

# %% [markdown] lang="zh"
# ## 练习
#
# ### 练习 1
#
# `vit_b_16` 不是 ResNet。给它换上五个类别的分类头。它的分类头在哪里，有多少个数进去？

# %%
# Your turn.

# %% tags=["solution"]
vit = torchvision.models.vit_b_16()
change = replace_head(vit, 5)
print(change)
assert change.path == "heads.head"
assert (vit.heads.head.in_features, vit.heads.head.out_features) == (768, 5)

# %% [markdown] lang="en"
# ### Exercise 2
#
# Compute the mean F1 from the confusion matrix by hand: for each class, precision is the diagonal divided by the column's sum, recall by the row's.

# %% [markdown] lang="zh"
# ### 练习 2
#
# 根据混淆矩阵手算平均 F1：对每个类别，精确率是对角线上的数除以该列之和，召回率是除以该行之和。

# %%
# Your turn.

# %% tags=["solution"]
matrix = judged.confusion.double()
precision = matrix.diag() / matrix.sum(0).clamp(min=1)
recall = matrix.diag() / matrix.sum(1).clamp(min=1)
f1 = 2 * precision * recall / (precision + recall).clamp(min=1e-12)
print(f"{f1.mean():.4f}")
assert abs(f1.mean() - judged.metrics["f1"]) < 1e-4

# %% [markdown] lang="en"
# ### Exercise 3
#
# Let only the last stage (`layer4`) and the head learn. Which pattern says that, and what part of all parameters is it?

# %% [markdown] lang="zh"
# ### 练习 3
#
# 只让最后一个阶段（`layer4`）和分类头学习。用什么模式来写？占全部参数的多少？

# %%
# Your turn.

# %% tags=["solution"]
learning = train_only(pretrained_body(), "layer4.*", "fc.*")
print(f"{learning.learning / learning.total:.0%} of {learning.total:,}")
assert {path.split(".")[0] for path in learning.modules} == {"layer4", "fc"}
assert learning.learning > learning.total / 2  # the last stage is the widest

# %% [markdown] lang="en"
# **Next:** [08 · From the notebook into the world](08-use-it.ipynb): the model leaves the notebook.

# %% [markdown] lang="zh"
# **下一篇：** [08 · 走出 notebook](08-use-it.ipynb)：让模型走出 notebook。
