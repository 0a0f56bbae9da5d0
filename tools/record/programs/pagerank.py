"""PageRank over a random graph, then word counts: dicts, lists and floats of CPython."""

import random

random.seed(7)
n = 18000
links = {i: [int(n * random.random() ** 2) for _ in range(5)] for i in range(n)}
rank = dict.fromkeys(links, 1 / n)
for _ in range(3):
    new = dict.fromkeys(links, 0.15 / n)
    for i, out in links.items():
        share = 0.85 * rank[i] / len(out)
        for j in out:
            new[j] += share
    rank = new
words = {}
for i in range(90000):
    w = f"word{int(20000 * random.random() ** 3)}"
    words.setdefault(w, []).append(i)
print(max(rank, key=rank.get), len(words), sorted(words, key=lambda w: -len(words[w]))[:3])
