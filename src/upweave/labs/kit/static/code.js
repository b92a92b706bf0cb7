// The layer on screen in the words of several libraries: one tab each, and a button that copies.

export default {
  render({ model, el }) {
    let chosen = null;
    const fillings = [];
    const tabs = element("div", { class: "tabs", role: "tablist" });
    const code = element("pre", { tabindex: "0" });
    const copy = worded(fillings, element("button", { class: "copy", onclick: () => navigator.clipboard?.writeText(code.textContent) }), ["Copy", "复制"]);
    const build = () => {
      const snippets = model.get("snippets");
      if (!snippets.some(([label]) => label === chosen)) chosen = snippets.length ? snippets[0][0] : null;
      tabs.replaceChildren(...snippets.map(([label, text]) => {
        const on = label === chosen;
        if (on) code.textContent = text;
        return element("button", { role: "tab", "aria-selected": String(on), "data-tab": label, onclick: () => { chosen = label; build(); } }, label);
      }));
      tabs.append(copy);
    };
    build();
    model.on("change:snippets", build);
    el.append(element("div", { class: "code" }, tabs, code));
    return inEachLanguage(() => fillings.forEach((f) => f()));
  },
};
