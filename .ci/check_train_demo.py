"""Fails unless the demo's training has worked: ``check_train_demo.py metrics.json [--from-voice]``."""

import json
import sys
from pathlib import Path


def main() -> None:
    report = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    errors = report["training"]["validation/log_mel_l1"]["values"]
    if "--from-voice" in sys.argv:
        checks = {
            f"held-out log-mel L1 is {errors[0]:.3f} of the voice, at most 0.85": errors[0] <= 0.85,
            f"and {errors[-1]:.3f} after training, at least 0.03 less": errors[-1] <= errors[0] - 0.03,
        }
    else:
        discriminator = report["training"]["loss/discriminator"]["values"]
        adversarial = report["training"]["loss/adversarial"]["values"]
        last = sum(discriminator[-10:]) / len(discriminator[-10:])
        checks = {
            f"held-out log-mel L1 ends at {errors[-1]:.3f}, at most 0.95": errors[-1] <= 0.95,
            f"and below half of the first, {errors[0]:.3f}": errors[-1] < errors[0] / 2,
            f"the discriminator's loss, {last:.2f}, is not 0": last > 0.1,
            f"nor at its start, {discriminator[0]:.2f}": last < 0.9 * discriminator[0],
            f"the adversarial loss, {adversarial[-1]:.2f}, is alive": adversarial[-1] > 0.1,
        }
    for text, good in checks.items():
        print(f"{'ok    ' if good else 'FAILED'} {text}")
    sys.exit(not all(checks.values()))


if __name__ == "__main__":
    main()
