// A saved lab: every widget gets its traits from the page; what only Python can answer is out of reach.
const kinds = KINDS, states = STATES, style = STYLE;

const modelOf = (state) => ({
  get: (name) => state[name],
  set: (name, value) => { state[name] = value; },
  save_changes: () => {},
  on: () => {},
  off: () => {},
});

for (const place of document.querySelectorAll("[data-widget]")) {
  const { kind, state } = states[Number(place.dataset.widget)];
  const root = place.attachShadow({ mode: "open" });
  const sheet = document.createElement("style");
  sheet.textContent = style;
  const el = document.createElement("div");
  root.append(sheet, el);
  if (kind === "Controls" || kind === "Exercise") el.inert = true;
  const script = await import(kinds[kind]);
  script.default.render({ model: modelOf(state), el });
}
