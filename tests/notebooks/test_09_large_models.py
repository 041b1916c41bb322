"""GPT-2 and Llama-3-8B on the meta device."""

from __future__ import annotations

import pytest


@pytest.mark.slow
def test_large_models(run):
    ran = run("09-large-models")
    assert "meta" in ran.printed("weight.is_meta")
    assert ran.printed("len(blocks) == 12") == "124,439,808 parameters, 12 blocks\n"
    assert ran.printed("macs(128) == table.total_macs") == "by hand 16,114,089,984, in the table 16,114,089,984\n"
    assert "8,030,261,248 parameters" in ran.printed("llama_table.total_params == ")
    needs = ran.printed("train all, float32")
    assert [line.split()[-2] for line in needs.splitlines()] == ["32.1", "16.1", "4.0", "128.5"]
    assert "1.07 GB; with 32 heads it would be 4.29 GB" in ran.printed("cache_bytes(8192")
    assert ran.displayed("image/png") == 2
