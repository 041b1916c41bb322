"""The cells that train: loss, optimiser and schedule, loop, evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from notebookviz.errors import InputError
from notebookviz.finetune.blocks import find_blocks
from notebookviz.finetune.tasks import AUXILIARY
from notebookviz.writing.building import norms_lines, prefixes
from notebookviz.writing.code import Names, import_lines, literal, needed, written

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import nn

    from notebookviz.finetune.tasks import Batch, Task
    from notebookviz.writing.feeding import Fed

_SCORES = '''\
def scores_of(outputs):
    """The scores of the main head, and of auxiliary ones of the same width."""
    if isinstance(outputs, torch.Tensor):
        return [outputs]
    if isinstance(outputs, dict):
        main = next((outputs[key] for key in ("logits", "out") if key in outputs), None)
        items = list(outputs.values())
    else:
        main, items = getattr(outputs, "logits", None), list(outputs) if isinstance(outputs, (tuple, list)) else []
    tensors = [item for item in items if isinstance(item, torch.Tensor)]
    if main is None:
        main = next(item for item in tensors if item.is_floating_point() and item.dim())
    return [main, *(item for item in tensors if item is not main and item.shape[:2] == main.shape[:2])]'''

_FULL = '''\
def full(outputs):
    """Outputs in full precision."""
    if isinstance(outputs, torch.Tensor):
        return outputs.float() if outputs.dtype in (torch.float16, torch.bfloat16) else outputs
    if isinstance(outputs, dict):
        return type(outputs)({key: full(value) for key, value in outputs.items()})
    if isinstance(outputs, (tuple, list)):
        parts = [full(value) for value in outputs]
        return type(outputs)(*parts) if hasattr(outputs, "_fields") else type(outputs)(parts)
    return outputs'''

_MEASURES = {
    "single-label": '''\
def measure(scores, targets):
    """Accuracy and F1 (the mean over the classes)."""
    predicted = scores.argmax(1){flat}
    right = (predicted == targets).double()
    classes = torch.cat([predicted, targets]).unique()
    f1 = [2 * right[targets == c].sum() / ((predicted == c).sum() + (targets == c).sum()) for c in classes]
    return {{"accuracy": float(right.mean()), "f1": float(torch.stack(f1).mean())}}''',
    "multi-label": '''\
def measure(scores, targets):
    """Accuracy and F1 (the mean over the labels)."""
    predicted, true = scores.sigmoid() > 0.5, targets.reshape(scores.shape) > 0.5
    both, either = (predicted & true).sum(0), predicted.sum(0) + true.sum(0)
    f1 = torch.where(either > 0, 2 * both / either.clamp(min=1), 0.0)[either > 0]
    return {{"accuracy": float((predicted == true).double().mean()), "f1": float(f1.double().mean())}}''',
    "regression": '''\
def measure(scores, targets):
    """Mean absolute error, and R²."""
    scores, targets = scores.flatten().double(), targets.flatten().double()
    unexplained, spread = ((targets - scores) ** 2).sum(), ((targets - targets.mean()) ** 2).sum()
    return {{"mae": float((scores - targets).abs().mean()), "r2": float(1 - unexplained / spread)}}''',
}


@dataclass(frozen=True, slots=True)
class Steps:
    """What the cells are about.

    Attributes:
        model: The model.
        name: Its variable.
        task: How a batch is learned from.
        batch: The first batch, taken apart.
        mapping: Whether a batch is a dictionary.
        plain: Whether the model returns one tensor.
        options: Those of ``fine_tune``, with their defaults.
        names: The notebook's variables.
        fed: The data's cell.
    """

    model: nn.Module
    name: str
    task: Task
    batch: Batch
    mapping: bool
    plain: bool
    options: Mapping[str, Any]
    names: Names
    fed: Fed

    def loss_cell(self) -> str:
        """The loss, and how a batch is taken apart."""
        lines = ["# 5. The loss.", "import torch", "from torch.nn import functional as F", ""]
        device = "torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device('cpu')"
        lines += [f"device = {device}", f"{self.name}.to(device)"]
        if self._scaled:
            lines += ['half = device.type != "cpu"', "if not half:"]
            lines += [
                '    print("float16 with a scaled loss wants a GPU: on this CPU all is computed in full precision.")'
            ]
        lines += ["", *self._apart(), ""]
        if not self.plain:
            lines += ["", _SCORES, ""]
        if self._half and not self.plain:
            lines += ["", _FULL, ""]
        lines += ["", "def outputs_of(inputs):"]
        call = f"{self.name}(**inputs)" if self.mapping else f"{self.name}(*inputs)"
        if self._half:
            enabled = ", enabled=half" if self._scaled else ""
            lines += [f"    with torch.autocast(device.type, dtype=torch.{self._half}{enabled}):"]
            lines += [f"        outputs = {call}"]
            lines += ["    return outputs.float()" if self.plain else "    return full(outputs)"]
        else:
            lines += [f"    return {call}"]
        return "\n".join([*lines, "", "", *self._loss()])

    def optimizer_cell(self) -> str:
        """The optimiser by groups, and the schedule."""
        options = self.options
        given = options["optimizer"]
        if isinstance(given, torch.optim.Optimizer):
            raise InputError(
                f"optimizer is a {type(given).__name__} of this model's parameters; cells make their own.",
                hint="Pass what builds it: optimizer=functools.partial(torch.optim.SGD, momentum=0.9).",
            )
        kind = needed(lambda: written(given or torch.optim.AdamW, self.names), "The optimiser")
        lines = ["# 6. The optimiser and the learning rate."]
        lines += [*import_lines({"import math", "import torch", *kind.imports}), ""]
        given = ", ".join([str(options["epochs"]), _number(options["lr"]), _number(options["weight_decay"])])
        lines += [f"epochs, lr, weight_decay = {given}"]
        lines += self._groups()
        called = f"({kind.text})" if "(" in kind.text else kind.text
        scaler = ["scaler = torch.amp.GradScaler(device.type, enabled=half)"] if self._scaled else []
        lines += [f"optimizer = {called}(groups)", *scaler, *self._schedule()]
        return "\n".join(lines)

    def loop_cell(self) -> str:
        """The loop, with the validation after each epoch."""
        options, fed = self.options, self.fed
        folder = options["folder"]
        imports = {"import itertools"} if options["accumulate"] > 1 else set()
        imports |= {"from pathlib import Path", "from safetensors.torch import save_model"} if folder else set()
        lines = ["# 7. Train.", *import_lines(imports), ""]
        lines += [f"folder = Path({str(folder)!r})", "folder.mkdir(parents=True, exist_ok=True)"] if folder else []
        lines += [f"seed = {options['seed']}", "history = []"]
        lines += ["best, best_epoch = None, 0"] if self._judged else []
        lines += ["for epoch in range(1, epochs + 1):", f"    {self.name}.train()"]
        lines += [f"    {line}" for line in norms_lines(self.model, self.name)]
        lines += ["    number = seed_of(seed, epoch)", "    seed_all(number)"]
        lines += [f"    {line}" for line in fed.each_epoch]
        lines += ["    total, count = 0.0, 0", *self._batches()]
        row = ['"epoch": epoch', '"train_loss": total / count']
        if fed.val:
            lines += ["    seed_all(seed_of(seed, epoch - 1, -1))", f"    val_loss, measures, *_ = evaluate({fed.val})"]
            row += ['"val_loss": val_loss', '**{f"val_{key}": value for key, value in measures.items()}']
        if self._stepping == "epoch":
            plateau = "val_loss" if fed.val else "total / count"
            is_plateau = "isinstance(schedule, torch.optim.lr_scheduler.ReduceLROnPlateau)"
            lines += [f"    schedule.step(*([{plateau}] if {is_plateau} else []))"]
        lines += [f"    history.append({{{', '.join(row)}}})"]
        lines += ['    print("  ".join(f"{key} {value:.4g}" for key, value in history[-1].items()))']
        return "\n".join([*lines, *self._best()])

    def evaluation_cell(self, labels: tuple[str, ...] | None) -> str:
        """The numbers at the end, by class where there are classes."""
        loader, part = (self.fed.val, "validation") if self.fed.val else (self.fed.train, "training")
        lines = ["# 8. Evaluate."]
        lines += [f"loss, measures, scores, targets = evaluate({loader})  # the {part} data"]
        lines += ['print(f"loss {loss:.4f}", *(f"{key} {value:.4f}" for key, value in measures.items()), sep="  ")']
        if self.task.judged == "single-label":
            names = written(list(labels), self.names).text if labels else "range(scores.shape[1])"
            lines += [
                f"predicted = scores.argmax(1){self._flat}",
                f"for number, label in enumerate({names}):",
                "    right = int(((predicted == number) & (targets == number)).sum())",
                "    said, there = int((predicted == number).sum()), int((targets == number).sum())",
                "    hit, found = right / max(said, 1), right / max(there, 1)",
                '    print(f"{label!s:>16}  precision {hit:.3f}  recall {found:.3f} of {there}")',
            ]
        return "\n".join(lines)

    @property
    def _half(self) -> str:
        """The type of mixed precision, by torch's name; empty without."""
        return {"bf16": "bfloat16", "fp16": "float16"}.get(self.options["precision"], "")

    @property
    def _scaled(self) -> bool:
        """Whether the loss is scaled, so that small gradients are not lost."""
        return bool(self._half == "float16")

    @property
    def _judged(self) -> bool:
        return self.options["patience"] is not None or self.options["folder"] is not None

    @property
    def _stepping(self) -> str:
        """When the schedule goes on: each ``step``, each ``epoch``, or ``never``."""
        schedule = self.options["scheduler"]
        if schedule is None or (schedule == "constant" and not self.options["warmup"]):
            return "never"
        return str(self.options["scheduler_step"] or ("step" if isinstance(schedule, str) else "epoch"))

    @property
    def _many(self) -> bool:
        """Whether a sample has several targets."""
        return isinstance(self.batch.targets, torch.Tensor) and self.batch.targets.dim() > 1

    @property
    def _flat(self) -> str:
        return ".flatten()" if self._many else ""

    def _apart(self) -> list[str]:
        if not self.mapping:
            taken = "    *inputs, targets = [item.to(device) for item in batch]"
            return ["", "def apart(batch):", taken, "    return inputs, targets"]
        kept = "inputs" if self.task.loss is None else '{key: inputs[key] for key in inputs if key != "labels"}'
        return [
            "",
            "def apart(batch):",
            "    inputs = {key: value.to(device) for key, value in batch.items()}",
            f'    return {kept}, inputs["labels"]',
        ]

    def _loss(self) -> list[str]:
        if self.task.loss is not None:
            code = needed(lambda: written(self.task.loss, self.names), "The loss")
            return [*import_lines(code.imports), "", f"loss_of = {code.text}"]
        if self.task.kind == "own loss":
            return ["def loss_of(outputs, targets):", '    return outputs["loss"]  # made from the labels by the model']
        if self.plain:
            return ["def loss_of(scores, targets):", *self._loss_of_scores()]
        return [
            "def loss_of_scores(scores, targets):",
            *self._loss_of_scores(),
            "",
            "",
            "def loss_of(outputs, targets):",
            "    main, *others = scores_of(outputs)",
            "    loss = loss_of_scores(main, targets)",
            "    for scores in others:",
            f"        loss = loss + {AUXILIARY} * loss_of_scores(scores, targets)",
            "    return loss",
        ]

    def _loss_of_scores(self) -> list[str]:
        if self.task.kind == "multi-label":
            wanted = "    wanted = targets.to(scores.dtype).reshape(scores.shape)"
            return [wanted, "    return F.binary_cross_entropy_with_logits(scores, wanted)"]
        if self.task.kind == "regression":
            return ["    return F.mse_loss(scores.reshape(targets.shape), targets.to(scores.dtype))"]
        lines = []
        if self._many:
            lines += ["    if scores.dim() > 2 and targets.shape == scores.shape[:-1]:"]
            lines += ["        scores = scores.movedim(-1, 1)  # the classes are dimension 1"]
        return [*lines, "    return F.cross_entropy(scores, targets)"]

    def measure_cell(self) -> str:
        """What is measured after each epoch."""
        judged = self.task.judged
        main = "outputs" if self.plain else "scores_of(outputs)[0]"
        lines = []
        if judged in _MEASURES:
            lines += [_MEASURES[judged].format(flat=self._flat), "", ""]
        lines += ["@torch.no_grad()", "def evaluate(loader):", f"    {self.name}.eval()"]
        lines += ["    total, count, found, wanted = 0.0, 0, [], []", "    for batch in loader:"]
        lines += ["        inputs, targets = apart(batch)", "        outputs = outputs_of(inputs)"]
        lines += ["        total += float(loss_of(outputs, targets)) * len(targets)", "        count += len(targets)"]
        lines += [f"        found.append({main}.float().cpu())", "        wanted.append(targets.cpu())"]
        lines += ["    scores, targets = torch.cat(found), torch.cat(wanted)"]
        if judged == "single-label" and self._many:
            lines += ["    if targets.shape == scores.shape[:-1]:", "        scores = scores.movedim(-1, 1)"]
            lines += ["    scores, targets = scores.movedim(1, -1).flatten(0, -2), targets.flatten()"]
        if judged == "single-label" and (self._many or self.task.loss is not None):
            lines += [
                "    kept = (targets >= 0) & (targets < scores.shape[1])  # the loss leaves out the others",
                "    scores, targets = scores[kept], targets[kept]",
            ]
        measures = "measure(scores, targets)" if judged in _MEASURES else "{}"
        return "\n".join([*lines, f"    return total / max(count, 1), {measures}, scores, targets"])

    def _groups(self) -> list[str]:
        options, name = self.options, self.name
        learning = [key for key, parameter in self.model.named_parameters() if parameter.requires_grad]
        lines = [f"named = {{key: p for key, p in {name}.named_parameters() if p.requires_grad}}"]
        if options["layer_decay"] == 1:
            lines += ["groups = ["]
            lines += [
                '    {"params": [p for p in named.values() if p.dim() > 1], "lr": lr, "weight_decay": weight_decay},'
            ]
            lines += ['    {"params": [p for p in named.values() if p.dim() <= 1], "lr": lr, "weight_decay": 0.0},']
            return [*lines, "]"]
        blocks = find_blocks(self.model)
        last = len(blocks.names)
        depths = sorted({blocks.depth[key] for key in learning})
        lines += ["blocks = ["]
        for depth in depths:
            chosen = [key for key in learning if blocks.depth[key] == depth]
            listed = ", ".join(map(repr, prefixes(chosen, learning)))
            lines += [f"    (({listed},), lr * {_number(options['layer_decay'])} ** {last - depth}),"]
        lines += ["]  # earlier blocks learn slower", "groups = []", "for parts, rate in blocks:"]
        lines += ["    own = [p for key, p in named.items() if key.startswith(parts)]"]
        lines += [
            '    groups.append({"params": [p for p in own if p.dim() > 1], "lr": rate, "weight_decay": weight_decay})'
        ]
        return [
            *lines,
            '    groups.append({"params": [p for p in own if p.dim() <= 1], "lr": rate, "weight_decay": 0.0})',
        ]

    def _schedule(self) -> list[str]:
        options, schedule = self.options, self.options["scheduler"]
        if self._stepping == "never":
            return []
        if not isinstance(schedule, str):
            if hasattr(schedule, "step"):
                raise InputError(
                    f"scheduler is a {type(schedule).__name__} of an optimiser that exists; cells make their own.",
                    hint="Pass what builds it from the optimiser.",
                )
            code = needed(lambda: written(schedule, self.names), "The schedule")
            return [*import_lines(code.imports), f"schedule = ({code.text})(optimizer)"]
        warmup, accumulate = options["warmup"], options["accumulate"]
        per_epoch = f"len({self.fed.train})" if accumulate == 1 else f"math.ceil(len({self.fed.train}) / {accumulate})"
        lines = [f"steps = {per_epoch} * epochs"]
        lines += [f"rising = round({_number(warmup)} * steps)" if warmup < 1 else f"rising = {int(warmup)}"]
        falls = {"linear": "1 - part", "cosine": "(1 + math.cos(math.pi * part)) / 2", "constant": "1.0"}[schedule]
        lines += ["", "", "def factor(step):", "    if step < rising:", "        return (step + 1) / rising"]
        lines += ["    part = min((step - rising) / max(steps - rising, 1), 1.0)", f"    return {falls}"]
        return [*lines, "", "", "schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)"]

    def _batches(self) -> list[str]:
        options = self.options
        clip = []
        if options["clip"] is not None:
            clip = [f"        torch.nn.utils.clip_grad_norm_(list(named.values()), {_number(options['clip'])})"]
            clip = [*(["        scaler.unscale_(optimizer)"] if self._scaled else []), *clip]
        scaled = ["        scaler.step(optimizer)", "        scaler.update()"]
        end = [*clip, *(scaled if self._scaled else ["        optimizer.step()"])]
        end += ["        schedule.step()"] if self._stepping == "step" else []
        finite = ["if not torch.isfinite(loss):", '    raise RuntimeError("the loss is not finite")']
        if options["accumulate"] == 1:
            step = [
                "optimizer.zero_grad()",
                "inputs, targets = apart(batch)",
                "loss = loss_of(outputs_of(inputs), targets)",
                *finite,
            ]
            step += ["scaler.scale(loss).backward()" if self._scaled else "loss.backward()"]
            tail = ["        total += float(loss.detach()) * len(targets)", "        count += len(targets)"]
            return [f"    for batch in {self.fed.train}:", *(f"        {line}" for line in step), *end, *tail]
        return [
            f"    batches = iter({self.fed.train})",
            f"    while window := list(itertools.islice(batches, {options['accumulate']})):",
            "        optimizer.zero_grad()",
            "        parts = [apart(batch) for batch in window]",
            "        whole, mean = sum(len(targets) for _, targets in parts), 0.0",
            "        for inputs, targets in parts:",
            "            loss = loss_of(outputs_of(inputs), targets)",
            *(f"            {line}" for line in finite),
            "            share = len(targets) / whole",
            f"            {'scaler.scale(loss * share)' if self._scaled else '(loss * share)'}.backward()",
            "            mean += float(loss.detach()) * share",
            *end,
            "        total += mean * whole",
            "        count += whole",
        ]

    def _best(self) -> list[str]:
        if not self._judged:
            return []
        options = self.options
        monitor = options["monitor"] or ("val_loss" if self.fed.val else "train_loss")
        measured = {"single-label": ("accuracy", "f1"), "multi-label": ("accuracy", "f1"), "regression": ("mae", "r2")}
        of_val = [f"val_{key}" for key in measured.get(self.task.judged or "", ())]
        known = ["train_loss", *(["val_loss", *of_val] if self.fed.val else [])]
        if monitor not in known:
            raise InputError(f"The cells don't measure {monitor!r}.", hint=f"monitor may be {', '.join(known)}.")
        sign = "<" if monitor.endswith(("loss", "mae")) else ">"
        lines = [f'    value = history[-1]["{monitor}"]', f"    if best is None or value {sign} best:"]
        lines += ["        best, best_epoch = value, epoch"]
        if options["folder"] is not None:
            lines += [f"        save_model({self.name}, str(folder / 'best.safetensors'))"]
        if options["patience"] is not None:
            lines += [f"    if epoch - best_epoch >= {options['patience']}:"]
            lines += [f'        print("{monitor} has not improved for {options["patience"]} epochs")', "        break"]
        return lines


def _number(value: Any) -> str:  # noqa: ANN401 - of Python, NumPy or PyTorch
    return literal(float(value))
