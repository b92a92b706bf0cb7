// Panels of marks. Pointing at a mark lights up every mark that shares a path with it, in all panels of the figure.

const SVG = "http://www.w3.org/2000/svg";
const SHAPES = { rect: ["x", "y", "w", "h"], circle: ["x", "y", "r"], line: ["x1", "y1", "x2", "y2"], path: ["d"], image: ["x", "y", "w", "h", "href"], text: ["x", "y"] };
const NAMES = { w: "width", h: "height" };

function shape(name, attributes) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
}

function draw(mark, fillings) {
  const node = document.createElementNS(SVG, mark.m);
  for (const key of SHAPES[mark.m]) {
    const name = mark.m === "circle" ? { x: "cx", y: "cy", r: "r" }[key] : NAMES[key] || key;
    node.setAttribute(name, mark[key]);
  }
  const classes = [mark.style, mark.on ? "linked" : ""].filter(Boolean);
  if (mark.m === "text") {
    if (mark.a !== "start") node.setAttribute("text-anchor", mark.a);
    if (Array.isArray(mark.s)) worded(fillings, node, mark.s);
    else node.textContent = mark.s;
  }
  if (mark.v !== undefined) {
    classes.push(mark.v < 0 ? "below" : "above");
    node.style.fillOpacity = Math.min(1, Math.abs(mark.v)).toFixed(3);
  }
  if (classes.length) node.setAttribute("class", classes.join(" "));
  if (mark.name) node.dataset.mark = mark.name;
  return node;
}

const ALL = { size: Infinity, has: () => true };  // every path of an axis
const setOf = (axis) => (axis === null ? ALL : new Set(axis));
const meetAxis = (a, b) => {
  if (a === ALL || b === ALL) return Math.min(a.size, b.size) > 0;
  const [few, many] = a.size < b.size ? [a, b] : [b, a];
  for (const p of few) if (many.has(p)) return true;
  return false;
};
const meet = (a, b) => a.length === b.length && a.every((axis, d) => meetAxis(axis, b[d]));
const plain = (value) => String(Number(value.toPrecision(4))).replace("-", "−");

// A picture of w × h pixels, `fill(put)` puts a value in [−1, 1] at (row, column): blue above zero, orange below.
function picture(w, h, fill, style) {
  const canvas = document.createElement("canvas");
  canvas.width = w;
  canvas.height = h;
  const context = canvas.getContext("2d");
  const parse = (name) => {
    const hex = style.getPropertyValue(name).trim().slice(1);
    return [0, 2, 4].map((i) => parseInt(hex.slice(i, i + 2), 16));
  };
  const above = parse("--uw-above"), below = parse("--uw-below"), card = parse("--uw-card");
  context.fillStyle = style.getPropertyValue("--uw-card").trim();
  context.fillRect(0, 0, w, h);
  const image = context.getImageData(0, 0, w, h), data = image.data;
  fill((r, c, v) => {
    const to = v < 0 ? below : above, share = Math.min(1, Math.abs(v)), at = 4 * (r * w + c);
    for (let i = 0; i < 3; i += 1) data[at + i] = card[i] + (to[i] - card[i]) * share;
  });
  context.putImageData(image, 0, 0);
  return canvas.toDataURL();
}

const each = (axis, t) => (axis === ALL ? t.taps.map((_, j) => j) : [...axis]);
const greatest = (rows) => rows.reduce((m, row) => row.reduce((n, v) => Math.max(n, Math.abs(v)), m), 0) || 1;

// Each board has: rows × columns, `at(r, c)` what is there (paths and tip, or null), `lit(on)` the cells that share paths.
const BOARDS = {
  grid(mark, style) {
    const h = mark.values.length, w = h ? mark.values[0].length : 0, scale = greatest(mark.values);
    const rows = mark.rows.map((r) => new Set(r)), columns = mark.columns.map((c) => new Set(c));
    const href = picture(w, h, (put) => mark.values.forEach((line, r) => line.forEach((v, c) => put(r, c, v / scale))), style);
    const at = (r, c) => ({ on: [rows[r], columns[c]], tip: `${mark.name}[${r}, ${c}] = ${plain(mark.values[r][c])}`, name: `${mark.name}${r},${c}` });
    const lit = (on) => {
      const r = rows.flatMap((set, i) => (meetAxis(set, on[0]) ? [i] : []));
      const c = columns.flatMap((set, i) => (meetAxis(set, on[1]) ? [i] : []));
      return r.flatMap((i) => c.map((j) => [i, j]));
    };
    return { h, w, href, at, lit };
  },
  product(mark, style) {
    const [a, b] = mark.paths, scale = greatest(mark.kernel);
    const h = a.shape[0] * b.shape[0], w = a.shape[1] * b.shape[1];
    const where = (p, q) => [a.outputs[p] * b.shape[0] + b.outputs[q], a.inputs[p] * b.shape[1] + b.inputs[q]];
    const index = [a, b].map((t) => new Map(t.outputs.map((n, j) => [n * t.shape[1] + t.inputs[j], j])));
    const href = picture(w, h, (put) => a.taps.forEach((t, p) => b.taps.forEach((u, q) => {
      const v = mark.kernel[t][u] / scale;
      put(...where(p, q), Math.sign(v || 1) * Math.max(0.08, Math.abs(v)));  // a zero weight is still a tap
    })), style);
    const at = (r, c) => {
      const n = [Math.floor(r / b.shape[0]), r % b.shape[0]], i = [Math.floor(c / b.shape[1]), c % b.shape[1]];
      const p = index[0].get(n[0] * a.shape[1] + i[0]), q = index[1].get(n[1] * b.shape[1] + i[1]);
      if (p === undefined || q === undefined) return null;
      const taps = [a.taps[p], b.taps[q]];
      const tip = `Cᵀ[(${n.join(", ")}), (${i.join(", ")})] = w[${taps.join(", ")}] = ${plain(mark.kernel[taps[0]][taps[1]])}`;
      return { on: [new Set([p]), new Set([q])], tip, name: `${mark.name}${r},${c}` };
    };
    const lit = (on) => each(on[0], a).flatMap((p) => each(on[1], b).map((q) => where(p, q)));
    return { h, w, href, at, lit };
  },
  factor(mark, style) {
    const t = mark.paths, [h, w] = t.shape;
    const index = new Map(t.outputs.map((n, j) => [n * w + t.inputs[j], j]));
    const href = picture(w, h, (put) => t.taps.forEach((_, j) => put(t.outputs[j], t.inputs[j], 1)), style);
    const at = (r, c) => {
      const p = index.get(r * w + c);
      if (p === undefined) return null;
      const on = mark.axis === 0 ? [new Set([p]), ALL] : [ALL, new Set([p])];
      return { on, tip: `${r} = ${mark.stride}·${c} + ${mark.dilation}·${t.taps[p]} − ${mark.before}`, name: `${mark.name}${r},${c}` };
    };
    const lit = (on) => (meetAxis(on[1 - mark.axis], ALL) ? each(on[mark.axis], t).map((p) => [t.outputs[p], t.inputs[p]]) : []);
    return { h, w, href, at, lit };
  },
};

export default {
  render({ model, el }) {
    const box = element("div", { class: "figure" });
    const panels = element("div", { class: "panels" });
    const tip = element("p", { class: "tip", role: "status", "aria-live": "polite" });
    const message = element("p", { class: "refused", role: "status" });
    box.append(panels, message, tip);
    let built = [], marks = [], boards = [], fillings = [], pinned = null, shown = null, paints = 0;

    const light = (mark) => {
      shown = mark;
      box.classList.toggle("lit", mark !== null);
      for (const other of marks) other.node.classList.toggle("on", mark !== null && (other === mark || meet(mark.on, other.on)));
      for (const board of boards) {
        const cells = mark && mark.on.length === 2 ? board.lit(mark.on) : [];
        const { x, y, cell } = board.mark;
        board.over.setAttribute("d", cells.map(([r, c]) => `M${x + c * cell},${y + r * cell}h${cell}v${cell}h${-cell}z`).join(""));
        board.over.dataset.lit = cells.length <= 1024 ? cells.map(([r, c]) => `${board.mark.name}${r},${c}`).join(" ") : "";
      }
      tip.textContent = mark && mark.tip ? say(mark.tip) : "";
      box.dataset.pointed = mark && mark.name ? mark.name : "";
    };
    const pin = (mark) => { pinned = pinned && mark && pinned.name === mark.name ? null : mark; light(pinned || mark); };

    const step = (event, svg) => {
      const moves = { ArrowRight: [0, 1], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowUp: [-1, 0] }[event.key];
      if (event.key === "Escape") { pinned = null; light(null); } else if (!moves) return;
      else {
        const board = boards.find((b) => b.svg === svg);
        const own = marks.filter((m) => m.svg === svg && m.reachable);
        if (board) {
          const [r, c] = board.cursor || [0, -1];
          board.cursor = [Math.min(board.h - 1, Math.max(0, r + moves[0])), Math.min(board.w - 1, Math.max(0, c + moves[1]))];
          const found = board.at(...board.cursor);
          if (found) light(found);
        } else if (own.length) {
          const forward = moves[0] + moves[1], at = own.indexOf(shown);
          light(own[at < 0 ? (forward > 0 ? 0 : own.length - 1) : (at + forward + own.length) % own.length]);
        }
        pinned = shown;
      }
      event.preventDefault();
    };

    const boardOf = (mark, svg, style) => {
      const board = { mark, svg, cursor: null, ...BOARDS[mark.m](mark, style) };
      const place = { x: mark.x, y: mark.y, width: board.w * mark.cell, height: board.h * mark.cell };
      board.over = shape("path", { class: "over" });
      const hit = shape("rect", { ...place, class: "hit" });
      hit.dataset.board = mark.name;
      const under = (event) => {
        const to = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
        const r = Math.floor((to.y - mark.y) / mark.cell), c = Math.floor((to.x - mark.x) / mark.cell);
        return r >= 0 && r < board.h && c >= 0 && c < board.w ? board.at(r, c) : null;
      };
      hit.addEventListener("pointermove", (event) => {
        const found = under(event);
        if ((found && found.name) !== (shown && shown.name)) light(found || pinned);
      });
      hit.addEventListener("pointerleave", () => light(pinned));
      hit.addEventListener("click", (event) => pin(under(event)));
      svg.append(shape("image", { ...place, href: board.href, preserveAspectRatio: "none" }), shape("rect", { ...place, class: "board" }), board.over, hit);
      return board;
    };

    // One panel, from the text that describes it: its figure, and what in it can be pointed at or said.
    const assemble = (text, style) => {
      const panel = JSON.parse(text), made = { text, marks: [], boards: [], fillings: [] };
      const svg = shape("svg", { viewBox: `0 0 ${panel.w} ${panel.h}`, width: panel.w, role: "img" });
      made.fillings.push(() => svg.setAttribute("aria-label", say(panel.title)));
      for (const mark of panel.marks) {
        if (BOARDS[mark.m]) { made.boards.push(boardOf(mark, svg, style)); continue; }
        const node = draw(mark, made.fillings);
        svg.append(node);
        if (!mark.on) continue;
        const entry = { node, svg, tip: mark.tip, name: mark.name, on: mark.on.map(setOf), reachable: mark.tip !== undefined };
        made.marks.push(entry);
        if (!entry.reachable) continue;
        node.addEventListener("pointerenter", () => light(entry));
        node.addEventListener("pointerleave", () => light(pinned));
        node.addEventListener("click", () => pin(entry));
      }
      if (made.boards.length || made.marks.some((m) => m.reachable)) {
        svg.setAttribute("tabindex", "0");
        svg.addEventListener("keydown", (event) => step(event, svg));
        svg.addEventListener("blur", () => { pinned = null; light(null); });
      }
      const holder = panel.scrolls ? element("div", { class: "pan" }, svg) : svg;
      const parts = [worded(made.fillings, element("figcaption"), panel.title), holder];
      if (panel.note) parts.push(worded(made.fillings, element("p", { class: "note" }), panel.note));
      made.node = element("figure", { class: "panel", style: `--w: ${panel.w}px` }, ...parts);
      return made;
    };

    // Panels that are the same as before stay as they are, unless the colours are others.
    const build = (anew) => {
      const before = shown && shown.name;
      const style = getComputedStyle(box);
      pinned = null; shown = null;
      const old = built;
      built = model.get("panels").map((text, i) => (!anew && old[i] && old[i].text === text ? old[i] : assemble(text, style)));
      built.forEach(({ node }, i) => {
        if (!old[i]) panels.append(node);
        else if (node !== old[i].node) {
          const [from, to] = [old[i].node, node].map((n) => n.querySelector(".pan"));
          const scrolled = from ? from.scrollLeft : 0;
          old[i].node.replaceWith(node);
          if (to) to.scrollLeft = scrolled;
        }
      });
      old.slice(built.length).forEach(({ node }) => node.remove());
      marks = built.flatMap((p) => p.marks); boards = built.flatMap((p) => p.boards); fillings = built.flatMap((p) => p.fillings);
      const why = model.get("message");
      message.hidden = !why.length;
      fillings.push(() => { message.textContent = why.length ? say(why) : ""; });
      speak();
      const again = before && marks.find((m) => m.name === before);
      light(again && box.matches(":hover, :focus-within") ? again : null);
      paints += 1;
      box.dataset.paints = paints;
    };
    const speak = () => {
      fillings.forEach((f) => f());
      if (shown) light(shown);
    };
    let waiting = false;
    const later = () => {
      if (waiting) return;
      waiting = true;
      queueMicrotask(() => { waiting = false; build(false); });
    };
    const recolour = () => build(true);
    build(true);
    model.on("change:panels", later);
    model.on("change:message", later);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", recolour);
    el.append(box);
    // colours are known only once the box is in the page
    if (boards.length) requestAnimationFrame(recolour);
    const quiet = inEachLanguage(speak);
    return () => { quiet(); dark.removeEventListener("change", recolour); };
  },
};
