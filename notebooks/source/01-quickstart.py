# %% [markdown] lang="en"
# # 01 · Quickstart: see the model you hold in memory
#
# `show(model)` traces one forward pass without computing anything and draws it, here in the notebook.
# No input, no export and no file is needed.

# %% [markdown] lang="zh"
# # 01 · 快速上手：看见内存里的模型
#
# `show(model)` 跟踪一次前向传播，但不做任何实际计算，然后把结构直接画在 notebook 里。不需要准备输入，不需要导出，也不需要任何文件。

# %%
import torchvision

from notebookviz import show, summary

model = torchvision.models.resnet50()
panel = show(model)

# %% [markdown] lang="en"
# The module table on its own:

# %% [markdown] lang="zh"
# 也可以只看模块表：

# %%
table = summary(model)
print(f"{table.total_params:,} parameters, {table.total_macs / 1e9:.2f} GMACs")
assert table.total_params == 25_557_032

# %%
# %load_ext notebookviz

# %%
# %netron model --input-size 1,3,160,160

# %%
panel.save_html("resnet50.html")

# %%
print(panel.save_onnx("resnet50.onnx"))

# %% [markdown] lang="en"
# ## Exercise
#
# How many parameters does `layer1` have?

# %% [markdown] lang="zh"
# ## 练习
#
# `layer1` 有多少个参数？

# %%
# Your turn.

# %% tags=["solution"]
answer = sum(p.numel() for p in model.layer1.parameters())
assert answer == 215_808
