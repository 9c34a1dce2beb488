// SPDX-License-Identifier: LGPL-2.1-or-later
// The images on offer: what is installed, what an update would bring, why a version does not fit, and what can be done.

import { alert, badge, button, choice, count, dialog, empty, make, messages, table, treeName } from "./elements.js";
import { ask } from "./program.js";

const NOW = "Merge into the running /usr as soon as it is done. Otherwise it is there after a reboot or a refresh.";

function useNow() {
    return choice("checkbox", "now", "yes", "Use it at once", NOW);
}

async function install(page, name) {
    const form = await dialog(
        `Install ${name}`, "Install", "primary",
        make("p", {}, "The newest version that fits is fetched and linked, in the running system and in the one that boots next."),
        make("fieldset", {}, make("legend", {}, "When an update of the system has no version that fits"),
             choice("radio", "policy", "required", "Required", "The update is refused, and the system stays as it is.", true),
             choice("radio", "policy", "optional", "Optional", "The update goes on without the image.")),
        useNow());
    if (form)
        await page.act(`Installing ${name}`, "install", { "--policy": form.get("policy"), "--now": form.has("now") }, [name]);
}

async function remove(page, name) {
    const form = await dialog(
        `Remove ${name}?`, "Remove", "danger",
        make("p", {}, "It is not wanted any more, and its links go from the running system and from the one that boots next. " +
            "Older snapshots keep it."),
        choice("checkbox", "now", "yes", "Unmerge it at once", "Otherwise it is in the running /usr until a reboot or a refresh."));
    if (form)
        await page.act(`Removing ${name}`, "remove", { "--now": form.has("now") }, [name]);
}

async function hold(page, image) {
    const consequence = image.policy === "optional"
        ? "An update of the system that this version does not fit goes on without the image."
        : "An update of the system that this version does not fit is refused.";
    const form = await dialog(`Hold ${image.name} at ${image.shown_installed}?`, "Hold", "primary",
                              make("p", {}, `Updates bring no other version. ${consequence}`));
    if (form)
        await page.act(`Holding ${image.name}`, "hold", {}, [image.name]);
}

async function update(page, names) {
    const what = names.length ? names.join(", ") : "all images";
    const form = await dialog(`Update ${what}?`, "Update", "primary",
                              make("p", {}, "In the running system and in the one that boots next, each to the newest version that fits it."),
                              useNow());
    if (form)
        await page.act(`Updating ${what}`, "update", { "--now": form.has("now") }, names);
}

function actions(page, image) {
    const attributes = { class: "small", disabled: !page.can };
    const action = (label, done) => button(label, done, { ...attributes, "aria-label": `${label} ${image.name}` });
    if (!image.wanted)
        return image.shown_newest !== null && image.installed === null ? [action("Install", () => install(page, image.name))] : [];
    return [
        image.update !== null && action("Update", () => update(page, [image.name])),
        image.hold !== null && action("Release", () => page.act(`Releasing ${image.name}`, "unhold", {}, [image.name])),
        image.hold === null && image.installed !== null && action("Hold", () => hold(page, image)),
        action("Remove", () => remove(page, image.name)),
    ];
}

// How rules are called on the screens of the program.
const RULES = {
    "file-architecture": "file name",
    "source": "Source=",
    "other-source": "its source",
    "hold": "Hold=",
    "version": "Version=",
    "series": "Series=",
    "block": "Block=",
    "hides": "hides",
    "required": "Requires=",
    "stated": "its publisher requires",
    "needs": "needs",
    "shadow": "Shadow=",
    "note": "note",
    "plugin": "further checks",
    "release-data": "os-release",
    "scope": "SYSEXT_SCOPE",
    "architecture": "ARCHITECTURE",
    "image-id": "IMAGE_ID",
    "image-version": "IMAGE_VERSION",
    "id": "ID",
    "id-like": "ID_LIKE",
    "rolling": "rolling release",
    "level": "SYSEXT_LEVEL",
    "version-id": "VERSION_ID"
};

// Those of which it is told that nobody knows.
const TOLD_UNKNOWN = ["content", "required", "stated", "needs", "note"];

function verdict(fits) {
    return fits === null ? "-" : fits ? badge("ok", "good") : badge("no", "bad");
}

// As "why-not" shows them: without what was not looked at, or says nothing by itself.
function ruleRows(version) {
    const nothing = rule => rule.rule === "release-data" || (rule.system === null && rule.image === null);
    return version.rules.filter(rule => (rule.fits === null ? TOLD_UNKNOWN.includes(rule.rule) : !rule.fits || !nothing(rule)))
        .map(rule => [RULES[rule.rule] ?? rule.rule, rule.system ?? "-", rule.image ?? "-", verdict(rule.fits)]);
}

function versionDetails(version, open) {
    return make("details", { open },
                make("summary", {}, make("strong", {}, version.shown), " ",
                     badge(version.standing, version.usable ? "good" : "bad"),
                     version.link !== null && [" ", badge("installed", "info")],
                     " ", make("small", {}, version.source === null ? "from the store" : `from ${version.source}`)),
                make("p", {}, [version.damage, version.reason].filter(each => each).join("; ")),
                ruleRows(version).length > 0 && table(`Rules for ${version.shown}`, ["Rule", "System", "Image", "Fits"], ruleRows(version)));
}

async function why(page, name, place) {
    place.replaceChildren(make("p", { class: "loading" }, "Looking at the versions…"));
    try {
        const { answer, messages: said } = await ask("why-not", { "--snapshot": page.chosen }, [name]);
        place.replaceChildren(
            ...messages(said),
            ...answer.against.map(each => make("p", { class: "bad" }, each.reason)),
            answer.not_had ? make("p", {}, answer.not_had) : "",
            ...answer.not_asked.map(each => make("p", { class: "bad" }, `source ${each.source} was not asked: ${each.reason}`)),
            answer.versions.length ? make("p", {}, `Versions for ${answer.system}, the newest first:`)
                : make("p", {}, "No version is offered or stored."),
            ...answer.versions.map((version, index) => versionDetails(version, index === 0)));
    } catch (error) {
        place.replaceChildren(...page.failure(error));
    }
}

function imageRow(page, image) {
    const place = make("div", { class: "why" });
    const details = make("details", { class: "versions", ontoggle: event => event.target === details && details.open && why(page, image.name, place) },
                         make("summary", { "aria-label": `Versions of ${image.name}` }, "Versions"), place);
    const tone = image.damage !== null ? "bad" : image.update !== null ? "info" : "";
    return [
        image.name,
        image.shown_installed ?? "-",
        image.shown_newest === null ? "none fits" : image.newest_source ? [image.shown_newest, " ", make("small", {}, `from ${image.newest_source}`)] : image.shown_newest,
        [image.policy !== null && image.wanted ? badge(image.policy) : "-", image.hold !== null && [" ", badge(`held at ${image.hold}`, "warning")]].flat().filter(each => each),
        [make("span", { class: tone }, image.state), details],
        make("div", { class: "buttons" }, actions(page, image)),
    ];
}

// What a plan changes in a tree; an image that stays left out is no change. One that is fetched again is repaired.
function isChange(image) {
    return image.shown !== image.shown_before || image.action === "fetch";
}

function staysOut(image) {
    return image.action === "leave out" && !isChange(image);
}

function change(image) {
    const versions = image.shown_before === null ? image.shown ?? "" : image.shown === null ? `${image.shown_before} → none`
        : `${image.shown_before} → ${image.shown}`;
    return make("li", {}, make("strong", {}, image.name), ` ${versions} `,
                image.action === "leave out" && badge("left out", "warning"), image.action === "remove" && badge("removed", "warning"),
                " ", make("small", {}, image.reason));
}

function treePlan(each) {
    const changes = each.images.filter(isChange);
    const out = each.images.filter(staysOut);
    return changes.length + out.length === 0 ? [] : [
        make("h3", {}, treeName(each.tree)),
        changes.length > 0 && make("ul", {}, changes.map(change)),
        out.length > 0 && make("details", {}, make("summary", {}, `${count(out.length, "image")} left out, as before`),
                               make("ul", {}, out.map(change))),
    ];
}

async function updatePlan(page, place) {
    try {
        const { answer, messages: said } = await ask("update", { "--dry-run": true });
        const changes = answer.trees.some(each => each.images.some(isChange));
        place.replaceChildren(
            make("div", { class: "bar" }, make("h2", {}, "What an update brings now"),
                 changes && button("Update all", () => update(page, []), { class: "primary", disabled: !page.can })),
            ...messages(said),
            changes ? "" : make("p", {}, page.allowed ? "Nothing: every image has the newest version that fits."
                : "Nothing for the running system: every image has the newest version that fits."),
            ...answer.trees.flatMap(treePlan).filter(each => each));
    } catch (error) {
        place.replaceChildren(...page.failure(error));
    }
}

function treeChoice(page, trees) {
    const select = make("select", { id: "tree", onchange: () => page.choose(select.value === "" ? null : Number(select.value)) },
                        trees.map(each => make("option", { value: each.running ? "" : each.snapshot,
                                                           selected: page.chosen === (each.running ? null : each.snapshot) },
                                               treeName(each))));
    return make("div", { class: "field" }, make("label", { for: "tree" }, "Versions for"), select);
}

export async function imagesView(page) {
    const status = await page.status;
    const trees = status.trees.map(each => each.tree).filter(each => each.running || (each.boots_next && each.snapshot !== null));
    if (!trees.some(each => each.snapshot === page.chosen))
        page.chosen = null;
    const { answer, messages: said } = await ask("list", { "--snapshot": page.chosen });
    const notes = [
        ...messages(said).length && answer.not_asked.length
            ? [alert("warning", "What some sources offer is not known", ...messages(said))] : messages(said),
        answer.not_understood.length > 0 && alert("info", "Files of the sources that are taken for no image",
                                                  make("ul", {}, answer.not_understood.map(each => make("li", {}, `${each.source}: ${each.file}: ${each.reason}`)))),
    ];
    if (!answer.images.length)
        return [...notes, empty("No image is on offer",
                                make("p", {}, "Images come from sources. See Sources for those that are configured, or add one:"),
                                make("p", { class: "step" }, make("code", {}, "tukit-sysext sources add NAME URL --key FILE")))];
    const place = make("section", { class: "panel", "aria-label": "Update" }, make("p", { class: "loading" }, "Asking what an update brings…"));
    updatePlan(page, place);
    const list = make("div");
    const draw = filter => {
        const some = answer.images.filter(image => image.name.toLowerCase().includes(filter.toLowerCase()));
        list.replaceChildren(table(`Images for ${answer.system}`, ["Image", "Installed", "Newest that fits", "Policy", "State", "Actions"],
                                   some.map(image => imageRow(page, image))));
    };
    draw("");
    return [
        ...notes, place,
        make("div", { class: "bar" }, trees.length > 1 && treeChoice(page, trees),
             answer.images.length > 6 && make("input", { type: "search", placeholder: "Filter images", "aria-label": "Filter images",
                                                         oninput: event => draw(event.target.value) })),
        list,
    ];
}
