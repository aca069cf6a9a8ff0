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
    message: "Your message",
    send: "Send",
    files: "Files",
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
    leave: "Close this page",
    loading: "One moment ...",
    shown: "Here is how it stands.",
    sent: "We have it. Thank you.",
    withdrawn: "It is withdrawn.",
    reopened: "It is taken up again.",
    left: "Closed. Nothing of it stays in this browser.",
    refused: "Reference and secret do not belong together. Look at both once more; if the secret is lost, ask us for a new one.",
    ended: "Half an hour is over, or there is a newer secret. Type reference and secret again.",
    slow: "Too many tries. Wait a little, then try again. Seconds to wait: ",
    offline: "We could not be reached. Nothing was lost; try again.",
    failed: "That did not work. ",
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
    message: "您的留言",
    send: "发送",
    files: "文件",
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
    leave: "关闭此页面",
    loading: "请稍候……",
    shown: "以下是处理进度。",
    sent: "我们已收到，谢谢。",
    withdrawn: "已撤回。",
    reopened: "已重新受理。",
    left: "已关闭，本浏览器中不保留任何内容。",
    refused: "编号与密码不符。请再核对一次；如果密码遗失，请向我们索取新的密码。",
    ended: "半小时已过，或密码已更换。请重新输入编号和密码。",
    slow: "尝试次数过多，请稍后再试。需等待的秒数：",
    offline: "无法连接到我们。内容没有丢失，请重试。",
    failed: "操作未成功。",
  },
};
const KEPT = "helpdesk tracking session";
const API = new URL("api/v1/public/tracking", location.href.split("#")[0]).href;
const MOST_PAGES = 50;

let language = navigator.languages.some((tag) => tag.toLowerCase().startsWith("zh")) ? "zh" : "en";
let token = sessionStorage.getItem(KEPT);
let shown = null;

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
  part("known_as").textContent = complaint.reference;
  part("received").textContent = when(complaint.received_at);
  part("handled_by").textContent = complaint.handled_by || "–";
  part("description").textContent = complaint.description;
  fill("promised", milestones.map(promise), "nothing_promised");
  fill("thread", messages.map(message), "nothing_said");
  fill("files", files.map(file), "no_files");
  part("write").hidden = !complaint.can.includes("write");
  part("withdraw").hidden = !complaint.can.includes("withdraw");
  part("reopen").hidden = !complaint.can.includes("reopen");
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

function complain(error) {
  part("status").textContent = "";
  let text = say("offline");
  if (error instanceof Refused && error.status === 429) text = say("slow") + (error.wait || "60");
  else if (error instanceof Refused && error.problem.code === "tracking_refused") text = say("refused");
  else if (error instanceof Refused && error.status === 401) text = say("ended");
  else if (error instanceof Refused) text = say("failed") + error.message;
  part("problem").textContent = text;
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

function ask() {
  forget();
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
  shown = { complaint, milestones: milestones.items, messages, files };
  paint();
  part("open").hidden = true;
  part("complaint").hidden = false;
  tell(name);
}

// A try that may have arrived is repeated under its key, so that it counts once.
function onSubmit(id, path, given, name) {
  let key = newKey();
  part(id).addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(async () => {
      try {
        await call("POST", path, { ...given(), key });
      } catch (error) {
        if (error instanceof Refused) key = newKey();
        throw error;
      }
      key = newKey();
      part(id).reset();
      await show(name);
    });
  });
}

function attached() {
  const form = new FormData();
  form.append("file", part("file").files[0]);
  return { form };
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
  } else if (token) attempt(() => show("shown"));
  else ask();
}

part("open").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(() => open(part("reference").value, part("secret").value));
});
onSubmit("write", "/messages", () => ({ body: { body: part("message").value } }), "sent");
onSubmit("attach", "/attachments", attached, "sent");
onSubmit("withdraw", "/withdraw", () => reason("withdraw_reason"), "withdrawn");
onSubmit("reopen", "/reopen", () => reason("reopen_reason"), "reopened");
part("leave").addEventListener("click", () => {
  ask();
  tell("left");
});
part("languages").hidden = false;
part("languages").addEventListener("click", (event) => {
  language = event.target.dataset.language || language;
  inWords();
});
addEventListener("hashchange", begin);
inWords();
begin();
