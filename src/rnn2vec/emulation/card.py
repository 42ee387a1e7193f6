"""The card of a pretrained encoder, as model hubs show it."""

from __future__ import annotations

from rnn2vec.emulation.recipe import PretrainRecipe
from rnn2vec.encoders import Encoder
from rnn2vec.zoo.store import Zoo


def encoder_card(encoder: Encoder, zoo: Zoo, recipe: PretrainRecipe, seed: int, losses: dict[str, float]) -> str:
    """What a reader must know of an encoder: of what it was made, how, how well it imitates, and how to use it."""
    made = "; ".join(map(str, zoo.architectures))
    of = "networks that others trained" if zoo.index.task_set is None else f"the family {zoo.family}"
    rows = "\n".join(f"| {part} | {loss:.4f} |" for part, loss in losses.items())
    return f"""---
library_name: rnn2vec
tags: [rnn2vec, weight-space-learning, recurrent-neural-networks]
---

# An encoder of recurrent networks ({encoder.name})

It maps recurrent networks to vectors of {encoder.embedding_size} numbers. It was trained without labels, by emulation
(Herrmann, Faccio, Schmidhuber: [Learning Useful Representations of Recurrent Neural Network Weight
Matrices](https://arxiv.org/abs/2403.11998)), on a zoo of {zoo.models} networks of {of}:
{made}; {zoo.interface}. {recipe.steps} steps, seed {seed}; `training.json` holds the whole recipe.

```python
import rnn2vec

encoder = rnn2vec.load_encoder("path/to/this/folder")
z = encoder.encode(networks)  # [N, {encoder.embedding_size}]
```

If `knowledge.json` is beside it, `encoder.predict(networks)` says what the labels of the zoo teach of z.

Loss of the emulator ({recipe.loss}), by part of the zoo:

| part | loss |
|---|---|
{rows}
"""
