"""Fill the table of rules in both READMEs between its markers; `--check` only compares.

python -m scripts.readme_rules [--check]
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from upweave.audit.rule import all_rules

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"(<!-- rules:begin -->\n).*?(<!-- rules:end -->)", re.DOTALL)

ZH = {
    "uneven-coverage": "各输出位置的覆盖数不一致（k 不是 s 的整数倍）",
    "empty-phase": "有的相位没有任何抽头，输出出现规则的空隙",
    "uncovered-border": "边界上有输出读不到任何输入，只剩偏置",
    "compounding-coverage": "多层叠加，覆盖不均逐层相乘",
    "uneven-gradient": "带步长的卷积或池化，反向传播时覆盖不均",
    "off-centre-grid": "模型输出的网格没有对准输入网格的中心",
    "misaligned-merge": "相加、拼接处两个网格对不齐",
    "fragile-size": "只有部分输入尺寸能走完整个网络",
    "crop-or-pad-repair": "靠裁剪或补边来修正上采样层的输出尺寸",
    "non-integer-scale": "输出长度不是输入长度的整数倍",
    "phase-gain-imbalance": "权重使各相位直流增益不等：常数输入也会产生棋盘伪影",
    "weak-image-rejection": "卷积核几乎没有滤掉上采样产生的频谱镜像",
    "phase-bias-imbalance": "各相位的偏置不等",
    "dead-taps": "有的抽头或相位，权重全为零",
    "wrong-fan-initialisation": "刚初始化的转置卷积，沿用了普通卷积的扇入",
    "untied-pixel-shuffle-initialisation": "像素重排前的卷积刚初始化，各相位互不相关",
    "implicit-padding": "填充留给运行时决定，各运行时结果不同",
    "output-padding-portability": "用了 output_padding，而部分运行时不支持",
    "foldable-resize": "最近邻放大可以精确并入其后的卷积",
    "opaque-operation": "审查看不透的算子",
    "unused-silence": "配置中的屏蔽项已不再命中任何问题",
}


def table(chinese: bool) -> str:
    """The Markdown table of every rule."""
    head = "| 代码 | 名称 | 级别 | 发现什么 |" if chinese else "| code | name | level | finds |"
    rows = [
        f"| {code} | `{rule.name}` | {rule.level} | {ZH.get(rule.name, rule.summary) if chinese else rule.summary} |"
        for code, rule in all_rules().items()
    ]
    return "\n".join([head, "|---|---|---|---|", *rows]) + "\n"


def main() -> int:
    """Write both files, or with `--check` return 1 if one is out of date."""
    check = "--check" in sys.argv[1:]
    stale = 0
    for name, chinese in (("README.md", False), ("README.zh-CN.md", True)):
        path = ROOT / name
        old = path.read_text(encoding="utf-8")
        body = table(chinese)
        new = BLOCK.sub(lambda m, body=body: m[1] + body + m[2], old)  # type: ignore[misc]
        if new != old and check:
            print(f"{name}: the table of rules is out of date; run `python -m scripts.readme_rules`")
            stale = 1
        elif new != old:
            path.write_text(new, encoding="utf-8")
    return stale


if __name__ == "__main__":
    sys.exit(main())
