// SPDX-License-Identifier: LGPL-2.1-or-later
// The page: its views, what is wrong, the job that runs, and what came of an action.

import { alert, badge, button, make, messages, size, treeName } from "./elements.js";
import { imagesView } from "./images.js";
import { Failure, ask, change, follow } from "./program.js";
import { snapshotsView } from "./snapshots.js";
import { sourcesView } from "./sources.js";
import { stateOf } from "./state.js";
import { storeView, total } from "./store.js";

const cockpit = window.cockpit;

const VIEWS = {
    snapshots: { label: "Snapshots", show: snapshotsView },
    images: { label: "Images", show: imagesView },
    sources: { label: "Sources", show: sourcesView },
    store: { label: "Store", show: storeView },
};

const PROGRESS = "/run/tukit-sysext/progress.json"; // written while a job runs: when to ask "status --follow"

const place = name => document.getElementById(name);

// What the views see: whether there is administrative access, whether something can be changed now, the answer of
// "status" to come, the snapshot that the versions are for (null: the running system).
const page = {
    allowed: null,
    can: false,
    status: null,
    chosen: null,
    act,
    failure,
    choose(snapshot) {
        page.chosen = snapshot;
        load();
    },
};

let acting = "";
let asked = 0;

function failure(error, title = "That did not work") {
    if (!(error instanceof Failure))
        console.error(error);
    return [alert("bad", title, ...(error instanceof Failure ? messages(error.messages) : [make("p", {}, String(error))]))];
}

function viewName() {
    const name = cockpit.location.path[0] ?? "";
    return Object.hasOwn(VIEWS, name) ? name : "snapshots";
}

function drawViews() {
    place("views").replaceChildren(...Object.entries(VIEWS).map(([name, view]) =>
        button(view.label, () => cockpit.location.go([name]), { "aria-current": name === viewName() ? "page" : null })));
}

// Ask again and draw. What is drawn stays until the answer is there; an answer that another question overtook is dropped.
async function load() {
    const number = ++asked;
    const name = viewName();
    page.can = page.allowed === true && !acting;
    drawViews();
    if (place("view").dataset.view !== name) {
        place("view").dataset.view = name;
        place("view").replaceChildren(make("p", { class: "loading" }, "Loading…"));
    }
    place("view").setAttribute("aria-busy", "true");
    page.status = ask("status").then(({ answer }) => answer);
    let state;
    let drawn;
    try {
        state = stateOf(await page.status);
    } catch (error) {
        state = failure(error, "The state of the images is not known");
    }
    if (number === asked)
        place("state").replaceChildren(...state);
    try {
        drawn = await VIEWS[name].show(page);
    } catch (error) {
        drawn = failure(error);
    }
    if (number === asked) {
        place("view").replaceChildren(...drawn.filter(each => each));
        place("view").setAttribute("aria-busy", "false");
    }
}

// The lines of what became of the trees, or of the store, or of the sources.
function outcomeOf(command, answer) {
    if (command === "gc")
        return [`${answer.deleted.length} deleted, ${size(total(answer.deleted))} freed.`, ...answer.unknown, ...(answer.fault === null ? [] : [answer.fault])];
    if (command === "sources refresh")
        return answer.sources.map(source => `${source.name}: ${source.reason ?? "ok"}`);
    const lines = answer.trees.flatMap(each => each.images.flatMap(image => [
        `${treeName(each.tree)}: ${image.name} ${image.shown ?? image.shown_before ?? ""}: ${image.action}, ${image.reason}`, ...image.warnings]));
    return answer.refreshed ? [...lines, "The running /usr was merged anew."] : lines;
}

async function act(title, command, options = {}, names = []) {
    acting = title;
    place("outcome").replaceChildren();
    drawJob(null);
    load();
    try {
        const { answer, messages: said } = await change(command, options, names);
        place("outcome").replaceChildren(closable(alert(
            said.length ? "warning" : "good", said.length ? `${title}: finished, with warnings` : `${title}: finished`,
            make("ul", {}, outcomeOf(command, answer).map(line => make("li", {}, line))), ...messages(said))));
    } catch (error) {
        place("outcome").replaceChildren(...failure(error, `${title} failed`).map(closable));
    }
    acting = "";
    drawJob(null);
    place("outcome").focus(); // the button that was pressed is drawn anew
    await load();
}

function closable(element) {
    element.prepend(button("×", () => element.remove(), { class: "close", "aria-label": "Close" }));
    return element;
}

// The job that runs: what was begun here, or what status --follow tells of another one (an update, the timer's).
function drawJob(job) {
    if (job === null && !acting) {
        place("job").replaceChildren();
        return;
    }
    const title = acting || (job.job === "finalize-pre" ? "An update of the system fetches its images" : `tukit-sysext ${job.job} runs`);
    const done = job === null ? [] : job.files.filter(file => file.done);
    const known = job !== null && job.stage === "fetching" && job.size !== null && job.size > 0;
    const text = job === null ? "…" : job.stage !== "fetching" ? `${job.stage}…`
        : `${done.length} of ${job.files.length} files, ${size(job.bytes)}${job.size === null ? "" : ` of ${size(job.size)}`}`;
    place("job").replaceChildren(
        make("strong", {}, title), make("span", {}, text),
        make("progress", { "aria-label": title, max: known ? job.size : null, value: known ? job.bytes : null }));
}

let following = false;

async function watchJobs() {
    if (following)
        return;
    following = true;
    let seen = false;
    await follow(job => {
        seen = true;
        drawJob(job);
    });
    following = false;
    drawJob(null);
    if (seen && !acting)
        await load();
}

function start() {
    const permission = cockpit.permission({ admin: true });
    const decided = () => {
        if (permission.allowed === null)
            return;
        page.allowed = permission.allowed;
        place("access").replaceChildren(...(page.allowed ? [] : [badge("limited access", "info")]));
        load();
    };
    permission.addEventListener("changed", decided);
    cockpit.addEventListener("locationchanged", load);
    place("reload").addEventListener("click", load);
    cockpit.file(PROGRESS, { superuser: "try" }).watch(watchJobs, { read: false });
    drawViews();
    decided();
    watchJobs(); // one may run already
}

start();
