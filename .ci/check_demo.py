"""Fails unless the voice has spoken as it should: ``check_demo.py demo_output/metrics.json``."""

import json
import sys
from pathlib import Path


def main() -> None:
    rows = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    errors = {model: [row["log_mel_l1"] for row in rows if row["model"] == model] for model in ("float", "int8")}
    means = {model: sum(values) / len(values) for model, values in errors.items()}
    least = min(row["x_realtime"] for row in rows)
    checks = {
        f"log-mel L1 in float is {means['float']:.3f}, at most 0.6": means["float"] <= 0.6,
        f"in 8 bits it is {means['int8']:.3f}, at most 0.05 more": means["int8"] <= means["float"] + 0.05,
        f"every clip is faster than real time, the slowest {least:.1f} times": least > 1,
    }
    for text, good in checks.items():
        print(f"{'ok    ' if good else 'FAILED'} {text}")
    sys.exit(not all(checks.values()))


if __name__ == "__main__":
    main()
