"""PyTorch's side of compare.py: a frozen DINOv2-style ViT with Rein, and Mask2Former's step, as a good engineer would
write them: bf16 autocast with the frozen weights kept in bf16, fused attention, torch.compile, fused AdamW, TF32 in the
head. Needs PyTorch alone, and transformers for Mask2Former's parts. Python is no dependency of rein.cpp: this file is a
yardstick. For each line on standard input it measures once and answers with one line of JSON."""

import argparse
import json
import statistics
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

SIZES = {"ti": (192, 12, 3), "s": (384, 12, 6), "b": (768, 12, 12), "l": (1024, 24, 16)}
PATCH, TOKENS, RANK, QUERY_DIMS, CLASSES = 16, 100, 16, 256, 19


class Block(nn.Module):
    """A block of DINOv2: LayerNorm, attention, LayerScale, LayerNorm, MLP, LayerScale."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.gamma1, self.gamma2 = nn.Parameter(torch.ones(width)), nn.Parameter(torch.ones(width))

    def forward(self, x):
        n, length, width = x.shape
        qkv = self.qkv(self.norm1(x)).view(n, length, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, length, width)
        x = x + self.gamma1 * self.proj(y)
        return x + self.gamma2 * self.fc2(F.gelu(self.fc1(self.norm2(x))))


class Rein(nn.Module):
    """Low-rank tokens with a link to the queries, in the official order of operations."""

    def __init__(self, layers, width):
        super().__init__()
        self.a = nn.Parameter(torch.randn(layers, TOKENS, RANK) * 0.1)
        self.b = nn.Parameter(torch.randn(layers, RANK, width) * 0.1)
        self.token2feat, self.delta_f = nn.Linear(width, width), nn.Linear(width, width)
        self.scale = nn.Parameter(torch.tensor(0.001))
        self.transform, self.merge = nn.Linear(width, QUERY_DIMS), nn.Linear(3 * QUERY_DIMS, QUERY_DIMS)

    def tokens(self):
        return self.a @ self.b

    def forward(self, x, tokens):
        first, rest = x[:, :1], x[:, 1:]
        weights = torch.softmax(rest @ tokens.t() * rest.shape[-1] ** -0.5, -1)
        delta = weights[:, :, 1:] @ self.token2feat(tokens[1:])
        return torch.cat([first, rest + self.scale * self.delta_f(delta + rest)], 1)

    def queries(self, tokens):
        z = self.transform(tokens)
        return self.merge(torch.stack([z.max(0).values, z.mean(0), z[-1]], -1).flatten(-2))


class Backbone(nn.Module):
    """Images (N, 3, H, W) -> four maps (N, C, H / 16, W / 16) and the queries."""

    def __init__(self, name, size):
        super().__init__()
        width, layers, heads = SIZES[name]
        self.grid, self.width = size // PATCH, width
        self.patches = nn.Conv2d(3, width, PATCH, PATCH)
        self.class_token = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.positions = nn.Parameter(torch.randn(1, 1 + self.grid**2, width) * 0.02)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.taken = {layers * k // 4 - 1 for k in (1, 2, 3, 4)}
        for p in self.parameters():
            p.requires_grad = False
        for m in self.modules():  # autocast would cast a frozen f32 weight again in every step
            if isinstance(m, (nn.Linear, nn.Conv2d)):
                m.bfloat16()
        self.rein = Rein(layers, width)

    def forward(self, images):
        x = self.patches(images).flatten(2).transpose(1, 2).float()
        x = torch.cat([self.class_token.expand(len(x), -1, -1), x], 1) + self.positions
        tokens = self.rein.tokens()
        maps = []
        for i, block in enumerate(self.blocks):
            x = self.rein(block(x), tokens[i])
            if i in self.taken:
                maps.append(x[:, 1:].transpose(1, 2).reshape(len(x), -1, self.grid, self.grid))
        return maps, self.rein.queries(tokens)

    def flops(self, batch):
        """Of a forward, and of the part of it that is Rein's."""
        length, c, layers = self.grid**2 + 1, self.width, len(self.blocks)
        vit = layers * (24 * length * c * c + 4 * length * length * c) + 2 * length * c * 3 * PATCH**2
        rein = layers * (4 * length * TOKENS * c + 2 * length * c * c + 2 * TOKENS * c * c)
        return batch * (vit + rein)


class Given(nn.Module):
    """Stands in for a table of embeddings: its weight is set before every forward."""

    weight = None


class Mask2Former(nn.Module):
    def __init__(self, width):
        super().__init__()
        from transformers import Mask2FormerConfig
        from transformers.models.mask2former import modeling_mask2former as parts

        config = Mask2FormerConfig(
            num_labels=CLASSES, feature_size=256, mask_feature_size=256, hidden_dim=256, encoder_feedforward_dim=1024,
            encoder_layers=6, decoder_layers=10, num_attention_heads=8, dim_feedforward=2048, num_queries=TOKENS,
            dropout=0.0)
        self.pixels = parts.Mask2FormerPixelDecoder(config, [width] * 4)
        nn.init.normal_(self.pixels.level_embed)
        self.decoder = parts.Mask2FormerTransformerModule(256, config)
        self.decoder.queries_embedder, self.decoder.queries_features = Given(), Given()
        self.query_content = nn.Linear(QUERY_DIMS, QUERY_DIMS)
        self.classes = nn.Linear(256, CLASSES + 1)
        self.criterion = parts.Mask2FormerLoss(config, {})

    def forward(self, maps, queries, masks, labels):
        maps = [f.float() for f in maps]
        maps = [F.interpolate(f, scale_factor=s, mode="bilinear") if s != 1 else f
                for f, s in zip(maps, (4, 2, 1, 0.5))]
        queries = queries.float()
        self.decoder.queries_embedder.weight = queries
        self.decoder.queries_features.weight = self.query_content(queries)
        pixels = self.pixels(maps, output_hidden_states=True)
        out = self.decoder(list(pixels.multi_scale_features), pixels.mask_features, output_hidden_states=True)
        total = 0
        for hidden, logits in zip(out.intermediate_hidden_states, out.masks_queries_logits):
            # The loss of each layer by itself, as the criterion sums them over layers.
            part = self.criterion(logits, self.classes(hidden.transpose(0, 1)), masks, labels)
            total = total + 2 * part["loss_cross_entropy"] + 5 * part["loss_mask"] + 5 * part["loss_dice"]
        return total


class Side:
    def __init__(self, args):
        torch.manual_seed(0)
        torch.backends.cuda.matmul.allow_tf32 = True
        torch.backends.cudnn.allow_tf32 = True
        torch.backends.cudnn.benchmark = True
        self.args, self.device = args, torch.device(args.device)
        self.cuda = self.device.type == "cuda"
        self.backbone = Backbone(args.vit, args.size).to(self.device)
        self.compiled = torch.compile(self.backbone) if "compile" in args.variants else None
        self.images = torch.randn(args.batch, 3, args.size, args.size, device=self.device)
        with torch.no_grad(), self.autocast():
            maps, _ = self.backbone(self.images)
        self.cotangents = [torch.randn_like(f) for f in maps]
        self.problem = None
        try:
            self.head = Mask2Former(self.backbone.width).to(self.device)
            trained = [p for m in (self.backbone, self.head) for p in m.parameters() if p.requires_grad]
            self.optimizer = torch.optim.AdamW(trained, 1e-4, weight_decay=0.05, fused=self.cuda)
            # Every class in every image, as in rein bench step.
            labels = torch.randint(0, CLASSES, (args.batch, args.size, args.size), device=self.device)
            self.masks = [torch.stack([(image == c).float() for c in range(CLASSES)]) for image in labels]
            self.labels = [torch.arange(CLASSES, device=self.device) for _ in labels]
        except Exception as error:  # another transformers: the backbone's figures are worth having alone
            self.problem = f"{type(error).__name__}: {error}"

    def autocast(self):
        return torch.autocast(self.device.type, dtype=torch.bfloat16)

    def wait(self):
        if self.cuda:
            torch.cuda.synchronize()

    def median(self, body):
        """Median of timed runs in seconds, after two that warm up; on a GPU by its own events."""
        for _ in range(2 if self.cuda else 1):
            body()
        seconds = []
        for _ in range(self.args.steps):
            self.wait()
            if self.cuda:
                begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
                begin.record()
                body()
                end.record()
                end.synchronize()
                seconds.append(begin.elapsed_time(end) / 1e3)
            else:
                start = time.perf_counter()
                body()
                seconds.append(time.perf_counter() - start)
        return statistics.median(seconds)

    def clear(self):
        for p in self.backbone.parameters():
            p.grad = None

    def forward(self, model):
        with torch.no_grad(), self.autocast():
            model(self.images)

    def forward_backward(self, model):
        self.clear()
        with self.autocast():
            maps, queries = model(self.images)
        torch.autograd.backward([*maps, queries.sum()], [*self.cotangents, None])

    def step(self, model):
        self.optimizer.zero_grad(set_to_none=True)
        with self.autocast():
            maps, queries = model(self.images)
        self.head(maps, queries, self.masks, self.labels).backward()
        self.optimizer.step()

    def mean(self, body):
        """Seconds of a run among runs that follow each other without a wait of ours; after median, which warms up."""
        self.wait()
        start = time.perf_counter()
        for _ in range(self.args.steps):
            body()
        self.wait()
        return (time.perf_counter() - start) / self.args.steps

    def with_memory(self, body):
        if self.cuda:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        seconds = self.median(body)
        return {"seconds": seconds, "peak_bytes": torch.cuda.max_memory_allocated() if self.cuda else None}

    def peak_flops(self):
        if not self.cuda:
            return None
        a, b = (torch.randn(8192, 8192, device=self.device, dtype=torch.bfloat16) for _ in range(2))
        return 2 * 8192**3 / self.median(lambda: a @ b)

    def measure(self):
        result = {"side": "pytorch", "torch": torch.__version__, "bf16_peak_flops": self.peak_flops(),
                  "forward_flops": self.backbone.flops(self.args.batch), "variants": {}}
        if self.cuda:
            result["device"] = torch.cuda.get_device_name()
        for name in self.args.variants:
            model = self.compiled if name == "compile" else self.backbone
            one = {"forward": self.with_memory(lambda: self.forward(model)),
                   "forward_backward": self.with_memory(lambda: self.forward_backward(model))}
            self.clear()
            if self.problem is None:
                try:
                    one["step_alone"] = self.with_memory(lambda: self.step(model))
                    one["step"] = one["step_alone"] | {"seconds": self.mean(lambda: self.step(model))}
                    self.optimizer.zero_grad(set_to_none=True)
                except Exception as error:
                    self.problem = f"{type(error).__name__}: {error}"
            result["variants"][name] = one
        result["mask2former"] = self.problem or "ok"
        if self.cuda:
            torch.cuda.empty_cache()
        return result


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--vit", default="l", choices=SIZES)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--variants", default="eager,compile", type=lambda text: text.split(","))
    side = Side(parser.parse_args())
    for _ in sys.stdin:
        print(json.dumps(side.measure()), flush=True)


if __name__ == "__main__":
    main()
