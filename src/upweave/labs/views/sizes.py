"""Lab 3, drawn: which lengths are one, what is cut, and a network's lengths level by level."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import mean

import upweave

from ...errors import SpecError
from ...spec import ConvTranspose
from ..kit.drawing import always, row
from ..kit.figure import Panel
from ..networks import Network
from ..text import Text


def ladder(spec: ConvTranspose, H: int) -> list[Panel]:
    """The lengths around the chosen one, and which of them the convolution makes one."""
    (one,) = spec.per_axis(1)
    conv = upweave.Conv(one.kernel, one.stride, one.begin, one.dilation)
    chosen = upweave.output_size(spec, H)
    pairs = []
    for h in range(H - 1, H + 2):
        try:
            pairs += [(n, h) for n, _ in upweave.input_sizes(conv, h)] if h >= 1 else []
        except SpecError:
            continue
    if (chosen, H) not in pairs:
        pairs.append((chosen, upweave.output_size(conv, chosen)))
    longs = sorted({n for n, _ in pairs})
    shorts = sorted({h for _, h in pairs})
    side, gap = 36, 64
    panel = Panel(
        Text("Which lengths the convolution makes one", "卷积把哪些长度变成同一个"),
        side * max(len(longs), len(shorts)) + 2,
        2 * side + gap + 2,
    )
    x = {n: 1 + a * side for a, n in enumerate(longs)}
    middle = {h: mean(x[n] for n, m in pairs if m == h) for h in shorts}
    for j, (n, h) in enumerate(pairs):
        panel.line(
            x[n] + side / 2,
            side + 1,
            middle[h] + side / 2,
            side + gap,
            style="first" if (n, h) == (chosen, H) else "wire",
            on=[j],
            name=f"wire{n}-{h}",
        )
    for n in longs:
        mine = [j for j, (m, _) in enumerate(pairs) if m == n]
        what = Text(f"length {n} goes to {pairs[mine[0]][1]}", f"长度 {n} 变成 {pairs[mine[0]][1]}")
        row(panel, x[n], 1, [n], side, name=f"N{n}:", on=always(mine), tip=always(what))
        if n == chosen:
            panel.rect(x[n] + 2, 3, side - 4, side - 4, value=0.25)
    for h in shorts:
        mine = [j for j, (_, m) in enumerate(pairs) if m == h]
        lengths = ", ".join(str(pairs[j][0]) for j in mine)
        what = Text(f"{h} comes from {lengths}", f"{h} 来自 {lengths.replace(', ', '、')}")
        row(
            panel,
            middle[h],
            side + gap,
            [h],
            side,
            name=f"H{h}:",
            on=always(mine),
            tip=always(what),
        )
    return [panel]


def window(spec: ConvTranspose, H: int) -> list[Panel]:
    """All that is stamped, and the part that is kept, with the taps that reach each sample."""
    (one,) = spec.per_axis(1)
    whole = upweave.ConvTranspose(one.kernel, one.stride, 0, 0, one.dilation)
    stamped = upweave.coverage_line(whole, H)
    kept = upweave.coverage_line(spec, H)
    p = one.begin
    cells = max(len(stamped), p + len(kept))
    side = min(36, max(18, 660 // cells))
    panel = Panel(
        Text("Everything that is stamped, and the part that is kept", "盖章的全部结果，以及保留的部分"),
        side * cells + 2,
        2 * side + 12,
    )
    row(
        panel,
        1,
        1,
        stamped.tolist(),
        side,
        name="f",
        on=lambda j: [j],
        tip=lambda j: Text(f"stamped sample {j}: {stamped[j]} taps", f"盖章样本 {j}：{stamped[j]} 个抽头"),
    )
    row(
        panel,
        1 + p * side,
        side + 11,
        kept.tolist(),
        side,
        name="n",
        on=lambda j: [j + p],
        tip=lambda j: Text(
            f"output {j}: {kept[j]} taps" + ("" if kept[j] else ", bias only"),
            f"输出 {j}：{kept[j]} 个抽头" + ("" if kept[j] else "，只有偏置"),
        ),
        fill=[0.25 if c else -0.4 for c in kept],
    )
    return [panel]


def windows(layers: Mapping[str, ConvTranspose], k: int, s: int, size: int) -> list[Panel]:
    """The same stamped signal, cut as each framework cuts it."""
    stamped = upweave.coverage_line(upweave.ConvTranspose(k, s), size)
    cells = max(len(stamped), s * size)
    side, left = 26, 150
    panel = Panel(
        Text("The same stamped signal, cut by each", "同一个盖章结果，各框架的裁法"),
        left + side * cells + 2,
        (side + 8) * (1 + len(layers)),
    )
    panel.text(left - 10, 1 + side / 2, Text("stamped", "盖章结果"), anchor="end", style="soft")
    row(
        panel,
        left,
        1,
        stamped.tolist(),
        side,
        name="f",
        on=lambda j: [j],
        tip=lambda j: Text(f"stamped sample {j}: {stamped[j]} taps", f"盖章样本 {j}：{stamped[j]} 个抽头"),
    )
    for a, (name, spec) in enumerate(layers.items(), 1):
        _cut(panel, left, 1 + a * (side + 8), side, a, name, spec, size)
    return [panel]


def _cut(panel: Panel, left: int, level: int, side: int, a: int, name: str, spec: ConvTranspose, size: int) -> None:
    """One framework's part of the stamped signal, below that signal."""
    begin = spec.per_axis(1)[0].begin
    (kept,) = upweave.output_size(spec, (size,))
    panel.text(left - 10, level + side / 2, name, anchor="end", style="soft")
    row(
        panel,
        left + begin * side,
        level,
        list(range(kept)),
        side,
        name=f"{a}n",
        on=lambda j: [j + begin],
        tip=lambda j: f"{name}: output {j} = stamped {j + begin}",
    )


def lengths(network: Network, size: int) -> list[Panel]:
    """The lengths on the way down and up again, and which lengths from 1 to 64 go through."""
    strip = Panel(Text("All lengths from 1 to 64", "1 到 64 的所有长度"), 322, 82)
    good = [n for n in range(1, 65) if network.fits(n)]
    for n in range(1, 65):
        x, y = 1 + (n - 1) % 16 * 20, 1 + (n - 1) // 16 * 20
        fits = n in good
        word = Text(f"{n} goes through", f"{n} 能通过") if fits else Text(f"{n} does not fit", f"{n} 对不上")
        strip.rect(x, y, 20, 20, style="cell" if n == size or fits else "empty", name=f"s{n}", on=[n], tip=word)
        if fits:
            strip.rect(x + 1, y + 1, 18, 18, value=0.45)
        if n == size:
            strip.rect(x + 1, y + 1, 18, 18, style="frame")
        strip.text(x + 10, y + 10, str(n), style="small" + ("" if fits else " soft"))
    try:
        down, steps = network.encoder(size), network.decoder(size)
    except SpecError:
        return [strip]
    h, w = 40, 74
    wide = Panel(
        Text("Lengths on the way down, and up again", "往下与往上各级的长度"),
        2 * w + 150,
        h * (network.levels + 1) + 2,
    )
    x0, x1 = 1, w + 149
    for a, n in enumerate(down):
        y = 1 + a * h
        wide.rect(x0, y, w, 28, style="cell", name=f"e{a}", on=[a], tip=Text(f"encoder, level {a}", f"编码器第 {a} 级"))
        wide.text(x0 + w / 2, y + 14, str(n))
    for a, step in zip(range(network.levels - 1, -1, -1), steps, strict=True):
        y = 1 + a * h
        note = f" (o = {step.output_padding})" if network.follow else ""
        word = Text(
            f"{step.size} → {step.made}{note}, meets {step.skip}",
            f"{step.size} → {step.made}{note}，与 {step.skip} 相遇",
        )
        wide.rect(x1, y, w, 28, style="cell", name=f"d{a}", on=[a], tip=word)
        if not step.fits:
            wide.rect(x1 + 1, y + 1, w - 2, 26, value=-0.4)
        wide.text(x1 + w / 2, y + 14, str(step.made) if step.made else "—")
        wide.line(x0 + w + 6, y + 14, x1 - 6, y + 14, style="wire" if step.fits else "second dashed", on=[a])
        wide.text((x0 + w + x1) / 2, y + 4, "" if step.fits else f"{step.skip} ≠ {step.made}", style="strong")
    bottom = 1 + network.levels * h + 14
    wide.line(x0 + w + 6, bottom, x1 + w / 2, bottom, style="wire")
    wide.line(x1 + w / 2, bottom, x1 + w / 2, bottom - h + 16, style="wire")
    return [wide, strip]
