"""What tests of the native trainer of weighted bags share: first weights, and a loss in plain numpy."""

import numpy as np

from understudy.training.native.bag_trainer import Bag, Rates, train_bag

FORMS = ("linear.v1", "cbow.v2", "dan.v2")
EXCLUSIVE = ("mse", "kl", "hard", "gold")
EACH = ("mse", "bce", "hard", "gold")
SPECIALS = 3
"""Features that come first and have no weight."""

FACTOR = 1e6
"""With its square as the first sum of squares, and itself as learning rate, a step is minus the gradient."""


def first_bag(form, labels=3, features=9, width=5, hidden=7, seed=0, dropout=0.0):
    """Random weights of a form."""
    rng = np.random.default_rng(seed)
    width = 0 if form == "linear.v1" else width
    hidden = hidden if width else 0
    direct = 0 if form == "cbow.v2" else labels
    shapes = ((features, width + direct), (hidden, width), (hidden,), (labels, hidden), (labels,))
    layers = [rng.normal(0, 0.4, shape).astype(np.float32) for shape in shapes]
    weights = rng.uniform(0.5, 4, features).astype(np.float32)
    weights[:SPECIALS] = 0
    return Bag(layers, weights, width, dropout)


def texts_of(*rows):
    """Ids end to end, and where each text ends."""
    ids = np.array([number for row in rows for number in row], np.int32)
    return ids, np.cumsum([len(row) for row in rows])


def logits(bag, layers, ids):
    """Logits ``(c,)`` of a text in float64."""
    rows, hidden, hidden_bias, output, output_bias = layers
    weights = bag.weights[ids].astype(np.float64)
    pooled = weights @ rows[ids] / np.sqrt(max((weights**2).sum(), 1e-12))
    answer = output_bias.copy()
    if bag.width:
        answer += output @ np.maximum(hidden @ pooled[: bag.width] + hidden_bias, 0)
    return answer + pooled[bag.width :] if bag.direct else answer


def softmax(z):
    powers = np.exp(z - z.max())
    return powers / powers.sum()


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def loss_of(targets, row, z):
    """The loss of one text, as the papers write it; `kl` is the cross-entropy: its entropy is constant."""
    gold, soft = targets.gold[row], None if targets.soft is None else targets.soft[row].astype(np.float64)
    has_gold = not np.isnan(gold).any() if targets.is_each else gold >= 0
    share = float(has_gold) * (1.0 if targets.loss == "gold" else targets.alpha)
    total = 0.0
    if targets.loss != "gold":
        total += (1 - share) * soft_loss(targets, soft, z)
    return total + share * gold_loss(targets, gold, z) if share else total


def soft_loss(targets, soft, z):
    heat = targets.temperature
    if targets.loss == "mse":
        return ((z - soft) ** 2).mean()
    if targets.loss == "kl":
        return -(heat**2) * (softmax(soft / heat) * np.log(softmax(z / heat))).sum()
    if targets.loss == "bce":
        return heat**2 * each_loss(sigmoid(soft / heat), z / heat).mean()
    if targets.is_each:
        return each_loss(sigmoid(soft) >= targets.thresholds, z).mean()
    return -np.log(softmax(z)[soft.argmax()])


def gold_loss(targets, gold, z):
    weights = np.ones(len(z)) if targets.class_weights is None else targets.class_weights
    if targets.is_each:
        return (np.where(gold > 0, weights, 1) * each_loss(gold, z)).mean()
    return -weights[gold] * np.log(softmax(z)[gold])


def each_loss(target, z):
    return -(target * np.log(sigmoid(z)) + (1 - target) * np.log(sigmoid(-z)))


def gradients(bag, layers, targets, row, ids):
    """Of the loss of one text for each layer, by central differences in float64."""
    found = []
    for layer in layers:
        slope, flat = np.zeros(layer.size), layer.reshape(-1)
        for place in range(layer.size):
            kept, sides = flat[place], []
            for move in (1e-5, -1e-5):
                flat[place] = kept + move
                sides.append(loss_of(targets, row, logits(bag, layers, ids)))
            flat[place], slope[place] = kept, (sides[0] - sides[1]) / 2e-5
        found.append(slope.reshape(layer.shape))
    return found


def precise(bag):
    """The layers of a bag in float64, as copies."""
    return [layer.astype(np.float64) for layer in bag.layers]


def learn(bag, texts, targets, *, epochs=1, rows=0.1, layers=0.1, seed=0, **more):
    """Train; returns the layers after each epoch, and the losses."""
    seen, losses = [], []

    def note(_, loss, now):
        seen.append(now)
        losses.append(loss)
        return True

    more = {"after_epoch": note, **more}
    train_bag(bag, *texts, targets, epochs=epochs, rates=Rates(rows, layers), seed=seed, **more)
    return seen, losses
