# %% [markdown] lang="en"
# # 09 · Large models without the memory
#
# Llama-3-8B needs 32 GB in `float32`. You will open it on this computer all the same, with every layer, shape and cost, in a few seconds. Then you can answer the questions that decide whether a model fits: how many parameters, where are they, how much memory, how much work for each token?

# %% [markdown] lang="zh"
# # 09 · 不占内存看大模型
#
# Llama-3-8B 用 `float32` 存储需要 32 GB。但在这台电脑上照样可以打开它，几秒钟就能看到每一层、每个形状和每项开销。之后你就能回答决定模型“放不放得下”的那些问题：有多少参数，都在哪里，要多少内存，处理每个 token 要多少计算？

# %% [markdown] lang="en"
# ## A model without numbers
#
# On the device `meta`, a tensor has a shape and a dtype but no numbers. Everything that depends on shapes only still works. No weights are downloaded: a configuration is enough.

# %% [markdown] lang="zh"
# ## 没有数值的模型
#
# 在 `meta` 设备上，张量有形状、有 dtype，却没有数值。凡是只取决于形状的事情都照样能做。不用下载任何权重，有一份配置就够了。

# %%
import torch
from transformers import GPT2Config, GPT2LMHeadModel

with torch.device("meta"):
    gpt2 = GPT2LMHeadModel(GPT2Config())

weight = gpt2.transformer.wte.weight
print(tuple(weight.shape), weight.dtype, weight.device)
assert weight.is_meta
assert weight.untyped_storage().data_ptr() == 0  # nothing is stored

# %% [markdown] lang="en"
# ## GPT-2: the hierarchy
#
# Twelve equal blocks are drawn as one box, `12 × GPT2Block`. Open it, then open `h.0`: attention (`attn`), then a small network for each token (`mlp`), each behind a normalisation and each added to what came in. Nearly all language models of today have this form.

# %% [markdown] lang="zh"
# ## GPT-2 的层次结构
#
# 十二个相同的 block 画成一个方框 `12 × GPT2Block`。打开它，再打开 `h.0`：先是注意力（`attn`），再是对每个 token 单独作用的小网络（`mlp`）；两者前面都有归一化，输出都加回到输入上。今天几乎所有的语言模型都是这种形式。

# %%
from notebookviz import show

panel = show(gpt2)

# %%
table = panel.table
blocks = [row for row in table.rows if row.type == "GPT2Block"]
print(f"{table.total_params:,} parameters, {len(blocks)} blocks")
assert table.total_params == 124_439_808
assert len(blocks) == 12
assert {row.output for row in blocks} == {"1×128×768"}  # each gives what the next one takes

# %% [markdown] lang="en"
# ## Where are the parameters?
#
# Choose **Colour → parameters** in the panel, or count by kind. Only the innermost modules are counted, so that nothing counts twice:

# %% [markdown] lang="zh"
# ## 参数都在哪里？
#
# 在面板中选择 **Colour → parameters**，或者按种类统计。只统计最内层的模块，这样就不会重复计算：

# %%
from collections import Counter

import matplotlib.pyplot as plt


def by_kind(table):
    parents = {row.parent for row in table.rows}
    counts = Counter()
    for row in table.rows:
        if row.index not in parents and row.params:
            counts[".".join(part for part in row.path.split(".")[-2:] if not part.isdigit())] += row.params
    return counts


def draw(counts, title):
    names, numbers = zip(*counts.most_common()[::-1])
    _, axis = plt.subplots(figsize=(7, 3.5), layout="constrained")
    axis.barh(names, [number / 1e6 for number in numbers])
    axis.set(title=title, xlabel="million parameters")
    plt.show()


kinds = by_kind(table)
draw(kinds, "GPT-2")

# %% [markdown] lang="en"
# `wte` turns token numbers into vectors, `lm_head` turns vectors into scores for each token. Together they seem to hold more than half of the model, and the bars add up to more than there is:

# %% [markdown] lang="zh"
# `wte` 把 token 编号变成向量，`lm_head` 把向量变成每个 token 的得分。两者合起来似乎占了模型的一半以上，而且各条相加超过了总数：

# %%
print(f"{kinds.total():,} in the bars, {table.total_params:,} in the model")
assert gpt2.lm_head.weight is gpt2.transformer.wte.weight  # one tensor in two places: tied weights
assert kinds.total() - table.total_params == gpt2.lm_head.weight.numel()

# %% [markdown] lang="en"
# The table counts a shared tensor once, as it takes memory once.
#
# ## The costs
#
# A MAC is one multiplication and one addition. A matrix of weights costs one MAC for each weight **and each token**. Attention comes on top: each token looks at each token, so that part grows with the square of the length.

# %% [markdown] lang="zh"
# 表格把共享的张量只算一次，因为它只占一份内存。
#
# ## 开销
#
# 一次 MAC 就是一次乘法加一次加法。一个权重矩阵的开销是：每个权重、**每个 token** 各一次 MAC。此外还有注意力：每个 token 都要看所有 token，所以这一部分随长度的平方增长。


# %%
def macs(tokens, width=768, layers=12, vocabulary=50257):
    matrices = tokens * (width * 3 * width + width * width + 2 * width * 4 * width)  # c_attn, c_proj, two of the mlp
    attention = tokens * tokens * 2 * width  # scores, and the mixing of values
    return layers * (matrices + attention) + tokens * width * vocabulary  # and lm_head


print(f"by hand {macs(128):,}, in the table {table.total_macs:,}")
assert macs(128) == table.total_macs

# %%
from notebookviz import summary

longest = summary(gpt2, input_size=(1, 1024), dtypes=torch.int64)
assert longest.total_macs == macs(1024)
print(f"8 times the tokens, {longest.total_macs / table.total_macs:.1f} times the work")
assert longest.total_macs > 8 * table.total_macs

# %% [markdown] lang="en"
# ## Llama-3-8B
#
# Sixty times larger, built and drawn the same way. These numbers are the published configuration.

# %% [markdown] lang="zh"
# ## Llama-3-8B
#
# 比 GPT-2 大六十多倍，构建和查看的方法完全一样。下面这些数字就是公开的配置。

# %%
from transformers import LlamaConfig, LlamaForCausalLM

config = LlamaConfig(
    vocab_size=128256,
    hidden_size=4096,
    intermediate_size=14336,
    num_hidden_layers=32,
    num_attention_heads=32,
    num_key_value_heads=8,
    max_position_embeddings=8192,
    tie_word_embeddings=False,
)
with torch.device("meta"):
    llama = LlamaForCausalLM(config)

llama_panel = show(llama)

# %% [markdown] lang="en"
# Open `32 × LlamaDecoderLayer`, then the first layer, and compare it with GPT-2's block. The `mlp` has three matrices instead of two: `gate_proj` decides how much of `up_proj` passes. And in `self_attn`, `k_proj` and `v_proj` are narrower than `q_proj`.

# %% [markdown] lang="zh"
# 打开 `32 × LlamaDecoderLayer`，再打开第一层，和 GPT-2 的 block 比一比。`mlp` 有三个矩阵而不是两个：`gate_proj` 决定 `up_proj` 有多少能通过。而在 `self_attn` 里，`k_proj` 和 `v_proj` 比 `q_proj` 窄。

# %%
llama_table = llama_panel.table
print(f"{llama_table.total_params:,} parameters")
assert llama_table.total_params == 8_030_261_248

shapes = {row.path: row.output for row in llama_table.rows}
for name in ("q_proj", "k_proj", "v_proj"):
    print(name, shapes[f"model.layers.0.self_attn.{name}"])
assert shapes["model.layers.0.self_attn.q_proj"] == "1×128×4096"
assert shapes["model.layers.0.self_attn.k_proj"] == "1×128×1024"

# %%
kinds = by_kind(llama_table)
draw(kinds, "Llama-3-8B")

mlp = sum(number for name, number in kinds.items() if name.startswith("mlp."))
attention = sum(number for name, number in kinds.items() if name.startswith("self_attn."))
print(f"mlp {mlp / llama_table.total_params:.0%}, attention {attention / llama_table.total_params:.0%}")
assert kinds.total() == llama_table.total_params  # nothing is shared here
assert mlp > 4 * attention

# %% [markdown] lang="en"
# Seven of ten parameters are in the `mlp`s. In GPT-2 the word table was a third of everything; here it is small.
#
# ## Does it fit?
#
# To **use** a model you need its weights. To **train** all of it with Adam in `float32`, you need four numbers for each parameter: the weight, its gradient and Adam's two averages.

# %% [markdown] lang="zh"
# 十分之七的参数在 `mlp` 里。GPT-2 的词表占了总数的三分之一，在这里却只占很小一部分。
#
# ## 放得下吗？
#
# **使用**模型只需要存放权重。如果用 Adam 以 `float32` **训练**全部参数，每个参数需要四个数：权重、梯度，以及 Adam 的两个滑动平均。

# %%
count = llama_table.total_params
needs = {"use, float32": 4, "use, bfloat16": 2, "use, 4 bits": 0.5, "train all, float32": 16}
for what, each in needs.items():
    print(f"{what:20}{count * each / 1e9:>8.1f} GB")

assert llama_table.total_bytes // 10**9 == 32  # what the last row of the table says

# %% [markdown] lang="en"
# One thing is missing: while it writes, a model keeps the keys and values of all earlier tokens, the **KV cache**. That is why `k_proj` and `v_proj` are narrow: 32 heads ask, but only 8 heads of keys and values are kept (*grouped-query attention*).

# %% [markdown] lang="zh"
# 还漏了一样：模型在生成文字时，要保存之前所有 token 的键和值，这就是 **KV 缓存**。这正是 `k_proj` 和 `v_proj` 较窄的原因：32 个头负责提问，而键和值只保存 8 个头的（*分组查询注意力*，GQA）。

# %%
head_size = config.hidden_size // config.num_attention_heads


def cache_bytes(tokens, heads):
    return 2 * config.num_hidden_layers * heads * head_size * tokens * 2  # keys and values, two bytes each


with_groups = cache_bytes(8192, config.num_key_value_heads)
without = cache_bytes(8192, config.num_attention_heads)
print(f"8,192 tokens: {with_groups / 1e9:.2f} GB; with 32 heads it would be {without / 1e9:.2f} GB")
assert head_size * config.num_key_value_heads == 1024  # the width that we read off k_proj
assert without == 4 * with_groups

# %% [markdown] lang="en"
# ## Colours say it at once
#
# `overlay` colours graph and table by numbers of your own. Here: how many gigabytes of weights each module needs in `bfloat16`.

# %% [markdown] lang="zh"
# ## 用颜色一目了然
#
# `overlay` 可以按你自己的数值给图和表格着色。这里用的是每个模块的权重在 `bfloat16` 下占多少 GB。

# %%
gigabytes = {name: p.numel() * 2 / 1e9 for name, p in llama.named_parameters()}
llama_panel.overlay("bfloat16 weights", gigabytes, unit="GB", combine="sum")
assert round(sum(gigabytes.values()), 1) == 16.1

# %% [markdown] lang="en"
# ## Exercises
#
# ### Exercise 1
#
# GPT-2 comes in four sizes. The largest, GPT-2 XL, has `n_embd=1600`, `n_layer=48`, `n_head=25`. How many parameters has it? Guess first: twelve times the square of the width for each block, and the word table.

# %% [markdown] lang="zh"
# ## 练习
#
# ### 练习 1
#
# GPT-2 有四种规模。最大的 GPT-2 XL 是 `n_embd=1600`、`n_layer=48`、`n_head=25`。它有多少参数？先估算：每个 block 是宽度平方的十二倍，再加上词表。

# %%
# Your turn.

# %% tags=["solution"]
with torch.device("meta"):
    xl = GPT2LMHeadModel(GPT2Config(n_embd=1600, n_layer=48, n_head=25))

parameters = sum(p.numel() for p in xl.parameters())
guess = 48 * 12 * 1600**2 + 50257 * 1600
print(f"guess {guess:,}, exact {parameters:,}")
assert parameters == 1_557_611_200
assert abs(guess / parameters - 1) < 0.01

# %% [markdown] lang="en"
# ### Exercise 2
#
# LoRA trains two thin matrices beside a weight: for a matrix of `in × out`, `rank × (in + out)` parameters. How many are that in Llama-3-8B for `q_proj` and `v_proj` of all layers, with rank 8? Which part of the model?

# %% [markdown] lang="zh"
# ### 练习 2
#
# LoRA 在一个权重旁边训练两个细长的矩阵：对 `in × out` 的矩阵，需要 `rank × (in + out)` 个参数。对 Llama-3-8B 所有层的 `q_proj` 和 `v_proj`，rank 取 8，一共多少个参数？占模型的几分之几？

# %%
# Your turn.

# %% tags=["solution"]
lora = sum(
    8 * (module.in_features + module.out_features)
    for name, module in llama.named_modules()
    if name.endswith(("q_proj", "v_proj"))
)
print(f"{lora:,}, one in {count // lora:,}")
assert lora == 32 * 8 * (4096 + 4096 + 4096 + 1024)
assert lora / count < 0.001

# %% [markdown] lang="en"
# ### Exercise 3
#
# At which length does GPT-2's attention (the part with the square) cost more than the matrices of its blocks?

# %% [markdown] lang="zh"
# ### 练习 3
#
# 长度达到多少时，GPT-2 注意力中平方增长的那一部分开销会超过各 block 的矩阵？

# %%
# Your turn.

# %% tags=["solution"]
tokens = 6 * 768
assert tokens * 12 * 768**2 == tokens**2 * 2 * 768
print(f"{tokens:,} tokens")

# %% [markdown] lang="en"
# <details><summary>Why?</summary>
#
# $\text{tokens} \cdot 12 \cdot \text{width}^2 = \text{tokens}^2 \cdot 2 \cdot \text{width}$, so it is six times the width. GPT-2 reads at most 1,024 tokens, so there it never happens; with long texts attention becomes the cost.
#
# </details>

# %% [markdown] lang="zh"
# <details><summary>为什么？</summary>
#
# $\text{tokens} \cdot 12 \cdot \text{width}^2 = \text{tokens}^2 \cdot 2 \cdot \text{width}$，所以是宽度的六倍。GPT-2 最多读 1024 个 token，还到不了这一步；文本很长时，注意力才成为主要开销。
#
# </details>

# %% [markdown] lang="en"
# **Next:** [10 · When a model does not run](10-when-it-fails.ipynb): reading what went wrong.

# %% [markdown] lang="zh"
# **下一篇：** [10 · 模型跑不起来的时候](10-when-it-fails.ipynb)：读懂错在哪里。
