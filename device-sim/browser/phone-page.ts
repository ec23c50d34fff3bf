/**
 * The script of `/node`: makes the device that it is open on a node, and shows what that node does.
 *
 * It joins once, with a code that was typed or came behind the `#` of a link, and keeps what it was
 * given; from then on it is a node at every start. Where the gateway is out of reach it goes on: the
 * page itself is kept by a worker, and what is owed by the outbox.
 */

import { EdgeError } from "../../src/assert.ts";
import { chooseEngine } from "../../src/engine/choose-engine.ts";
import { readJoinCode } from "../../src/wire/join.ts";
import {
  type PhoneAbout,
  PhoneAboutSchema,
  type PhoneCredentials,
  phoneLink,
  readPhoneLink,
} from "../../src/wire/phone.ts";
import { nodeId, topicBase } from "../../src/wire/topics.ts";
import { joinGateway } from "../mqtt-join.ts";
import { type IndexedStorage, openIndexedStorage } from "./indexed-storage.ts";
import { followBattery } from "./page-battery.ts";
import { keepCredentials, readCredentials } from "./phone-credentials.ts";
import { PHONE, type Phone, startPhone } from "./phone-node.ts";
import { element, NodeView, sentenceOf, show, showLink, showProblem, write } from "./phone-view.ts";
import { runSignal } from "./signal-form.ts";
import { registerWorker } from "./worker-registration.ts";

const DATABASE = "bellwether-node";
const STATUS_MS = 500;

async function begin(): Promise<void> {
  void registerWorker();
  if (!(await isAlone())) {
    showLink("lost", "not here");
    return showProblem("This phone is a node in another tab already. Close that one first.");
  }
  const [about, factory] = await Promise.all([readAbout(), readFactory()]);
  const storage = await openIndexedStorage(DATABASE, PHONE.slotBytes);
  // Asked and not demanded: a browser that is short of room may still take it away.
  void navigator.storage?.persist?.();
  const known = await readCredentials(storage);
  if (known !== undefined) await run({ about, factory, storage, credentials: known });
  else askToJoin(about, (credentials) => run({ about, factory, storage, credentials }));
  takeLink();
  // A link that is opened where this page is already changes nothing but what is behind the `#`.
  window.addEventListener("hashchange", takeLink);
}

type Link = ReturnType<typeof readPhoneLink>;

/** What becomes of a link, as the page stands: a form that is filled in, or a word why not. */
let followLink = (_link: Link): void => undefined;

function takeLink(): void {
  const link = readPhoneLink(location.hash);
  // A code is used once, and is nobody's business in a history or a bookmark.
  if (location.hash !== "") history.replaceState(null, "", location.pathname);
  if (link.code !== undefined || link.node !== undefined) followLink(link);
}

type Start = {
  readonly about: PhoneAbout;
  readonly factory: Uint8Array;
  readonly storage: IndexedStorage;
  readonly credentials: PhoneCredentials;
};

async function run({ about, factory, storage, credentials }: Start): Promise<void> {
  await keepCredentials(storage, credentials);
  const name = nodeId(credentials.node);
  show("join", false);
  show("now", true);
  show("facts-section", true);
  performance.mark("ready");
  write("fact-name", name);
  write("fact-engine", chooseEngine().name);
  showLink("waiting", "connecting");
  let view: NodeView | undefined;
  let truth = (_start: number, _end: number): number | undefined => undefined;
  const phone: Phone = await startPhone({
    node: name,
    url: socketUrl(about),
    about,
    password: credentials.password ?? undefined,
    key: credentials.key,
    factory,
    storage,
    observer: {
      decided: (_node, decided) => {
        const end = decided.endSample ?? 0;
        view?.decided(decided, truth(end - phone.profile.windowSamples, end));
      },
      told: (_node, verdict) => view?.told(verdict),
      released: (_node, news) => view?.released(news),
      linked: (_node, connected, reason) => {
        showLink(connected ? "live" : "lost", connected ? "connected" : `no link: ${reason}`);
        tellRefusal(reason);
      },
      log: (_node, code, text) => {
        if (code === "storage-failing") showProblem(`This browser keeps nothing now: ${text}`);
        console.info(`${code}: ${text}`);
      },
    },
  });
  view = new NodeView(phone.profile.classes);
  const tellStatus = (): void => view?.status(phone.runtime.status());
  setInterval(tellStatus, STATUS_MS);
  tellStatus();
  void followBattery((percent) => phone.runtime.step({ kind: "battery", percent }));
  runSignal(phone, about, (asked) => {
    truth = asked;
  });
  // What is held back for a report is written before the page may be thrown away: when it is hidden,
  // after which a phone may end it without a word, and when it is left.
  const writeAll = (): void => phone.runtime.step({ kind: "stopping" });
  window.addEventListener("pagehide", writeAll);
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "hidden") writeAll();
  });
  letLeave(name, phone, storage);
}

/** A node leaves by a button, and joins anew with the link that was opened over it meanwhile. */
function letLeave(name: string, phone: Phone, storage: IndexedStorage): void {
  let next: Link | undefined;
  followLink = (link) => {
    if (link.code === undefined) return;
    next = link;
    showProblem(
      `This phone is ${name} already. Leave this gateway, below, to join with the new code.`,
    );
  };
  element("leave").addEventListener("click", () => {
    if (!confirm("Forget this node's credentials, its model and what it still owes?")) return;
    void phone
      .stop()
      .then(() => storage.forget())
      .then(() => {
        if (next !== undefined) history.replaceState(null, "", phoneLink("", next.code, next.node));
        location.reload();
      });
  });
}

const REFUSED = "The gateway does not let this phone in: leave, and join anew.";

/** What mqtt.js makes of CONNACK 4 and 5: as long as that is said, trying again is in vain. */
function tellRefusal(reason: string): void {
  const isRefused = /^Connection refused: (Bad user|Not auth)/.test(reason);
  if (isRefused) showProblem(REFUSED);
  else if (element("problem").textContent === REFUSED) showProblem("");
}

/** Shows the form, and calls back once somebody is let in. */
function askToJoin(
  about: PhoneAbout,
  joined: (credentials: PhoneCredentials) => Promise<void>,
): void {
  const code = element<HTMLInputElement>("code");
  const name = element<HTMLInputElement>("name");
  const button = element<HTMLButtonElement>("join-button");
  name.value = `phone-${randomLetters()}`;
  const isHere = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);
  code.required = !isHere;
  write(
    "join-hint",
    isHere
      ? "On the gateway's own computer the code may be left out, unless access.loopback is closed."
      : "",
  );
  show("join", true);
  showLink("waiting", "has not joined");
  const attempt = async (): Promise<void> => {
    if (button.disabled) return;
    button.disabled = true;
    showProblem("");
    try {
      await joined(await join(about, code.value, name.value));
    } catch (error) {
      showProblem(sentenceOf(error));
      button.disabled = false;
    }
  };
  element("join-form").addEventListener("submit", (event) => {
    event.preventDefault();
    void attempt();
  });
  followLink = (link) => {
    // Of two links at once the first is followed.
    if (button.disabled) return;
    code.value = link.code ?? "";
    name.value = link.node ?? name.value;
    if (link.code !== undefined && link.node !== undefined) void attempt();
  };
}

async function join(about: PhoneAbout, code: string, name: string): Promise<PhoneCredentials> {
  const node = nodeId(name.trim(), "name");
  if (code.trim() === "") return { node, password: null, key: about.key };
  const letters = readJoinCode(code);
  if (letters === undefined) throw noCode();
  const url = socketUrl(about);
  const given = await joinGateway({ url, base: topicBase(about.base), code: letters }, node);
  return { node: given.node, password: given.password, key: given.key };
}

function noCode(): EdgeError {
  return new EdgeError({
    code: "join-code",
    message: "that is no join code",
    where: "code",
    hint: "It has eight letters and digits, such as K7QM-3XPA.",
  });
}

function socketUrl({ websocket }: PhoneAbout): string {
  if (websocket === null) {
    throw new EdgeError({
      code: "no-websocket",
      message: "this gateway does not speak MQTT over WebSocket",
      where: "websocket.enabled",
      hint: "Set websocket: { enabled: true } in the gateway's configuration and start it again.",
    });
  }
  const scheme = websocket.secure ? "wss" : "ws";
  return `${scheme}://${location.hostname}:${websocket.port}/mqtt`;
}

async function readAbout(): Promise<PhoneAbout> {
  const answer = await fetch("/node/about.json");
  return PhoneAboutSchema.parse(await answer.json());
}

async function readFactory(): Promise<Uint8Array> {
  const answer = await fetch("/node/factory.bwm");
  if (!answer.ok) throw new Error("the gateway gives no model to begin with");
  return new Uint8Array(await answer.arrayBuffer());
}

/** One page at a time is this node: two would give the same numbers to different windows. */
function isAlone(): Promise<boolean> {
  if (navigator.locks === undefined) return Promise.resolve(true);
  return new Promise((resolve) => {
    void navigator.locks.request(DATABASE, { ifAvailable: true }, (lock) => {
      resolve(lock !== null);
      // Held for as long as the page is there.
      return lock === null ? undefined : new Promise(() => undefined);
    });
  });
}

function randomLetters(): string {
  const drawn = crypto.getRandomValues(new Uint8Array(4));
  return [...drawn].map((byte) => "abcdefghjkmnpqrstuvwxyz"[byte % 23]).join("");
}

begin().catch((error: unknown) => {
  showLink("lost", "not running");
  showProblem(sentenceOf(error));
});
