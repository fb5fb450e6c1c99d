def lr(step, total):
    z = step / total
    return (1 - z) / (1 / 2 + (1 - z) / 2)
