"""Ask PyPI about known weaknesses of the pinned versions; without a network, say so and pass."""

from __future__ import annotations

import json
import subprocess
import sys

SECONDS = 180


def main(pins: str) -> int:
    """Return 1 when a pinned version has a known weakness, else 0."""
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes"]
    command += ["--requirement", pins, "--format", "json", "--progress-spinner", "off"]
    try:
        done = subprocess.run(  # noqa: S603 - a command of our own
            command, capture_output=True, text=True, timeout=SECONDS, check=False
        )
        packages = json.loads(done.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, ValueError, KeyError):
        print("audit: PyPI cannot be asked now, skipped")
        return 0
    weak = [package for package in packages if package.get("vulns")]
    asked = sum("vulns" in package for package in packages)
    for package in weak:
        for weakness in package["vulns"]:
            mended = ", ".join(weakness.get("fix_versions") or ["none yet"])
            name = f"{package['name']} {package['version']}"
            print(f"audit: {name}: {weakness['id']} (mended in: {mended})")
    if not asked:
        print(f"audit: PyPI knows none of the {len(packages)} packages here, skipped")
        return 0
    print(f"audit: {asked} of {len(packages)} packages known to PyPI, {len(weak)} with a weakness")
    return 1 if weak else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
