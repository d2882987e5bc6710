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
         "step": "Mask2Former step, one after another", "step_graph": "… as CUDA graphs",
         "step_alone": "… one by one, waited for"}
GOALS = {"forward": 1.0, "forward_backward": 1.0, "step": 1.5}  # rein at least so many times as fast


def rein_side(args):
    command = [args.rein, "bench", "step", "--json", "--device", args.device, "--vit", args.vit, "--layer-scale",
               "--head", "mask2former", "--method", "rein", "--precision", "bf16", "--batch", str(args.batch),
               "--height", str(args.size), "--width", str(args.size), "--steps", str(args.steps)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}\n{done.stderr}")
    bench = json.loads(done.stdout.strip().splitlines()[-1])
    # step_s has waits between its parts; steps that flow are what training does, and what the ratio is about.
    seconds = {"forward": bench["backbone_forward_s"], "forward_backward": bench["backbone_forward_backward_s"],
               "step": bench.get("flowing_step_s") or bench["step_s"], "step_graph": bench.get("graph_step_s"),
               "step_alone": bench["step_s"]}
    lines = {line: {"seconds": s} for line, s in seconds.items() if s}
    lines["step"]["peak_bytes"] = bench["tensor_peak_bytes"]
    return {"side": "rein", "bench": bench, "variants": {"rein": lines}}


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


def result_of(rounds, args):
    """All that is known so far; a side that has not answered yet is absent."""
    theirs = next((r for r in rounds if r["side"] == "pytorch"), {})
    table = medians(rounds)
    result = {"vit": args.vit, "size": args.size, "batch": args.batch, "device": theirs.get("device", args.device),
              "torch": theirs.get("torch"), "mask2former": theirs.get("mask2former"),
              "bf16_peak_flops": theirs.get("bf16_peak_flops"), "medians": table, "ratios": {}, "rounds": rounds}
    ours = table.get("rein", {})
    for line in LINES:
        best = min((lines[line]["seconds"] for name, lines in table.items() if name != "rein" and line in lines),
                   default=None)
        result["ratios"][line] = best / ours[line]["seconds"] if best and line in ours else None
    if theirs and ours:
        result["rein_forward_flops_per_s"] = theirs["forward_flops"] / ours["forward"]["seconds"]
    return result


def write(result, path):
    """Whole or not at all: a reader, or a run that is killed, never meets half of it."""
    new = pathlib.Path(f"{path}.new")
    new.write_text(json.dumps(result) + "\n")
    new.replace(path)


def show(result):
    table = result["medians"]
    print(f"ViT-{result['vit']}, batch {result['batch']}, {result['size']} x {result['size']}, {result['device']}, "
          f"torch {result['torch']}; rounds: {len(result['rounds']) // 2}")
    print(f"{'ms':38}" + "".join(f"{name:>12}" for name in table) + f"{'ratio':>9}{'goal':>6}")
    for line, text in LINES.items():
        cells = "".join(f"{1e3 * lines[line]['seconds']:12.2f}" if line in lines else f"{'-':>12}"
                        for lines in table.values())
        ratio, goal = result["ratios"][line], GOALS.get(line)
        print(f"{text:38}{cells}" + (f"{ratio:9.2f}" if ratio else f"{'-':>9}") + (f"{goal:6.1f}" if goal else ""))
    peaks = [lines.get("step", {}).get("peak_bytes") for lines in table.values()]
    print(f"{'peak of the step, GB':38}" + "".join(f"{p / 1e9:12.2f}" if p else f"{'-':>12}" for p in peaks))
    rate, peak = result["rein_forward_flops_per_s"], result["bf16_peak_flops"]
    share = f", {100 * rate / peak:.0f} % of {peak / 1e12:.0f}" if peak else ""
    print(f"rein's forward: {rate / 1e12:.3g} TFLOP/s{share}")
    if result["mask2former"] != "ok":
        print(f"PyTorch's Mask2Former step could not be measured: {result['mask2former']}")
    print(flush=True)


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
        for measure in (pytorch.measure, lambda: rein_side(args)):
            rounds.append(measure())
            write(result_of(rounds, args), args.out)
        show(result_of(rounds, args))
    pytorch.close()


if __name__ == "__main__":
    main()
