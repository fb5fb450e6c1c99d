def lr(step, total):
    z = step / total
    if z < 0.3:
        return 1.0
    if z < 0.6:
        return 0.1
    if z < 0.9:
        return 0.01
    return 0.001
