// What all widgets share: the language of the page, and small makers of elements.

const language = () => (document.documentElement.dataset.lang === "zh" ? 1 : 0);
const say = (text) => (Array.isArray(text) ? text[language()] : text);

/** Call `f` now and whenever the reader changes the language; gives the function that ends it. */
function inEachLanguage(f) {
  f();
  window.addEventListener("upweave-language", f);
  return () => window.removeEventListener("upweave-language", f);
}

function element(name, attributes = {}, ...children) {
  const out = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) out.addEventListener(key.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) out.setAttribute(key, value);
  }
  out.append(...children);
  return out;
}

/** A piece of text that follows the language; `fillings` collects what has to be said again. */
function worded(fillings, node, text) {
  fillings.push(() => { node.textContent = say(text); });
  return node;
}
