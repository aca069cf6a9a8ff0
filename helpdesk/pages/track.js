// Where a complainant follows their complaint. Reference and secret come behind the "#" of the address, which browsers send to
// nobody: they are read here, taken out of the address, and sent once, in the body of a request, for a session of half an hour.
"use strict";

const WORDS = {
  en: {
    title: "Your complaint",
    open_hint: "Type reference and secret as they stand in the mail or on the page where you complained.",
    reference: "Reference",
    secret: "Secret",
    open: "Show it",
    received: "Received",
    handled_by: "Handled by",
    promised: "What you can expect, and by when",
    nothing_promised: "Nothing is due at the moment.",
    no_date: "while we wait for you, no date",
    overdue: "overdue",
    thread: "What was said",
    nothing_said: "Nothing yet.",
    us: "We",
    you: "You",
    redacted: "(taken out)",
    upheld: "Our decision: you are right.",
    partly_upheld: "Our decision: you are right in part.",
    not_upheld: "Our decision: we do not agree with you.",
    message: "Your message",
    message_file: "Files that go with it (you need not send any)",
    send: "Send",
    files: "Other files",
    no_files: "None.",
    file: "A file for us",
    send_file: "Send the file",
    withdraw_title: "Withdraw it",
    withdraw_hint: "We stop working on it. You can ask for it to be taken up again later.",
    withdraw_reason: "Why (you need not say)",
    sure: "I want to withdraw it.",
    withdraw: "Withdraw",
    reopen_title: "Ask for it to be taken up again",
    reopen_reason: "What is not right yet",
    reopen: "Ask",
    reopen_until: "You can ask until: ",
    again_title: "Complain again",
    again_over: "The time in which this one can be taken up again is over since: ",
    again_subject: "What it is about",
    again_description: "What has happened",
    again: "Complain",
    again_done: "We have your new complaint, and it is linked to this one. Keep its reference and its secret; they are not shown again.",
    leave: "Close this page",
    loading: "One moment ...",
    shown: "Here is how it stands.",
    sent: "We have it. Thank you.",
    sent_checking: "We have your message. A file is still being checked; you find it among the other files.",
    withdrawn: "It is withdrawn.",
    reopened: "It is taken up again.",
    left: "Closed. Nothing of it stays in this browser.",
    refused: "Reference and secret do not belong together. Look at both once more; if the secret is lost, ask us for a new one.",
    ended: "Half an hour is over, or there is a newer secret. Type reference and secret again.",
    slow: "Too many tries. Wait a little, then try again. Seconds to wait: ",
    offline: "We could not be reached. Nothing was lost; try again.",
    failed: "That did not work. Try again, or call or write to us, and name your reference.",
    our_fault: "Something went wrong with us. Try again in a while.",
    missing: "Something is missing. Look at what you have filled in.",
    unreadable: "We cannot read something in it. Look at what you have filled in.",
    too_long: "That is too long. Make it shorter, or send it in several messages.",
    file_empty: "The file is empty.",
    file_kind: "We cannot take this kind of file. Send a picture, a PDF, a text or an Office document without macros.",
    file_large: "The file is too large. Send a smaller one.",
    files_full: "There is no room for more files. Call or write to us.",
    file_checked: "The file is still being checked, or did not pass. Try again in a while.",
    file_gone: "The file is not here any more.",
    changed: "Something has changed meanwhile. Look at how it stands, and try again.",
    not_now: "That is not possible as it stands now.",
    window_over: "The time in which it can be taken up again is over. You can complain again.",
    still_open: "We are still working on it. Send us a message instead.",
    not_yours: "It goes on together with another person's complaint, and you cannot end it here. Send us a message.",
  },
  zh: {
    title: "您的投诉",
    open_hint: "请按邮件或投诉页面上的显示输入编号和密码。",
    reference: "编号",
    secret: "密码",
    open: "查看",
    received: "收到时间",
    handled_by: "经办人",
    promised: "我们的承诺与时间",
    nothing_promised: "目前没有待办期限。",
    no_date: "等待您答复期间不计时",
    overdue: "已逾期",
    thread: "往来记录",
    nothing_said: "暂无。",
    us: "我们",
    you: "您",
    redacted: "（内容已删除）",
    upheld: "我们的决定：您的投诉成立。",
    partly_upheld: "我们的决定：您的投诉部分成立。",
    not_upheld: "我们的决定：您的投诉不成立。",
    message: "您的留言",
    message_file: "随留言附上的文件（可不附）",
    send: "发送",
    files: "其他文件",
    no_files: "暂无。",
    file: "提交文件",
    send_file: "发送文件",
    withdraw_title: "撤回投诉",
    withdraw_hint: "撤回后我们将停止处理。您之后仍可要求重新处理。",
    withdraw_reason: "原因（可不填）",
    sure: "我确定要撤回。",
    withdraw: "撤回",
    reopen_title: "要求重新处理",
    reopen_reason: "还有什么问题没有解决",
    reopen: "提交",
    reopen_until: "可提出的截止时间：",
    again_title: "再次投诉",
    again_over: "本投诉可要求重新处理的期限已过，截止于：",
    again_subject: "事由",
    again_description: "具体情况",
    again: "提交投诉",
    again_done: "我们已收到您的新投诉，并与本投诉关联。请保存好编号和密码，之后不再显示。",
    leave: "关闭此页面",
    loading: "请稍候……",
    shown: "以下是处理进度。",
    sent: "我们已收到，谢谢。",
    sent_checking: "我们已收到您的留言。有文件仍在检查中，您可在其他文件中找到。",
    withdrawn: "已撤回。",
    reopened: "已重新受理。",
    left: "已关闭，本浏览器中不保留任何内容。",
    refused: "编号与密码不符。请再核对一次；如果密码遗失，请向我们索取新的密码。",
    ended: "半小时已过，或密码已更换。请重新输入编号和密码。",
    slow: "尝试次数过多，请稍后再试。需等待的秒数：",
    offline: "无法连接到我们。内容没有丢失，请重试。",
    failed: "操作未成功。请重试，或来电、来信，并注明您的编号。",
    our_fault: "我们的系统出现问题，请稍后再试。",
    missing: "有内容未填写，请检查。",
    unreadable: "有内容无法识别，请检查。",
    too_long: "内容过长，请缩短，或分多次发送。",
    file_empty: "该文件为空。",
    file_kind: "无法接收此类文件。请发送图片、PDF、文本或不含宏的 Office 文档。",
    file_large: "文件过大，请发送较小的文件。",
    files_full: "已无法再添加文件，请来电或来信。",
    file_checked: "该文件仍在检查中，或未通过检查。请稍后再试。",
    file_gone: "该文件已不存在。",
    changed: "情况刚刚有变化，请查看当前进度后重试。",
    not_now: "目前的状态下无法进行此操作。",
    window_over: "可要求重新处理的期限已过，您可以再次投诉。",
    still_open: "我们仍在处理，请给我们留言。",
    not_yours: "您的投诉正与他人的投诉一并处理，无法在此结束，请给我们留言。",
  },
};
// What we say to a refusal, by the code that the API gives; what it says itself is for those who write programs.
const REFUSALS = {
  tracking_refused: "refused",
  required: "missing",
  invalid: "unreadable",
  length: "too_long",
  body_too_large: "too_long",
  empty: "file_empty",
  type: "file_kind",
  file_too_large: "file_large",
  too_many_attachments: "files_full",
  storage_full: "files_full",
  not_clean: "file_checked",
  attachment_not_clean: "file_checked",
  attachment_redacted: "file_gone",
  not_found: "file_gone",
  taken: "changed",
  moved_meanwhile: "changed",
  request_in_progress: "changed",
  complaint_merged: "changed",
  action_not_allowed: "not_now",
  reopen_window_over: "window_over",
  still_open: "still_open",
  forbidden: "not_yours",
};
const KEPT = "helpdesk tracking session";
const API = new URL("api/v1/public/tracking", location.href.split("#")[0]).href;
const MOST_PAGES = 50;

let language = navigator.languages.some((tag) => tag.toLowerCase().startsWith("zh")) ? "zh" : "en";
let token = sessionStorage.getItem(KEPT);
let shown = null;
let written_for = null; // whose half-written texts stand in the forms

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
  const with_messages = new Set(messages.flatMap((item) => item.attachments.map((each) => each.id)));
  fill("files", files.filter((item) => !with_messages.has(item.id)).map(file), "no_files");
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
  written_for = null;
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
  if (written_for !== complaint.reference) clearForms();
  written_for = complaint.reference;
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
