#!/usr/bin/env python3
"""rein beside PyTorch on one machine, in turns: a frozen DINOv2-style ViT with Rein, forward and forward+backward, and
the whole Mask2Former step, in bf16. Prints a table, writes JSON. Python is no dependency of rein.cpp: this is a yardstick.

    scripts/compare/compare.py --rein build/cuda/carry/rein --out compare.json
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys

LINES = {"forward": "backbone + Rein, forward", "forward_backward": "backbone + Rein, forward + backward",
         "step": "Mask2Former step"}
GOALS = {"forward": 1.0, "forward_backward": 1.0, "step": 1.5}  # rein at least so many times as fast


def rein_side(args):
    command = [args.rein, "bench", "step", "--json", "--device", args.device, "--vit", args.vit, "--layer-scale",
               "--head", "mask2former", "--method", "rein", "--precision", "bf16", "--batch", str(args.batch),
               "--height", str(args.size), "--width", str(args.size), "--steps", str(args.steps)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}\n{done.stderr}")
    bench = json.loads(done.stdout.strip().splitlines()[-1])
    peak = bench["tensor_peak_bytes"]
    return {"side": "rein", "bench": bench, "variants": {"rein": {
        "forward": {"seconds": bench["backbone_forward_s"]},
        "forward_backward": {"seconds": bench["backbone_forward_backward_s"]},
        "step": {"seconds": bench["step_s"], "peak_bytes": peak}}}}


class PyTorchSide:
    """One process for all rounds: it compiles once."""

    def __init__(self, args):
        script = pathlib.Path(__file__).with_name("pytorch_side.py")
        self.process = subprocess.Popen(
            [sys.executable, script, "--device", args.device, "--vit", args.vit, "--size", str(args.size), "--batch",
             str(args.batch), "--steps", str(args.steps), "--variants", args.variants],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def measure(self):
        self.process.stdin.write("measure\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        sys.exit("PyTorch's side ended without an answer")

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def medians(rounds):
    """{variant: {line: {seconds, peak_bytes}}}, medians over the rounds."""
    table = {}
    for one in rounds:
        for variant, lines in one["variants"].items():
            for line, figures in lines.items():
                table.setdefault(variant, {}).setdefault(line, []).append(figures)
    return {variant: {line: {"seconds": statistics.median(f["seconds"] for f in all_of),
                             "peak_bytes": max((f.get("peak_bytes") or 0) for f in all_of) or None}
                      for line, all_of in lines.items()} for variant, lines in table.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rein", required=True, help="the program")
    parser.add_argument("--out", default="compare.json")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--vit", default="l")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--steps", type=int, default=20, help="timed runs of a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--variants", default=None, help="of PyTorch (default: eager,compile on a GPU)")
    args = parser.parse_args()
    args.variants = args.variants or ("eager" if args.device == "cpu" else "eager,compile")

    pytorch = PyTorchSide(args)
    rounds = []
    for _ in range(args.rounds):
        rounds += [pytorch.measure(), rein_side(args)]
    pytorch.close()

    table, theirs = medians(rounds), rounds[0]
    names = args.variants.split(",")
    peak = theirs.get("bf16_peak_flops")
    result = {"vit": args.vit, "size": args.size, "batch": args.batch, "device": theirs.get("device", args.device),
              "torch": theirs["torch"], "mask2former": theirs["mask2former"], "bf16_peak_flops": peak,
              "medians": table, "ratios": {}, "rounds": rounds}
    print(f"ViT-{args.vit}, batch {args.batch}, {args.size} x {args.size}, {result['device']}, torch {theirs['torch']}")
    print(f"{'ms':38}" + "".join(f"{n:>12}" for n in [*names, "rein"]) + f"{'ratio':>9}{'goal':>6}")
    for line, text in LINES.items():
        best = min((table[n][line]["seconds"] for n in names if line in table[n]), default=None)
        ours = table["rein"][line]["seconds"]
        cells = "".join(f"{1e3 * table[n][line]['seconds']:12.2f}" if line in table[n] else f"{'-':>12}"
                        for n in [*names, "rein"])
        ratio = best / ours if best else None
        result["ratios"][line] = ratio
        print(f"{text:38}{cells}" + (f"{ratio:9.2f}" if ratio else f"{'-':>9}") + f"{GOALS[line]:6.1f}")
    if table["rein"]["step"]["peak_bytes"]:
        peaks = [table[n].get("step", {}).get("peak_bytes") for n in [*names, "rein"]]
        cells = "".join(f"{p / 1e9:12.2f}" if p else f"{'-':>12}" for p in peaks)
        print(f"{'peak of the step, GB':38}{cells}")
    flops = theirs["forward_flops"]
    share = f", {100 * flops / table['rein']['forward']['seconds'] / peak:.0f} % of {peak / 1e12:.0f}" if peak else ""
    result["rein_forward_flops_per_s"] = flops / table["rein"]["forward"]["seconds"]
    print(f"rein's forward: {result['rein_forward_flops_per_s'] / 1e12:.3g} TFLOP/s{share}")
    if theirs["mask2former"] != "ok":
        print(f"PyTorch's Mask2Former step could not be measured: {theirs['mask2former']}")
    pathlib.Path(args.out).write_text(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
