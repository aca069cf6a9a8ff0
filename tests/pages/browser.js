// Just enough of a browser for the tracking page: node browser.js <page.html> <words.js> <page.js> <address> <steps as JSON>.
// A step is [what to do, ...]: fill ID TEXT, check ID, choose ID NAME CONTENT, send ID, press ID, look. It prints what each look saw.
"use strict";

const fs = require("node:fs");
const vm = require("node:vm");

const [html, words, script, address, steps] = process.argv.slice(2);
const page = fs.readFileSync(html, "utf-8");

class Element {
  constructor(name = "", attributes = {}) {
    Object.assign(this, { name, attributes, children: [], heard: {}, value: "", dataset: {}, files: [] });
    this.hidden = "hidden" in attributes;
    this.own = "";
  }
  get textContent() { return this.own + this.children.map((child) => child.textContent).join("|"); }
  set textContent(text) { this.own = String(text); this.children = []; }
  append(child) { this.children.push(child); }
  replaceChildren(...children) { this.own = ""; this.children = children; }
  addEventListener(name, run) { this.heard[name] = run; }
  setAttribute(name, value) { this.attributes[name] = value; }
  focus() { document.activeElement = this; }
  reset() { this.inside.forEach((each) => { each.value = ""; each.files = []; }); }
}

const elements = [];
for (const [, name, text] of page.matchAll(/<([a-z]\w*)((?:\s+[\w-]+(?:="[^"]*")?)*)>/g)) {
  const attributes = Object.fromEntries([...text.matchAll(/([\w-]+)(?:="([^"]*)")?/g)].map(([, key, value]) => [key, value ?? ""]));
  const made = new Element(name, attributes);
  for (const [key, value] of Object.entries(attributes)) if (key.startsWith("data-")) made.dataset[key.slice(5)] = value;
  elements.push(made);
}
let form = null;
for (const each of elements) {
  if (each.name === "form") { form = each; form.inside = []; }
  else if (form && ["input", "textarea"].includes(each.name)) form.inside.push(each);
}
const known = (id) => elements.find((each) => each.attributes.id === id) ?? null;
const document = {
  documentElement: {},
  activeElement: null,
  getElementById: known,
  createElement: (name) => new Element(name),
  querySelectorAll: (wanted) => elements.filter((each) => wanted.slice(1, -1) in each.attributes),
};
const url = new URL(address);
const location = { href: url.href, hash: url.hash, pathname: url.pathname, search: url.search, assign: (to) => { location.sent = to; } };
const kept = new Map();
const asked = [];
const world = {
  document,
  location,
  navigator: { languages: [process.env.LIKES ?? "en-GB"] },
  history: { replaceState: (_state, _title, to) => { location.hash = ""; location.href = new URL(to, url).href; } },
  sessionStorage: {
    getItem: (name) => kept.get(name) ?? null,
    setItem: (name, value) => kept.set(name, value),
    removeItem: (name) => kept.delete(name),
  },
  addEventListener: () => {},
  fetch: (to, given) => { asked.push(String(to)); return fetch(to, given); },
  crypto, URL, URLSearchParams, FormData, console,
};

async function settled() {
  for (let tries = 0; tries < 500; tries += 1) {
    await new Promise((done) => setTimeout(done, 10));
    if (!vm.runInContext("busy", world)) return;
  }
  throw new Error("it does not come to an end");
}

const DO = {
  fill: (id, text) => { known(id).value = text; },
  check: (id) => { known(id).checked = true; },
  choose: (id, name, content) => { known(id).files = [new File([content], name, { type: "text/plain" })]; },
  send: (id) => known(id).heard.submit({ preventDefault() {} }),
  press: (id, language) => known(id).heard.click({ target: { dataset: { language } } }),
  open: (id) => known(id).children[0].children[0].heard.click({}),
  look: () => {
    const seen = Object.fromEntries(elements.filter((each) => each.attributes.id).map((each) => [
      each.attributes.id,
      each.hidden ? null : each.textContent,
    ]));
    const values = Object.fromEntries(elements.filter((each) => each.value).map((each) => [each.attributes.id, each.value]));
    console.log(JSON.stringify({ ...seen, values, address: location.href + location.hash, sent: location.sent, asked,
      kept: [...kept.keys()], lang: document.documentElement.lang, focus: document.activeElement?.attributes.id }));
  },
};

(async () => {
  vm.createContext(world);
  for (const file of [words, script]) vm.runInContext(fs.readFileSync(file, "utf-8"), world);
  await settled();
  for (const [what, ...given] of JSON.parse(steps)) {
    DO[what](...given);
    await settled();
  }
})();
