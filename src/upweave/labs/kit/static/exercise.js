// A question, an answer, and what Python says to it.

export default {
  render({ model, el }) {
    const name = model.get("name"), kind = model.get("kind");
    let fillings = [], given = "", count = 0;
    const prompt = element("div", { class: "prompt" });
    const verdict = element("div", { class: "verdict", role: "status", "aria-live": "polite" });
    const check = worded(fillings, element("button", { type: "submit", class: "check" }), ["Check", "检查"]);
    const form = element("form", {
      class: "answer",
      onsubmit: (event) => {
        event.preventDefault();
        count += 1;
        model.set("given", { text: given, count });
        model.save_changes();
      },
    });
    if (kind === "choice") {
      for (const [key, text] of model.get("options")) {
        const input = element("input", { type: "radio", name: `answer-${name}`, value: key, onchange: () => { given = key; } });
        form.append(element("label", { class: "option" }, input, worded(fillings, element("span"), text)));
      }
    } else {
      const input = element("input", {
        type: "text", autocomplete: "off", spellcheck: "false", inputmode: "text",
        oninput: (event) => { given = event.target.value; },
      });
      fillings.push(() => input.setAttribute("aria-label", say(["answer", "答案"])));
      form.append(input);
    }
    form.append(check);
    const parts = [prompt, form, verdict];
    if (model.get("hint").length) {
      const text = element("div");
      fillings.push(() => { text.innerHTML = say(model.get("hint")); });
      parts.splice(1, 0, element("details", { class: "hint" }, worded(fillings, element("summary"), ["Hint", "提示"]), text));
    }
    const box = element("div", { class: "exercise", "data-exercise": name }, ...parts);
    const speak = () => {
      box.lang = say(["en", "zh-Hans"]);
      prompt.innerHTML = say(model.get("prompt"));
      fillings.forEach((f) => f());
      const found = model.get("verdict");
      box.classList.toggle("right", found.right === true);
      box.classList.toggle("wrong", found.right === false);
      verdict.innerHTML = found.why ? `<strong>${say(found.right ? ["Right.", "正确。"] : ["Not yet.", "还不对。"])}</strong> ${say(found.why)}` : "";
      box.dataset.count = found.count || 0;
    };
    model.on("change:verdict", speak);
    el.append(box);
    return inEachLanguage(speak);
  },
};
