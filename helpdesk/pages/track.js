// Where a complainant follows their complaint. Reference and secret come behind the "#" of the address, which browsers send to
// nobody: they are read here, taken out of the address, and sent once, in the body of a request, for a session of half an hour.
"use strict";

const KEPT = "helpdesk tracking session";
const API = new URL("api/v1/public/tracking", location.href.split("#")[0]).href;
const MOST_PAGES = 50;

let language = navigator.languages.some((tag) => tag.toLowerCase().startsWith("zh")) ? "zh" : "en";
let token = sessionStorage.getItem(KEPT);
let shown = null;
let writtenFor = null; // whose half-written texts stand in the forms

const part = (id) => document.getElementById(id);
const say = (name) => WORDS[language][name];

class Refused extends Error {
  constructor(status, problem, wait) {
    super(problem.detail || problem.title || String(status));
    this.status = status;
    this.problem = problem;
    this.wait = wait;
  }
}

async function call(method, path, { body, form, key } = {}) {
  const headers = { "Accept-Language": language };
  if (token) headers.Authorization = `Tracking ${token}`;
  if (key) headers["Idempotency-Key"] = key;
  if (body) headers["Content-Type"] = "application/json";
  const answer = await fetch(API + path, {
    method,
    headers,
    body: form || (body && JSON.stringify(body)),
    cache: "no-store",
    credentials: "omit",
    referrerPolicy: "no-referrer",
  });
  const told = answer.status === 204 ? {} : await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refused(answer.status, told, answer.headers.get("Retry-After"));
  return told;
}

async function all(path) {
  const items = [];
  let cursor = null;
  for (let page = 0; page < MOST_PAGES; page += 1) {
    const told = await call("GET", `${path}?limit=100${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);
    items.push(...told.items);
    cursor = told.next_cursor;
    if (!cursor) break;
  }
  return items;
}

function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function when(time) {
  return new Date(time).toLocaleString(language === "zh" ? "zh-CN" : "en-GB", { dateStyle: "long", timeStyle: "short" });
}

// Only ever text: what somebody wrote is nowhere read as markup.
function element(name, text, kind) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

function fill(id, made, nothing) {
  part(id).replaceChildren(...(made.length ? made : [element("li", say(nothing))]));
}

function inWords() {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  document.title = say("title");
  for (const each of document.querySelectorAll("[data-say]")) each.textContent = say(each.dataset.say);
  for (const each of document.querySelectorAll("[data-language]")) {
    each.setAttribute("aria-pressed", String(each.dataset.language === language));
  }
  if (shown) paint();
}

function paint() {
  const { complaint, milestones, messages, files } = shown;
  part("subject").textContent = complaint.subject;
  part("stands").textContent = complaint.status_text;
  part("decided").textContent = complaint.outcome ? say(complaint.outcome) : "";
  part("known_as").textContent = complaint.reference;
  part("received").textContent = when(complaint.received_at);
  part("handled_by").textContent = complaint.handled_by || "–";
  part("description").textContent = complaint.description;
  fill("promised", milestones.map(promise), "nothing_promised");
  fill("thread", messages.map(message), "nothing_said");
  const withMessages = new Set(messages.flatMap((item) => item.attachments.map((each) => each.id)));
  fill("files", files.filter((item) => !withMessages.has(item.id)).map(file), "no_files");
  part("write").hidden = !complaint.can.includes("write");
  part("withdraw").hidden = !complaint.can.includes("withdraw");
  part("reopen").hidden = !complaint.can.includes("reopen");
  part("again").hidden = !complaint.can.includes("complain_again");
  const until = complaint.reopen_until ? when(complaint.reopen_until) : "";
  part("until").textContent = say("reopen_until") + until;
  part("over").textContent = say("again_over") + until;
}

function promise(item) {
  const due = item.due_at ? when(item.due_at) : say("no_date");
  const late = item.overdue ? ` (${say("overdue")})` : "";
  return element("li", `${item.text}: ${due}${late}${item.notice ? `. ${item.notice}` : ""}`);
}

function message(item) {
  const made = element("li", undefined, item.written_by);
  const who = item.written_by === "us" && item.name ? item.name : say(item.written_by);
  made.append(element("div", `${who}, ${when(item.created_at)}`, "when"));
  made.append(element("div", item.redacted ? say("redacted") : item.body, "said"));
  if (item.attachments.length) {
    const list = element("ul");
    list.replaceChildren(...item.attachments.map(file));
    made.append(list);
  }
  return made;
}

function file(item) {
  const made = element("li");
  const button = element("button", `${item.name} (${item.size.toLocaleString()} B)`);
  button.type = "button";
  button.addEventListener("click", () => attempt(async () => {
    location.assign((await call("POST", `/attachments/${encodeURIComponent(item.id)}/link`, { body: {} })).url);
  }));
  made.append(button);
  return made;
}

function tell(name) {
  part("problem").textContent = "";
  part("status").textContent = name ? say(name) : "";
}

function reasonOf(error) {
  if (!(error instanceof Refused)) return say("offline");
  if (error.status === 429) return say("slow") + (error.wait || "60");
  if (error.status === 401) return say("ended");
  if (error.status === 422 && !token) return say("refused"); // what cannot be a reference or a secret
  const codes = [...(error.problem.errors || []).map((each) => each.code), error.problem.code];
  const known = codes.find((code) => REFUSALS[code]);
  if (known) return say(REFUSALS[known]);
  return error.status >= 500 ? say("our_fault") : say("failed");
}

function complain(error) {
  part("status").textContent = "";
  part("problem").textContent = reasonOf(error);
  if (error instanceof Refused && error.status === 401) ask();
}

// One thing at a time: whoever presses twice sends once.
let busy = false;
async function attempt(work) {
  if (busy) return;
  busy = true;
  tell("loading");
  try {
    await work();
  } catch (error) {
    complain(error);
  } finally {
    busy = false;
  }
}

function forget() {
  token = shown = null;
  sessionStorage.removeItem(KEPT);
}

// Whoever comes next to this computer finds nothing of it in the page. What was half-written stays until they leave or open
// another: a session that ends must not take it.
function clear() {
  const texts = ["subject", "stands", "decided", "known_as", "received", "handled_by", "description", "until", "over", "receipt"];
  for (const id of texts) part(id).textContent = "";
  for (const id of ["promised", "thread", "files"]) part(id).replaceChildren();
}

function clearForms() {
  for (const id of ["open", "write", "attach", "withdraw", "reopen", "again"]) part(id).reset();
  writtenFor = null;
}

function ask() {
  forget();
  clear();
  part("complaint").hidden = true;
  part("open").hidden = false;
  part("reference").focus();
}

async function open(reference, secret) {
  forget();
  const told = await call("POST", "", { body: { reference, secret } });
  token = told.token;
  sessionStorage.setItem(KEPT, token);
  part("secret").value = "";
  part("receipt").textContent = "";
  await show("shown");
  part("subject").focus();
}

async function show(name) {
  const [complaint, milestones, messages, files] = await Promise.all([
    call("GET", "/complaint"),
    call("GET", "/milestones"),
    all("/messages"),
    all("/attachments"),
  ]);
  if (writtenFor !== complaint.reference) clearForms();
  writtenFor = complaint.reference;
  shown = { complaint, milestones: milestones.items, messages, files };
  paint();
  part("open").hidden = true;
  part("complaint").hidden = false;
  tell(name);
}

// A try that may have arrived is repeated under its key, so that it counts once.
function onSubmit(id, path, given, name, then) {
  let key = newKey();
  part(id).addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(async () => {
      let told;
      let said = name;
      try {
        const { checking, ...sent } = await given();
        if (checking) said = "sent_checking";
        told = await call("POST", path, { ...sent, key });
      } catch (error) {
        if (error instanceof Refused) key = newKey();
        throw error;
      }
      key = newKey();
      part(id).reset();
      await show(said);
      if (then) then(told);
    });
  });
}

function formOf(file) {
  const form = new FormData();
  form.append("file", file);
  return form;
}

const taken = new WeakMap();

// Sent once, however often the message that it goes with is tried.
async function send(file) {
  if (!taken.has(file)) taken.set(file, { key: newKey(), made: null });
  const known = taken.get(file);
  if (!known.made) known.made = await call("POST", "/attachments", { form: formOf(file), key: known.key });
  return known.made;
}

// A file that is still being checked goes with no message; it stands by itself.
async function written() {
  const made = [];
  for (const file of part("message_file").files) made.push(await send(file));
  const ready = made.filter((item) => item.scan === "clean" || item.scan === "unscanned");
  const body = { body: part("message").value };
  if (ready.length) body.attachment_ids = ready.map((item) => item.id);
  return { body, checking: ready.length < made.length };
}

function receipt(told) {
  part("receipt").textContent = `${say("reference")}: ${told.reference}\n${say("secret")}: ${told.tracking_secret || "–"}`;
}

function reason(id) {
  const text = part(id).value.trim();
  return { body: text ? { reason: text } : {} };
}

function begin() {
  const given = new URLSearchParams(location.hash.slice(1));
  const reference = given.get("reference");
  const secret = given.get("secret");
  if (location.hash) history.replaceState(null, "", location.pathname + location.search);
  if (reference && secret) {
    attempt(async () => {
      try {
        await open(reference, secret);
      } catch (error) {
        part("reference").value = reference;
        ask();
        throw error;
      }
    });
    return;
  }
  if (token && !reference) {
    attempt(() => show("shown"));
    return;
  }
  ask();
  if (reference) {
    part("reference").value = reference;
    part("secret").focus();
  }
}

part("open").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(() => open(part("reference").value, part("secret").value));
});
onSubmit("write", "/messages", written, "sent");
onSubmit("attach", "/attachments", () => ({ form: formOf(part("file").files[0]) }), "sent");
onSubmit("withdraw", "/withdraw", () => reason("withdraw_reason"), "withdrawn");
onSubmit("reopen", "/reopen", () => reason("reopen_reason"), "reopened");
onSubmit("again", "/complaints", () => ({
  body: { subject: part("again_subject").value, description: part("again_description").value },
}), "again_done", receipt);
part("leave").addEventListener("click", () => {
  clearForms();
  ask();
  tell("left");
});
part("languages").hidden = false;
part("languages").addEventListener("click", (event) => {
  language = event.target.dataset.language || language;
  inWords();
  if (shown) attempt(() => show("shown"));
});
addEventListener("hashchange", begin);
inWords();
begin();
