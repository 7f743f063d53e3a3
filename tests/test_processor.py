"""The processor by the flags that Linux shows, and what the output of an export says about it."""

import platform

import pytest

from hifigan_tf import processor, to_tflite

FLAGS = {
    "flags : fpu sse4_2 avx avx2 fma": ("AVX2", False),
    "flags : avx2 avx_vnni": ("AVX2 with VNNI", True),
    "flags : avx2 avx512f avx512bw": ("AVX-512", False),
    "flags : avx2 avx512f avx512_vnni avx_vnni": ("AVX-512 with VNNI", True),
    "Features : fp asimd": ("NEON", False),
    "Features : fp asimd asimddp": ("NEON with dot products", True),
    "flags : sse2": (None, None),
}


@pytest.mark.parametrize("flags", FLAGS)
def test_the_widest_instructions_are_named(tmp_path, monkeypatch, flags):
    (tmp_path / "cpuinfo").write_text(f"processor : 0\n{flags}\n")
    monkeypatch.setattr(processor, "CPUINFO", tmp_path / "cpuinfo")
    name, fast = processor.instructions()
    assert (name, fast) == FLAGS[flags]
    assert processor.machine().startswith(platform.machine())
    assert name is None or f", {name}, " in processor.machine()
    assert bool(to_tflite.no_gain("int8")) == (fast is False)
    assert to_tflite.no_gain("float32") == ""


def test_where_linux_says_nothing_neither_does_the_export(tmp_path, monkeypatch):
    monkeypatch.setattr(processor, "CPUINFO", tmp_path / "nothing")
    assert processor.instructions() == (None, None)
    assert to_tflite.no_gain("int8") == ""
