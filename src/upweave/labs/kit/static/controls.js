// Sliders, choices, numbers, switches and presets. Each change sends all values once.

function limit(item, values) {
  if (!item.below || !item.below.length) return item.high;
  return Math.min(item.high, Math.max(...item.below.map((name) => values[name])) - 1);
}

function readNumbers(text) {
  const parts = text.replace(/[−－]/g, "-").replace(/[()\[\]（）]/g, " ").split(/[\s,;，；、]+/).filter(Boolean);
  return parts.map((part) => {
    const [above, below] = part.split(/[/／]/);
    return below === undefined ? Number(part) : Number(above) / Number(below);
  });
}

export default {
  render({ model, el }) {
    const box = element("div", { class: "controls", role: "group" });
    let fillings = [], refreshers = [];

    const set = (changes) => {
      const values = { ...model.get("values"), ...changes };
      for (const item of model.get("items")) {
        if (item.kind === "slider") values[item.name] = Math.max(item.low, Math.min(limit(item, values), values[item.name]));
      }
      model.set("values", values);
      model.save_changes();
      refresh();
    };
    // A control that a reader moves is no longer the preset's.
    const move = (name, value) => {
      const changes = { [name]: value };
      for (const item of model.get("items")) {
        if (item.kind === "preset" && item.value !== name) {
          const touched = Object.values(item.sets).some((values) => name in values);
          if (touched) changes[item.name] = "";
        }
      }
      set(changes);
    };
    const refresh = () => refreshers.forEach((f) => f(model.get("values")));
    const speak = () => fillings.forEach((f) => f());

    const makers = {
      slider(item) {
        const output = element("output", { "data-value": item.name });
        const input = element("input", {
          type: "range", min: item.low, step: 1, "data-control": item.name,
          oninput: (event) => move(item.name, Number(event.target.value)),
        });
        fillings.push(() => input.setAttribute("aria-label", say(item.label)));
        refreshers.push((values) => {
          input.max = Math.max(item.low, limit(item, values));
          input.value = values[item.name];
          output.textContent = values[item.name];
          input.disabled = input.max === input.min;
        });
        const label = worded(fillings, element("span", { class: "label" }), item.label);
        return element("label", { class: "control slider" }, label, input, output);
      },
      choice(item) {
        const select = element("select", {
          "data-control": item.name,
          onchange: (event) => (item.kind === "preset" ? set({ ...item.sets[event.target.value], [item.name]: event.target.value }) : move(item.name, event.target.value)),
        });
        if (item.kind === "preset") select.append(element("option", { value: "" }, "—"));
        for (const [key, text] of item.options) select.append(worded(fillings, element("option", { value: key }), text));
        refreshers.push((values) => { select.value = values[item.name]; });
        // about twenty letters fit into a column of its own; Chinese ones are twice as wide
        const wide = (text) => [...text].reduce((n, c) => n + (c > "\u2e7f" ? 2 : 1), 0) > 20;
        const long = item.options.some(([, pair]) => pair.some(wide));
        return element("label", { class: long ? "control choice long" : "control choice" }, worded(fillings, element("span", { class: "label" }), item.label), select);
      },
      preset(item) { return makers.choice(item); },
      numbers(item) {
        const input = element("input", {
          type: "text", inputmode: "text", autocomplete: "off", spellcheck: "false", "data-control": item.name,
          oninput: (event) => {
            const found = readNumbers(event.target.value);
            const good = found.length >= item.least && found.length <= item.most && found.every(Number.isFinite);
            input.setAttribute("aria-invalid", String(!good));
            if (good) move(item.name, found);
          },
        });
        refreshers.push((values) => {
          const shown = readNumbers(input.value), wanted = values[item.name];
          if (shown.length !== wanted.length || shown.some((v, i) => v !== wanted[i])) {
            input.value = wanted.map((v) => String(Number(v.toPrecision(4))).replace("-", "−")).join("  ");
            input.setAttribute("aria-invalid", "false");
          }
        });
        return element("label", { class: "control numbers" }, worded(fillings, element("span", { class: "label" }), item.label), input);
      },
      file(item) {
        const input = element("input", {
          type: "file", accept: item.suffixes.join(","), "data-control": item.name,
          onchange: (event) => {
            const [file] = event.target.files;
            if (!file) return;
            const reader = new FileReader();
            reader.onload = () => move(item.name, { name: file.name, data: reader.result.slice(reader.result.indexOf(",") + 1) });
            reader.readAsDataURL(file);
          },
        });
        const shown = element("span", { class: "name" });
        refreshers.push((values) => { shown.textContent = values[item.name].name || ""; });
        const button = worded(fillings, element("span", { class: "button" }), ["Choose a file", "选择文件"]);
        return element("label", { class: "control file" }, worded(fillings, element("span", { class: "label" }), item.label), input, button, shown);
      },
      switch(item) {
        const input = element("input", { type: "checkbox", "data-control": item.name, onchange: (event) => move(item.name, event.target.checked) });
        refreshers.push((values) => { input.checked = values[item.name]; });
        return element("label", { class: "control switch" }, input, worded(fillings, element("span", { class: "label" }), item.label));
      },
    };

    const build = () => {
      fillings = []; refreshers = [];
      box.replaceChildren(...model.get("items").map((item) => makers[item.kind](item)));
      refresh();
      speak();
    };
    build();
    model.on("change:items", build);
    model.on("change:values", refresh);
    el.append(box);
    return inEachLanguage(speak);
  },
};
