"""Trains the demo model on the CPU: python -m inference.demo.training.train FOLDER --steps 8000

Two processes with one thread each share a step. Every checkpoint is complete: the same command resumes after an interruption,
and with another --seed or more --steps it goes on from the last checkpoint.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import torch
from torch import Tensor, distributed, multiprocessing
from torch.nn.utils import clip_grad_norm_

from inference.demo.training.checkpoint import Checkpoint, load, save
from inference.demo.training.dialogues import Pack, packs
from inference.demo.training.network import Network, Shape
from inference.demo.training.optimiser import Optimiser
from inference.demo.training.tables import Tables
from inference.demo.training.vocabulary import build

_PROCESSES, _PACKS_A_STEP = 2, 2  # each process: two packs of about 1200 tokens
_WARM_UP_STEPS, _SHARD_PACKS = 100, 400
_SAVE_SECONDS, _BALANCE_WEIGHT = 120, 0.01
_ROW_DROPOUT = 0.05  # so that a word in another spelling is known by its stem alone
_AVERAGED_STEPS, _AVERAGE_STEPS = 150, 5  # the average covers some 150 steps and is updated every 5


def rate(step: int, decay_from: int, steps: int) -> float:
    """Learning rate factor: warm-up, constant, from `decay_from` on linear down to 2 %."""
    if step < _WARM_UP_STEPS:
        return (step + 1) / _WARM_UP_STEPS
    return min(1.0, 0.02 + 0.98 * (steps - step) / max(1, steps - decay_from))


def endless_packs(seed: int, rank: int) -> Iterator[Pack]:
    """Always new packs; every process has its own."""
    shard = 0
    while True:
        random = Random(f"{seed}-{rank}-{shard}")
        made = list(packs(random, _SHARD_PACKS))
        random.shuffle(made)
        yield from made
        shard += 1


def loss_of(network: Network, tables: Tables, pack: Pack) -> tuple[Tensor, Tensor, int]:
    """Summed nats over the completions, the balance loss and the number of predicted tokens."""
    batch = tables.batch(pack)
    x = network.embed(*tables.embedding(batch.ids), _ROW_DROPOUT)
    logits, balance = network(x, len(pack.prefix), len(pack.branches), batch.wanted)
    logits = logits + tables.unused_bias
    picked = logits.gather(1, batch.targets[:, None])[:, 0]
    return ((logits.logsumexp(-1) - picked) * batch.weights).sum(), balance, len(batch.targets)


def _reduce(network: Network) -> None:
    gradients = [each.grad for each in network.parameters() if each.grad is not None]
    flat = torch.cat([each.view(-1) for each in gradients])
    distributed.all_reduce(flat)
    start = 0
    for each in gradients:
        each.copy_(flat[start : start + each.numel()].view_as(each))
        start += each.numel()


def _work(rank: int, folder: Path, decay_from: int, steps: int, seed: int) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=_PROCESSES)
    start = load(folder)
    vocabulary = start.vocabulary if start else build(0, 8000)
    tables = Tables(vocabulary)
    network = Network(Shape(), len(vocabulary.inputs) + 1, len(vocabulary.outputs), len(vocabulary.stems) + 1)
    optimiser = Optimiser(network)
    if start:
        network.load_state_dict(start.weights)
        optimiser.load(start.optimiser)
    average = start.average if start else {name: each.clone() for name, each in network.state_dict().items()}
    source = endless_packs(seed + (start.step if start else 0), rank)
    saved, began, nats, tokens = time.monotonic(), time.monotonic(), 0.0, 0
    for step in range(start.step if start else 0, steps):
        normaliser = 2000.0 * _PROCESSES  # a usual number of predicted tokens in a step
        for _ in range(_PACKS_A_STEP):
            loss, balance, number = loss_of(network, tables, next(source))
            (loss / normaliser + _BALANCE_WEIGHT / (_PROCESSES * _PACKS_A_STEP) * balance).backward()
            nats, tokens = nats + loss.item(), tokens + number
        for each in network.parameters():
            each.grad = torch.zeros_like(each) if each.grad is None else each.grad
        _reduce(network)
        clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step(rate(step, decay_from, steps))
        if rank == 0 and step % _AVERAGE_STEPS == 0:
            for name, each in network.state_dict().items():
                average[name].lerp_(each, _AVERAGE_STEPS / _AVERAGED_STEPS if step > _AVERAGED_STEPS else 0.5)
        if rank == 0 and (step + 1) % 20 == 0:
            speed = tokens * _PROCESSES / (time.monotonic() - began)
            sys.stdout.write(f"step {step + 1} loss {nats / tokens:.4f} {speed:.0f} predicted tokens/s\n")
            sys.stdout.flush()
            began, nats, tokens = time.monotonic(), 0.0, 0
        if rank == 0 and (time.monotonic() - saved > _SAVE_SECONDS or step + 1 == steps):
            save(folder, Checkpoint(step + 1, vocabulary, network.state_dict(), average, optimiser.state()))
            saved = time.monotonic()
    distributed.barrier()
    distributed.destroy_process_group()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=8000)
    parser.add_argument("--decay-from", type=int, help="step; default: 40 %% of the steps")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    decay_from = arguments.decay_from if arguments.decay_from is not None else round(0.4 * arguments.steps)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rendezvous").unlink(missing_ok=True)
    os.environ |= {
        "OMP_NUM_THREADS": "1",
        "MALLOC_MMAP_THRESHOLD_": "1000000000",
        "MALLOC_TRIM_THRESHOLD_": "4000000000",
    }
    multiprocessing.spawn(_work, (folder, decay_from, arguments.steps, arguments.seed), nprocs=_PROCESSES)


if __name__ == "__main__":
    main()
