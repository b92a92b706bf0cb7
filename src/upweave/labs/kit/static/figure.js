// Panels of marks. Pointing at a mark lights up every mark that shares a path with it, in all panels of the figure.

const SVG = "http://www.w3.org/2000/svg";
const SHAPES = { rect: ["x", "y", "w", "h"], circle: ["x", "y", "r"], line: ["x1", "y1", "x2", "y2"], path: ["d"], image: ["x", "y", "w", "h", "href"], text: ["x", "y"] };
const NAMES = { w: "width", h: "height" };

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

const meet = (a, b) => a.length === b.length && a.every((axis, d) => {
  const [few, many] = axis.size < b[d].size ? [axis, b[d]] : [b[d], axis];
  for (const p of few) if (many.has(p)) return true;
  return false;
});

export default {
  render({ model, el }) {
    const box = element("div", { class: "figure" });
    const panels = element("div", { class: "panels" });
    const tip = element("p", { class: "tip", role: "status", "aria-live": "polite" });
    const message = element("p", { class: "refused", role: "status" });
    box.append(panels, message, tip);
    let marks = [], fillings = [], pinned = null, shown = null, paints = 0;

    const light = (mark) => {
      shown = mark;
      box.classList.toggle("lit", mark !== null);
      for (const other of marks) other.node.classList.toggle("on", mark !== null && (other === mark || meet(mark.on, other.on)));
      tip.textContent = mark && mark.tip ? say(mark.tip) : "";
      box.dataset.pointed = mark && mark.node.dataset.mark ? mark.node.dataset.mark : "";
    };
    const pin = (mark) => { pinned = pinned === mark ? null : mark; light(pinned || mark); };

    const step = (event, svg) => {
      const own = marks.filter((m) => m.svg === svg && m.reachable);
      if (!own.length) return;
      const forward = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (forward) {
        const at = own.indexOf(shown);
        light(own[at < 0 ? (forward > 0 ? 0 : own.length - 1) : (at + forward + own.length) % own.length]);
        pinned = shown;
      } else if (event.key === "Escape") { pinned = null; light(null); } else return;
      event.preventDefault();
    };

    const build = () => {
      const before = shown && shown.node.dataset.mark;
      marks = []; fillings = []; pinned = null; shown = null;
      const drawn = model.get("panels").map((panel) => {
        const svg = document.createElementNS(SVG, "svg");
        svg.setAttribute("viewBox", `0 0 ${panel.w} ${panel.h}`);
        svg.setAttribute("width", panel.w);
        svg.setAttribute("role", "img");
        fillings.push(() => svg.setAttribute("aria-label", say(panel.title)));
        for (const mark of panel.marks) {
          const node = draw(mark, fillings);
          svg.append(node);
          if (!mark.on) continue;
          const entry = { node, svg, tip: mark.tip, on: mark.on.map((axis) => new Set(axis)), reachable: mark.tip !== undefined };
          marks.push(entry);
          if (!entry.reachable) continue;
          node.addEventListener("pointerenter", () => light(entry));
          node.addEventListener("pointerleave", () => light(pinned));
          node.addEventListener("click", () => pin(entry));
        }
        if (marks.some((m) => m.svg === svg && m.reachable)) {
          svg.setAttribute("tabindex", "0");
          svg.addEventListener("keydown", (event) => step(event, svg));
          svg.addEventListener("blur", () => { pinned = null; light(null); });
        }
        const parts = [worded(fillings, element("figcaption"), panel.title), svg];
        if (panel.note) parts.push(worded(fillings, element("p", { class: "note" }), panel.note));
        const width = `--w: ${panel.w}px`;
        return element("figure", { class: "panel", style: width }, ...parts);
      });
      panels.replaceChildren(...drawn);
      const why = model.get("message");
      message.hidden = !why.length;
      fillings.push(() => { message.textContent = why.length ? say(why) : ""; });
      speak();
      const again = before && marks.find((m) => m.node.dataset.mark === before);
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
      queueMicrotask(() => { waiting = false; build(); });
    };
    build();
    model.on("change:panels", later);
    model.on("change:message", later);
    el.append(box);
    return inEachLanguage(speak);
  },
};
